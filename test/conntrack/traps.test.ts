// What the kernel does that is not what one would think: each has a number in the notes on the
// kernel that this library was written from, and a test that it does no harm.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Conntrack, compareStatistics, type Flow, type FlowOptions, type TupleOptions } from '../../src/index.js';
import { deleteNamespace, run, runIn } from '../ipvs/world.js';
import { until } from '../until.js';
import { ownsMachine } from '../user-namespace.js';

const namespace = `conntrack-traps-${process.pid}`;
let conntrack: Conntrack;

beforeAll(async () => {
  run('ip', 'netns', 'add', namespace);
  conntrack = await Conntrack.open({ namespace });
});
beforeEach(() => conntrack.flush());
afterAll(async () => {
  await conntrack.close();
  deleteNamespace(namespace);
});

const tool = (...args: string[]): string => runIn(namespace, 'conntrack', ...args);

const tcp = (port: number): TupleOptions => ({
  protocol: 'tcp',
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort: port,
  destinationPort: 80,
});
const tcp6 = (port: number): TupleOptions => ({ ...tcp(port), source: 'fd00::1', destination: 'fd00::2' });

function create(original: TupleOptions, more: Partial<FlowOptions> = {}): Promise<void> {
  return conntrack.create({ original, timeout: 300, ...more });
}

const all = (): Promise<Flow[]> => conntrack.flows().toArray();
const ports = (flows: readonly Flow[]): (number | undefined)[] => flows.map((flow) => flow.original.sourcePort).sort();

test('1: a delete that names no flow deletes nothing', async () => {
  for (let i = 1; i <= 3; i++) await create(tcp(i));
  const [flow] = await all();
  // What TypeScript refuses, a program in JavaScript can still ask for.
  for (const selector of [{}, { id: flow?.id }, { mark: 1 }, { zone: 0 }, undefined, null]) {
    await expect((conntrack.delete as (selector: unknown) => Promise<void>)(selector)).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
    });
  }
  await expect(conntrack.deleteMatching({})).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  expect(await all()).toHaveLength(3);
});

test('2: a flush of one family leaves the other', async () => {
  await create(tcp(1));
  await create(tcp6(2));
  await conntrack.flush({ family: 'ipv6' });
  expect(ports(await all())).toEqual([1]);
  await create(tcp6(2));
  await conntrack.flush({ family: 'ipv4' });
  expect(ports(await all())).toEqual([2]);
});

test('3: a filter by an IPv6 address finds the flows that have it', async () => {
  await create(tcp6(1));
  await create({ ...tcp6(2), source: 'fd00::3' });
  for (const filterIn of ['kernel', 'here'] as const) {
    expect(ports(await conntrack.flows({ source: 'fd00::1', filterIn }).toArray())).toEqual([1]);
    expect(ports(await conntrack.flows({ replyDestination: 'fd00::3', filterIn }).toArray())).toEqual([2]);
    expect(ports(await conntrack.flows({ destination: 'fd00::2', filterIn }).toArray())).toEqual([1, 2]);
  }
});

test('4: an update of some bits of a mark changes these and no others', async () => {
  await create(tcp(1), { mark: 0xabcd });
  await conntrack.update({ original: tcp(1) }, { mark: 0x30, markMask: 0xf0 });
  expect((await conntrack.flow({ original: tcp(1) })).mark).toBe(0xab3d);
  expect(tool('-L')).toContain(`mark=${0xab3d}`);
  await conntrack.update({ original: tcp(1) }, { mark: 0, markMask: 0xff });
  expect((await conntrack.flow({ original: tcp(1) })).mark).toBe(0xab00);
  await conntrack.update({ original: tcp(1) }, { mark: 0xffff_ffff });
  expect((await conntrack.flow({ original: tcp(1) })).mark).toBe(0xffff_ffff);
  await expect(conntrack.update({ original: tcp(1) }, { mark: 0x11, markMask: 0xf0 })).rejects.toMatchObject({
    code: 'ERR_IPVS_INVALID_ARGUMENT',
  });
});

