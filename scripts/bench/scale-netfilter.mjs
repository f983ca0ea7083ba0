// How the time of operations grows with the number of marks, and with the number of namespaces that are open at once.
import { addNamespace, deleteNamespace, Netfilter, Network } from '../../dist/index.js';
import { inFreshNamespace, median, milliseconds } from './lib.mjs';
import { marksOf } from './netfilter.mjs';
import { Growth } from './scale.mjs';

/** @import { Benchmark } from './lib.mjs' */

const MARKS = [100, 1000, 10_000, 100_000];
const NAMESPACES = [1, 10, 100, 1000];
/** Number of rounds of opening and closing namespaces, after one that warms up. */
const ROUNDS = 5;

/** @param {Growth} growth @param {number} size */
function measureMarks(growth, size) {
  return inFreshNamespace(async (namespace) => {
    const netfilter = await Netfilter.open({ namespace });
    const marks = marksOf(size);
    // Every hundredth mark gets another value.
    const others = marks.map((mark, i) => (i % 100 === 0 ? { ...mark, mark: mark.mark + 1_000_000 } : mark));
    try {
      await growth.measure('scale marks apply', size, async () => {
        await netfilter.deleteTable();
        return milliseconds(() => netfilter.set({ marks }));
      });
      await growth.measure('scale marks read', size, () =>
        milliseconds(async () => {
          const { length } = await netfilter.marks();
          if (length !== size) throw new Error(`read ${length} marks`);
        }),
      );
      let turn = 0;
      await growth.measure('scale marks change 1 %', size, () =>
        milliseconds(() => netfilter.set({ marks: turn++ % 2 === 0 ? others : marks })),
      );
      await growth.measure('scale marks delete', size, async () => {
        await netfilter.set({ marks });
        return milliseconds(() => netfilter.deleteTable());
      });
    } finally {
      await netfilter.close();
    }
  });
}

async function marks() {
  await measureMarks(new Growth(), 1000);
  const growth = new Growth();
  for (const size of MARKS) await measureMarks(growth, size);
  return growth.rows();
}

/** Opens all, reads the links of all, closes all. Returns the times. @param {readonly string[]} names */
async function openAll(names) {
  /** @type {Network[]} */
  let handles = [];
  const open = await milliseconds(async () => {
    handles = await Promise.all(names.map((namespace) => Network.open({ namespace })));
  });
  const read = await milliseconds(async () => {
    const lists = await Promise.all(handles.map((handle) => handle.links()));
    if (lists.some(({ length }) => length === 0)) throw new Error('a namespace has no link');
  });
  const close = await milliseconds(() => Promise.all(handles.map((handle) => handle.close())));
  return { open, read, close };
}

async function namespaces() {
  /** @type {string[]} */
  const names = [];
  const growth = new Growth();
  try {
    for (const size of NAMESPACES) {
      while (names.length < size) {
        const name = `ipvs-bench-${process.pid}-${names.length}`;
        await addNamespace(name);
        names.push(name);
      }
      const samples = [];
      for (let round = 0; round <= ROUNDS; round++) samples.push(await openAll(names));
      const [, ...warm] = samples;
      for (const operation of /** @type {const} */ (['open', 'read', 'close']))
        growth.add(`scale namespaces ${operation}`, size, median(warm.map((sample) => sample[operation])));
    }
  } finally {
    for (const name of names) await deleteNamespace(name);
  }
  return growth.rows();
}

/** @type {Record<string, Benchmark>} */
export const benchmarks = {
  'scale-namespaces': { place: 'conntrack', run: namespaces },
  'scale-marks': { place: 'netfilter', run: marks },
};
