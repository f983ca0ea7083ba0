// Compares the library with a minimal C program (reference.c) and with ipvsadm, in one run.
// Times are of this run on this machine; what counts is their ratio, ours / reference.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { parseArgs } from 'node:util';
import { Ipvs } from '../../dist/index.js';

/** @import { TableChange } from '../../dist/index.js' */
/** @typedef {{ name: string, ours: number, reference: number, referenceName: string, ratio: number, unit: string }} Row */

const SERVICES = 1000;
const SERVERS = 10;
const ROUNDS = 5;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, reference: { type: 'string', default: '' } },
});
const namespace = `ipvs-bench-${process.pid}`;
const inNamespace = ['nsenter', `--net=/run/netns/${namespace}`];

/**
 * @param {readonly string[]} command
 * @param {string} [input]
 */
function run([program = '', ...args], input = '') {
  return execFileSync(program, args, { encoding: 'utf8', input, maxBuffer: 1 << 28 });
}

/** An empty namespace each time: after a flush the kernel searches its list of old servers. */
function freshNamespace() {
  run(['ip', 'netns', 'add', namespace]);
  for (const command of ['link set lo up', 'addr add 10.255.255.1/8 dev lo'])
    run(['ip', '-n', namespace, ...command.split(' ')]);
}

/**
 * @template T
 * @param {() => Promise<T>} work
 */
async function inFreshNamespace(work) {
  freshNamespace();
  try {
    return await work();
  } finally {
    run(['ip', 'netns', 'delete', namespace]);
  }
}

/** @param {() => unknown} work */
async function milliseconds(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** @param {readonly number[]} times */
const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;

const marks = Array.from({ length: SERVICES }, (_, i) => i + 1);
/** @param {number} mark */
const addresses = (mark) => Array.from({ length: SERVERS }, (_, i) => `10.${mark >> 8}.${mark & 255}.${i + 1}`);
/** @returns {TableChange[]} */
const changes = () =>
  marks.flatMap((fwmark) => [
    { change: 'add-service', service: { fwmark, scheduler: 'rr' } },
    ...addresses(fwmark).map(
      (address) =>
        /** @type {TableChange} */ ({ change: 'add-server', service: { fwmark }, server: { address, port: 80 } }),
    ),
  ]);

/** @param {() => Promise<number>} sample */
async function sampled(sample) {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await inFreshNamespace(sample));
  return median(times);
}

/** @param {(ipvs: Ipvs) => Promise<number>} work */
const withLibrary = async (work) => {
  const ipvs = await Ipvs.open({ namespace });
  try {
    return await work(ipvs);
  } finally {
    await ipvs.close();
  }
};
/** @param {...string} args */
const reference = (...args) => Number(run([...inNamespace, values.reference, ...args]));
const fill = () => reference('apply', String(SERVICES), String(SERVERS));

/** @param {string} name @param {number} ours @param {string} referenceName @param {number} time @returns {Row} */
const row = (name, ours, referenceName, time) => ({
  name,
  ours,
  reference: time,
  referenceName,
  ratio: ours / time,
  unit: 'ms',
});

/** @type {Record<string, () => Promise<Row[]>>} */
const benchmarks = {
  'ipvs-apply': async () => {
    const apply = (/** @type {Ipvs} */ ipvs) =>
      milliseconds(async () => {
        const results = await ipvs.apply(changes());
        if (results.some((result) => !result.ok)) throw new Error('a change failed');
      });
    await inFreshNamespace(() => withLibrary(apply)); // warm
    const ours = await sampled(() => withLibrary(apply));
    const c = await sampled(async () => fill());
    const text = marks
      .flatMap((mark) => [
        `-A -f ${mark} -s rr`,
        ...addresses(mark).map((address) => `-a -f ${mark} -r ${address}:80 -m -w 1`),
      ])
      .join('\n');
    const tool = await inFreshNamespace(() => milliseconds(() => run([...inNamespace, 'ipvsadm', '-R'], `${text}\n`)));
    return [row('ipvs-apply', ours, 'C, pipelined', c), row('ipvs-apply', ours, 'ipvsadm -R', tool)];
  },
  'ipvs-read': async () => {
    const read = (/** @type {Ipvs} */ ipvs) =>
      milliseconds(async () => {
        let weights = 0;
        for (const { servers } of await ipvs.table()) for (const server of servers) weights += server.weight;
        if (weights !== SERVICES * SERVERS) throw new Error(`read ${weights} servers`);
      });
    return inFreshNamespace(async () => {
      fill();
      const times = await withLibrary(async (ipvs) => {
        const samples = [];
        for (let i = 0; i <= ROUNDS; i++) samples.push(await read(ipvs));
        return median(samples.slice(1));
      });
      const c = median(Array.from({ length: ROUNDS }, () => reference('read')));
      const tool = [];
      for (let i = 0; i < 3; i++) tool.push(await milliseconds(() => run([...inNamespace, 'ipvsadm', '-Ln'])));
      return [row('ipvs-read', times, 'C, receiving', c), row('ipvs-read', times, 'ipvsadm -Ln', median(tool))];
    });
  },
};

const names = positionals.length > 0 ? positionals : Object.keys(benchmarks);
const rows = [];
for (const name of names) {
  const benchmark = benchmarks[name];
  if (!benchmark) throw new Error(`no benchmark ${name}; there are ${Object.keys(benchmarks).join(', ')}`);
  rows.push(...(await benchmark()));
}
const place = process.env.IPVS_VM ? ', in a virtual machine' : '';
console.log(
  `Linux ${release()}${place}; ${SERVICES} services with ${SERVERS} servers each, median of ${ROUNDS} (ipvsadm: fewer)`,
);
console.log('ratio: our time / theirs; below 1 the library is faster');
for (const { name, ours, reference: time, referenceName, ratio, unit } of rows) {
  console.log(
    `${name.padEnd(12)} ${ours.toFixed(1).padStart(9)} ${unit}   ${referenceName.padEnd(14)} ${time.toFixed(1).padStart(9)} ${unit}   ratio ${ratio.toFixed(2)}`,
  );
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
