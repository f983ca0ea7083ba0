// How the time of documents and tables grows with the number of services, on a kernel with IPVS and in memory.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckedDocument, DesiredState, Ipvs } from '../../dist/index.js';
import { MemoryKernel } from '../../dist/memory/index.js';
import { inFreshNamespace, milliseconds, thenUndo } from './lib.mjs';
import { Growth } from './scale.mjs';

/** @import { Benchmark } from './lib.mjs' */

const SIZES = [100, 1000, 10_000];
const SERVERS = 10;
/** Number of services of the run that warms up, before the first measurement. */
const WARM = 300;
/** Interval of a watch, in milliseconds: the least. */
const INTERVAL = 10;

export const setting = `${SERVERS} servers each, compiled`;

/**
 * Returns a document of which each service in `changed` has other weights.
 * @param {number} services
 * @param {string | undefined} namespace
 * @param {number} [changed]
 */
const documentOf = (services, namespace, changed = 0) =>
  CheckedDocument.parse({
    owner: 'bench',
    namespace,
    services: Array.from({ length: services }, (_, i) => ({
      fwmark: i + 1,
      scheduler: 'rr',
      servers: Array.from({ length: SERVERS }, (_, j) => ({
        address: `10.${i >> 8}.${i & 255}.${j + 1}`,
        port: 80,
        weight: i < changed ? 2 : 1,
      })),
    })),
  });

/** @typedef {{ namespace?: string, kernel?: MemoryKernel }} Place */

/**
 * Measures every operation at one size.
 * @param {Growth} growth
 * @param {string} prefix of the names of the rows
 * @param {number} services
 * @param {<T>(work: (place: Place) => Promise<T>) => Promise<T>} inPlace runs work with an empty table
 */
async function measure(growth, prefix, services, inPlace) {
  const steps = services * (SERVERS + 1);
  const directory = mkdtempSync(join(tmpdir(), 'ipvs-bench-'));
  /**
   * @template T
   * @param {(state: DesiredState, other: CheckedDocument, place: Place) => Promise<T>} work
   */
  const withState = (work) =>
    inPlace(async ({ namespace, kernel }) => {
      const [document, other] = await Promise.all([
        documentOf(services, namespace),
        documentOf(services, namespace, services / 100),
      ]);
      const state = await DesiredState.open(document, { kernel, record: join(directory, 'journal.json') });
      try {
        return await work(state, other, { ...(namespace !== undefined && { namespace }), ...(kernel && { kernel }) });
      } finally {
        await state.close();
        rmSync(join(directory, 'journal.json'), { force: true });
      }
    });
  const apply = async (
    /** @type {DesiredState} */ state,
    /** @type {CheckedDocument | undefined} */ document,
    length = 0,
  ) =>
    milliseconds(async () => {
      const done = await state.apply(document);
      if (done.length !== length) throw new Error(`did ${done.length} steps`);
    });
  await thenUndo(
    () => rmSync(directory, { recursive: true }),
    async () => {
      // Each sample uses an empty namespace: after a flush the kernel searches its list of old servers.
      await growth.measure(`${prefix} apply`, services, () => withState((state) => apply(state, undefined, steps)));
      await withState(async (state, other, place) => {
        const { document } = state;
        await apply(state, undefined, steps);
        const ipvs = await Ipvs.open(place);
        const first = await CheckedDocument.parse(document);
        await growth.measure(`${prefix} read`, services, () =>
          milliseconds(async () => {
            let weights = 0;
            for (const { servers } of await ipvs.table()) for (const { weight } of servers) weights += weight;
            if (weights !== services * SERVERS) throw new Error(`read ${weights} servers`);
          }),
        );
        await growth.measure(`${prefix} plan`, services, () =>
          milliseconds(async () => {
            if (!(await state.plan()).empty) throw new Error('planned a step');
          }),
        );
        let turn = 0;
        await growth.measure(`${prefix} change 1 %`, services, () =>
          apply(state, turn++ % 2 === 0 ? other : first, (services / 100) * SERVERS),
        );
        await apply(state, first, turn % 2 === 0 ? 0 : (services / 100) * SERVERS);
        await watch(growth, `${prefix} watch`, services, state, ipvs, place);
        await ipvs.close();
      });
    },
  );
}

/**
 * Measures the time from a change of another program to its report.
 * @param {Growth} growth
 * @param {string} name
 * @param {number} services
 * @param {DesiredState} state
 * @param {Ipvs} ipvs
 * @param {Place} place
 */
async function watch(growth, name, services, state, ipvs, { kernel }) {
  const service = { fwmark: services };
  const address = `10.${(services - 1) >> 8}.${(services - 1) & 255}.1`;
  const watch = await state.watch({ interval: INTERVAL });
  let weight = 1;
  const change = async () => {
    weight = 3 - weight;
    const [result] = await ipvs.apply([{ change: 'set-server', service, server: { address, port: 80, weight } }]);
    if (!result?.ok) throw result?.error;
  };
  // The first report has the first difference. Afterwards each change makes a difference, or removes it.
  await change();
  const reports = watch[Symbol.asyncIterator]();
  await reports.next();
  await growth.measure(name, services, () =>
    milliseconds(async () => {
      await change();
      const next = reports.next();
      // The clock of the kernel in memory is manual.
      for (let over = false; kernel && !over; ) {
        kernel.advance(INTERVAL);
        over = await Promise.race([next.then(() => true), new Promise((resolve) => setImmediate(resolve, false))]);
      }
      await next;
    }),
  );
  await watch.close();
}

/** @param {string} prefix @param {Parameters<typeof measure>[3]} inPlace */
async function grow(prefix, inPlace) {
  await measure(new Growth(), `${prefix} (warm-up)`, WARM, inPlace);
  const growth = new Growth();
  for (const size of SIZES) await measure(growth, prefix, size, inPlace);
  // With a young generation of 256 MiB (--max-semi-space-size) apply grows with 1.13 instead of 1.28, and a reading of
  // 10,000 services takes 9 ms instead of 134.
  return growth.rows(
    Object.fromEntries(
      ['apply', 'read', 'plan', 'change 1 %', 'watch'].map((operation) => [
        `${prefix} ${operation}`,
        'objects of 10,000 services outlive collections of young objects, which copy them (`--max-semi-space-size=256`: 1.1)',
      ]),
    ),
  );
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = {
  'scale-ipvs': {
    place: 'ipvs',
    run: () => grow('scale ipvs', (work) => inFreshNamespace((namespace) => work({ namespace }))),
  },
  'scale-memory': {
    place: 'process',
    run: () => grow('scale memory', (work) => work({ kernel: new MemoryKernel() })),
  },
};
