// Shared functions of the benchmarks: temporary namespaces, medians, rows of results.
import { execFileSync } from 'node:child_process';

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {number} ours median
 * @property {number} reference median, or the limit
 * @property {string} referenceName
 * @property {number} ratio ours / reference
 * @property {string} unit
 * @property {string} [target] of the ratio: `<= 1.15`
 * @property {boolean} [met]
 * @property {string} [note] for example, the range of the samples
 * @property {readonly { readonly size: number, readonly time: number }[]} [points] of a row about growth, whose `ours`
 *   is the exponent
 */

/**
 * @typedef {{ place: 'process' | 'ipvs' | 'conntrack' | 'netfilter', run: () => Promise<Row[]> }} Benchmark
 *   `place`: the part that the kernel must have; `process`: none
 */

/**
 * Pending undo functions; they run last in, first out, also when this process is interrupted.
 * @type {(() => void)[]}
 */
const undone = [];
process.once('exit', () => {
  for (let undo = undone.pop(); undo; undo = undone.pop()) {
    try {
      undo();
    } catch (error) {
      console.error(/** @type {Error} */ (error).message);
    }
  }
});
// With once() a second signal would end the process before everything is undone.
for (const [signal, number] of /** @type {const} */ ([
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
]))
  process.on(signal, () => process.exit(128 + number));

/**
 * Runs `work`, then `undo`. Runs `undo` also if this process is interrupted.
 * @template T
 * @param {() => void} undo
 * @param {() => T | Promise<T>} work
 */
export async function thenUndo(undo, work) {
  undone.push(undo);
  try {
    return await work();
  } finally {
    undone.splice(undone.indexOf(undo), 1);
    undo();
  }
}

/**
 * Runs a command to its end and returns its output.
 * @param {readonly string[]} command
 * @param {string} [input]
 */
export function run([program = '', ...args], input = '') {
  return execFileSync(program, args, { encoding: 'utf8', input, maxBuffer: 1 << 28 });
}

/**
 * Runs `work` in a new, empty namespace.
 * @template T
 * @param {(namespace: string) => T | Promise<T>} work
 */
export async function inFreshNamespace(work) {
  const namespace = `ipvs-bench-${process.pid}`;
  run(['ip', 'netns', 'add', namespace]);
  return thenUndo(
    () => run(['ip', 'netns', 'delete', namespace]),
    () => {
      for (const command of ['link set lo up', 'addr add 10.255.255.1/8 dev lo'])
        run(['ip', '-n', namespace, ...command.split(' ')]);
      return work(namespace);
    },
  );
}

/**
 * Returns the words that, before a command, run it in the namespace.
 * @param {string} namespace
 */
export const inside = (namespace) => ['nsenter', `--net=/run/netns/${namespace}`];

/** @param {() => unknown} work */
export async function milliseconds(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** @param {readonly number[]} samples */
export const median = (samples) => samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;

/**
 * Takes samples of all works in turn, so that other load on the machine slows all of them down. The first sample of
 * each is a warm-up and does not count.
 * @param {number} rounds
 * @param {Readonly<Record<string, () => number | Promise<number>>>} works
 */
export async function interleaved(rounds, works) {
  /** @type {Record<string, number[]>} */
  const samples = Object.fromEntries(Object.keys(works).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      const sample = await work();
      if (round > 0) samples[name]?.push(sample);
    }
  }
  return samples;
}

const decimal = new Intl.NumberFormat('en', { maximumFractionDigits: 1, useGrouping: false });
/** @param {readonly number[]} samples */
const spread = (samples) => `${decimal.format(Math.min(...samples))}..${decimal.format(Math.max(...samples))}`;

/** @typedef {{ unit?: string, target?: number | undefined, note?: string }} RowOptions `target`: maximum ratio */

/**
 * @param {string} name
 * @param {readonly number[] | undefined} ours samples
 * @param {string} referenceName
 * @param {readonly number[] | undefined} reference samples
 * @param {RowOptions} [options]
 * @returns {Row}
 */
export function row(name, ours = [], referenceName, reference = [], { unit = 'ms', target, note = '' } = {}) {
  const [mine, theirs] = [median(ours), median(reference)];
  const ratio = mine / theirs;
  const notes = [
    ours.length > 1 ? `ours ${spread(ours)}` : '',
    reference.length > 1 ? `theirs ${spread(reference)}` : '',
    note,
  ];
  return {
    name,
    ours: mine,
    reference: theirs,
    referenceName,
    ratio,
    unit,
    ...(target !== undefined && { target: `<= ${target}`, met: ratio <= target }),
    note: notes.filter(Boolean).join(', '),
  };
}
