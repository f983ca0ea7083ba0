// Lists of a thousand changes and more: they are checked in slices, and do the same as short ones.
import { beforeEach, describe, expect, test } from 'vitest';
import { type FwmarkOptions, Netfilter, type NetfilterChange } from '../../src/index.js';
import { NftElementList } from '../../src/kernel/netfilter/elements.js';
import { BatchWriter } from '../../src/linux/netfilter/batch.js';
import { Machine } from '../../src/memory/machine.js';
import { MemoryNetfilter } from '../../src/memory/netfilter/port.js';

let memory: MemoryNetfilter;
let machine: Machine;
const open = () => Netfilter.open({ kernel: { openNetfilter: async () => memory.open() } });
beforeEach(() => {
  machine = new Machine();
  memory = new MemoryNetfilter(machine);
});

const address = (i: number): string => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
const web = (i: number): FwmarkOptions => ({ destination: address(i), protocol: 'tcp', port: 80, mark: i });
const add = (mark: FwmarkOptions): NetfilterChange => ({ change: 'add-mark', mark });
const webs = (count: number) => Array.from({ length: count }, (_, i) => add(web(i)));

/** Marks of every kind of map, some that no map holds, and rules. */
function mixed(count: number): NetfilterChange[] {
  return Array.from({ length: count }, (_, i): NetfilterChange => {
    switch (i % 7) {
      case 0:
        return add({ destination: address(i), mark: i });
      case 1:
        return add({ protocol: 'udp', port: i + 1, mark: i });
      case 2:
        return add({ destination: `fd00::${i.toString(16)}`, hook: 'output', mark: i });
      case 3:
        return add({ destination: `fd00::${i.toString(16)}`, protocol: 'sctp', port: 80, mark: i });
      case 4:
        return i % 3 === 0 ? add({ source: `${address(i * 256)}/24`, mark: i }) : add(web(i));
      case 5:
        return add({ protocol: 'tcp', port: i + 1, mark: 0x100, mask: 0xf00 });
      default:
        return { change: 'add-rule', rule: { type: 'masquerade', mark: i } };
    }
  });
}

test('a long list makes the same table as short ones, and sets and deletes in it', async () => {
  const netfilter = await open();
  const changes = mixed(1400);
  const later = changes.flatMap((change, i): NetfilterChange[] => {
    if (change.change !== 'add-mark') return [];
    const { mark: _, ...packets } = change.mark;
    if (i % 2 === 0) return [{ change: 'delete-mark', mark: packets }];
    return [{ change: 'set-mark', mark: { ...change.mark, mark: 0x200 } }];
  });
  const run = async (size: number) => {
    for (const list of [changes, later])
      for (let i = 0; i < list.length; i += size) await netfilter.apply(list.slice(i, i + size));
    const texts = [await netfilter.marks(), (await netfilter.rules()).map(({ text }) => text)].map((list) =>
      list.map(String).sort(),
    );
    await netfilter.deleteTable();
    return texts;
  };
  expect(later.length).toBeGreaterThan(1000);
  expect(await run(10_000)).toEqual(await run(100));
}, 60_000);

test('an answer that is lost is found out for a long list, too', async () => {
  const netfilter = await open();
  const changes = mixed(1400);
  for (const carriedOut of [true, false]) {
    machine.faults.add({ command: 'commit', errno: 105, carriedOut });
    await netfilter.apply(changes);
    expect(await netfilter.marks()).toHaveLength(1200);
    const marks = changes.flatMap((change) => (change.change === 'add-mark' ? change.mark : []));
    machine.faults.add({ command: 'commit', errno: 105, carriedOut });
    await netfilter.apply(marks.map((mark) => ({ change: 'set-mark', mark: { ...mark, mark: 0x300 } }) as const));
    machine.faults.add({ command: 'commit', errno: 105, carriedOut });
    await netfilter.apply(marks.map(({ mark: _, ...mark }) => ({ change: 'delete-mark', mark }) as const));
    expect(await netfilter.marks()).toEqual([]);
    await netfilter.deleteTable();
  }
}, 60_000);

describe('errors', () => {
  test.each<[string, unknown, string]>([
    [
      'the same packets',
      add({ ...web(7), mark: 1 }),
      'change 1500: it is for the same packets as change 7: prerouting',
    ],
    [
      'the same packets, another change',
      { change: 'delete-mark', mark: { destination: address(7), protocol: 'tcp', port: 80 } },
      'change 1500: it is for the same packets as change 7: prerouting ip daddr 10.0.0.7 tcp dport 80 mask 0xffffffff',
    ],
    ['no object', null, 'change 1500: a change must be an object, not null'],
    ['an unknown option', { change: 'add-mark', mrk: 1 }, "change 1500: a change has no option 'mrk'"],
    ['a mark that is none', add({ ...web(1), mark: -1 }), 'change 1500: mark must be an integer'],
  ])('%s', async (_, change, message) => {
    const netfilter = await open();
    const changes = [...webs(1500), change as NetfilterChange, ...webs(3).slice(1)];
    await expect(netfilter.apply(changes)).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
    expect(memory.commits).toEqual([]);
  });

  test('a hole, and a list that is too long', async () => {
    const netfilter = await open();
    const changes = webs(2000);
    delete changes[1234];
    await expect(netfilter.apply(changes)).rejects.toThrow('changes[1234] is missing: the list has a hole');
    await expect(netfilter.apply(new Array(2 ** 21))).rejects.toThrow('at most 1048576 entries');
  });

  test('a mark that does not exist, of a map that does not exist', async () => {
    const netfilter = await open();
    const deletions = webs(1000).map(({ change: _, ...rest }) => ({ ...rest, change: 'delete-mark' }));
    for (const one of deletions) if ('mark' in one) delete (one.mark as { mark?: number }).mark;
    await expect(netfilter.apply(deletions as NetfilterChange[])).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_MARK',
      message: expect.stringContaining('cannot delete mark of prerouting ip daddr 10.0.0.0 tcp dport 80'),
    });
  });

  test('a mark that exists is named with its mark', async () => {
    const netfilter = await open();
    await netfilter.addMark({ ...web(1777), mark: 99 });
    await expect(netfilter.apply(webs(2000))).rejects.toMatchObject({
      code: 'ERR_IPVS_MARK_EXISTS',
      message: expect.stringContaining('10.0.6.241 tcp dport 80 has the mark 99 (0x63) already'),
    });
  });
});

