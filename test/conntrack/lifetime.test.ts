// Breaking off, closing, aborting, and the end of workers and processes.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Conntrack, type FlowOptions, IpvsError, Netfilter, Network, type TupleOptions } from '../../src/index.js';
import { deleteNamespace, run } from '../ipvs/world.js';

const namespace = `conntrack-life-${process.pid}`;
const FLOWS = 20_000;
let conntrack: Conntrack;

const udp = (port: number): TupleOptions => ({
  protocol: 'udp',
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort: port,
  destinationPort: 53,
});
const flows = (from: number, to: number): FlowOptions[] =>
  Array.from({ length: to - from }, (_, i) => ({ original: udp(from + i), timeout: 3600 }));

beforeAll(async () => {
  run('ip', 'netns', 'add', namespace);
  conntrack = await Conntrack.open({ namespace });
  const { created } = await conntrack.createAll(flows(1, FLOWS + 1));
  expect(created).toBe(FLOWS);
});
afterAll(async () => {
  await conntrack.close();
  deleteNamespace(namespace);
});

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const memory = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
const stillWorks = async (): Promise<void> => expect((await conntrack.usage()).count).toBeGreaterThanOrEqual(FLOWS);

test('a stream broken off anywhere leaves nothing behind', async () => {
  const before = descriptors();
  for (const most of [0, 1, 2, 100, 2000, 2500, 19_999, FLOWS]) {
    let seen = 0;
    if (most > 0) for await (const _ of conntrack.flows()) if (++seen === most) break;
    expect(seen).toBe(most);
    const batches = conntrack.flows().batches();
    await batches.next();
    await batches.return();
    await stillWorks();
  }
  const thrown = (async () => {
    for await (const _ of conntrack.flows()) throw new Error('enough');
  })();
  await expect(thrown).rejects.toThrow('enough');
  await conntrack.usage(); // what was closed is closed by now
  expect(descriptors()).toBeLessThanOrEqual(before);
});

test('aborting a stream, a sum, many changes and a wait for events', async () => {
  const aborted = (): AbortSignal => AbortSignal.abort(new Error('no'));
  await expect(conntrack.flows({}, { signal: aborted() }).toArray()).rejects.toThrow('no');
  const controller = new AbortController();
  const streaming = (async () => {
    for await (const _ of conntrack.flows({}, { signal: controller.signal })) controller.abort(new Error('stop'));
  })();
  await expect(streaming).rejects.toThrow('stop');
  const summing = new AbortController();
  const sum = conntrack.groups({ by: ['sourcePort'], signal: summing.signal });
  summing.abort(new Error('never mind'));
  await expect(sum).rejects.toThrow('never mind');
  const creating = new AbortController();
  const many = conntrack.createAll(flows(30_000, 60_000), { signal: creating.signal });
  setTimeout(() => creating.abort(new Error('enough')), 5);
  await expect(many).rejects.toThrow('enough');
  const listening = new AbortController();
  const events = await conntrack.watch({ signal: listening.signal });
  const waiting = events[Symbol.asyncIterator]().next();
  setTimeout(() => listening.abort(new Error('no events')), 20);
  await expect(waiting).rejects.toThrow('no events');
  await stillWorks();
});

test('timeout', async () => {
  await expect(conntrack.groups({ by: ['sourcePort'], timeout: 1 })).rejects.toMatchObject({
    code: 'ERR_IPVS_TIMEOUT',
  });
  await stillWorks();
});

test('closing the handle ends streams, sums and listeners', async () => {
  const before = descriptors();
  const other = await Conntrack.open({ namespace });
  const stream = other.flows()[Symbol.asyncIterator]();
  await stream.next();
  const events = await other.watch();
  const waiting = events[Symbol.asyncIterator]().next();
  const sum = other.groups({ by: ['sourcePort'] });
  const outcomes = Promise.allSettled([waiting, sum]);
  await other.close();
  for (const outcome of await outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  }
  expect((await outcomes)[0]?.status).toBe('rejected');
  const rest = (async () => {
    while (!(await stream.next()).done);
  })();
  await expect(rest).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  await events.close();
  await other.close();
  await expect(other.usage()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  expect(descriptors()).toBeLessThanOrEqual(before);
});

test('closing has no time limit, whatever that of the handle', async () => {
  /** Opening keeps the limit, and may exceed it. */
  const open = async <T>(attempt: () => Promise<T>): Promise<T> => {
    for (const end = performance.now() + 20_000; performance.now() < end; ) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_TIMEOUT') throw error;
      }
    }
    throw new Error('every attempt of 20 s took longer than the limit');
  };
  const options = { namespace, timeout: 5 };
  const handles = [
    await open(() => Conntrack.open(options)),
    await open(() => Netfilter.open({ ...options, owner: 'close' })),
    await open(() => Network.open(options)),
  ];
  const [first] = handles as [Conntrack];
  const stream = await open(() => first.watch());
  // Closing waits for the receives under way: a dump of every bucket of the machine takes milliseconds.
  const busy = Array.from({ length: 20 }, () => first.flows({ mark: 0x7fffffff }, { timeout: 30_000 }).toArray());
  const begun = performance.now();
  const closing = [
    stream.close(),
    ...handles.map((handle) => handle.close()),
    ...handles.map((handle) => handle.close()),
  ];
  const ended = Promise.allSettled(busy);
  expect(await Promise.all(closing)).toEqual(closing.map(() => undefined));
  expect(performance.now() - begun).toBeGreaterThan(options.timeout);
  for (const handle of handles) await handle.close();
  await stream.close();
  await ended;
  await expect(first.usage({ timeout: 30_000 })).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
});

