// What happens to streams of events when nobody keeps up, and what makes good for it.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Conntrack, type ConntrackEvent, type Flow } from '../../src/index.js';
import { ownsMachine } from '../user-namespace.js';
import { Listener, listen, viewOf } from './listeners.js';
import { matches } from './matches.js';
import { udpFlow, udpName, until, useWorld } from './world.js';

/** More than waits in this process for a consumer that sleeps: about 4800. */
const MANY = 12_000;
const TINY = 4096;
const world = useWorld();

beforeAll(async () => {
  await world.conntrack.setSettings({ events: true });
  // Labels can be set only where a rule uses them.
  world.rules(`
    table inet test {
      chain out { type filter hook output priority 0; ct label set 1; }
    }`);
});
beforeEach(() => world.conntrack.flush());
afterEach(() => world.conntrack.flush());

function* numbers(from: number, to: number): Generator<number> {
  for (let number = from; number < to; number++) yield number;
}

async function create(from: number, to: number): Promise<void> {
  const flows = [...numbers(from, to)].map((number) => udpFlow(number, { mark: number }));
  expect(await world.conntrack.createAll(flows)).toEqual({ created: to - from, failures: [] });
}

async function apply(change: 'delete-flow' | 'update-flow', from: number, to: number, mark = 0): Promise<void> {
  const results = await world.conntrack.apply(
    [...numbers(from, to)].map((number) =>
      change === 'delete-flow' ? { change, flow: udpName(number) } : { change, flow: udpName(number), set: { mark } },
    ),
  );
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
}

/** What of a flow a view keeps right. */
function essence(flow: Flow): unknown[] {
  const { original, reply, mark, statusBits, labels = [], zone } = flow;
  return [original.source, original.sourcePort, reply.source, reply.sourcePort, mark ?? 0, statusBits, labels, zone];
}

function table(flows: Iterable<Flow>): Map<number, unknown[]> {
  return new Map([...flows].map((flow) => [flow.id ?? 0, essence(flow)] as const).sort((a, b) => a[0] - b[0]));
}

function count(events: readonly ConntrackEvent[], type: ConntrackEvent['type']): number {
  return events.filter((event) => event.type === type).length;
}

/** Waits until the view that a listener has built is the table; compares them. */
async function expectViewToBecomeTable(listener: Listener): Promise<void> {
  const actual = table(await world.conntrack.flows().toArray());
  const view = await until(
    () => table(viewOf(listener.events).values()),
    (built) => JSON.stringify([...built]) === JSON.stringify([...actual]),
    30_000,
  );
  expect(view.size).toBe(actual.size);
  expect([...view].filter(([id, flow]) => JSON.stringify(flow) !== JSON.stringify(actual.get(id)))).toEqual([]);
}

test.skipIf(!ownsMachine)('the receive buffer is as the kernel has it', async () => {
  const { conntrack } = world;
  const sizes = [];
  for (const receiveBuffer of [1, 100_000, 64 << 20, undefined]) {
    await using stream = await conntrack.watch(receiveBuffer === undefined ? {} : { receiveBuffer });
    sizes.push(stream.receiveBuffer);
  }
  expect(sizes).toEqual([2304, 200_000, 128 << 20, 2 << 20]);
});

test('an overrun is told, and the stream goes on', async () => {
  const { conntrack } = world;
  const stream = await conntrack.watch({ receiveBuffer: TINY });
  await create(0, MANY);
  const listener = new Listener(stream); // it begins to take them only now
  await listener.quiet();
  const { events } = listener;
  const flows = viewOf(events).size;
  expect(flows).toBeGreaterThan(10);
  expect(flows).toBeLessThan(MANY);
  const overruns = events.flatMap((event) => (event.type === 'overrun' ? [event.overruns] : []));
  expect(overruns.length).toBeGreaterThan(0);
  expect(overruns).toEqual(overruns.map((_, index) => index + 1));
  await listener.settle(conntrack);
  expect(viewOf(events).size).toBe(flows + 1);
  expect(events.at(-1)).toMatchObject({ type: 'new', recovered: false });
  await listener.close();
});

test.skipIf(!ownsMachine)('with a large buffer nothing is lost, though the consumer sleeps', async () => {
  const stream = await world.conntrack.watch({ receiveBuffer: 64 << 20 });
  await create(0, MANY);
  const listener = new Listener(stream);
  const seen = listener.events;
  await until(
    () => seen.length,
    (length) => length >= MANY,
  );
  await listener.close();
  expect(count(seen, 'new')).toBe(MANY);
  expect(seen).toHaveLength(MANY);
  expect(new Set(seen.map((event) => 'flow' in event && event.flow.id)).size).toBe(MANY);
});

