// Compares the library with minimal C programs (reference.c, conntrack-reference.c, netfilter-reference.c) and with
// ipvsadm, conntrack and nft: main.mjs [NAME ...] [--json FILE]
// The times depend on the machine; compare the ratios, ours / reference.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { parseArgs } from 'node:util';
import * as conntrack from './conntrack.mjs';
import { benchmarks as events } from './conntrack-events.mjs';
import { benchmarks as independence } from './independence.mjs';
import * as ipvs from './ipvs.mjs';
import { thenUndo } from './lib.mjs';
import * as netfilter from './netfilter.mjs';
import { benchmarks as scaleFlows } from './scale-conntrack.mjs';
import * as scaleIpvs from './scale-ipvs.mjs';
import { benchmarks as scaleNetfilter } from './scale-netfilter.mjs';
import * as startUp from './start-up.mjs';

/** @import { Benchmark, Row } from './lib.mjs' */
/** @typedef {{ title: string, rows: Row[] }} Results of one kernel */

/** @type {Record<string, Benchmark>} */
const usual = {
  ...startUp.benchmarks,
  ...ipvs.benchmarks,
  ...conntrack.benchmarks,
  ...events,
  ...independence,
  ...netfilter.benchmarks,
};
/** @type {Record<string, Benchmark>} */
const scale = { ...scaleIpvs.benchmarks, ...scaleFlows, ...scaleNetfilter };
/** @type {Record<string, Benchmark>} */
const benchmarks = { ...usual, ...scale };
const settings = {
  process: startUp.setting,
  ipvs: ipvs.setting,
  conntrack: conntrack.setting,
  netfilter: netfilter.setting,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, results: { type: 'string' } },
});
// The name `scale` is that of all benchmarks of growth, which take minutes: they run only if they are named.
const named = positionals.flatMap((name) => (name === 'scale' ? Object.keys(scale) : [name]));
const names = named.length > 0 ? named : Object.keys(usual);
const unknown = names.filter((name) => !Object.hasOwn(benchmarks, name));
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are ${[...Object.keys(benchmarks), 'scale'].join(', ')}`);
  process.exit(1);
}

/**
 * @param {Benchmark['place']} place
 * @param {readonly string[]} chosen
 * @returns {Promise<Results>}
 */
async function here(place, chosen) {
  const rows = [];
  for (const name of chosen) {
    console.error(`${name} ...`);
    rows.push(...((await benchmarks[name]?.run()) ?? []));
  }
  const machine = process.env.IPVS_VM ? ', in a virtual machine' : '';
  return { title: `Linux ${release().split('-')[0]}${machine}; ${settings[place]}`, rows };
}

/**
 * Runs this program on a kernel with IPVS and conntrack (scripts/with-ipvs).
 * @param {readonly string[]} chosen
 * @returns {Promise<Results>}
 */
async function elsewhere(chosen) {
  const file = `out/bench/results-${process.pid}.json`;
  const command = ['--write', 'out/bench', '--', 'node', 'scripts/bench/main.mjs', '--results', file, ...chosen];
  const child = spawn('scripts/with-ipvs', command, { stdio: ['ignore', 'inherit', 'inherit'] });
  await thenUndo(
    () => child.kill(),
    () =>
      new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', (status) => (status === 0 ? resolve(status) : reject(new Error(`with-ipvs: ${status}`))));
      }),
  );
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** @param {Results} results */
function print({ title, rows }) {
  console.log(title);
  for (const { name, ours, reference, referenceName, ratio, unit, target, met, note } of rows) {
    const judged = target === undefined ? '' : `  (${target}: ${met ? 'met' : 'MISSED'})`;
    console.log(
      `${name.padEnd(26)} ${ours.toFixed(1).padStart(9)} ${unit.padEnd(6)} ${referenceName.padEnd(24)} ${reference.toFixed(1).padStart(9)} ${unit.padEnd(6)} ratio ${ratio.toFixed(2)}${judged}`,
    );
    if (note) console.log(`${''.padEnd(26)} ${note}`);
  }
}

const root = process.getuid?.() === 0;
const native = {
  process: true,
  ipvs: root && existsSync('/proc/net/ip_vs'),
  conntrack: root && existsSync('/proc/sys/net/netfilter/nf_conntrack_max'),
  netfilter: root && spawnSync('nft', ['list', 'tables']).status === 0,
};
const all = [];
for (const place of /** @type {const} */ (['process', 'ipvs', 'conntrack', 'netfilter'])) {
  const chosen = names.filter((name) => benchmarks[name]?.place === place);
  if (chosen.length === 0) continue;
  // A process that elsewhere() started (--results) measures on its own kernel.
  all.push(native[place] || values.results ? await here(place, chosen) : await elsewhere(chosen));
}
if (values.results) {
  writeFileSync(values.results, JSON.stringify(all[0]));
} else {
  console.log('ratio: ours / theirs; below 1 the library is faster');
  for (const results of all) print(results);
  const machine = { processors: availableParallelism(), node: process.version };
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, results: all }, null, 2)}\n`);
}
