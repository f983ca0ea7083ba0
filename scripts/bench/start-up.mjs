// Benchmark of importing the library, compared with a process that imports nothing.
import { execFileSync } from 'node:child_process';
import { interleaved, milliseconds, row, run } from './lib.mjs';

/** @import { Benchmark } from './lib.mjs' */

/** Most time that importing may add to the start of a process, in milliseconds. */
const LIMIT = 20;
const ROUNDS = 25;
const entry = new URL('../../dist/index.js', import.meta.url).href;

export const setting = `medians of ${ROUNDS} pairs of processes, taken in turn`;

/** @param {string} program */
const start = (program) =>
  milliseconds(() => execFileSync(process.execPath, ['--input-type=module', '--eval', program]));

async function startUp() {
  const { bare = [], library = [] } = await interleaved(ROUNDS, {
    bare: () => start(''),
    library: () => start(`await import('${entry}')`),
  });
  const added = library.map((time, index) => time - (bare[index] ?? 0));
  /** @type {string[]} */
  const files = JSON.parse(run([process.execPath, 'scripts/loaded-files.mjs', entry]));
  return [row('start-up', added, 'limit over bare Node', [LIMIT], { target: 1, note: `${files.length} files loaded` })];
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = { 'start-up': { place: 'process', run: startUp } };