test('one loop reads a watch, and return() ends a loop that waits', async () => {
  const events = await conntrack.watch();
  const first = events[Symbol.asyncIterator]();
  const waiting = first.next();
  expect(() => events[Symbol.asyncIterator]()).toThrow('read by one loop');
  await conntrack.create({ original: udp(60_001), timeout: 60 });
  expect((await waiting).value).toMatchObject({ type: 'new' });
  const never = first.next();
  await first.return?.();
  expect(await never).toEqual({ done: true, value: undefined });
  await conntrack.delete({ original: udp(60_001) });
});

test('an abort ends createAll while its iterable says nothing', async () => {
  const controller = new AbortController();
  const silent = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<FlowOptions>>(() => {}) }),
  };
  const creating = conntrack.createAll(silent, { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 10);
  await expect(creating).rejects.toThrow('enough');
});

test('an abort between two flows ends createAll, and the generator with it', async () => {
  const controller = new AbortController();
  let ended = false;
  async function* endless() {
    try {
      for (;;) yield { original: udp(60_002), timeout: 60 };
    } finally {
      ended = true;
    }
  }
  const creating = conntrack.createAll(endless(), { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 10);
  await expect(creating).rejects.toThrow('enough');
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(true);
  await conntrack.delete({ original: udp(60_002) });
});

test('a listener that is closed ends its loop, and may be closed again', async () => {
  const events = await conntrack.watch();
  const loop = (async () => {
    for await (const _ of events);
    return 'ended';
  })();
  await conntrack.usage(); // the loop waits by now: requests are answered in order
  await events.close();
  expect(await loop).toBe('ended');
  await events.close();
});

describe('workers and processes', () => {
  const fixture = new URL('fixtures/worker.mjs', import.meta.url);

  function start(job: string): { worker: Worker; ready: Promise<unknown>; ended: Promise<unknown> } {
    const worker = new Worker(fixture, { workerData: { namespace, job } });
    const ready = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    return { worker, ready, ended };
  }
  const program = (job: string): string =>
    execFileSync(process.execPath, [fileURLToPath(fixture), JSON.stringify({ namespace, job })], {
      encoding: 'utf8',
      timeout: 50_000,
    });

  test('two handles in two worker threads', async () => {
    const workers = [start('count'), start('count')];
    for (const count of await Promise.all(workers.map(({ ready }) => ready)))
      expect(count).toBeGreaterThanOrEqual(FLOWS);
    expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0]);
  });

  test.each(['idle', 'in-flight', 'streaming', 'listening', 'waiting'])('a worker terminated: %s', async (job) => {
    for (let i = 0; i < 3; i++) {
      const { worker, ready, ended } = start(job);
      await ready;
      await worker.terminate();
      await ended;
    }
    await stillWorks();
  });

  test.each(['idle', 'streaming', 'exit'])('a process that ends: %s', (job) => {
    expect(program(job)).toBe('ready\n');
  });
});

test('many operations leave no descriptors and no memory behind', async () => {
  const round = async (): Promise<void> => {
    await conntrack.createAll(flows(40_000, 40_500));
    await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => conntrack.flow({ original: udp(i + 1) })),
      conntrack.groups({ by: ['sourcePort'], filter: { sourcePort: 7 } }),
      conntrack.statistics(),
      conntrack.settings(),
      conntrack.flow({ original: udp(65_000) }).catch(() => {}),
    ]);
    const events = await conntrack.watch(); // of flows that begin now
    await conntrack.create({ original: udp(50_000), timeout: 60 });
    expect(await conntrack.deleteMatching({ sourcePort: 50_000 })).toBe(1);
    for await (const event of events) if (event.type === 'destroy') break;
    for await (const _ of conntrack.flows()) break;
    await conntrack.apply(
      flows(40_000, 40_500).map(({ original }) => ({ change: 'delete-flow', flow: { original } }) as const),
    );
  };
  for (let i = 0; i < 10; i++) await round(); // what is kept for later is taken now
  const before = { memory: memory(), descriptors: descriptors() };
  for (let i = 0; i < 50; i++) await round(); // 50 000 changes
  await conntrack.usage();
  expect(descriptors()).toBeLessThanOrEqual(before.descriptors);
  expect(memory() - before.memory).toBeLessThan(40);
}, 240_000);
