// What the kernel does with tables of nf_tables: the one in memory, and the real one.
import { describe, expect, onTestFinished, test } from 'vitest';
import { Netfilter, type NetfilterWatch } from '../../src/index.js';
import { Errno } from '../../src/kernel/errno.js';
import { chainText } from '../../src/kernel/netfilter/names.js';
import type { NetfilterPort } from '../../src/kernel/netfilter/port.js';
import type { ChainName, MapName, TableChange, TableEntry } from '../../src/kernel/netfilter/types.js';
import { failure, type OpenPlace } from './places.js';

interface Here {
  readonly netfilter: Netfilter;
  /** Another handle on the same table. */
  open(owner?: string): Promise<Netfilter>;
  /** The port itself, for what the library asks for in no such way. */
  port(): Promise<NetfilterPort>;
}

const ip: MapName = { hook: 'prerouting', shape: 'ip' };
const ipPort: MapName = { hook: 'prerouting', shape: 'ip_port' };
const chain: ChainName = { purpose: 'mark', hook: 'prerouting' };
const natChain: ChainName = { purpose: 'nat', hook: 'postrouting' };
const element = { address: '10.0.0.1', mark: 7 } as const;
const table: TableChange = { change: 'add-table', comment: 'somebody' };
const masquerade = (source: string) =>
  ({
    change: 'add-rule',
    chain: natChain,
    rule: { hook: 'postrouting', match: { family: 'ipv4', source }, action: { type: 'masquerade' } },
  }) as const satisfies TableChange;

async function refusal(work: Promise<unknown>): Promise<[index: number, errno: number]> {
  try {
    await work;
  } catch (error) {
    const { index, errno } = error as { index: number; errno: number };
    return [index, errno];
  }
  throw new Error('it was not refused');
}

function sources(entry: TableEntry | undefined): string[] {
  const rules = entry?.chains.find(({ name }) => chainText(name) === chainText(natChain))?.rules ?? [];
  return rules.map(({ rule }) => (rule && 'match' in rule ? (rule.match.source ?? '') : 'another'));
}

async function next(watch: NetfilterWatch): Promise<string> {
  const { value } = await watch.next();
  return value ? value.type : 'end';
}