test('5: a status that is set is added to what is set already', async () => {
  await create(tcp(1), { nat: { destination: { address: '10.0.0.9' } } });
  const before = await conntrack.flow({ original: tcp(1) });
  await conntrack.update({ original: tcp(1) }, { status: ['seen-reply'] });
  await conntrack.update({ original: tcp(1) }, { status: ['assured'] });
  const { status } = await conntrack.flow({ original: tcp(1) });
  expect(status).toEqual(expect.arrayContaining([...before.status, 'seen-reply', 'assured']));
  expect(status).toHaveLength(before.status.length + 2);
  expect(tool('-L')).toMatch(/\[ASSURED\]/);
  expect(tool('-L')).not.toMatch(/UNREPLIED/);
  // In their order, and each on what those before it have made.
  const inOrder = await conntrack.apply([
    { change: 'create-flow', flow: { original: tcp(7), timeout: 100 } },
    { change: 'update-flow', flow: { original: tcp(7) }, set: { status: ['seen-reply'] } },
    { change: 'update-flow', flow: { original: tcp(7) }, set: { status: ['assured'] } },
    { change: 'delete-flow', flow: { original: tcp(7) } },
  ]);
  expect(inOrder.every(({ ok }) => ok)).toBe(true);
  const results = await conntrack.apply([
    { change: 'update-flow', flow: { original: tcp(1) }, set: { status: ['assured'], mark: 5 } },
    { change: 'update-flow', flow: { original: tcp(2) }, set: { status: ['assured'] } },
  ]);
  expect(results).toMatchObject([{ ok: true }, { ok: false, error: { code: 'ERR_IPVS_NO_SUCH_FLOW' } }]);
});

test('6: an answer without an end is taken at once', async () => {
  await create(tcp(1));
  const options = { timeout: 5000 };
  for (let i = 0; i < 20; i++) {
    expect((await conntrack.flow({ original: tcp(1) }, options)).original.sourcePort).toBe(1);
    expect((await conntrack.usage(options)).count).toBe(1);
  }
  await expect(conntrack.flow({ original: tcp(2) }, options)).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_FLOW',
    errnoName: 'ENOENT',
    message: expect.stringContaining('tcp 10.0.0.1:2 -> 10.0.0.2:80'),
  });
});

test('7: a table that changes while it is read comes with no flow twice, and all that stay', async () => {
  const flows = (from: number, to: number): FlowOptions[] =>
    Array.from({ length: to - from }, (_, i) => ({
      original: { ...tcp(1 + ((from + i) % 60_000)), source: `10.1.${Math.floor((from + i) / 60_000)}.1` },
      timeout: 300,
    }));
  const { failures } = await conntrack.createAll(flows(0, 8000));
  expect(failures).toEqual([]);
  let changing = true;
  const churn = (async () => {
    for (let i = 0; changing; i++) {
      await conntrack.createAll(flows(20_000 + (i % 20) * 500, 20_500 + (i % 20) * 500));
      await conntrack.deleteMatching({ protocol: 'tcp', sourcePort: 20_001 + (i % 20) * 500 });
    }
  })();
  for (let round = 0; round < 3; round++) {
    const seen = new Set<string>();
    for await (const flow of conntrack.flows()) {
      const name = `${flow.original.source} ${flow.original.sourcePort} ${flow.id}`;
      expect(seen.has(name)).toBe(false);
      seen.add(name);
    }
    const stayed = [...seen].filter((name) => Number(name.split(' ')[1]) <= 8000);
    expect(stayed).toHaveLength(8000);
  }
  changing = false;
  await churn;
});

test('8: a new flow is read back without anybody listening to events', async () => {
  await create(tcp(1), { mark: 7, timeout: 77 });
  const flow = await conntrack.flow({ original: tcp(1) });
  expect(flow).toMatchObject({ mark: 7, state: 'ESTABLISHED' });
  expect(flow.timeout).toBeGreaterThan(70);
  // By its reply, too.
  expect((await conntrack.flow({ reply: flow.reply })).id).toBe(flow.id);
});

test('9: ids are those of the tool, and a delete with another id deletes nothing', async () => {
  await create(tcp(1));
  const flow = await conntrack.flow({ original: tcp(1) });
  expect(tool('-L', '-o', 'id')).toContain(`id=${flow.id}`);
  const other = ((flow.id ?? 0) ^ 1) >>> 0;
  await expect(conntrack.delete({ original: tcp(1), id: other })).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_FLOW',
  });
  expect(await all()).toHaveLength(1);
  await conntrack.delete(flow);
  expect(await all()).toHaveLength(0);
});

