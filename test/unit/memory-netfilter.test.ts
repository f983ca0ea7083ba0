// What tests do with nf_tables in memory that no program can: marks of packets, other programs, failures.
import { beforeEach, describe, expect, test } from 'vitest';
import { Netfilter } from '../../src/index.js';
import { Machine } from '../../src/memory/machine.js';
import type { MemoryPacket } from '../../src/memory/netfilter/packets.js';
import { MemoryNetfilter } from '../../src/memory/netfilter/port.js';

let machine: Machine;
let memory: MemoryNetfilter;
const open = (owner = 'ipvs') => Netfilter.open({ owner, kernel: { openNetfilter: async () => memory.open() } });

beforeEach(() => {
  machine = new Machine();
  memory = new MemoryNetfilter(machine);
});

describe('the mark of a packet', () => {
  const mark = (packet: Partial<MemoryPacket>): number =>
    memory.mark({ hook: 'prerouting', destination: '10.0.0.1', protocol: 'tcp', port: 80, ...packet });

  test('the narrowest wins, some bits come last', async () => {
    const netfilter = await open();
    await netfilter.set({
      marks: [
        { destination: '10.0.0.0/8', mark: 1 },
        { source: '10.9.0.0/16', inputInterface: 'eth0', mark: 2 },
        { protocol: 'tcp', port: 80, mark: 3 },
        { destination: '10.0.0.1', mark: 4 },
        { destination: '10.0.0.1', protocol: 'tcp', port: 80, mark: 5 },
        { destination: 'fd00::1', mark: 6 },
        { protocol: 'udp', port: { from: 100, to: 200 }, mark: 7 },
        { local: true, mark: 0x100, mask: 0xf00 },
        { destination: '10.0.0.1', hook: 'output', mark: 8 },
      ],
    });
    expect(mark({})).toBe(5);
    expect(mark({ port: 443 })).toBe(4);
    expect(mark({ destination: '10.2.2.2', port: 443 })).toBe(1);
    expect(mark({ destination: '10.2.2.2' })).toBe(3);
    expect(mark({ destination: '192.0.2.1', source: '10.9.3.3', inputInterface: 'eth0', port: 1 })).toBe(2);
    expect(mark({ destination: '192.0.2.1', source: '10.9.3.3', inputInterface: 'eth1', port: 1 })).toBe(0);
    expect(mark({ destination: 'fd00::1', protocol: undefined, port: undefined })).toBe(6);
    expect(mark({ destination: '192.0.2.1', protocol: 'udp', port: 200 })).toBe(7);
    expect(mark({ local: true })).toBe(0x105);
    expect(mark({ destination: '192.0.2.1', port: 1, mark: 0xabc, local: true })).toBe(0x1bc);
    expect(mark({ hook: 'output' })).toBe(8);
    expect(mark({ hook: 'input' })).toBe(0);
  });

  test('a final asterisk stands for the rest of the name of an interface, unless a backslash precedes it', async () => {
    const netfilter = await open();
    await netfilter.set({
      marks: [
        { inputInterface: 'veth*', mark: 1 },
        { inputInterface: 'veth10*', mark: 2 },
        { inputInterface: 'veth101', mark: 3 },
        { inputInterface: 'veth\\*', mark: 4 },
        { inputInterface: '*x', mark: 5 },
      ],
    });
    const marks = ['veth', 'veth7', 'veth100', 'veth101', 'veth*', 'vet', 'x', '*x', undefined];
    expect(marks.map((inputInterface) => mark({ inputInterface }))).toEqual([1, 1, 2, 3, 4, 0, 0, 5, 0]);
  });

  test('of several tables, the chain that was made first has the last word; one that sleeps has none', async () => {
    for (const [owner, number] of [
      ['first', 1],
      ['second', 2],
    ] as const)
      await (await open(owner)).addMark({ destination: '10.0.0.1', mark: number });
    expect(mark({})).toBe(1);
    memory.addForeign('first', { kind: 'flag', name: 'dormant' });
    expect(mark({})).toBe(2);
    memory.flushTable('second');
    expect(mark({})).toBe(0);
  });

  test('with its size, it is counted', async () => {
    const netfilter = await open();
    const packets = { destination: '10.0.0.1' };
    const key = { address: '10.0.0.1' };
    await netfilter.addMark({ ...packets, mark: 1 });
    await netfilter.addMark({ source: '10.9.0.0/16', mark: 2 });
    mark({ bytes: 60 });
    mark({ bytes: 40, source: '10.9.0.1' });
    mark({});
    const counters = (await netfilter.marks()).map(({ counter }) => [counter.packets, counter.bytes]);
    expect(counters).toEqual([
      [2n, 100n],
      [1n, 40n],
    ]);
    memory.setCounter('ipvs', { map: 'prerouting_ip', key }, { packets: 9n, bytes: 99n });
    expect((await netfilter.mark(packets)).counter).toEqual({ packets: 9n, bytes: 99n });
  });
});