export function netfilterConformance(open: OpenPlace): void {
  const start = async (): Promise<Here> => {
    const { kernel, namespace, dispose } = await open();
    const handles: { close(): Promise<void> }[] = [];
    const openOne = async (owner = 'ipvs'): Promise<Netfilter> => {
      const handle = await Netfilter.open({ kernel, namespace, owner });
      handles.push(handle);
      return handle;
    };
    onTestFinished(async () => {
      for (const handle of handles) await handle.close();
      await dispose();
    });
    const port = async (): Promise<NetfilterPort> => {
      const opened = await kernel.openNetfilter({ namespace });
      handles.push(opened);
      return opened;
    };
    return { netfilter: await openOne(), open: openOne, port };
  };

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
      const refused = async (change: TableChange, errno: number): Promise<void> =>
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
      const build: TableChange[] = [
        { change: 'add-map', map: ip },
        { change: 'add-chain', chain },
        { change: 'add-rule', chain, rule: { lookup: 'ip' } },
      ];
      await port.commit('one', [table, ...build]);
      const gone: TableChange = { change: 'delete-map', name: 'prerouting_ip' };
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
      expect(await netfilter.check({ rules, marks })).toEqual([]);
      const read = { rules: (await netfilter.rules()).map(({ rule }) => rule), marks: await netfilter.marks() };
      expect(read.rules).toHaveLength(rules.length);
      expect(read.marks.map(({ mark }) => mark).sort()).toEqual([1, 16, 2, 3, 4]);
      expect(await netfilter.check(read)).toEqual([]);
    });
  });

  describe('marks and rules', () => {
    test('added once, changed, removed', async () => {
      const { netfilter } = await start();
      const packets = { destination: '10.0.0.1', protocol: 'tcp', port: 80 } as const;
      await netfilter.addMark({ ...packets, mark: 1 });
      await netfilter.addMark({ destination: '10.0.0.1', mark: 2 });
      expect(await failure(netfilter.addMark({ ...packets, mark: 9 }))).toEqual({
        code: 'ERR_IPVS_MARK_EXISTS',
        errnoName: 'EEXIST',
      });
      await netfilter.setMark(packets, 3);
      expect((await netfilter.mark(packets)).mark).toBe(3);
      await netfilter.removeMark(packets);
      const missing = { code: 'ERR_IPVS_NO_SUCH_MARK', errnoName: 'ENOENT' };
      expect(await failure(netfilter.removeMark(packets))).toEqual(missing);
      expect(await failure(netfilter.setMark(packets, 3))).toEqual(missing);
      expect((await netfilter.marks()).map(({ mark }) => mark)).toEqual([2]);
    });

    test('a batch with one that can not be is not made', async () => {
      const { netfilter } = await start();
      await netfilter.addMark({ destination: '10.0.0.1', mark: 1 });
      const result = netfilter.apply([
        { change: 'add-mark', mark: { destination: '10.0.0.2', mark: 2 } },
        { change: 'add-rule', rule: { type: 'masquerade', source: '10.0.0.0/8' } },
        { change: 'add-mark', mark: { destination: '10.0.0.1', mark: 3 } },
      ]);
      expect(await failure(result)).toEqual({ code: 'ERR_IPVS_MARK_EXISTS', errnoName: 'EEXIST' });
      expect((await netfilter.marks()).map(({ mark }) => mark)).toEqual([1]);
      expect(await netfilter.rules()).toEqual([]);
    });

    test('rules are added once, and removed', async () => {
      const { netfilter } = await start();
      const rule = { type: 'masquerade', source: '10.0.0.0/8' } as const;
      await netfilter.addRule(rule);
      expect((await failure(netfilter.addRule(rule))).code).toBe('ERR_IPVS_RULE_EXISTS');
      await netfilter.addRule({ type: 'masquerade', source: '10.1.0.0/16' });
      // The narrowest first.
      expect((await netfilter.rules()).map(({ rule: read }) => read.source)).toEqual(['10.1.0.0/16', '10.0.0.0/8']);
      await netfilter.removeRule(rule);
      expect((await failure(netfilter.removeRule(rule))).code).toBe('ERR_IPVS_NO_SUCH_RULE');
    });

    test('two handles at once lose nothing', async () => {
      const here = await start();
      const other = await here.open();
      const work = Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? other : here.netfilter).addMark({ destination: `10.0.0.${i}`, mark: i + 1 }),
      );
      await Promise.all(work);
      expect(await here.netfilter.marks()).toHaveLength(20);
      const marks = await Promise.all(
        [here.netfilter, other].map((handle, i) =>
          handle.allocateMark({ destination: `10.1.0.${i}` }, { from: 100, to: 101 }),
        ),
      );
      expect(marks.map(({ mark }) => mark).sort()).toEqual([100, 101]);
      const full = here.netfilter.allocateMark({ destination: '10.1.0.9' }, { from: 100, to: 101 });
      expect((await failure(full)).code).toBe('ERR_IPVS_OUT_OF_RANGE');
    });

    test('a table of another program is not touched; one of another owner stays', async () => {
      const here = await start();
      const port = await here.port();
      await port.commit('ipvs', [table]);
      expect((await failure(here.netfilter.addMark({ destination: '10.0.0.1', mark: 1 }))).code).toBe(
        'ERR_IPVS_FOREIGN',
      );
      expect((await failure(here.netfilter.delete())).code).toBe('ERR_IPVS_FOREIGN');
      const other = await here.open('another');
      await other.addMark({ destination: '10.0.0.1', mark: 1 });
      await port.commit('ipvs', [{ change: 'delete-table' }]);
      await here.netfilter.addMark({ destination: '10.0.0.1', mark: 2 });
      await other.delete();
      await other.delete();
      expect(await port.read('another')).toBeUndefined();
      expect((await here.netfilter.marks()).map(({ mark }) => mark)).toEqual([2]);
    });
  });

  describe('others at work', () => {
    const state = {
      marks: [
        { destination: '10.0.0.1', mark: 1 },
        { source: '10.0.0.0/8', mark: 2 },
      ],
      rules: [{ type: 'masquerade', source: '10.0.0.0/8' }],
    } as const;

    /** `nft flush table`: all rules go, and nothing else. */
    async function flush(port: NetfilterPort): Promise<void> {
      const entry = await port.read('ipvs');
      const changes = (entry?.chains ?? []).flatMap(({ name, rules }) =>
        rules.map(({ handle }): TableChange => ({ change: 'delete-rule', chain: chainText(name), handle })),
      );
      await port.commit('ipvs', changes);
    }

    test('flushed, emptied, deleted: it is told, and mended', async () => {
      const here = await start();
      const { netfilter } = here;
      const port = await here.port();
      await netfilter.set(state);
      await flush(port);
      expect((await netfilter.check(state)).map(({ problem }) => problem)).toContain('missing');
      // Those of maps are still there, but nothing asks them.
      expect((await netfilter.marks()).map(({ mark }) => mark)).toEqual([1]);
      await netfilter.set(state);
      expect(await netfilter.check(state)).toEqual([]);
      await port.commit('ipvs', [{ change: 'delete-element', map: ip, key: { address: '10.0.0.1' } }]);
      expect(await netfilter.check(state)).toMatchObject([{ problem: 'missing' }]);
      await netfilter.set(state);
      await port.commit('ipvs', [{ change: 'delete-table' }]);
      expect(await netfilter.marks()).toEqual([]);
      await netfilter.set(state);
      expect(await netfilter.check(state)).toEqual([]);
    });

    test('what has been remembered is outdated: the change is made nevertheless', async () => {
      const here = await start();
      const port = await here.port();
      await here.netfilter.addMark({ destination: '10.0.0.1', mark: 1 });
      await port.commit('ipvs', [{ change: 'delete-table' }]);
      await here.netfilter.addMark({ destination: '10.0.0.2', mark: 2 });
      expect((await here.netfilter.marks()).map(({ mark }) => mark)).toEqual([2]);
      await flush(port);
      await here.netfilter.addMark({ destination: '10.0.0.3', mark: 3 });
      expect(
        await here.netfilter.check({
          marks: [
            { destination: '10.0.0.2', mark: 2 },
            { destination: '10.0.0.3', mark: 3 },
          ],
        }),
      ).toEqual([]);
    });

    test('changes of the table are told, with their generation; of others not', async () => {
      const here = await start();
      const watch = await here.netfilter.watch();
      const port = await here.port();
      await port.commit('another', [table]);
      await here.netfilter.addMark({ destination: '10.0.0.1', mark: 1 });
      const { value } = await watch.next();
      expect(value).toEqual({
        type: 'change',
        generation: await port.generation(),
        process: { pid: expect.any(Number), name: 'ipvs-io' },
      });
      await here.netfilter.removeMark({ destination: '10.0.0.1' });
      expect(await next(watch)).toBe('change');
      const waiting = next(watch);
      watch.close();
      expect(await waiting).toBe('end');
    });

    test('a signal ends a watch, and so does its handle', async () => {
      const here = await start();
      const aborted = await here.netfilter.watch({ signal: AbortSignal.timeout(20) });
      await expect(next(aborted)).rejects.toMatchObject({ name: 'TimeoutError' });
      const handle = await here.open();
      const orphan = await handle.watch();
      const waiting = next(orphan);
      await handle.close();
      expect((await failure(waiting)).code).toBe('ERR_IPVS_CLOSED');
      expect((await failure(handle.marks())).code).toBe('ERR_IPVS_CLOSED');
    });
  });
}