describe('slices', () => {
  test('the event loop turns while a long list is checked, and the list is that of the call', async () => {
    const netfilter = await open();
    const changes = webs(50_000);
    let turns = 0;
    const count = setInterval(() => turns++, 0);
    const applied = netfilter.apply(changes);
    changes.length = 0;
    await applied;
    clearInterval(count);
    expect(turns).toBeGreaterThan(0);
    expect(memory.table('ipvs')?.maps[0]?.elements).toHaveLength(50_000);
  });

  test('later calls wait for a long list, and each fails on its own', async () => {
    const netfilter = await open();
    const selector = { destination: address(5), protocol: 'tcp', port: 80 } as const;
    const outcomes = await Promise.allSettled([
      netfilter.apply(webs(20_000)),
      netfilter.setMark(selector, 1),
      netfilter.apply([...webs(1000), add(web(0))]),
      netfilter.deleteMark(selector),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(memory.table('ipvs')?.maps[0]?.elements).toHaveLength(19_999);
  });

  test('an abort between slices sends nothing', async () => {
    const netfilter = await open();
    const ending = new AbortController();
    const applied = netfilter.apply(webs(50_000), { signal: ending.signal });
    setImmediate(() => ending.abort(new Error('enough')));
    await expect(applied).rejects.toThrow('enough');
    expect(memory.commits).toEqual([]);
    await netfilter.addMark(web(1));
    expect(await netfilter.marks()).toHaveLength(1);
  });
});

test('the place of a rejected element follows from its message and the offset in it', () => {
  const map = { hook: 'prerouting', shape: 'ip_port' } as const;
  const elements = new NftElementList(map);
  for (let i = 0; i < 10_000; i++) elements.push({ address: address(i), protocol: 'tcp', port: 80 }, i);
  const batch = new BatchWriter(
    'ipvs',
    [
      { change: 'add-map', map },
      { change: 'add-elements', elements },
    ],
    1,
  );
  const pieces = Array.from(batch.pieces(), ({ bytes, offsets }) => ({ bytes: bytes.slice(), offsets }));
  expect(pieces.length).toBeGreaterThan(2);
  const messages = pieces.flatMap(({ bytes, offsets }) =>
    Array.from(offsets, (start, i) => Buffer.from(bytes.subarray(start, offsets[i + 1]))),
  );
  const place = 5000;
  // The key of the element as bytes: the address, the protocol and the port, each at a multiple of 4.
  const key = Buffer.from([10, 0, place >> 8, place & 255, 6, 0, 0, 0, 0, 80, 0, 0]);
  const message = messages.findIndex((bytes) => bytes.includes(key));
  const element = (messages[message]?.indexOf(key) ?? 0) - 12; // the headers of three attributes precede the key
  expect(batch.placeOf(message, element)).toBe(1 + place);
  expect(batch.placeOf(message, element + 8)).toBe(1 + place); // a nested attribute
  expect(batch.placeOf(message, 20)).toBe(1 + 1820 * (message - 2)); // the name of the table
  expect(batch.placeOf(message, 0)).toBeUndefined();
  expect(batch.placeOf(0, 0)).toBe(-1);
  expect(batch.placeOf(1, 0)).toBe(0);
  const single = new BatchWriter('ipvs', [{ change: 'add-elements', elements }], undefined, 1);
  expect([...single.pieces()].length).toBeGreaterThan(2);
  expect(single.placeOf(1 + place, 0)).toBe(place);
});

test('a chain that loses all of many rules is flushed, but never with a rule of another program', async () => {
  const netfilter = await open();
  const rules = Array.from({ length: 100 }, (_, i) => ({ type: 'masquerade' as const, source: `${address(i)}` }));
  const kinds = () => new Set(memory.commits.at(-1)?.changes.map(({ change }) => change));
  const snat = { type: 'snat', source: '10.9.0.0/16', to: '192.0.2.1' } as const;
  await netfilter.set({ rules });
  await netfilter.set({ rules: [snat] });
  expect(kinds()).toEqual(new Set(['flush-chain', 'add-rule']));
  expect((await netfilter.rules()).map(({ rule }) => rule.source)).toEqual(['10.9.0.0/16']);
  await netfilter.set({ rules });
  memory.addForeign('ipvs', { kind: 'rule', chain: 'nat_postrouting', at: 50 });
  await netfilter.apply(rules.map((rule) => ({ change: 'delete-rule', rule }) as const));
  expect(kinds()).toEqual(new Set(['delete-rule']));
  expect(memory.table('ipvs')?.chains[0]?.rules).toMatchObject([{ handle: expect.anything() }]);
});
