import { describe, expect, test } from 'vitest';
import { until } from '../../until.js';
import { failure } from '../places.js';
import { addressesOf, routesOf, type Worlds } from './worlds.js';

export function addressConformance({ start, wired }: Worlds): void {
  describe('addresses', () => {
    test('an address brings its routes, of its interface when that is up', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth1', up: true } });
      await network.addAddress({ interface: 'eth0', address: '10.1.0.1/24' });
      await network.addAddress({ interface: 'eth0', address: '10.1.0.2/24' });
      await network.addAddress({ interface: 'eth0', address: '10.5.0.1/32' });
      await network.addAddress({ interface: 'eth0', address: 'fd00::1/64', noDad: true });
      const own = [
        '255 local 10.1.0.1/32 dev eth0 src 10.1.0.1',
        '255 local 10.1.0.2/32 dev eth0 src 10.1.0.1',
        '255 local 10.5.0.1/32 dev eth0 src 10.5.0.1',
      ];
      // The kernel adds the route of an IPv6 address a moment later (addrconf_dad_work).
      const all = [...own, '255 local fd00::1/128 dev eth0'];
      await until(
        () => routesOf(network),
        (routes) => routes.length === all.length,
      );
      expect(await routesOf(network)).toEqual(all);
      await network.updateLink('eth0', { up: true });
      expect(await routesOf(network, 'main')).toEqual([
        '254 unicast 10.1.0.0/24 dev eth0 src 10.1.0.1',
        '254 unicast fd00::/64 dev eth0 metric 256',
      ]);
      expect(await routesOf(network, 255, 'ipv4')).toEqual([
        ...own.slice(0, 2),
        '255 broadcast 10.1.0.255/32 dev eth0 src 10.1.0.1',
        ...own.slice(2),
      ]);
      // Down: IPv6 forgets it all, IPv4 all but what is its own.
      await network.updateLink('eth0', { up: false });
      expect(await routesOf(network)).toEqual(own);
      expect(await addressesOf(network)).toEqual(['eth0 10.1.0.1/24', 'eth0 10.5.0.1/32', 'eth0 10.1.0.2/24']);
      await network.updateLink('eth0', { up: true });
      expect(await routesOf(network, 'main')).toEqual(['254 unicast 10.1.0.0/24 dev eth0 src 10.1.0.1']);
    });

    test('of one network the first is primary, and the others go with it', async () => {
      const { network } = await wired();
      await network.addAddress({ interface: 'eth0', address: '10.1.0.2/24' });
      await network.addAddress({ interface: 'eth0', address: '10.1.0.3/25' });
      const all = await network.addresses({ interface: 'eth0', family: 'ipv4' });
      expect(all.map(({ address, secondary }) => [address, secondary])).toEqual([
        ['10.1.0.1/24', false],
        ['10.1.0.3/25', false],
        ['10.1.0.2/24', true],
      ]);
      const primary = { interface: 'eth0', address: '10.1.0.1/24' };
      expect((await failure(network.deleteAddress(primary))).code).toBe('ERR_IPVS_AMBIGUOUS');
      await network.setSysctl({ family: 'ipv4', interface: 'eth0', name: 'promote_secondaries' }, 1);
      await network.deleteAddress(primary);
      const left = await network.addresses({ interface: 'eth0', family: 'ipv4' });
      expect(left.map(({ address, secondary }) => [address, secondary])).toEqual([
        ['10.1.0.3/25', false],
        ['10.1.0.2/24', false],
      ]);
    });

    test('twice, on another interface, with another prefix', async () => {
      const { network } = await wired();
      const there = { code: 'ERR_IPVS_ADDRESS_EXISTS', errnoName: 'EEXIST' };
      expect(await failure(network.addAddress({ interface: 'eth0', address: '10.1.0.1/24' }))).toEqual(there);
      await network.addAddress({ interface: 'eth0', address: '10.1.0.1/32' });
      await network.addAddress({ interface: 'eth1', address: '10.1.0.1/24' });
      await network.addAddress({ interface: 'eth0', address: 'fd00::1/64', noDad: true });
      expect(await failure(network.addAddress({ interface: 'eth0', address: 'fd00::1/128' }))).toEqual(there);
      const refused = { code: 'ERR_IPVS_REJECTED', errnoName: 'EADDRNOTAVAIL' };
      expect(await failure(network.addAddress({ interface: 'eth0', address: '::1/128' }))).toEqual(refused);
      const missing = { code: 'ERR_IPVS_NO_SUCH_ADDRESS', errnoName: 'EADDRNOTAVAIL' };
      for (const address of ['10.1.0.9/24', '10.1.0.1/25', 'fd00::2/64', 'fd00::1/65'])
        expect(await failure(network.deleteAddress({ interface: 'eth0', address }))).toEqual(missing);
      expect((await failure(network.addAddress({ interface: 'none', address: '10.1.0.1/24' }))).code).toBe(
        'ERR_IPVS_NO_SUCH_INTERFACE',
      );
      // The route to this host stays as long as the address is anywhere on the interface.
      await network.deleteAddress({ interface: 'eth0', address: '10.1.0.1/32' });
      expect(await routesOf(network, 255, 'ipv4')).toContain('255 local 10.1.0.1/32 dev eth0 src 10.1.0.1');
    });

    test('where IPv6 is off', async () => {
      const { network } = await wired();
      await network.addAddress({ interface: 'eth0', address: 'fd00::1/64', noDad: true });
      await network.setSysctl({ family: 'ipv6', interface: 'eth0', name: 'disable_ipv6' }, 1);
      expect(await network.addresses({ interface: 'eth0', family: 'ipv6' })).toEqual([]);
      expect(await failure(network.addAddress({ interface: 'eth0', address: 'fd00::1/64' }))).toEqual({
        code: 'ERR_IPVS_REJECTED',
        errnoName: 'EACCES',
      });
    });

    test('with its last address an interface loses its routes; a source that is gone takes its own along', async () => {
      const { network } = await wired();
      await network.addAddress({ interface: 'eth1', address: '10.9.0.1/32' });
      await network.addRoute({ destination: '10.20.0.0/16', via: '10.1.0.2' });
      await network.addRoute({ destination: '10.21.0.0/16', interface: 'eth0', table: 100 });
      await network.addRoute({ destination: '10.22.0.0/16', interface: 'eth0', source: '10.9.0.1' });
      await network.deleteAddress({ interface: 'eth1', address: '10.9.0.1/32' });
      expect(await routesOf(network, 'main', 'ipv4')).toEqual([
        '254 unicast 10.1.0.0/24 dev eth0 src 10.1.0.1',
        '254 unicast 10.20.0.0/16 via 10.1.0.2 dev eth0',
      ]);
      await network.deleteAddress({ interface: 'eth0', address: '10.1.0.1/24' });
      expect(await network.routes({ table: 'all', family: 'ipv4' })).toEqual([]);
    });
  });
}
