// Benchmarks of IPVS: against reference.c and ipvsadm.
import { Ipvs } from '../../dist/index.js';
import { inFreshNamespace, inside, milliseconds, row, run } from './lib.mjs';

/** @import { TableChange } from '../../dist/index.js' */
/** @import { Benchmark } from './lib.mjs' */

const SERVICES = 1000;
const SERVERS = 10;
const ROUNDS = 5;

export const setting = `${SERVICES} services with ${SERVERS} servers each, median of ${ROUNDS} (ipvsadm: fewer)`;

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

/**
 * An empty namespace for each sample: after a flush the kernel searches its list of old servers.
 * @param {(namespace: string) => number | Promise<number>} sample
 */
async function sampled(sample) {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await inFreshNamespace(sample));
  return times;
}

/**
 * @template T
 * @param {string} namespace
 * @param {(ipvs: Ipvs) => Promise<T>} work
 */
async function withLibrary(namespace, work) {
  const ipvs = await Ipvs.open({ namespace });
  try {
    return await work(ipvs);
  } finally {
    await ipvs.close();
  }
}

/** @param {string} namespace @param {...string} args */
const reference = (namespace, ...args) => Number(run([...inside(namespace), 'out/bench/reference', ...args]));
/** @param {string} namespace */
const fill = (namespace) => reference(namespace, 'apply', String(SERVICES), String(SERVERS));

async function apply() {
  const sample = (/** @type {string} */ namespace) =>
    withLibrary(namespace, (ipvs) =>
      milliseconds(async () => {
        const results = await ipvs.apply(changes());
        if (results.some((result) => !result.ok)) throw new Error('a change failed');
      }),
    );
  await inFreshNamespace(sample); // warm
  const ours = await sampled(sample);
  const c = await sampled(fill);
  const text = marks
    .flatMap((mark) => [
      `-A -f ${mark} -s rr`,
      ...addresses(mark).map((address) => `-a -f ${mark} -r ${address}:80 -m -w 1`),
    ])
    .join('\n');
  const tool = await inFreshNamespace((namespace) =>
    milliseconds(() => run([...inside(namespace), 'ipvsadm', '-R'], `${text}\n`)),
  );
  return [row('ipvs-apply', ours, 'C, pipelined', c), row('ipvs-apply', ours, 'ipvsadm -R', [tool])];
}

async function read() {
  const sample = (/** @type {Ipvs} */ ipvs) =>
    milliseconds(async () => {
      let weights = 0;
      for (const { servers } of await ipvs.table()) for (const server of servers) weights += server.weight;
      if (weights !== SERVICES * SERVERS) throw new Error(`read ${weights} servers`);
    });
  return inFreshNamespace(async (namespace) => {
    fill(namespace);
    const ours = await withLibrary(namespace, async (ipvs) => {
      const samples = [];
      for (let i = 0; i <= ROUNDS; i++) samples.push(await sample(ipvs));
      return samples.slice(1);
    });
    const c = Array.from({ length: ROUNDS }, () => reference(namespace, 'read'));
    const tool = [];
    for (let i = 0; i < 3; i++) tool.push(await milliseconds(() => run([...inside(namespace), 'ipvsadm', '-Ln'])));
    return [row('ipvs-read', ours, 'C, receiving', c), row('ipvs-read', ours, 'ipvsadm -Ln', tool)];
  });
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = {
  'ipvs-apply': { place: 'ipvs', run: apply },
  'ipvs-read': { place: 'ipvs', run: read },
};
