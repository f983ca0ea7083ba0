// Reports when something differs from a document, for example because a firewall was reloaded, and when it is as
// wanted again. Changes nothing without --repair.
//   node drift-watch.mjs document.yaml [--repair] [--once]
// With --once it reports the differences, and exits with status 1 if there are any: for monitoring.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DesiredState } from 'ipvs';

/**
 * Prints each report until the signal aborts.
 * @param {import('ipvs').DesiredState} state
 * @param {{ repair?: boolean, interval?: number, signal: AbortSignal, print?: (line: string) => void }} options
 */
export async function report(state, { repair = false, interval = 2000, signal, print = console.log }) {
  try {
    for await (const { drift, repaired, error } of await state.watch({ repair, interval, signal })) {
      if (error) print(`cannot read or repair, trying again: ${error.message}`);
      else if (drift.length === 0) print('as wanted');
      for (const { problem, what } of drift) print(`${problem}: ${what}`);
      for (const { action, what } of repaired) print(`repaired: ${action} ${what}`);
    }
  } catch (reason) {
    if (!signal.aborted) throw reason;
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({
    options: { repair: { type: 'boolean', default: false }, once: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [file] = positionals;
  if (!file) throw new Error('usage: drift-watch.mjs DOCUMENT [--repair] [--once]');
  const state = await DesiredState.open(await readFile(file, 'utf8'));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort());
  try {
    if (values.once) {
      const differences = await state.verify();
      for (const { problem, what } of differences) console.log(`${problem}: ${what}`);
      if (differences.length > 0) process.exitCode = 1;
    } else await report(state, { repair: values.repair, signal: stop.signal });
  } finally {
    await state.close();
  }
}