test('9: an update and a read of a flow with another id find none, and its JSON names a flow', async () => {
  await create(tcp(1), { mark: 1 });
  const flow = await conntrack.flow({ original: tcp(1) });
  const id = ((flow.id ?? 0) ^ 1) >>> 0;
  const missing = { code: 'ERR_IPVS_NO_SUCH_FLOW' };
  await expect(conntrack.flow({ original: tcp(1), id })).rejects.toMatchObject(missing);
  await expect(conntrack.update({ original: tcp(1), id }, { mark: 2 })).rejects.toMatchObject(missing);
  expect((await conntrack.flow({ original: tcp(1) })).mark).toBe(1);
  await conntrack.update(JSON.parse(JSON.stringify(flow)), { mark: 3 });
  expect((await conntrack.flow(flow)).mark).toBe(3);
});

test('10: what only a new flow can be given', async () => {
  await create(tcp(1), { nat: { source: { address: '10.0.0.8', port: [4000, 4001] } } });
  const flow = await conntrack.flow({ original: tcp(1) });
  expect(flow.reply).toMatchObject({ destination: '10.0.0.8' });
  expect([4000, 4001]).toContain(flow.reply.destinationPort);
  expect(flow.status).toContain('source-nat');
  await create(tcp(2), { master: tcp(1) });
  expect((await conntrack.flow({ original: tcp(2) })).master).toMatchObject({ sourcePort: 1 });
  await expect(create(tcp(3), { master: tcp(99) })).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_FLOW' });
  await expect(create(tcp(1))).rejects.toMatchObject({ code: 'ERR_IPVS_FLOW_EXISTS', errnoName: 'EEXIST' });
  await expect(create(tcp(4), { helper: 'nosuch' })).rejects.toMatchObject({ code: 'ERR_IPVS_UNKNOWN_HELPER' });
});

test('11: filters whose value is zero', async () => {
  await create(tcp(1), { mark: 0 });
  await create(tcp(2), { mark: 0x100, status: ['seen-reply', 'assured'] });
  for (const filterIn of ['kernel', 'here'] as const) {
    const list = async (filter: object) => ports(await conntrack.flows({ ...filter, filterIn }).toArray());
    expect(await list({ mark: 0 })).toEqual([1]);
    expect(await list({ mark: 0, markMask: 0x100 })).toEqual([1]);
    expect(await list({ mark: 0, markMask: 0xff })).toEqual([1, 2]);
    expect(await list({ notStatus: ['seen-reply'] })).toEqual([1]);
    expect(await list({ status: ['assured'] })).toEqual([2]);
    expect(await list({ status: ['confirmed'], notStatus: ['assured'] })).toEqual([1]);
  }
});

test('12: zones, also where the kernel does not filter by them', async () => {
  await create(tcp(1));
  await create(tcp(2), { zone: 5 });
  await create({ ...tcp(3), zone: 6 });
  for (const filterIn of ['kernel', 'here'] as const) {
    const list = async (zone: number) => ports(await conntrack.flows({ zone, filterIn }).toArray());
    expect(await list(5)).toEqual([2]);
    expect(await list(0)).toEqual([1, 3]);
    expect(await list(7)).toEqual([]);
  }
  expect((await conntrack.flow({ original: tcp(2), zone: 5 })).zone).toBe(5);
  await expect(conntrack.flow({ original: tcp(2) })).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_FLOW' });
  await conntrack.flush({ zone: 5 });
  const left = await all();
  expect(ports(left)).toEqual([1, 3]);
  expect(left.find((flow) => flow.original.sourcePort === 3)?.original.zone).toBe(6);
});

test('14: the maximum belongs to the first namespace, the count to each', async () => {
  await create(tcp(1));
  const usage = await conntrack.usage();
  expect(usage).toMatchObject({ count: 1 });
  expect(usage.maximum).toBeGreaterThan(0);
  expect(usage.buckets).toBeGreaterThan(0);
  expect(usage.ratio).toBeCloseTo(1 / usage.maximum);
  await expect(conntrack.setSettings({ maximum: 4242 })).rejects.toMatchObject({ code: 'ERR_IPVS_PERMISSION' });
  expect((await conntrack.usage()).maximum).toBe(usage.maximum);
  await using first = await Conntrack.open();
  expect((await first.flows({ source: '10.0.0.1', destination: '10.0.0.2' }).toArray()).length).toBe(0);
});

