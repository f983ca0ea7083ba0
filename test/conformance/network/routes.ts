import { describe, expect, test } from 'vitest';
import type { Network } from '../../../src/index.js';
import { failure } from '../places.js';
import { routesOf, type Worlds } from './worlds.js';

export function routeConformance({ start, wired }: Worlds): void {
  describe('routes', () => {
    test('adds are exclusive by destination, table and metric', async () => {
      const { network } = await wired();
      const there = { code: 'ERR_IPVS_ROUTE_EXISTS', errnoName: 'EEXIST' };
      const route = { destination: '10.9.0.0/16', via: '10.1.0.254' };
      await network.addRoute(route);
      expect(await failure(network.addRoute({ ...route, via: '10.1.0.253' }))).toEqual(there);
      await network.addRoute({ ...route, metric: 5 });
      await network.addRoute({ ...route, table: 100 });
      expect(await failure(network.addRoute({ destination: '10.1.0.0/24', interface: 'eth1' }))).toEqual(there);
      await network.addAddress({ interface: 'eth0', address: 'fd00::1/64', noDad: true });
      // Of IPv6, none is 1024.
      await network.addRoute({ destination: 'fd09::/16', via: 'fd00::9' });
      expect(await failure(network.addRoute({ destination: 'fd09::/16', via: 'fd00::8', metric: 1024 }))).toEqual(
        there,
      );
      await network.addRoute({ destination: 'fd00::/64', interface: 'eth1' });
      expect(await routesOf(network, 'main')).toEqual([
        '254 unicast 10.1.0.0/24 dev eth0 src 10.1.0.1',
        '254 unicast 10.9.0.0/16 via 10.1.0.254 dev eth0',
        '254 unicast 10.9.0.0/16 via 10.1.0.254 dev eth0 metric 5',
        '254 unicast fd00::/64 dev eth0 metric 256',
        '254 unicast fd00::/64 dev eth1 metric 1024',
        '254 unicast fd09::/16 via fd00::9 dev eth0 metric 1024',
      ]);
    });

    test('replaced: the one of the same metric, whoever made it', async () => {
      const { network } = await wired();
      await network.setRoute({ destination: 'default', via: '10.1.0.254' });
      await network.addRoute({ destination: 'default', via: '10.1.0.252', metric: 7 });
      await network.setRoute({ destination: 'default', via: '10.1.0.253', protocol: 77 });
      await network.setRoute({ destination: 'default', via: '10.1.0.253', protocol: 77 });
      await network.setRoute({ destination: '10.1.0.0/24', interface: 'eth1' });
      expect(await routesOf(network, 'main', 'ipv4')).toEqual([
        '254 unicast default via 10.1.0.253 dev eth0',
        '254 unicast default via 10.1.0.252 dev eth0 metric 7',
        '254 unicast 10.1.0.0/24 dev eth1',
      ]);
      await network.deleteRoute({ destination: 'default', via: '10.1.0.253' });
      expect(await failure(network.deleteRoute({ destination: 'default', via: '10.1.0.253' }))).toMatchObject({
        code: 'ERR_IPVS_NO_SUCH_ROUTE',
      });
    });

    test('nexthops that cannot be reached', async () => {
      const { network } = await wired();
      await network.addAddress({ interface: 'eth0', address: 'fd00::1/64', noDad: true });
      await network.addLink({ kind: 'bridge', name: 'down' });
      const refused = async (route: Parameters<Network['addRoute']>[0], errnoName: string): Promise<void> => {
        expect(await failure(network.addRoute(route)), JSON.stringify(route)).toEqual({
          code: 'ERR_IPVS_REJECTED',
          errnoName,
        });
      };
      await refused({ destination: '10.9.0.0/16', via: '172.16.0.1' }, 'ENETUNREACH');
      await refused({ destination: '10.9.0.0/16', via: '172.16.0.1', interface: 'eth0' }, 'ENETUNREACH');
      await refused({ destination: '10.9.0.0/16', interface: 'down' }, 'ENETDOWN');
      await refused({ destination: '10.9.0.0/16', via: '10.1.0.2', source: '10.9.9.9' }, 'EINVAL');
      await refused({ destination: 'fd09::/16', via: 'fd77::1' }, 'EHOSTUNREACH');
      await refused({ destination: 'fd09::/16', via: 'fd00::1' }, 'EINVAL');
      await refused({ destination: 'fd09::/16', interface: 'down' }, 'ENETDOWN');
      expect((await failure(network.addRoute({ destination: '10.9.0.0/16', interface: 'none' }))).code).toBe(
        'ERR_IPVS_NO_SUCH_INTERFACE',
      );
      await network.addRoute({ destination: '10.9.0.0/16', via: '172.16.0.1', interface: 'eth0', onlink: true });
      // The nexthop of a nexthop does not count: it has to be on the link.
      await network.addRoute({ destination: '172.31.0.0/16', via: '10.1.0.2' });
      await refused({ destination: '10.10.0.0/16', via: '172.31.0.1' }, 'ENETUNREACH');
    });

    test('several ways; one whose interface goes down is dead', async () => {
      const { network } = await wired();
      await network.addLink({ kind: 'veth', name: 'eth2', up: true, peer: { name: 'eth3', up: true } });
      await network.addAddress({ interface: 'eth2', address: '10.2.0.1/24' });
      await network.addRoute({
        destination: '10.9.0.0/16',
        nexthops: [{ via: '10.1.0.7', weight: 3 }, { via: '10.2.0.8' }],
      });
      await network.addRoute({ destination: '10.8.0.0/16', nexthops: [{ via: '10.1.0.7' }] });
      const read = async () => (await network.routes()).find(({ destination }) => destination === '10.9.0.0/16');
      expect((await read())?.nexthops).toEqual([
        { via: '10.1.0.7', interface: 'eth0', weight: 3, onlink: false, dead: false },
        { via: '10.2.0.8', interface: 'eth2', weight: 1, onlink: false, dead: false },
      ]);
      expect(await routesOf(network, 'main', 'ipv4')).toContain('254 unicast 10.8.0.0/16 via 10.1.0.7 dev eth0');
      await network.updateLink('eth2', { up: false });
      expect((await read())?.nexthops?.map(({ dead }) => dead)).toEqual([false, true]);
      await network.updateLink('eth2', { up: true });
      expect((await read())?.nexthops?.map(({ dead }) => dead)).toEqual([false, false]);
      await network.updateLink('eth2', { up: false });
      await network.updateLink('eth0', { up: false });
      expect(await read()).toBeUndefined();
    });

    test('without a carrier they are dead, and stay', async () => {
      const { network } = await wired();
      await network.addRoute({ destination: '10.9.0.0/16', via: '10.1.0.2' });
      await network.updateLink('eth1', { up: false });
      // The kernel hears of a carrier a little later.
      await expect
        .poll(() => routesOf(network, 'main', 'ipv4'))
        .toEqual([
          '254 unicast 10.1.0.0/24 dev eth0 src 10.1.0.1 dead',
          '254 unicast 10.9.0.0/16 via 10.1.0.2 dev eth0 dead',
        ]);
    });

    test('the way of a packet: the longest prefix, then the metric, in the tables of the rules', async () => {
      const { network } = await wired();
      await network.updateLink('lo', { up: true });
      await network.addAddress({ interface: 'eth0', address: 'fd00::1/64', noDad: true });
      await network.addRoute({ destination: 'default', via: '10.1.0.254' });
      await network.addRoute({ destination: 'default', via: '10.1.0.250', metric: 9 });
      await network.addRoute({ destination: '10.9.0.0/16', via: '10.1.0.253' });
      await network.addRoute({ destination: '10.9.1.0/24', type: 'unreachable' });
      await network.addRoute({ destination: '10.9.2.0/24', type: 'prohibit' });
      await network.addRoute({ destination: '10.9.3.0/24', type: 'blackhole' });
      expect(await network.routeTo('8.8.8.8')).toMatchObject({
        type: 'unicast',
        destination: '8.8.8.8/32',
        via: '10.1.0.254',
        interface: 'eth0',
        source: '10.1.0.1',
        table: 254,
      });
      expect(await network.routeTo('10.9.0.1')).toMatchObject({ via: '10.1.0.253' });
      expect(await network.routeTo('10.1.0.77')).not.toHaveProperty('via');
      expect(await network.routeTo('10.1.0.1')).toMatchObject({ type: 'local', interface: 'lo', source: '10.1.0.1' });
      expect(await network.routeTo('10.1.0.255')).toMatchObject({ type: 'broadcast', interface: 'eth0' });
      // Both tables are as one as long as nobody has changed a rule.
      expect(await network.routeTo('127.0.0.5')).toMatchObject({ type: 'local', table: 254 });
      expect(await network.routeTo('fd00::5')).toMatchObject({ interface: 'eth0', source: 'fd00::1', metric: 256 });
      // IPv6 makes it its own a little later, even without duplicate address detection.
      await expect.poll(() => network.routeTo('fd00::1')).toMatchObject({ type: 'local', interface: 'lo', table: 255 });
      const no = { code: 'ERR_IPVS_NO_SUCH_ROUTE' };
      expect(await failure(network.routeTo('10.9.1.1'))).toEqual({ ...no, errnoName: 'EHOSTUNREACH' });
      expect(await failure(network.routeTo('10.9.2.1'))).toEqual({ ...no, errnoName: 'EACCES' });
      expect(await failure(network.routeTo('10.9.3.1'))).toEqual({ ...no, errnoName: 'EINVAL' });
      expect(await failure(network.routeTo('fd99::1'))).toEqual({ ...no, errnoName: 'ENETUNREACH' });
      // Kernels differ.
      const foreign = await failure(network.routeTo('8.8.8.8', { source: '1.2.3.4' }));
      expect(foreign).toEqual({ ...no, errnoName: expect.stringMatching(/ENETUNREACH|EINVAL/) });
      expect(await network.routeTo('8.8.8.8', { source: '10.1.0.1' })).toMatchObject({ from: '10.1.0.1/32' });
      await network.addRule({ family: 'ipv4', mark: 80, table: 100 });
      await network.addRule({ family: 'ipv4', mark: 81, action: 'prohibit' });
      await network.addRule({ destination: '10.77.0.0/16', table: 101, priority: 50 });
      await network.addRoute({ destination: 'default', type: 'local', interface: 'lo', table: 100 });
      await network.addRoute({ destination: 'default', type: 'throw', table: 101 });
      expect(await network.routeTo('192.168.1.100', { mark: 80 })).toMatchObject({ type: 'local', table: 100 });
      expect(await network.routeTo('10.77.1.1')).toMatchObject({ via: '10.1.0.254' });
      expect(await failure(network.routeTo('8.8.8.8', { mark: 81 }))).toEqual({ ...no, errnoName: 'EACCES' });
      expect(await network.routeTo('127.0.0.5')).toMatchObject({ type: 'local', table: 255 });
      // A rule that passes over the default route.
      await network.addRule({ family: 'ipv4', mark: 82, table: 'main', suppressPrefixLength: 0, priority: 40 });
      await network.addRule({ family: 'ipv4', mark: 82, action: 'unreachable', priority: 41 });
      expect(await network.routeTo('10.9.0.1', { mark: 82 })).toMatchObject({ via: '10.1.0.253' });
      expect(await failure(network.routeTo('8.8.8.8', { mark: 82 }))).toEqual({ ...no, errnoName: 'ENETUNREACH' });
    });

    test('a packet that is forwarded', async () => {
      const { network } = await wired();
      // A machine that routes passes its setting on to new namespaces.
      await network.setSysctl('net.ipv4.ip_forward', 0);
      await network.addRoute({ destination: '10.9.0.0/16', via: '10.1.0.2' });
      const from = { source: '10.1.0.9', inputInterface: 'eth0' };
      expect(await failure(network.routeTo('10.9.0.1', from))).toEqual({
        code: 'ERR_IPVS_NO_SUCH_ROUTE',
        errnoName: 'EHOSTUNREACH',
      });
      await network.setSysctl('net.ipv4.ip_forward', 1);
      expect(await network.routeTo('10.9.0.1', from)).toMatchObject({ via: '10.1.0.2', interface: 'eth0' });
      expect(await network.routeTo('10.1.0.1', from)).toMatchObject({ type: 'local' });
    });

    test('of types that lead nowhere', async () => {
      const { network } = await start();
      await network.addRoute({ destination: '10.7.0.0/16', type: 'blackhole', metric: 3 });
      await network.addRoute({ destination: 'fd07::/16', type: 'blackhole', table: 70_000 });
      expect(await routesOf(network)).toEqual(
        expect.arrayContaining(['254 blackhole 10.7.0.0/16 metric 3', '70000 blackhole fd07::/16 dev lo metric 1024']),
      );
      await network.deleteRoute({ destination: '10.7.0.0/16', type: 'blackhole', metric: 3 });
      await network.deleteRoute({ destination: 'fd07::/16', type: 'blackhole', table: 70_000 });
      expect(await routesOf(network)).toEqual([]);
    });
  });
}