test('a stream that resynchronises begins with what there is', async () => {
  const { conntrack } = world;
  await create(0, 3000);
  const listener = await listen(conntrack, { resynchronise: true });
  await until(
    () => listener.events.at(-1)?.type,
    (type) => type === 'resynchronised',
  );
  const { events } = listener;
  expect(events.at(-1)).toEqual({ type: 'resynchronised', flows: 3000 });
  expect(events.slice(0, -1).every((event) => event.type === 'new' && event.recovered)).toBe(true);
  await expectViewToBecomeTable(listener);
  await conntrack.create(udpFlow(50_000));
  await until(
    () => events.length,
    (length) => length > 3001,
  );
  expect(events.at(-1)).toMatchObject({ type: 'new', recovered: false, flow: { original: { sourcePort: 50_000 } } });
  await listener.close();
});

test('nothing is there, and that is said', async () => {
  const listener = await listen(world.conntrack, { resynchronise: true });
  await until(
    () => listener.events.length,
    (length) => length > 0,
  );
  expect(listener.events).toEqual([{ type: 'resynchronised', flows: 0 }]);
  await listener.close();
});

test('after overruns the view is the table', async () => {
  const { conntrack } = world;
  await create(0, 4000);
  const stream = await conntrack.watch({ receiveBuffer: TINY, resynchronise: { interval: 200 } });
  const [survivor] = await conntrack.flows({ sourcePort: 3999 }).toArray();
  for (let round = 0; round < 3; round++) {
    await create(4000 + round * 4000, 8000 + round * 4000);
    await apply('delete-flow', round * 1000, round * 1000 + 1000);
    await apply('update-flow', 3000, 3500, 100_000 + round);
    await conntrack.deleteMatching({ mark: 5000 + round });
    // Another flow in the place of one that was known.
    await apply('delete-flow', 3600, 3700);
    await create(3600, 3700);
  }
  await conntrack.update(udpName(3400), { status: ['seen-reply', 'assured'] });
  await conntrack.update(udpName(3401), { labels: [5, 77] });
  const listener = new Listener(stream); // it has slept till now
  await expectViewToBecomeTable(listener);
  await listener.close();
  const { events } = listener;
  expect(count(events, 'overrun')).toBeGreaterThan(0);
  expect(count(events, 'resynchronised')).toBeGreaterThan(1);
  const recovered = (type: string): number =>
    events.filter((event) => event.type === type && 'recovered' in event && event.recovered).length;
  for (const type of ['new', 'update', 'destroy']) expect(recovered(type), type).toBeGreaterThan(0);
  // One flow that nothing happened to is told of once.
  expect(events.filter((event) => 'flow' in event && event.flow.id === survivor?.id)).toHaveLength(1);
  // Each ends once, and nothing is told of it afterwards. (One in the place of another may have its id.)
  const told = events.filter(
    (event) => 'flow' in event && ![36, 37].includes(Math.floor((event.flow.original.sourcePort ?? 0) / 100)),
  );
  const ended = new Map<number | undefined, ConntrackEvent>();
  for (const event of told) {
    if (!('flow' in event)) continue;
    const { id } = event.flow;
    const before = ended.get(id);
    expect(before, `${event.type} (recovered: ${event.recovered}) of ${id}, which has ended`).toBeUndefined();
    if (event.type === 'destroy') ended.set(id, event);
  }
}, 120_000);

test('events that have waited since before an overrun do not spoil the view', async () => {
  const { conntrack } = world;
  const stream = await conntrack.watch({ receiveBuffer: 4 << 20, resynchronise: { interval: 100 } });
  // Some 11 000 of these wait here and in the buffer; that they are gone again is lost.
  for (let round = 0; round < 3; round++) await create(round * 10_000, round * 10_000 + 10_000);
  await conntrack.flush();
  await create(40_000, 40_010);
  const listener = new Listener(stream);
  await listener.quiet(1000);
  expect(count(listener.events, 'overrun')).toBeGreaterThan(0);
  const view = table(viewOf(listener.events).values());
  await listener.close();
  const actual = table(await conntrack.flows().toArray());
  expect(actual.size).toBe(10);
  expect(view.size, 'flows in the view').toBe(actual.size);
  expect([...view]).toEqual([...actual]);
}, 120_000);

test('what happens after a resynchronisation, while older events still wait, is not lost', async () => {
  const { conntrack } = world;
  const stream = await conntrack.watch({ receiveBuffer: 16 << 20, resynchronise: { interval: 100 } });
  await create(0, 100);
  // Updates of one flow, until the buffer has run over.
  for (let round = 0; round < 5; round++) {
    const changes = [...numbers(0, 10_000)].map((mark) => {
      return { change: 'update-flow', flow: udpName(0), set: { mark: round * 10_000 + mark + 1 } } as const;
    });
    await conntrack.apply(changes);
  }
  const events: ConntrackEvent[] = [];
  const batches = stream.batches();
  const take = async (): Promise<void> => void events.push(...((await batches.next()).value ?? []));
  // The overrun is found when the first are taken, and the table is read again; most events still wait.
  for (let i = 0; i < 5 && count(events, 'resynchronised') < 2; i++) {
    await take();
    await sleep(500);
  }
  await apply('delete-flow', 1, 100);
  void (async () => {
    for (;;) {
      const { value, done } = await batches.next();
      if (done) return;
      events.push(...value);
    }
  })();
  const view = await until(
    () => viewOf(events),
    (built) => built.size === 1,
    5000,
  );
  await stream.close();
  expect(count(events, 'overrun')).toBeGreaterThan(0);
  expect(count(events, 'resynchronised')).toBeGreaterThan(1);
  expect(view.size, 'flows in the view').toBe(1);
}, 120_000);