describe('other programs', () => {
  const state = { marks: [{ destination: '10.0.0.1', mark: 1 }], rules: [{ type: 'masquerade', mark: 1 }] } as const;

  test('what they put into a table is found, and taken away', async () => {
    const netfilter = await open();
    await netfilter.set(state);
    memory.addForeign('ipvs', { kind: 'rule', chain: 'nat_postrouting', at: 0 });
    expect(await netfilter.verify(state)).toMatchObject([{ problem: 'unknown' }]);
    memory.addForeign('ipvs', { kind: 'set', name: 'x' }, { kind: 'changed', name: 'mark_prerouting' });
    expect(await netfilter.verify(state)).not.toEqual([]);
    await netfilter.set(state);
    expect(await netfilter.verify(state)).toEqual([]);
    memory.flushRuleset();
    expect(memory.tables).toEqual([]);
    memory.addForeign('ipvs');
    await expect(netfilter.set(state)).rejects.toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
  });

  test('a watch hears of it, and of what it has lost', async () => {
    const netfilter = await open();
    await netfilter.set(state);
    const watch = await netfilter.watch();
    memory.flushTable('ipvs');
    expect((await watch.next()).value).toMatchObject({ type: 'change', process: { name: 'nft' } });
    memory.overrun();
    expect((await watch.next()).value).toEqual({ type: 'overrun' });
    machine.kill();
    await expect(netfilter.marks()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  });
});

describe('failures', () => {
  test('one element fails: nothing of the batch is made', async () => {
    const netfilter = await open();
    machine.faults.add({ command: 'add-element', object: '10.0.0.2', errno: 12 });
    const marks = [1, 2, 3].map((number) => ({ destination: `10.0.0.${number}`, mark: number }));
    await expect(netfilter.set({ marks })).rejects.toMatchObject({ errnoName: 'ENOMEM' });
    expect(memory.tables).toEqual([]);
    await netfilter.set({ marks });
    expect(await netfilter.marks()).toHaveLength(3);
  });

  test('killed half-way: nothing; an answer that is lost: all of it, and it is found out', async () => {
    const netfilter = await open();
    machine.faults.add({ command: 'add-chain', errno: 'killed' });
    await expect(netfilter.addMark({ destination: '10.0.0.1', mark: 1 })).rejects.toMatchObject({
      code: 'ERR_IPVS_CLOSED',
    });
    expect(memory.tables).toEqual([]);
    const other = await open();
    machine.faults.add({ command: 'commit', errno: 105, carriedOut: true });
    await other.addMark({ destination: '10.0.0.1', mark: 1 });
    expect(memory.commits).toHaveLength(1);
  });
});

test('a long chain that loses most of its rules is flushed, with the counters of that moment', async () => {
  const netfilter = await open();
  const rules = Array.from({ length: 8000 }, (_, i) => ({
    type: 'masquerade' as const,
    source: `10.${i >> 8}.${i & 255}.0/24`,
  }));
  await netfilter.set({ rules });
  const last = memory.table('ipvs')?.chains[0]?.rules.at(-1);
  // The handle remembers the table by now.
  await expect(netfilter.deleteRule({ type: 'masquerade', mark: 1 })).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_RULE',
  });
  memory.setCounter('ipvs', { handle: last?.handle ?? 0n }, { packets: 7n, bytes: 8n });
  memory.commits.length = 0;
  await netfilter.apply(rules.slice(1).map((rule) => ({ change: 'delete-rule' as const, rule })));
  expect(memory.commits).toHaveLength(1);
  expect(memory.commits[0]?.changes.map(({ change }) => change)).toEqual(['flush-chain', 'add-rule']);
  expect((await netfilter.rules()).map(({ rule, counter }) => [rule.source, counter.packets])).toEqual([
    ['10.0.0.0/24', 7n],
  ]);
  // A short one is changed rule by rule: what stays is not touched.
  await netfilter.set({ rules: rules.slice(0, 1000) });
  memory.commits.length = 0;
  await netfilter.set({ rules: rules.slice(999, 1000) });
  expect(memory.commits[0]?.changes.every(({ change }) => change === 'delete-rule')).toBe(true);
}, 60_000);

test('holds 100 000 marks, and adds 1000 to them', async () => {
  const netfilter = await open();
  const marks = Array.from({ length: 100_000 }, (_, i) => ({
    destination: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    mark: i + 1,
  }));
  await netfilter.set({ marks });
  for (let i = 0; i < 1000; i++) await netfilter.addMark({ destination: `192.168.${i >> 8}.${i & 255}`, mark: i });
  expect(memory.table('ipvs')?.maps[0]?.elements).toHaveLength(101_000);
}, 60_000);
