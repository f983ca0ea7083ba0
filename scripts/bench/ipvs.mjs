// Benchmarks of IPVS, compared with reference.c and ipvsadm.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckedDocument, DesiredState, Ipvs } from '../../dist/index.js';
import { inFreshNamespace, inside, interleaved, milliseconds, row, run, thenUndo } from './lib.mjs';

/** @import { IpvsTableChange } from '../../dist/index.js' */
/** @import { Benchmark } from './lib.mjs' */

const SERVICES = 1000;
const SERVERS = 10;
const ROUNDS = 9;
/** Number of warm-up rounds: afterwards the code is compiled, as in a program that runs all day. */
const WARM = 12;

export const setting = `${SERVICES} services with ${SERVERS} servers each, median of ${ROUNDS} (ipvsadm: fewer), compiled`;

const marks = Array.from({ length: SERVICES }, (_, i) => i + 1);
/** @param {number} mark */
const addresses = (mark) => Array.from({ length: SERVERS }, (_, i) => `10.${mark >> 8}.${mark & 255}.${i + 1}`);
/** @returns {IpvsTableChange[]} */
const changes = () =>
  marks.flatMap((fwmark) => [
    { change: 'add-service', service: { fwmark, scheduler: 'rr' } },
    ...addresses(fwmark).map(
      (address) =>
        /** @type {IpvsTableChange} */ ({ change: 'add-server', service: { fwmark }, server: { address, port: 80 } }),
    ),
  ]);

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

/**
 * Runs `work` with the same services as the state of an owner: a checked document and a new journal.
 * @template T
 * @param {string} namespace
 * @param {(state: DesiredState) => Promise<T>} work
 */
async function withDocument(namespace, work) {
  const directory = mkdtempSync(join(tmpdir(), 'ipvs-bench-'));
  return thenUndo(
    () => rmSync(directory, { recursive: true }),
    async () => {
      const state = await DesiredState.open(await documentOf(namespace), { record: join(directory, 'journal.json') });
      try {
        return await work(state);
      } finally {
        await state.close();
      }
    },
  );
}

/** @type {Map<string, Promise<CheckedDocument>>} */
const documents = new Map();
/** @param {string} namespace */
function documentOf(namespace) {
  const services = marks.map((fwmark) => ({
    fwmark,
    scheduler: 'rr',
    servers: addresses(fwmark).map((address) => ({ address, port: 80 })),
  }));
  const known = documents.get(namespace) ?? CheckedDocument.parse({ owner: 'bench', namespace, services });
  documents.set(namespace, known);
  return known;
}

/** Measures applying the services. The changes exist before the measurement, like the text for ipvsadm. */
async function apply() {
  const list = changes();
  // Each sample uses an empty namespace: after a flush the kernel searches its list of old servers.
  const ours = {
    list: () =>
      inFreshNamespace((namespace) =>
        withLibrary(namespace, (ipvs) =>
          milliseconds(async () => {
            const results = await ipvs.apply(list);
            if (results.some((result) => !result.ok)) throw new Error('a change failed');
          }),
        ),
      ),
    document: () =>
      inFreshNamespace((namespace) =>
        withDocument(namespace, (state) =>
          milliseconds(async () => {
            const { length } = await state.apply();
            if (length !== list.length) throw new Error(`did ${length} steps`);
          }),
        ),
      ),
  };
  await interleaved(WARM, ours);
  const samples = await interleaved(ROUNDS, { ...ours, c: () => inFreshNamespace(fill) });
  const text = marks
    .flatMap((mark) => [
      `-A -f ${mark} -s rr`,
      ...addresses(mark).map((address) => `-a -f ${mark} -r ${address}:80 -m -w 1`),
    ])
    .join('\n');
  const tool = await inFreshNamespace((namespace) =>
    milliseconds(() => run([...inside(namespace), 'ipvsadm', '-R'], `${text}\n`)),
  );
  return [
    row('ipvs-apply', samples.list, 'C, pipelined', samples.c, { target: 2 }),
    row('ipvs-apply', samples.list, 'ipvsadm -R', [tool], { target: 1 / 8 }),
    row('ipvs-apply document', samples.document, 'C, pipelined', samples.c, { target: 2 }),
    row('ipvs-apply document', samples.document, 'ipvsadm -R', [tool], { target: 1 / 8 }),
  ];
}

/** @param {Ipvs} ipvs */
const readTable = (ipvs) =>
  milliseconds(async () => {
    let weights = 0;
    for (const { servers } of await ipvs.table()) for (const server of servers) weights += server.weight;
    if (weights !== SERVICES * SERVERS) throw new Error(`read ${weights} servers`);
  });

async function read() {
  return inFreshNamespace(async (namespace) => {
    fill(namespace);
    const samples = await withLibrary(namespace, async (ipvs) => {
      const ours = () => readTable(ipvs);
      await interleaved(WARM, { ours });
      return interleaved(ROUNDS, { ours, c: () => reference(namespace, 'read') });
    });
    const tool = [];
    for (let i = 0; i < 3; i++) tool.push(await milliseconds(() => run([...inside(namespace), 'ipvsadm', '-Ln'])));
    return [
      row('ipvs-read', samples.ours, 'C, receiving', samples.c),
      row('ipvs-read', samples.ours, 'ipvsadm -Ln', tool),
    ];
  });
}

/** Compares a plan with reading the table, which is a part of it. */
async function plan() {
  /** @param {DesiredState} state @param {number} steps */
  const sample = (state, steps) =>
    milliseconds(async () => {
      const { changes } = await state.plan();
      if (changes.length !== steps) throw new Error(`planned ${changes.length} steps`);
    });
  return inFreshNamespace((namespace) =>
    withLibrary(namespace, (ipvs) =>
      withDocument(namespace, async (state) => {
        const everything = { all: () => sample(state, SERVICES * (SERVERS + 1)) };
        await interleaved(WARM, everything);
        const { all } = await interleaved(ROUNDS, everything);
        await state.apply();
        const works = { none: () => sample(state, 0), table: () => readTable(ipvs) };
        await interleaved(WARM, works);
        const { none, table } = await interleaved(ROUNDS, works);
        return [
          row('ipvs-plan nothing', none, 'reading the table', table),
          row('ipvs-plan all', all, 'reading the table', table),
        ];
      }),
    ),
  );
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = {
  'ipvs-apply': { place: 'ipvs', run: apply },
  'ipvs-read': { place: 'ipvs', run: read },
  'ipvs-plan': { place: 'ipvs', run: plan },
};