test('a filtered stream resynchronises to what matches', async () => {
  const { conntrack } = world;
  await create(0, 2000);
  const filter = { mark: 1, markMask: 1 };
  const stream = await conntrack.watch({ filter, receiveBuffer: TINY, resynchronise: { interval: 100 } });
  await create(2000, 12_000);
  await apply('update-flow', 0, 1000, 3);
  await apply('update-flow', 1000, 2000, 4);
  const listener = new Listener(stream);
  const actual = table(await conntrack.flows(filter).toArray());
  expect(actual.size).toBe(1000 + 5000);
  const view = await until(
    // A flow that no longer matches is told of once more.
    () => table([...viewOf(listener.events).values()].filter((flow) => matches(filter, flow))),
    (built) => JSON.stringify([...built]) === JSON.stringify([...actual]),
  );
  await listener.close();
  expect([...view]).toEqual([...actual]);
  expect(count(listener.events, 'overrun')).toBeGreaterThan(0);
});

test('resynchronisations keep their distance', async () => {
  const interval = 1500;
  const stream = await world.conntrack.watch({ receiveBuffer: 1, resynchronise: { interval } });
  const times: number[] = [];
  let overruns = 0;
  const consume = (async () => {
    for await (const event of stream) {
      if (event.type === 'resynchronised') times.push(performance.now());
      if (event.type === 'overrun') overruns++;
    }
  })();
  await until(
    async () => {
      await create(0, 2000);
      await apply('delete-flow', 0, 2000);
      return times.length;
    },
    (length) => length >= 4,
    40_000,
  );
  await stream.close();
  await consume;
  expect(times.length).toBeGreaterThanOrEqual(4);
  expect(overruns).toBeGreaterThan(times.length);
  const distances = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  // They are told at their end, and counted from their beginning.
  for (const distance of distances) expect(distance).toBeGreaterThan(interval * 0.5);
  expect(distances.reduce((sum, distance) => sum + distance, 0)).toBeGreaterThan(interval * distances.length * 0.8);
});

test('a reliable stream tells of every end, late but without an overrun', async () => {
  const { conntrack } = world;
  const stream = await conntrack.watch({ receiveBuffer: 65_536, reliable: true });
  await create(0, MANY);
  const ids = new Set((await conntrack.flows().toArray()).map((flow) => flow.id));
  expect(ids.size).toBe(MANY);
  await apply('delete-flow', 0, MANY);
  expect(await conntrack.flows().toArray()).toEqual([]);
  // Nobody has taken anything yet: those that could not be told of wait.
  const dying = await conntrack.flows({}, { list: 'dying' }).toArray();
  expect(dying.length).toBeGreaterThan(100);
  expect(dying.filter((flow) => !ids.has(flow.id) || !flow.status.includes('dying'))).toEqual([]);

  const events: ConntrackEvent[] = [];
  const ended = new Set<number | undefined>();
  for await (const batch of stream.batches()) {
    events.push(...batch);
    for (const event of batch) if (event.type === 'destroy') ended.add(event.flow.id);
    if (ended.size === MANY) break;
  }
  expect(ended).toEqual(ids);
  expect(count(events, 'destroy')).toBe(MANY);
  expect(count(events, 'overrun')).toBe(0);
  expect(
    await until(
      () => conntrack.flows({}, { list: 'dying' }).toArray(),
      ({ length }) => length === 0,
    ),
  ).toEqual([]);
}, 120_000);

// Its listeners stay open if it fails, and while any listener of the machine is, flows of all namespaces have events.
test.skipIf(!ownsMachine)('what overruns one stream does no harm to another', async () => {
  const { conntrack } = world;
  const [tiny, large] = [
    await conntrack.watch({ receiveBuffer: TINY }),
    await listen(conntrack, { receiveBuffer: 64 << 20 }),
  ];
  const other = await Conntrack.open({ namespace: world.namespace });
  const elsewhere = await listen(other, { receiveBuffer: 64 << 20 });
  await create(0, MANY);
  for (const listener of [large, elsewhere]) {
    await until(
      () => listener.events.length,
      (length) => length >= MANY,
    );
    await listener.close();
    expect(count(listener.events, 'new')).toBe(MANY);
    expect(listener.events).toHaveLength(MANY);
  }
  const seen: ConntrackEvent[] = [];
  for await (const batch of tiny.batches()) {
    seen.push(...batch);
    if (count(seen, 'overrun') > 0) break;
  }
  expect(count(seen, 'overrun')).toBeGreaterThan(0);
  await other.close();
});
