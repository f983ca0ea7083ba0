// Benchmarks of connection tracking, compared with conntrack-reference.c and the conntrack tool.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { Conntrack } from '../../dist/index.js';
import { inFreshNamespace, inside, interleaved, milliseconds, row, run, thenUndo } from './lib.mjs';
import { readFields } from './read-fields.mjs';

/** @import { FlowOptions } from '../../dist/index.js' */
/** @import { Benchmark } from './lib.mjs' */

const emulated = process.env.IPVS_VM !== undefined;
export const FLOWS = emulated ? 100_000 : 1_000_000;
const TOOL_FLOWS = FLOWS / 10;
const ROUNDS = 5;
const MAXIMUM = '/proc/sys/net/netfilter/nf_conntrack_max';
const MEBI = 1 << 20;

export const setting = `${FLOWS} flows, medians of ${ROUNDS} (conntrack and events: fewer), taken in turn`;

/** @param {...(string | number)} args */
export const reference = (...args) => ['out/bench/conntrack-reference', ...args.map(String)];

/**
 * Runs a job of the C program; returns its time in milliseconds and the number of flows it found.
 * @param {string} namespace
 * @param {...(string | number)} args
 */
export function byReference(namespace, ...args) {
  const [time = 0, found = 0] = run([...inside(namespace), ...reference(...args)])
    .split(' ')
    .map(Number);
  return { time, found };
}

/**
 * Runs `work` in an empty namespace whose table has space for the flows.
 * @template T
 * @param {(conntrack: Conntrack, namespace: string) => Promise<T>} work
 */
export async function withConntrack(work) {
  const before = readFileSync(MAXIMUM, 'utf8');
  const raised = Number(before) < FLOWS * 1.2;
  if (raised) writeFileSync(MAXIMUM, String(FLOWS * 1.2));
  return thenUndo(
    () => raised && writeFileSync(MAXIMUM, before),
    () =>
      inFreshNamespace(async (namespace) => {
        const conntrack = await Conntrack.open({ namespace });
        try {
          return await work(conntrack, namespace);
        } finally {
          await conntrack.close();
          // Delete the flows now: the kernel would otherwise delete them during the next measurement.
          byReference(namespace, 'flush');
        }
      }),
  );
}

/** @param {number} number */
const dotted = (number) => `${number >>> 24}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;

/**
 * Yields the flows of conntrack-reference.c.
 * @returns {Generator<FlowOptions, void, void>}
 */
function* flows(count = FLOWS) {
  for (let i = 0; i < count; i++) {
    yield {
      original: {
        source: dotted(0x0b000000 + Math.floor(i / 1000)),
        destination: dotted(0x0a000001 + (i % 1000)),
        protocol: 'tcp',
        sourcePort: 40000,
        destinationPort: 80,
      },
      timeout: 3600,
    };
  }
}

function create() {
  return withConntrack(async (conntrack, namespace) => {
    const samples = await interleaved(ROUNDS, {
      async ours() {
        const time = await milliseconds(async () => {
          const { created } = await conntrack.createAll(flows());
          if (created !== FLOWS) throw new Error(`created ${created} flows`);
        });
        byReference(namespace, 'flush');
        return time;
      },
      c() {
        const { time } = byReference(namespace, 'create', FLOWS);
        byReference(namespace, 'flush');
        return time;
      },
    });
    const file = `out/bench/flows-${process.pid}`;
    const lines = Array.from(flows(TOOL_FLOWS), ({ original, timeout }) => {
      const { source, destination, sourcePort, destinationPort } = original;
      return `-I -p tcp -s ${source} -d ${destination} --sport ${sourcePort} --dport ${destinationPort} --state ESTABLISHED -t ${timeout}\n`;
    });
    writeFileSync(file, lines.join(''));
    const { tool } = await interleaved(3, {
      async tool() {
        const time = await milliseconds(() => run([...inside(namespace), 'conntrack', '-R', file]));
        byReference(namespace, 'flush');
        return time * (FLOWS / TOOL_FLOWS);
      },
    });
    return [
      row('conntrack-create', samples.ours, 'C, windows of 64', samples.c, { target: 1.5 }),
      row('conntrack-create', samples.ours, `conntrack -R, ${TOOL_FLOWS} x ${FLOWS / TOOL_FLOWS}`, tool),
    ];
  });
}

/** @param {string} namespace */
function receive(namespace) {
  const { time, found } = byReference(namespace, 'dump');
  if (found !== FLOWS) throw new Error(`the C program received ${found} flows`);
  return time;
}

function dump() {
  return withConntrack(async (conntrack, namespace) => {
    byReference(namespace, 'create', FLOWS);
    const read = (/** @type {boolean} */ batches) =>
      milliseconds(async () => {
        const found = await readFields(conntrack, batches);
        if (found !== FLOWS) throw new Error(`read ${found} flows`);
      });
    const list = [...inside(namespace), 'sh', '-c', 'conntrack -L >/dev/null 2>&1'];
    const samples = await interleaved(ROUNDS, {
      c: () => receive(namespace),
      flows: () => read(false),
      batches: () => read(true),
    });
    const { tool } = await interleaved(2, { tool: () => milliseconds(() => run(list)) });
    return [
      row('conntrack-dump', samples.flows, 'C, receiving', samples.c, { target: 1.08 }),
      row('conntrack-dump batches', samples.batches, 'C, receiving', samples.c, { target: 1.08 }),
      row('conntrack-dump', samples.flows, 'conntrack -L', tool, { target: 1 }),
      ...(await probe(namespace, 'flows')),
      ...(await probe(namespace, 'batches')),
    ];
  });
}

/**
 * Measures memory in a new process for each sample, because this process has already grown.
 * @param {string} namespace
 * @param {'flows' | 'batches'} how
 */
async function probe(namespace, how) {
  const memory = [];
  const blocked = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { stdout } = await promisify(execFile)(process.execPath, ['scripts/bench/stream-probe.mjs', namespace, how]);
    const result = JSON.parse(stdout);
    memory.push(result.grown / MEBI);
    blocked.push(result.blocked);
  }
  return [
    row(`conntrack-dump ${how} rss`, memory, 'limit of growth', [128], { unit: 'MiB', target: 1 }),
    row(`conntrack-dump ${how} stall`, blocked, 'limit of blocking', [20], { target: 1 }),
  ];
}

function aggregate() {
  return withConntrack(async (conntrack, namespace) => {
    byReference(namespace, 'create', FLOWS);
    const samples = await interleaved(ROUNDS, {
      c: () => receive(namespace),
      ours: () =>
        milliseconds(async () => {
          const groups = await conntrack.groups({ by: ['destination'] });
          const total = groups.reduce((sum, group) => sum + group.flows, 0);
          if (groups.length !== 1000 || total !== FLOWS) throw new Error(`${groups.length} groups of ${total} flows`);
        }),
    });
    return [row('conntrack-aggregate', samples.ours, 'C, receiving', samples.c, { target: 1.03 })];
  });
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = {
  'conntrack-dump': { place: 'conntrack', run: dump },
  'conntrack-aggregate': { place: 'conntrack', run: aggregate },
  'conntrack-create': { place: 'conntrack', run: create },
};
