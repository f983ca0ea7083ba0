import { describe, expect, test } from 'vitest';
import { failure } from '../places.js';
import type { Worlds } from './worlds.js';

export function neighbourConformance({ start, wired }: Worlds): void {
  describe('neighbours and forwarding entries', () => {
    test('neighbours are set, changed and deleted; proxies apart', async () => {
      const { network } = await wired();
      const neighbour = { interface: 'eth0', address: '10.1.0.50' };
      await network.setNeighbour({ ...neighbour, linkAddress: '02:00:00:00:00:01' });
      await network.setNeighbour({ ...neighbour, linkAddress: '02:00:00:00:00:02' });
      await network.setNeighbour({ ...neighbour, proxy: true });
      expect(await network.neighbours({ interface: 'eth0', family: 'ipv4' })).toEqual([
        {
          ...neighbour,
          family: 'ipv4',
          linkAddress: '02:00:00:00:00:02',
          state: 'permanent',
          proxy: false,
          router: false,
          externallyLearned: false,
        },
      ]);
      expect(await network.neighbours({ proxy: true })).toMatchObject([{ address: '10.1.0.50', proxy: true }]);
      const missing = { code: 'ERR_IPVS_NO_SUCH_NEIGHBOUR', errnoName: 'ENOENT' };
      expect(await failure(network.deleteNeighbour({ interface: 'eth0', address: '10.1.0.51' }))).toEqual(missing);
      await network.deleteNeighbour({ ...neighbour, proxy: true });
      await network.deleteNeighbour(neighbour);
      expect(await failure(network.deleteNeighbour(neighbour))).toEqual(missing);
      // All of an interface go when it goes down.
      await network.setNeighbour({ ...neighbour, linkAddress: '02:00:00:00:00:01' });
      await network.updateLink('eth0', { up: false });
      expect(await network.neighbours({ interface: 'eth0', family: 'ipv4' })).toEqual([]);
    });

    test('forwarding entries of a vxlan', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'vxlan', name: 'vx', id: 4, local: '10.1.0.1', remote: '10.1.0.9' });
      const read = async () =>
        (await network.forwardingEntries({ interface: 'vx' })).map((each) => `${each.linkAddress} ${each.destination}`);
      const zeros = { interface: 'vx', linkAddress: '00:00:00:00:00:00' };
      expect(await read()).toEqual(['00:00:00:00:00:00 10.1.0.9']);
      const entry = { interface: 'vx', linkAddress: '02:00:00:00:00:01', destination: '10.1.0.2' };
      await network.addForwardingEntry({ ...entry, port: 4789, vni: 4 });
      const [own] = (await network.forwardingEntries()).filter(({ linkAddress }) => linkAddress === entry.linkAddress);
      expect(own).toEqual({ ...entry, state: 'permanent', self: true, master: false, externallyLearned: false });
      const there = { code: 'ERR_IPVS_FORWARDING_ENTRY_EXISTS', errnoName: 'EEXIST' };
      expect(await failure(network.addForwardingEntry({ ...entry, destination: '10.1.0.3' }))).toEqual(there);
      await network.addForwardingEntry({ ...zeros, destination: '10.1.0.2', append: true });
      await network.addForwardingEntry({ ...zeros, destination: '10.1.0.2', append: true });
      expect((await read()).toSorted()).toEqual([
        '00:00:00:00:00:00 10.1.0.2',
        '00:00:00:00:00:00 10.1.0.9',
        '02:00:00:00:00:01 10.1.0.2',
      ]);
      const other = { interface: 'vx', linkAddress: '02:00:00:00:00:77' };
      expect((await failure(network.addForwardingEntry(other))).errnoName).toBe('EINVAL');
      expect((await failure(network.addForwardingEntry({ ...other, destination: 'fd00::5' }))).errnoName).toBe(
        'EAFNOSUPPORT',
      );
      await network.deleteForwardingEntry({ ...zeros, destination: '10.1.0.9' });
      await network.deleteForwardingEntry(entry);
      expect((await failure(network.deleteForwardingEntry(entry))).code).toBe('ERR_IPVS_NO_SUCH_FORWARDING_ENTRY');
      expect(await read()).toEqual(['00:00:00:00:00:00 10.1.0.2']);
      await network.deleteLink('vx');
      expect((await network.forwardingEntries()).map((each) => each.interface)).not.toContain('vx');
    });

    test('forwarding entries of a bridge', async () => {
      const { network } = await start();
      await network.addLink({ kind: 'bridge', name: 'br0' });
      await network.addLink({ kind: 'veth', name: 'p0', master: 'br0', peer: { name: 'q0' } });
      const entry = { interface: 'p0', linkAddress: '02:42:0a:00:00:99', master: true };
      await network.addForwardingEntry(entry);
      const read = async () =>
        (await network.forwardingEntries({ interface: 'p0' }))
          // A bridge that knows VLANs has each entry in its default VLAN, too.
          .filter(({ master, vlan }) => master && vlan === undefined)
          .toSorted((a, b) => (a.state < b.state ? -1 : 1));
      expect(await read()).toEqual([
        {
          interface: 'p0',
          linkAddress: (await network.link('p0')).address,
          state: 'permanent',
          self: false,
          master: true,
          bridge: 'br0',
          externallyLearned: false,
        },
        { ...entry, state: 'static', self: false, bridge: 'br0', externallyLearned: false },
      ]);
      expect((await failure(network.addForwardingEntry(entry))).errnoName).toBe('EEXIST');
      expect(await failure(network.addForwardingEntry({ ...entry, interface: 'q0' }))).toEqual({
        code: 'ERR_IPVS_REJECTED',
        errnoName: 'EOPNOTSUPP',
      });
      expect((await failure(network.addForwardingEntry({ ...entry, vlan: 3 }))).errnoName).toBe('EINVAL');
      await network.deleteForwardingEntry(entry);
      await network.updateLink('p0', { master: null });
      expect(await read()).toEqual([]);
    });
  });
}
