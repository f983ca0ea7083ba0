// Benchmarks of conntrack events, which conntrack-reference.c makes at a constant rate: whether any are lost, the
// processor time, and the recovery if some must be lost.
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { reference, withConntrack } from './conntrack.mjs';
import { inside, interleaved, row, thenUndo } from './lib.mjs';

/** @import { Conntrack, ConntrackEvent, ConntrackWatch, Flow } from '../../dist/index.js' */
/** @import { Benchmark } from './lib.mjs' */

const emulated = process.env.IPVS_VM !== undefined;
const RATE = emulated ? 5_000 : 100_000; // events per second
const EVENTS = RATE * (emulated ? 4 : 10);
const ROUNDS = 3;
const BUFFER = 64 << 20;
const SMALL_BUFFER = 64 << 10;
const PATIENCE = emulated ? 300_000 : 60_000;

/**
 * Makes events; returns their number.
 * @param {string} namespace
 * @param {number} keep one flow in `keep` stays in the table; 0: none
 * @param {number} rate events per second
 */
async function produce(namespace, keep, rate = RATE) {
  const [program = '', ...args] = [...inside(namespace), ...reference('produce', EVENTS, rate, keep)];
  const work = promisify(execFile)(program, args);
  const { stdout } = await thenUndo(
    () => work.child.kill(),
    () => work,
  );
  const [time = 0, events = 0] = stdout.split(' ').map(Number);
  if (events / time < (rate / 1000) * 0.95)
    console.error(`conntrack-events: only ${Math.round((events / time) * 1000)} events a second, not ${rate}`);
  return events;
}

/** @param {NodeJS.CpuUsage} [since] milliseconds */
function processorTime(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/**
 * Closes the stream after 2 s without an event.
 * @param {ConntrackWatch} stream
 * @param {() => number} seen
 */
async function closeWhenQuiet(stream, seen) {
  for (let before = -1; before !== seen(); await sleep(2000)) before = seen();
  await stream.close();
}

/**
 * @param {Conntrack} conntrack
 * @param {string} namespace
 * @param {number} rate events per second
 */
async function listen(conntrack, namespace, rate = RATE) {
  const begun = process.cpuUsage();
  const stream = await conntrack.watch({ receiveBuffer: BUFFER });
  const seen = { events: 0, overruns: 0 };
  const made = produce(namespace, 0, rate);
  const done = made.then(() => closeWhenQuiet(stream, () => seen.events));
  done.catch(() => stream.close()); // and is awaited below
  for await (const batch of stream.batches()) {
    for (const { type } of batch) {
      if (type === 'overrun') seen.overruns++;
      else seen.events++;
    }
  }
  await done;
  return { ...seen, made: await made, time: processorTime(begun) };
}

/** @param {string} namespace */
async function listenByReference(namespace) {
  const [program = '', ...args] = [...inside(namespace), ...reference('listen', BUFFER)];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return thenUndo(
    () => child.kill(),
    async () => {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      await lines.next(); // ready
      await produce(namespace, 0);
      const { value = '' } = await lines.next();
      const [events = 0, , time = 0] = value.split(' ').map(Number);
      if (events !== EVENTS) console.error(`conntrack-events: the C program received ${events} of ${EVENTS} events`);
      return time;
    },
  );
}

/** @param {Flow} flow */
const keyOf = ({ original, id }) =>
  `${id} ${original.source}:${original.sourcePort} ${original.destination}:${original.destinationPort}`;

/** The table according to the events, and the number of events that were recovered. */
class View {
  keys = new Set();
  told = 0;
  recovered = 0;
  overruns = 0;
  resynchronised = 0;
  /** True if the view has been resynchronised since the last overrun. */
  whole = true;

  /** @param {ConntrackEvent} event */
  take(event) {
    if (event.type === 'overrun') {
      this.overruns = event.overruns;
      this.whole = false;
    } else if (event.type === 'resynchronised') {
      this.resynchronised++;
      this.whole = true;
    } else if ('flow' in event) {
      if (event.recovered) this.recovered++;
      else this.told++;
      if (event.type === 'destroy') this.keys.delete(keyOf(event.flow));
      else this.keys.add(keyOf(event.flow));
    }
  }
}

/**
 * Receives events with a buffer that is too small for the rate, then compares the view of the events with the table.
 * @param {Conntrack} conntrack
 * @param {string} namespace
 */
async function recover(conntrack, namespace) {
  const stream = await conntrack.watch({ receiveBuffer: SMALL_BUFFER, resynchronise: true });
  const view = new View();
  const made = produce(namespace, 3);
  const finish = async () => {
    await made;
    const until = performance.now() + PATIENCE;
    const seen = () => view.told + view.recovered + view.overruns + view.resynchronised;
    for (let before = -1; before !== seen() || !view.whole; await sleep(2000)) {
      before = seen();
      if (performance.now() > until) throw new Error('the events do not come to rest');
    }
    await stream.close();
  };
  const done = finish();
  done.catch(() => stream.close()); // and is awaited below
  for await (const batch of stream.batches()) for (const event of batch) view.take(event);
  await done;
  const table = new Set();
  for await (const flow of conntrack.flows()) table.add(keyOf(flow));
  const same = [...table].filter((key) => view.keys.has(key)).length;
  return { view, made: await made, table: table.size, same };
}

/**
 * Says whether all events arrived.
 * @param {number} rate events per second
 * @param {readonly Awaited<ReturnType<typeof listen>>[]} heard
 */
function arrived(rate, heard) {
  const worst = heard.reduce((a, b) => (b.made - b.events > a.made - a.events ? b : a));
  const overruns = heard.reduce((sum, result) => sum + result.overruns, 0);
  return {
    ...row(`conntrack-events at ${rate}/s`, [worst.events], 'sent', [worst.made], { unit: 'events' }),
    target: '= 1',
    met: worst.events === worst.made && overruns === 0,
    note: `the worst of ${heard.length} runs, ${overruns} overruns in all`,
  };
}

async function events() {
  /** @type {Awaited<ReturnType<typeof listen>>[]} */
  const heard = [];
  const samples = await interleaved(ROUNDS, {
    ours: () =>
      withConntrack(async (conntrack, namespace) => {
        const result = await listen(conntrack, namespace);
        heard.push(result);
        return result.time;
      }),
    c: () => withConntrack((_, namespace) => listenByReference(namespace)),
  });
  const faster = [];
  for (let round = 0; round < ROUNDS; round++)
    faster.push(await withConntrack((conntrack, namespace) => listen(conntrack, namespace, 2 * RATE)));
  const { view, made, table, same } = await withConntrack(recover);
  const lost = made - view.told;
  const told = lost === 0 || view.overruns > 0;
  const whole = same === table && same === view.keys.size;
  return [
    row('conntrack-events cpu', samples.ours, 'C, receiving', samples.c, { target: 1.25 }),
    arrived(RATE, heard),
    arrived(2 * RATE, faster),
    {
      ...row('conntrack-events recovered', [view.keys.size], 'flows in the table', [table], { unit: 'flows' }),
      target: '= 1',
      met: whole && told,
      note: `buffer of ${SMALL_BUFFER >> 10} KiB: ${view.told} of ${made} events came, ${view.overruns} overruns were told, ${view.resynchronised} resynchronisations, ${view.recovered} events recovered; ${same} keys are the same`,
    },
  ];
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = { 'conntrack-events': { place: 'conntrack', run: events } };
