// Benchmarks of marks in nf_tables, compared with netfilter-reference.c and nft.
import { execFile } from 'node:child_process';
import { randomFill } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Netfilter } from '../../dist/index.js';
import { inFreshNamespace, inside, interleaved, milliseconds, row, run } from './lib.mjs';

/** @import { FwmarkOptions } from '../../dist/index.js' */
/** @import { Benchmark } from './lib.mjs' */

const emulated = process.env.IPVS_VM !== undefined;
const MARKS = 10_000;
const MANY = emulated ? 20_000 : 100_000;
const CHANGES = emulated ? 100 : 1000;
const WARM = emulated ? 100 : 5000;
const TOGETHER = 50;
const ROUNDS = 7;
const MEBI = 1 << 20;
const fill = promisify(randomFill);
const four = Buffer.alloc(4);

export const setting = `${MARKS} marks in one batch, single ones among ${MANY}; medians of ${ROUNDS}, taken in turn`;

/** @param {number} i */
const addressOf = (i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
/**
 * Returns the marks of netfilter-reference.c.
 * @returns {FwmarkOptions[]}
 */
export const marksOf = (count = MARKS) =>
  Array.from({ length: count }, (_, i) => ({ destination: addressOf(i), protocol: 'tcp', port: 80, mark: i + 1 }));

/**
 * Runs a job of the C program; returns its time in milliseconds.
 * @param {string} namespace
 * @param {...(string | number)} args
 */
const byReference = (namespace, ...args) =>
  Number(run([...inside(namespace), 'out/bench/netfilter-reference', ...args.map(String)]));

/** Returns the same table as input for nft. */
const ruleset = () => `table inet ipvs {
  comment "made by ipvs"
  map prerouting_ip_port {
    type ipv4_addr . inet_proto . inet_service : mark
    counter
    elements = { ${Array.from({ length: MARKS }, (_, i) => `${addressOf(i)} . tcp . 80 : ${i + 1}`).join(',\n      ')} }
  }
  chain mark_prerouting {
    type filter hook prerouting priority mangle; policy accept;
    meta mark set ip daddr . meta l4proto . th dport map @prerouting_ip_port
  }
}
`;

/**
 * @template T
 * @param {(netfilter: Netfilter, namespace: string) => Promise<T>} work
 */
function withNetfilter(work) {
  return inFreshNamespace(async (namespace) => {
    const netfilter = await Netfilter.open({ namespace });
    try {
      return await work(netfilter, namespace);
    } finally {
      await netfilter.close();
    }
  });
}

function apply() {
  return withNetfilter(async (netfilter, namespace) => {
    const marks = marksOf();
    const changes = marks.map((mark) => /** @type {const} */ ({ change: 'add-mark', mark }));
    const text = ruleset();
    const checked = new Set();
    /**
     * Measures `work` without a table, and checks once that it makes the right table.
     * @param {string} name
     * @param {() => number | Promise<number>} work
     */
    const sample = (name, work) => async () => {
      await netfilter.deleteTable();
      await setTimeout(50); // the kernel frees deleted objects later
      const time = await work();
      if (checked.has(name)) return time;
      const differences = await netfilter.verify({ marks });
      if (differences.length > 0) throw new Error(`${name} made another table: ${differences[0]}`);
      checked.add(name);
      return time;
    };
    const samples = await interleaved(ROUNDS, {
      apply: sample('apply', () => milliseconds(() => netfilter.apply(changes))),
      c: sample('C', () => byReference(namespace, 'apply', MARKS)),
      each: sample('C, each', () => byReference(namespace, 'apply-each', MARKS)),
      set: sample('set', () => milliseconds(() => netfilter.set({ marks }))),
      tool: sample('nft', () => milliseconds(() => run([...inside(namespace), 'nft', '-f', '-'], text))),
    });
    await netfilter.deleteTable();
    return [
      row('marks-apply', samples.apply, 'nft -f', samples.tool, { target: 1.5 }),
      row('marks-apply', samples.apply, 'C, one batch', samples.c, { target: 1.5 }),
      row('marks-apply', samples.apply, 'C, a message each', samples.each),
      row('marks-apply set', samples.set, 'nft -f', samples.tool, { target: 1.5 }),
      row('marks-apply set', samples.set, 'C, one batch', samples.c),
      ...(await probe(namespace)),
    ];
  });
}

/**
 * Measures many marks in a new process for each sample, because this process has already grown.
 * @param {string} namespace
 */
async function probe(namespace) {
  /** @param {'apply' | 'apply-each'} job */
  const reference = (job) => () => {
    const time = byReference(namespace, job, MANY);
    run([...inside(namespace), 'nft', 'delete', 'table', 'inet', 'ipvs']);
    return time;
  };
  /** @type {Record<'time' | 'grown' | 'blocked', number>[]} */
  const found = [];
  const { c, each } = await interleaved(5, {
    async ours() {
      const args = ['scripts/bench/netfilter-probe.mjs', namespace, String(MANY)];
      found.push(JSON.parse((await promisify(execFile)(process.execPath, args)).stdout));
      return 0;
    },
    c: reference('apply'),
    each: reference('apply-each'),
  });
  const samples = found.slice(1);
  const times = samples.map(({ time }) => time);
  const grown = samples.map((one) => one.grown / MEBI);
  const blocked = samples.map((one) => one.blocked);
  const name = `marks-apply ${MANY}`;
  return [
    row(name, times, 'C, one batch', c, { target: 1.5 }),
    row(name, times, 'C, a message each', each),
    row(`${name} rss`, grown, 'limit of growth', [64], { unit: 'MiB', target: 1 }),
    row(`${name} stall`, blocked, 'limit of blocking', [10], { target: 1 }),
  ];
}

/** Number of NAT rules before and after `nat-set`. */
const RULES = emulated ? 5000 : 35_000;
const KEPT = 27;
const LIMIT = 1000;

/** @param {number} count */
const rulesOf = (count) =>
  Array.from(
    { length: count },
    (_, i) => /** @type {const} */ ({ type: 'masquerade', destination: addressOf(i), protocol: 'tcp', port: 80 }),
  );

/** Measures `set()` of a few NAT rules in a table with many, against nft with the same final listing. */
function natSet() {
  return withNetfilter(async (netfilter, namespace) => {
    const [many, few] = [rulesOf(RULES), rulesOf(KEPT)];
    const nft = (/** @type {string} */ text) => run([...inside(namespace), 'nft', '-f', '-'], text);
    const list = () => run([...inside(namespace), 'nft', 'list', 'table', 'inet', 'ipvs']);
    await netfilter.set({ rules: few });
    const wanted = list();
    await netfilter.set({ rules: many });
    const full = list();
    const restore = () => {
      nft(`delete table inet ipvs\n${full}`);
      return setTimeout(200); // the kernel frees deleted rules later
    };
    const samples = await interleaved(3, {
      ours: async () => {
        const time = await milliseconds(() => netfilter.set({ rules: few }));
        if (list() !== wanted) throw new Error('set() made another table');
        await restore();
        return time;
      },
      tool: async () => {
        const time = await milliseconds(() => nft(`flush chain inet ipvs nat_postrouting\n${wanted}`));
        if (list() !== wanted) throw new Error('nft made another table');
        await restore();
        return time;
      },
    });
    await netfilter.deleteTable();
    return [
      row(`nat-set, ${RULES} to ${KEPT}`, samples.ours, 'limit', [LIMIT], { target: 1 }),
      row(`nat-set, ${RULES} to ${KEPT}`, samples.ours, 'nft, without reading', samples.tool),
    ];
  });
}

function change() {
  return withNetfilter(async (netfilter, namespace) => {
    byReference(namespace, 'apply', MANY);
    const { destination, protocol, port } = marksOf(MANY)[MANY / 2] ?? {};
    const selector = { destination, protocol, port };
    const selectors = marksOf(CHANGES).map(({ mark: _, ...packets }) => packets);
    const key = `${destination} . ${protocol} . ${port}`;
    let turn = 0;
    const batch = () =>
      `delete element inet ipvs prerouting_ip_port { ${key} }\nadd element inet ipvs prerouting_ip_port { ${key} : ${(turn++ % 2) + 1} }\n`;
    // After a few thousand runs the code is compiled, as in a program that changes marks all day.
    for (let i = 0; i < WARM; i++) await netfilter.setMark(selector, (i % 2) + 1);
    const samples = await interleaved(ROUNDS, {
      ours: async () => {
        const time = await milliseconds(async () => {
          for (let i = 0; i < CHANGES; i++) await netfilter.setMark(selector, (i % 2) + 1);
        });
        return (time / CHANGES) * 1000;
      },
      // Many changes are under way at a time, as in an orchestrator.
      together: async () => {
        const mark = (turn++ % 2) + 1;
        const time = await milliseconds(async () => {
          for (let i = 0; i < CHANGES; i += TOGETHER)
            await Promise.all(selectors.slice(i, i + TOGETHER).map((one) => netfilter.setMark(one, mark)));
        });
        return (time / CHANGES) * 1000;
      },
      c: () => byReference(namespace, 'change', MANY, CHANGES) * 1000,
      tool: async () => (await milliseconds(() => run([...inside(namespace), 'nft', '-f', '-'], batch()))) * 1000,
      // Measures the time to another thread and back, without any work.
      thread: async () => {
        const time = await milliseconds(async () => {
          for (let i = 0; i < CHANGES; i++) await fill(four);
        });
        return (time / CHANGES) * 1000;
      },
    });
    await netfilter.deleteTable();
    return [
      row(`marks-change, ${TOGETHER} at a time`, samples.together, 'C, one batch each', samples.c, {
        unit: 'us',
        target: 2,
      }),
      row('marks-change', samples.ours, 'C, one batch each', samples.c, { unit: 'us' }),
      row('marks-change', samples.ours, "to Node's pool and back", samples.thread, { unit: 'us' }),
      row('marks-change', samples.ours, 'nft, a process each', samples.tool, { unit: 'us' }),
    ];
  });
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = {
  'marks-apply': { place: 'netfilter', run: apply },
  'marks-change': { place: 'netfilter', run: change },
  'nat-set': { place: 'netfilter', run: natSet },
};
