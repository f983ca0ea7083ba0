import { describe, expect, test } from 'vitest';
import type { Network } from '../../../src/index.js';
import { until, untilPasses } from '../../until.js';
import { failure } from '../places.js';
import { addressesOf, routesOf, type Worlds } from './worlds.js';

/** Kinds of which a new namespace has one for each module that is loaded (net.core.fb_tunnels_only_for_init_net). */
const fallbacks = ['ipip', 'gre', 'gretap', 'erspan', 'sit', 'ip6tnl', 'ip6gre', 'vti', 'vti6'];

/** Waits for it: the kernel works out carriers and states of operation later, in a work queue (linkwatch). */
const becomes = (network: Network, name: string, state: object) =>
  untilPasses(async () => expect(await network.link(name)).toMatchObject(state));

export function linkConformance({ start, wired, has }: Worlds): void {
  describe('links', () => {
    test('a new namespace has lo, which is down, and rules', async () => {
      const { network } = await start();
      expect((await network.links()).filter(({ kind }) => !fallbacks.includes(kind ?? ''))).toEqual([
        {
          index: 1,
          name: 'lo',
          alternativeNames: [],
          kind: 'loopback',
          up: false,
          running: false,
          operationalState: 'down',
          mtu: 65536,
          address: '00:00:00:00:00:00',
        },
      ]);
      expect(await addressesOf(network)).toEqual([]);
      expect(await routesOf(network)).toEqual([]);
      const rules = await network.rules();
      expect(rules.map(({ family, priority, table }) => `${family} ${priority} ${table}`)).toEqual([
        'ipv4 0 255',
        'ipv4 32766 254',
        'ipv4 32767 253',
        'ipv6 0 255',
        'ipv6 32766 254',
      ]);
    });

    test('lo that comes up has its addresses and their routes', async () => {
      const { network } = await start();
      await network.updateLink('lo', { up: true });
      expect(await network.link('lo')).toMatchObject({ up: true, running: true, operationalState: 'unknown' });
      expect(await network.addresses()).toMatchObject([
        { interface: 'lo', address: '127.0.0.1/8', scope: 'host', label: 'lo', secondary: false },
        { interface: 'lo', address: '::1/128', scope: 'host' },
      ]);
      expect(await routesOf(network)).toEqual([
        '255 local 127.0.0.0/8 dev lo src 127.0.0.1',
        '255 local 127.0.0.1/32 dev lo src 127.0.0.1',
        '255 broadcast 127.255.255.255/32 dev lo src 127.0.0.1',
        '255 local ::1/128 dev lo',
      ]);
    });

    test('lo with an address before it comes up gets its own before that', async () => {
      const { network } = await start();
      await network.addAddress({ interface: 'lo', address: '192.168.1.100/32' });
      await network.updateLink('lo', { up: true });
      expect(await addressesOf(network)).toEqual(['lo 127.0.0.1/8', 'lo 192.168.1.100/32', 'lo ::1/128']);
    });

    test('veth: its carrier is that of the other end', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'veth', name: 'eth0', up: true, mtu: 1400, peer: { name: 'eth1' } });
      await becomes(network, 'eth0', {
        kind: 'veth',
        mtu: 1400,
        up: true,
        running: false,
        operationalState: 'lower-layer-down',
        data: { kind: 'veth', peer: 'eth1' },
      });
      await becomes(network, 'eth1', { up: false, operationalState: 'down', mtu: 1500 });
      await network.updateLink('eth1', { up: true });
      await becomes(network, 'eth0', { running: true, operationalState: 'up' });
      await network.deleteLink('eth1');
      expect(await failure(network.link('eth0'))).toEqual({
        code: 'ERR_IPVS_NO_SUCH_INTERFACE',
        errnoName: 'ENODEV',
      });
    });

    test('veth into another namespace: goes there, and goes with either end', async () => {
      const here = await start();
      const there = await here.other();
      const peer = { name: 'far', namespace: there.namespace, up: true };
      await here.network.addLink({ kind: 'veth', name: 'near', up: true, peer });
      await becomes(there.network, 'far', { up: true, running: true });
      const far = await there.network.link('far');
      const near = await here.network.link('near');
      expect(near.data).toEqual({ kind: 'veth', peerIndex: far.index, peerNamespaceId: expect.any(Number) });
      await there.network.deleteLink('far');
      expect((await failure(here.network.link('near'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
    });

    test('a name is given once; of a veth, both', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'bridge', name: 'br0' });
      const taken = { code: 'ERR_IPVS_LINK_EXISTS', errnoName: 'EEXIST' };
      expect(await failure(network.addLink({ kind: 'bridge', name: 'br0' }))).toEqual(taken);
      expect(await failure(network.addLink({ kind: 'veth', name: 'v0', peer: { name: 'br0' } }))).toEqual(taken);
      expect(await failure(network.addLink({ kind: 'veth', name: 'br0', peer: { name: 'v1' } }))).toEqual(taken);
      expect((await network.links()).map(({ name }) => name)).not.toContain('v0');
      expect((await network.links()).map(({ name }) => name)).not.toContain('v1');
      await network.addLink({ kind: 'bridge', name: 'br1' });
      expect(await failure(network.updateLink('br1', { name: 'br0' }))).toEqual(taken);
    });

    test('what cannot be is refused, and leaves nothing behind', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'bridge', name: 'br0' });
      await network.addLink({ kind: 'bridge', name: 'br1' });
      await network.addLink({ kind: 'veth', name: 'v0', peer: { name: 'v1' } });
      const refused = async (work: Promise<unknown>, errnoName: string): Promise<void> =>
        expect(await failure(work)).toEqual({ code: 'ERR_IPVS_REJECTED', errnoName });
      await refused(network.addLink({ kind: 'bridge', name: 'bad', mtu: 10 }), 'EINVAL');
      await refused(network.updateLink('v0', { mtu: 67 }), 'EINVAL');
      await refused(network.updateLink('v0', { mtu: 65_536 }), 'EINVAL');
      await refused(network.updateLink('v0', { address: '01:00:00:00:00:01' }), 'EADDRNOTAVAIL');
      await refused(network.addLink({ kind: 'bridge', name: 'bad', address: '00:00:00:00:00:00' }), 'EADDRNOTAVAIL');
      await refused(network.updateLink('br1', { master: 'br0' }), 'ELOOP');
      await refused(network.updateLink('br0', { master: 'br0' }), 'ELOOP');
      await refused(network.updateLink('lo', { master: 'br0' }), 'EINVAL');
      await refused(network.deleteLink('lo'), 'EOPNOTSUPP');
      expect((await network.links()).map(({ name }) => name)).not.toContain('bad');
      const missing = { code: 'ERR_IPVS_NO_SUCH_INTERFACE', errnoName: 'ENODEV' };
      expect(await failure(network.updateLink('none', { up: true }))).toEqual(missing);
      expect(await failure(network.deleteLink('none'))).toEqual(missing);
      expect(await failure(network.updateLink('v0', { master: 'none' }))).toEqual(missing);
      expect(await failure(network.addLink({ kind: 'bridge', name: 'bad', master: 'none' }))).toEqual(missing);
      const nowhere = { code: 'ERR_IPVS_NO_SUCH_NAMESPACE', errnoName: 'ENOENT' };
      expect(await failure(network.updateLink('v0', { namespace: 'there-is-none' }))).toEqual(nowhere);
      const peer = { name: 'x', namespace: 'there-is-none' };
      expect(await failure(network.addLink({ kind: 'veth', name: 'bad', peer }))).toEqual(nowhere);
    });

    test('bridge: ports come, change their bridge and go', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'bridge', name: 'br0', up: true, stp: true, multicastSnooping: false });
      await network.addLink({ kind: 'bridge', name: 'br1' });
      expect((await network.link('br0')).data).toEqual({
        kind: 'bridge',
        stp: true,
        vlanFiltering: false,
        multicastSnooping: false,
      });
      await network.addLink({ kind: 'veth', name: 'p0', master: 'br0', up: true, peer: { name: 'q0', up: true } });
      await becomes(network, 'p0', { master: 'br0', operationalState: 'up' });
      expect((await network.link('br0')).address).toBe((await network.link('p0')).address);
      await network.updateLink('p0', { master: 'br1' });
      expect(await network.link('p0')).toMatchObject({ master: 'br1' });
      await becomes(network, 'br0', { running: false, operationalState: 'down' });
      await network.updateLink('p0', { master: null });
      expect(await network.link('p0')).not.toHaveProperty('master');
      await network.updateLink('p0', { master: 'br1' });
      await network.deleteLink('br1');
      expect(await network.link('p0')).not.toHaveProperty('master');
    });

    test('vxlan: one of a number and port', async () => {
      const { network } = await wired();
      const vxlan = { kind: 'vxlan', id: 7, local: '10.1.0.1', device: 'eth0', learning: false } as const;
      await network.addLink({ ...vxlan, name: 'vx0', remote: '10.1.0.2' });
      expect(await network.link('vx0')).toMatchObject({
        kind: 'vxlan',
        mtu: 1450,
        data: { id: 7, port: 4789, local: '10.1.0.1', remote: '10.1.0.2', device: 'eth0', learning: false },
      });
      expect(await failure(network.addLink({ ...vxlan, name: 'vx1' }))).toEqual({
        code: 'ERR_IPVS_LINK_EXISTS',
        errnoName: 'EEXIST',
      });
      await network.addLink({ ...vxlan, name: 'vx1', port: 4790 });
      const off = { proxy: false, l2miss: false, l3miss: false };
      expect((await network.link('vx1')).data).toMatchObject(off);
      for (const name of ['proxy', 'l2miss', 'l3miss']) {
        await network.addLink({ ...vxlan, name, id: 20 + name.length, port: 4791 + name.charCodeAt(1), [name]: true });
        expect((await network.link(name)).data).toMatchObject({ ...off, [name]: true });
      }
      const group = { kind: 'vxlan', name: 'vx2', id: 8, remote: '239.1.1.1' } as const;
      expect((await failure(network.addLink(group))).code).toBe('ERR_IPVS_REJECTED');
      // It goes with the interface that its packets leave by.
      await network.deleteLink('eth0');
      expect((await network.links()).map(({ kind }) => kind)).not.toContain('vxlan');
    });

    test('renamed and moved: it keeps its settings, and loses what it is used for', async () => {
      const here = await wired();
      const there = await here.other();
      const { network } = here;
      await network.updateLink('eth0', { up: false }); // Linux before 6.2 renames no interface that is up
      await network.updateLink('eth0', { name: 'wan', mtu: 1400 });
      await network.updateLink('wan', { up: true });
      expect((await failure(network.link('eth0'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
      expect(await addressesOf(network)).toEqual(['wan 10.1.0.1/24']);
      await network.updateLink('wan', { namespace: there.namespace, name: 'lan' });
      expect(await there.network.link('lan')).toMatchObject({ mtu: 1400, up: false });
      expect(await there.network.addresses({ interface: 'lan' })).toEqual([]);
      expect(await routesOf(network)).toEqual([]);
      await there.network.addLink({ kind: 'bridge', name: 'eth1' });
      expect((await failure(network.updateLink('eth1', { namespace: there.namespace }))).code).toBe(
        'ERR_IPVS_LINK_EXISTS',
      );
      const bound = { code: 'ERR_IPVS_REJECTED', errnoName: 'EINVAL' };
      expect(await failure(network.updateLink('lo', { namespace: there.namespace }))).toEqual(bound);
      expect(await failure(there.network.updateLink('eth1', { namespace: here.namespace }))).toEqual(bound);
    });

    test.skipIf(!has('dummy'))('dummy', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'dummy', name: 'dum', up: true });
      await becomes(network, 'dum', { kind: 'dummy', running: true, operationalState: 'unknown' });
    });

    test.skipIf(!has('ipip'))('ipip: one between the same ends', async () => {
      const { network } = await start();
      const tunnel = { kind: 'ipip', local: '10.0.0.1', remote: '10.0.0.2', ttl: 64 } as const;
      await network.addLink({ ...tunnel, name: 'tun0' });
      expect(await network.link('tun0')).toMatchObject({ mtu: 1480, data: { ...tunnel, external: false } });
      expect((await failure(network.addLink({ ...tunnel, name: 'tun1' }))).code).toBe('ERR_IPVS_LINK_EXISTS');
      expect((await failure(network.addLink({ kind: 'ipip', name: 'any' }))).code).toBe('ERR_IPVS_LINK_EXISTS');
    });

    test.skipIf(!has('gre'))('gre with a key', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'gre', name: 'g', local: '10.0.0.1', remote: '10.0.0.2', key: 77 });
      expect((await network.link('g')).data).toMatchObject({ kind: 'gre', key: 77, external: false });
    });

    test.skipIf(!has('macvlan'))('macvlan goes with its parent', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'veth', name: 'base', peer: { name: 'esab' } });
      await network.addLink({ kind: 'macvlan', name: 'mac', parent: 'base', mode: 'private' });
      expect(await network.link('mac')).toMatchObject({ parent: 'base', data: { kind: 'macvlan', mode: 'private' } });
      await network.updateLink('mac', { up: true });
      const without = { up: true, running: false, operationalState: 'lower-layer-down' };
      await becomes(network, 'mac', without);
      for (const end of ['base', 'esab']) await network.updateLink(end, { up: true });
      await until(async () => (await network.link('mac')).running);
      await network.deleteLink('base');
      expect((await failure(network.link('mac'))).code).toBe('ERR_IPVS_NO_SUCH_INTERFACE');
    });
  });
}
