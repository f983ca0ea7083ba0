import { describe, expect, test } from 'vitest';
import { failure } from '../places.js';
import { addressesOf, heard, routesOf, type Worlds } from './worlds.js';

export function eventConformance({ start, wired, has }: Worlds): void {
  describe('many changes, events, handles', () => {
    test('what is refused stops nothing behind it', async () => {
      const { network } = await start();
      const results = await network.apply([
        { change: 'add-link', link: { kind: 'veth', name: 'left', peer: { name: 'right', up: true }, up: true } },
        { change: 'add-link', link: { kind: 'bridge', name: 'left' } },
        { change: 'add-address', address: { interface: 'left', address: '10.1.1.1/24' } },
        { change: 'add-address', address: { interface: 'nothing', address: '10.1.1.1/24' } },
        { change: 'add-route', route: { destination: '10.2.0.0/16', via: '10.1.1.2' } },
        { change: 'add-route', route: { destination: '10.2.0.0/16', via: '10.1.1.3' } },
        { change: 'add-rule', rule: { family: 'ipv4', mark: 1, table: 100, priority: 9 } },
        { change: 'delete-link', name: 'right' },
        { change: 'delete-route', route: { destination: '10.2.0.0/16', via: '10.1.1.2' } },
      ]);
      expect(results.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
        'ok',
        'ERR_IPVS_LINK_EXISTS',
        'ok',
        'ERR_IPVS_NO_SUCH_INTERFACE',
        'ok',
        'ERR_IPVS_ROUTE_EXISTS',
        'ok',
        'ok',
        'ERR_IPVS_NO_SUCH_ROUTE',
      ]);
    });

    test('a link takes all that is on it along', async () => {
      const { network } = await wired();
      await network.addAddress({ interface: 'eth0', address: 'fd00::1/64', noDad: true });
      await network.addRoute({ destination: '10.9.0.0/16', via: '10.1.0.2' });
      await network.addRoute({ destination: '10.8.0.0/16', type: 'local', interface: 'eth0', table: 100 });
      await network.addRoute({ destination: 'fd09::/16', via: 'fd00::9' });
      await network.setNeighbour({ interface: 'eth0', address: '10.1.0.5', linkAddress: '02:00:00:00:00:01' });
      await network.deleteLink('eth0');
      expect(await addressesOf(network)).toEqual([]);
      expect(await routesOf(network)).toEqual([]);
      expect(await network.neighbours()).toEqual([]);
    });

    test('events, in order', async () => {
      const { network } = await start();
      const watch = await network.watch();
      await network.addLink({ kind: 'veth', name: 'v0', peer: { name: 'v1' } });
      await network.updateLink('v0', { up: true });
      await network.addAddress({ interface: 'v0', address: '10.1.1.1/24' });
      await network.addRoute({ destination: '10.2.0.0/16', via: '10.1.1.2', table: 100 });
      await network.setRoute({ destination: '10.2.0.0/16', via: '10.1.1.3', table: 100 });
      await network.addRule({ family: 'ipv4', mark: 1, table: 100, priority: 99 });
      await network.setNeighbour({ interface: 'v0', address: '10.1.1.2', linkAddress: '02:00:00:00:00:01' });
      await network.deleteNeighbour({ interface: 'v0', address: '10.1.1.2' });
      await network.deleteRule({ family: 'ipv4', mark: 1, table: 100, priority: 99 });
      await network.deleteAddress({ interface: 'v0', address: '10.1.1.1/24' });
      await network.deleteLink('v0');
      const seen = await heard(watch, 'link-removed v0');
      // How often an interface changes is the kernel's own business.
      expect(seen.filter((text) => !text.startsWith('link-changed') && !/ (33:33|01:00|02:00)/.test(text))).toEqual([
        'link-added v1',
        'link-added v0',
        'address-added v0 10.1.1.1/24',
        'route-added 255 10.1.1.1/32',
        'route-added 254 10.1.1.0/24',
        'route-added 255 10.1.1.255/32',
        'route-added 100 10.2.0.0/16',
        'route-changed 100 10.2.0.0/16',
        'rule-added 99',
        'neighbour-changed 10.1.1.2',
        'neighbour-changed 10.1.1.2',
        'neighbour-removed 10.1.1.2',
        'rule-removed 99',
        'address-removed v0 10.1.1.1/24',
        'route-removed 254 10.1.1.0/24',
        'route-removed 255 10.1.1.255/32',
        'route-removed 255 10.1.1.1/32',
        'link-removed v0',
      ]);
      expect(seen).toContain('link-changed v0');
    });

    test('only of these types, and an end that is asked for', async () => {
      const { network } = await start();
      const watch = await network.watch({ types: ['rule-added'] });
      await network.addLink({ kind: 'bridge', name: 'br0' });
      await network.addRule({ family: 'ipv4', mark: 1, table: 100, priority: 99 });
      expect(await heard(watch, 'rule-added 99')).toEqual(['rule-added 99']);
      const closed = await network.watch();
      setTimeout(() => closed.close(), 20);
      expect(await heard(closed, 'never')).toEqual([]);
      const abort = new AbortController();
      const aborted = await network.watch({ signal: abort.signal });
      setTimeout(() => abort.abort(), 20);
      await expect(heard(aborted, 'never')).rejects.toMatchObject({ name: 'AbortError' });
    });

    test('announcements', async () => {
      const { network } = await wired();
      await network.announce({ interface: 'eth0', address: '10.1.0.100' });
      await network.addLink({ kind: 'bridge', name: 'down' });
      expect(await failure(network.announce({ interface: 'down', address: '10.1.0.1' }))).toEqual({
        code: 'ERR_IPVS_REJECTED',
        errnoName: 'ENETDOWN',
      });
      expect((await failure(network.announce({ interface: 'lo', address: '10.1.0.1' }))).code).toBe(
        'ERR_IPVS_REJECTED',
      );
      expect((await failure(network.announce({ interface: 'none', address: '10.1.0.1' }))).code).toBe(
        'ERR_IPVS_NO_SUCH_INTERFACE',
      );
    });

    test.skipIf(!has('fou'))('UDP tunnels', async () => {
      const { network } = await start();
      await network.addUdpTunnel({ type: 'fou', port: 5555, protocol: 4 });
      await network.addUdpTunnel({ type: 'gue', port: 5556 });
      expect((await failure(network.addUdpTunnel({ type: 'gue', port: 5555 }))).code).toBe(
        'ERR_IPVS_UDP_TUNNEL_EXISTS',
      );
      expect((await network.udpTunnels()).toSorted((a, b) => a.port - b.port)).toEqual([
        { type: 'fou', port: 5555, family: 'ipv4', protocol: 4 },
        { type: 'gue', port: 5556, family: 'ipv4' },
      ]);
      await network.deleteUdpTunnel({ port: 5555 });
      expect((await failure(network.deleteUdpTunnel({ port: 5555 }))).code).toBe('ERR_IPVS_NO_SUCH_UDP_TUNNEL');
    });

    test('a handle that is closed', async () => {
      const { network } = await start();
      const watch = await network.watch();
      const waiting = failure(heard(watch, 'never')); // it may fail before close() ends
      await network.close();
      expect((await waiting).code).toBe('ERR_IPVS_CLOSED');
      expect((await failure(network.links())).code).toBe('ERR_IPVS_CLOSED');
      expect((await failure(network.updateLink('lo', { up: true }))).code).toBe('ERR_IPVS_CLOSED');
    });
  });
}
