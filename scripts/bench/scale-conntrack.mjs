// How the time of operations on flows grows with the number of flows.
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { Conntrack } from '../../dist/index.js';
import { reference } from './conntrack.mjs';
import { inFreshNamespace, inside, milliseconds, run, thenUndo } from './lib.mjs';
import { readFields } from './read-fields.mjs';
import { Growth } from './scale.mjs';

/** @import { Benchmark } from './lib.mjs' */

const SIZES = [10_000, 100_000, 1_000_000, 4_000_000];
/** Number of destinations of the flows of conntrack-reference.c. */
const DESTINATIONS = 1000;
/** Memory of one flow and its share of the hash table, with its reserve, in bytes. */
const FLOW = 1024;

/**
 * Most flows per bucket of the hash table. With more, the kernel refuses flows whose chain is too long (MIN_CHAINLEN in
 * nf_conntrack_core.c). Every dump looks at every bucket: with too many, all sizes take the same time.
 */
const FLOWS_PER_BUCKET = 4;

/**
 * Raises a setting of connection tracking for the whole machine. Returns a function that restores it.
 * @param {string} name
 * @param {number} value
 */
function raise(name, value) {
  const path = `/proc/sys/net/netfilter/${name}`;
  const before = Number(readFileSync(path, 'utf8'));
  if (before >= value) return () => {};
  run(['sysctl', '-qw', `net.netfilter.${name}=${value}`]);
  return () => void run(['sysctl', '-qw', `net.netfilter.${name}=${before}`]);
}

/** @param {Growth} growth @param {number} size */
function measure(growth, size) {
  return inFreshNamespace(async (namespace) => {
    const byReference = (/** @type {(string | number)[]} */ ...args) =>
      run([...inside(namespace), ...reference(...args)]);
    const conntrack = await Conntrack.open({ namespace });
    let next = 1;
    const destination = () => `10.0.${next >> 8}.${next++ & 255}`;
    byReference('create', size);
    try {
      await growth.measure('scale flows dump', size, () =>
        milliseconds(async () => {
          const found = await readFields(conntrack, false);
          if (found !== size) throw new Error(`read ${found} flows`);
        }),
      );
      await growth.measure('scale flows aggregate', size, () =>
        milliseconds(async () => {
          const groups = await conntrack.groups({ by: ['destination'] });
          if (groups.length !== DESTINATIONS) throw new Error(`${groups.length} groups`);
        }),
      );
      // There are as many groups as flows; the largest ones are returned.
      await growth.measure('scale flows groups', size, () =>
        milliseconds(async () => {
          const groups = await conntrack.groups({ by: ['source', 'destination'], top: 10, order: 'flows' });
          if (groups.length !== 10) throw new Error(`${groups.length} groups`);
        }),
      );
      await growth.measure('scale flows stale search', size, () =>
        milliseconds(async () => {
          const query = { address: destination(), protocol: /** @type {const} */ ('tcp'), servers: ['192.0.2.1'] };
          const { length } = await conntrack.staleFlows(query);
          if (length !== size / DESTINATIONS) throw new Error(`${length} stale flows`);
        }),
      );
      await growth.measure('scale flows deleteMatching', size, () =>
        milliseconds(async () => {
          const deleted = await conntrack.deleteMatching({ destination: destination() });
          if (deleted !== size / DESTINATIONS) throw new Error(`deleted ${deleted} flows`);
        }),
      );
    } finally {
      await conntrack.close();
      byReference('flush');
    }
  });
}

async function flows() {
  const most = SIZES.at(-1) ?? 0;
  const possible = freemem() / FLOW;
  const sizes = SIZES.filter((size) => size <= possible);
  const left = SIZES.filter((size) => size > possible);
  return thenUndo(raise('nf_conntrack_max', most * 1.2), async () => {
    await measure(new Growth(), SIZES[0] ?? 0);
    const growth = new Growth();
    for (const size of sizes)
      await thenUndo(raise('nf_conntrack_buckets', size / FLOWS_PER_BUCKET), () => measure(growth, size));
    const lacks = left.length > 0 ? `; not enough memory for ${left.join(', ')} flows` : '';
    return growth.rows({}, `every operation also looks at the flows of other namespaces${lacks}`);
  });
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = { 'scale-flows': { place: 'conntrack', run: flows } };
