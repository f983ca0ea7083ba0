// Measures how long one handle waits while another handle keeps the kernel busy.
import { Network } from '../../dist/index.js';
import { byReference, withConntrack } from './conntrack.mjs';
import { row } from './lib.mjs';

/** @import { Benchmark } from './lib.mjs' */

const FLOWS = 262_144;
const ROUNDS = 5;
const P99 = 1; // ms
const LONGEST = 10; // ms

/**
 * Asks again and again for the links, on a handle of its own, until `work` ends. Returns the times in milliseconds.
 * @param {Network} network
 * @param {() => Promise<unknown>} work
 */
async function latencies(network, work) {
  let over = false;
  const ended = work().finally(() => {
    over = true;
  });
  const times = [];
  while (!over) {
    const start = performance.now();
    await network.links();
    times.push(performance.now() - start);
    // Lets the other handle's results in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  return times;
}

/** @param {readonly number[]} times */
const p99 = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;

/**
 * @param {string} what
 * @param {readonly number[][]} rounds
 */
function rows(what, rounds) {
  const all = rounds.flat();
  const note = `${all.length} calls in ${rounds.length} rounds`;
  return [
    row(`independence ${what} p99`, rounds.map(p99), 'limit', [P99], { target: 1, note }),
    row(`independence ${what} max`, [Math.max(...all)], 'limit', [LONGEST], { target: 1, note }),
  ];
}

function independence() {
  return withConntrack(async (conntrack, namespace) => {
    const network = await Network.open({ namespace });
    try {
      const noFlow = async () => {
        for await (const flow of conntrack.flows({ destinationPort: 1 })) {
          throw new Error(`${flow.id} matches`);
        }
      };
      const flushes = [];
      const dumps = [];
      // The first round warms up.
      for (let round = 0; round <= ROUNDS; round++) {
        byReference(namespace, 'create', FLOWS);
        const dump = await latencies(network, noFlow);
        const flush = await latencies(network, () => conntrack.flush());
        if (round === 0) continue;
        dumps.push(dump);
        flushes.push(flush);
      }
      return [...rows('flush', flushes), ...rows('filtered dump', dumps)];
    } finally {
      await network.close();
    }
  });
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = { independence: { place: 'conntrack', run: independence } };