test('15: without accounting there are no counters, rather than counters of zero', async () => {
  await conntrack.setSettings({ accounting: false, timestamps: false });
  await create(tcp(1));
  await conntrack.setSettings({ accounting: true, timestamps: true });
  await create(tcp(2));
  expect(await conntrack.settings()).toMatchObject({ accounting: true, timestamps: true });
  const [before, after] = (await all()).sort((a, b) => (a.original.sourcePort ?? 0) - (b.original.sourcePort ?? 0));
  expect(before?.counters).toBeUndefined();
  expect(before?.started).toBeUndefined();
  expect(after?.counters).toEqual({ original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } });
  expect(Math.abs(Number((after?.started ?? 0n) / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  const [group] = await conntrack.groups({ by: [] });
  expect(group).toMatchObject({ flows: 2, counted: 1 });
});

test('16: the count has flows that are not listed any more', async () => {
  await create(tcp(1), { timeout: 1 });
  await create(tcp(2));
  await until(
    async () => ports(await all()),
    (listed) => listed.length === 1,
  );
  expect(ports(await all())).toEqual([2]);
  expect((await conntrack.usage()).count).toBeGreaterThanOrEqual(1);
});

test.skipIf(!ownsMachine)('17: the receive buffer is as large as asked for, and an overrun is told', async () => {
  const large = await conntrack.watch({ receiveBuffer: 8 << 20 });
  expect(large.receiveBuffer).toBe(2 * (8 << 20));
  const small = await conntrack.watch({ receiveBuffer: 4096 });
  expect(small.receiveBuffer).toBeLessThan(20_000);
  await conntrack.createAll(Array.from({ length: 5000 }, (_, i) => ({ original: tcp(i + 1), timeout: 300 })));
  let lost = 0;
  for await (const event of small) {
    if (event.type !== 'overrun') continue;
    lost = event.overruns;
    break;
  }
  expect(lost).toBeGreaterThan(0);
  let arrived = 0;
  for await (const event of large) {
    expect(event.type).toBe('new');
    if (++arrived === 5000) break;
  }
});

test('18, 19: a large table after many small answers; other requests get their turn', async () => {
  await conntrack.createAll(Array.from({ length: 20_000 }, (_, i) => ({ original: tcp(i + 1), timeout: 300 })));
  for (let i = 1; i <= 200; i++) await conntrack.flow({ original: tcp(i) });
  let read = 0;
  let answered = 0;
  let reading = true;
  const others = (async () => {
    while (reading) {
      await conntrack.flow({ original: tcp(1) });
      answered++;
    }
  })();
  for await (const batch of conntrack.flows().batches()) read += batch.length;
  reading = false;
  await others;
  expect(read).toBe(20_000);
  expect(answered).toBeGreaterThan(2);
});

test('20: statistics are counted per processor', async () => {
  const before = await conntrack.statistics();
  await conntrack.createAll(Array.from({ length: 100 }, (_, i) => ({ original: tcp(i + 1), timeout: 300 })));
  const change = compareStatistics(before, await conntrack.statistics(), 1);
  expect(change).toMatchObject({ total: { insert: 100, drop: 0, insertFailed: 0 }, appeared: [], vanished: [] });
  const lines = tool('-S').trim().split('\n');
  expect(lines).toHaveLength(before.length);
});

test('21: of very many new flows each that fails is known', async () => {
  const flows = Array.from({ length: 10_000 }, (_, i) => ({ original: tcp(i + 1), timeout: 300 }));
  const twice = flows.toSpliced(5000, 0, { original: tcp(17), timeout: 300 });
  const { created, failures } = await conntrack.createAll(twice);
  expect(created).toBe(10_000);
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatchObject({ flow: { original: tcp(17) }, error: { code: 'ERR_IPVS_FLOW_EXISTS' } });
  expect((await conntrack.usage()).count).toBe(10_000);
  const invalid = await conntrack.createAll([{ original: tcp(20_000), timeout: 9 }, { original: {} } as FlowOptions]);
  expect(invalid).toMatchObject({ created: 1, failures: [{ error: { code: 'ERR_IPVS_INVALID_ARGUMENT' } }] });
});

test('several may wait for the next flow of one stream, and get each once', async () => {
  await conntrack.createAll(Array.from({ length: 6000 }, (_, i) => ({ original: tcp(i + 1), timeout: 300 })));
  const stream = conntrack.flows()[Symbol.asyncIterator]();
  const seen = new Set<number | undefined>();
  const worker = async (): Promise<void> => {
    for (let item = await stream.next(); !item.done; item = await stream.next()) {
      seen.add(item.value.original.sourcePort);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  expect(seen.size).toBe(6000);
  const [top, ...rest] = await conntrack.groups({ by: ['sourcePort'], top: 3, order: 'flows' });
  expect([top?.flows, rest.length]).toEqual([1, 2]);
  expect(await conntrack.groups({ by: ['sourcePort'] })).toHaveLength(6000);
});
