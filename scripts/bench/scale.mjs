// Shared functions of the benchmarks of scale: how the time of an operation grows with the size of its table.
import { median } from './lib.mjs';

/** @import { Row } from './lib.mjs' */
/** @typedef {{ size: number, time: number }} Point `time`: median in milliseconds */

/** Largest exponent that counts as linear: caches that no longer hold a table cost some per cent. */
const LINEAR = 1.1;
/** Least number of samples of one point, and the time after which no further one is taken, in milliseconds. */
const LEAST = 3;
const ENOUGH = 500;
/** Largest number of samples of one point. */
const MOST = 15;

const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, useGrouping: false });
const count = new Intl.NumberFormat('en', { useGrouping: true });

/**
 * Returns the exponent of growth: the slope of the line through the logarithms, by least squares. 1 is linear, 0
 * constant.
 * @param {readonly Point[]} points
 */
export function exponentOf(points) {
  const xs = points.map(({ size }) => Math.log(size));
  const ys = points.map(({ time }) => Math.log(time));
  const mean = (/** @type {readonly number[]} */ all) => all.reduce((sum, one) => sum + one, 0) / all.length;
  const [x, y] = [mean(xs), mean(ys)];
  const above = xs.reduce((sum, one, i) => sum + (one - x) * ((ys[i] ?? y) - y), 0);
  return above / xs.reduce((sum, one) => sum + (one - x) ** 2, 0);
}

/**
 * Returns a row that compares the exponent of growth with that of linear growth.
 * @param {string} name
 * @param {readonly Point[]} points
 * @param {string} [note]
 * @returns {Row}
 */
function growthRow(name, points, note) {
  const exponent = exponentOf(points);
  const times = points.map(({ size, time }) => `${count.format(size)}: ${short.format(time)} ms`);
  return {
    name,
    ours: exponent,
    reference: 1,
    referenceName: 'linear',
    ratio: exponent,
    unit: 'exp',
    target: `<= ${LINEAR}`,
    met: exponent <= LINEAR,
    note: [times.join(', '), note].filter(Boolean).join('; '),
    points,
  };
}

/** Measurements of several operations at several sizes. */
export class Growth {
  /** @type {Map<string, Point[]>} */
  #points = new Map();

  /**
   * Measures an operation at one size. `work` returns its time in milliseconds. Takes fewer samples of slow operations.
   * @param {string} name
   * @param {number} size
   * @param {() => number | Promise<number>} work
   * @param {number} [least] number of samples
   */
  async measure(name, size, work, least = LEAST) {
    const samples = [];
    let total = 0;
    while (samples.length < least || (total < ENOUGH && samples.length < MOST)) {
      const time = await work();
      samples.push(time);
      total += time;
    }
    this.add(name, size, median(samples));
  }

  /**
   * Adds the time of an operation that can be measured only once.
   * @param {string} name
   * @param {number} size
   * @param {number} time in milliseconds
   */
  add(name, size, time) {
    const points = this.#points.get(name) ?? [];
    points.push({ size, time });
    this.#points.set(name, points);
    console.error(`  ${name}, ${size}: ${time.toFixed(2)} ms`);
  }

  /**
   * Returns a row for each operation.
   * @param {Readonly<Record<string, string | undefined>>} [reasons] of growth above linear, by the name of the operation
   * @param {string} [note] for every row
   */
  rows(reasons = {}, note) {
    return [...this.#points].map(([name, points]) => {
      const reason = exponentOf(points) > LINEAR ? reasons[name] : undefined;
      return growthRow(name, points, [reason, note].filter(Boolean).join('; '));
    });
  }
}
