import { describe, expect, test } from 'vitest';
import { Errno } from '../../../src/common/errno.js';
import { chainText } from '../../../src/kernel/netfilter/names.js';
import type { NftTableChange } from '../../../src/kernel/netfilter/types.js';
import { chain, element, ip, ipPort, masquerade, natChain, refusal, type Start, sources, table } from './worlds.js';

export function batchConformance(start: Start): void {
  describe('batches', () => {
    test('a table, and what is in it', async () => {
      const port = await (await start()).port();
      const generation = await port.generation();
      expect(await port.read('one', { elements: true })).toBeUndefined();
      await port.commit('one', [
        table,
        { change: 'add-map', map: ip },
        { change: 'add-element', map: ip, element },
        { change: 'add-chain', chain },
        { change: 'add-rule', chain, rule: { lookup: 'ip' } },
        { change: 'add-chain', chain: natChain },
        masquerade('10.1.0.0/16'),
      ]);
      const entry = await port.read('one', { elements: true });
      expect(entry).toMatchObject({ comment: 'somebody', generation: generation + 1, others: [] });
      expect(entry?.maps).toEqual([
        { name: ip, intact: true, elements: [{ ...element, counter: { packets: 0n, bytes: 0n } }] },
      ]);
      expect(entry?.chains.map(({ name, intact }) => [chainText(name), intact])).toEqual([
        ['mark_prerouting', true],
        ['nat_postrouting', true],
      ]);
      const [asked, nat] = entry?.chains ?? [];
      expect(asked?.rules).toMatchObject([{ rule: { lookup: 'ip' } }]);
      expect(nat?.rules).toMatchObject([{ rule: masquerade('10.1.0.0/16').rule, counter: { packets: 0n, bytes: 0n } }]);
      // Chains, maps and rules are numbered in one series.
      expect([asked, nat].map((each) => each?.rules[0]?.handle)).toEqual([3n, 5n]);
      const [map] = (await port.read('one'))?.maps ?? [];
      expect(map).toEqual({ name: ip, intact: true });
    });

    test('all or nothing: the first change that is refused is named', async () => {
      const port = await (await start()).port();
      await port.commit('one', [table, { change: 'add-map', map: ip }, { change: 'add-element', map: ip, element }]);
      const before = await port.read('one', { elements: true });
      const other = { address: '10.0.0.2', mark: 1 };
      expect(
        await refusal(
          port.commit('one', [
            { change: 'add-map', map: ipPort },
            { change: 'add-element', map: ip, element: other },
            { change: 'delete-element', map: ip, key: { address: '10.0.0.1' } },
            { change: 'delete-element', map: ip, key: { address: '10.9.9.9' } },
            { change: 'add-map', map: ipPort },
          ]),
        ),
      ).toEqual([3, Errno.ENOENT]);
      expect(await port.read('one', { elements: true })).toEqual(before);
    });

    test('what is there, and what is not', async () => {
      const port = await (await start()).port();
      const refused = async (change: NftTableChange, errno: number): Promise<void> =>
        expect(await refusal(port.commit('one', [change])), change.change).toEqual([0, errno]);
      await refused({ change: 'delete-table' }, Errno.ENOENT);
      await refused({ change: 'add-chain', chain }, Errno.ENOENT);
      await refused({ change: 'add-map', map: ip }, Errno.ENOENT);
      await port.commit('one', [table]);
      await refused(table, Errno.EEXIST);
      await refused({ change: 'add-element', map: ip, element }, Errno.ENOENT);
      await refused({ change: 'delete-element', map: ip, key: element }, Errno.ENOENT);
      await refused({ change: 'delete-map', name: 'prerouting_ip' }, Errno.ENOENT);
      await refused({ change: 'delete-chain', name: 'mark_prerouting' }, Errno.ENOENT);
      await refused({ change: 'flush-chain', name: 'mark_prerouting' }, Errno.ENOENT);
      await refused(masquerade('10.0.0.0/8'), Errno.ENOENT);
      await port.commit('one', [
        { change: 'add-map', map: ip },
        { change: 'add-element', map: ip, element },
        { change: 'add-chain', chain },
      ]);
      await refused({ change: 'add-map', map: ip }, Errno.EEXIST);
      await refused({ change: 'add-chain', chain }, Errno.EEXIST);
      await refused({ change: 'add-element', map: ip, element }, Errno.EEXIST);
      // Whatever its mark.
      await refused({ change: 'add-element', map: ip, element: { ...element, mark: 8 } }, Errno.EEXIST);
      await refused({ change: 'add-rule', chain, rule: { lookup: 'port' } }, Errno.ENOENT);
      await refused({ change: 'delete-rule', chain: 'mark_prerouting', handle: 99n }, Errno.ENOENT);
      await refused({ change: 'add-rule', chain, rule: { lookup: 'ip' }, before: 99n }, Errno.ENOENT);
    });

    test('a chain is flushed and written anew in one batch, with counters', async () => {
      const port = await (await start()).port();
      const counter = { packets: 5n, bytes: 420n };
      const rules = ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16'].map(masquerade);
      await port.commit('one', [table, { change: 'add-chain', chain: natChain }, ...rules]);
      const [, second] = rules;
      if (!second) throw new Error('no rule');
      await port.commit('one', [
        { change: 'flush-chain', name: 'nat_postrouting' },
        { ...second, counter },
      ]);
      const entry = await port.read('one');
      expect(sources(entry)).toEqual(['10.2.0.0/16']);
      expect(entry?.chains[0]?.rules[0]?.counter).toEqual(counter);
    });

    test('the mark of one element', async () => {
      const port = await (await start()).port();
      expect(await port.markOf?.('one', ip, element)).toBeUndefined();
      await port.commit('one', [table, { change: 'add-map', map: ip }, { change: 'add-element', map: ip, element }]);
      expect(await port.markOf?.('one', ip, { address: '10.0.0.1' })).toBe(7);
      expect(await port.markOf?.('one', ip, { address: '10.0.0.2' })).toBeUndefined();
      expect(await port.markOf?.('one', ipPort, { address: '10.0.0.2', protocol: 'tcp', port: 1 })).toBeUndefined();
    });

    test('a map that a rule asks stays; with the rule, or the chain, it can go', async () => {
      const port = await (await start()).port();
      const build: NftTableChange[] = [
        { change: 'add-map', map: ip },
        { change: 'add-chain', chain },
        { change: 'add-rule', chain, rule: { lookup: 'ip' } },
      ];
      await port.commit('one', [table, ...build]);
      const gone: NftTableChange = { change: 'delete-map', name: 'prerouting_ip' };
      expect(await refusal(port.commit('one', [gone]))).toEqual([0, Errno.EBUSY]);
      const handle = (await port.read('one'))?.chains[0]?.rules[0]?.handle ?? 0n;
      await port.commit('one', [{ change: 'delete-rule', chain: 'mark_prerouting', handle }, gone]);
      await port.commit('one', [{ change: 'delete-chain', name: 'mark_prerouting' }]);
      await port.commit('one', build);
      await port.commit('one', [{ change: 'delete-chain', name: 'mark_prerouting' }, gone]);
      expect(await port.read('one')).toMatchObject({ chains: [], maps: [] });
    });

    test('gone and made anew in one batch', async () => {
      const port = await (await start()).port();
      await port.commit('one', [table, { change: 'add-map', map: ip }, { change: 'add-element', map: ip, element }]);
      await port.commit('one', [
        { change: 'delete-element', map: ip, key: element },
        { change: 'add-element', map: ip, element: { ...element, mark: 9 } },
      ]);
      expect((await port.read('one', { elements: true }))?.maps[0]?.elements).toMatchObject([{ mark: 9 }]);
      await port.commit('one', [
        { change: 'delete-table' },
        { change: 'add-table', comment: 'another' },
        { change: 'add-chain', chain },
      ]);
      expect(await port.read('one', { elements: true })).toMatchObject({ comment: 'another', maps: [], others: [] });
    });

    test('rules: at the end, or before one', async () => {
      const port = await (await start()).port();
      await port.commit('one', [
        table,
        { change: 'add-chain', chain: natChain },
        masquerade('10.1.0.0/16'),
        masquerade('10.3.0.0/16'),
      ]);
      const last = (await port.read('one'))?.chains[0]?.rules[1]?.handle ?? 0n;
      await port.commit('one', [
        { ...masquerade('10.2.0.0/16'), before: last },
        { ...masquerade('10.2.5.0/24'), before: last },
        masquerade('10.4.0.0/16'),
      ]);
      const read = await port.read('one');
      expect(sources(read)).toEqual(['10.1.0.0/16', '10.2.0.0/16', '10.2.5.0/24', '10.3.0.0/16', '10.4.0.0/16']);
      await port.commit('one', [{ change: 'delete-rule', chain: 'nat_postrouting', handle: last }]);
      expect(sources(await port.read('one'))).not.toContain('10.3.0.0/16');
    });

    test('generations: each commit counts, of any table; an outdated one is refused', async () => {
      const here = await start();
      const [port, other] = [await here.port(), await here.port()];
      const first = await port.generation();
      await port.commit('one', [table], { generation: first });
      await other.commit('two', [table]);
      expect(await port.generation()).toBe(first + 2);
      const late = port.commit('one', [{ change: 'add-chain', chain }], { generation: first + 1 });
      expect(await refusal(late)).toEqual([-1, Errno.ERESTART]);
      expect(await refusal(port.commit('one', [table]))).toEqual([0, Errno.EEXIST]);
      // What was refused does not count.
      expect(await port.generation()).toBe(first + 2);
      await port.commit('one', [], { generation: 1 });
      expect(await port.generation()).toBe(first + 2);
    });

    test('rules of every kind come back as they were written', async () => {
      const { netfilter } = await start();
      const rules = [
        { type: 'masquerade', source: '10.0.0.0/8', outputInterface: 'eth0' },
        { type: 'snat', to: '10.0.0.1', mark: { mark: 16, mask: 0xf0 } },
        { type: 'dnat', to: 'fd00::1', toPort: 8080, family: 'ipv6', protocol: 'tcp', port: { from: 80, to: 90 } },
        { type: 'redirect', toPort: 8080, protocol: 'udp', port: 53, local: true },
        { type: 'clamp-mss', size: 'path', hook: 'forward' },
        { type: 'clamp-mss', size: 1300, hook: 'output', destination: '10.0.0.0/8' },
      ] as const;
      const marks = [
        { destination: '10.0.0.1', protocol: 'tcp', port: 80, mark: 1 },
        { destination: 'fd00::1', mark: 2 },
        { protocol: 'sctp', port: 9, mark: 3, hook: 'output' },
        { source: '10.0.0.0/8', mark: 4, hook: 'input' },
        { destination: '10.0.0.0/8', mark: 0x10, mask: 0xf0 },
      ] as const;
      await netfilter.set({ rules, marks });
      expect(await netfilter.verify({ rules, marks })).toEqual([]);
      const read = { rules: (await netfilter.rules()).map(({ rule }) => rule), marks: await netfilter.marks() };
      expect(read.rules).toHaveLength(rules.length);
      expect(read.marks.map(({ mark }) => mark).sort()).toEqual([1, 16, 2, 3, 4]);
      expect(await netfilter.verify(read)).toEqual([]);
    });
  });
}
