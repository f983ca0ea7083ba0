// Marks that are given out: never one of them twice.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, expect, test } from 'vitest';
import { useWorld } from './world.js';

const world = useWorld();
beforeEach(() => world.load('flush ruleset'));
const tcp = (port: number) => ({ protocol: 'tcp', port }) as const;

test('the least that is free, whatever has the others', async () => {
  const { netfilter } = world;
  await netfilter.addMark({ destination: '10.0.0.0/8', mark: 101 });
  await netfilter.addMark({ hook: 'output', destination: 'fd00::1', mark: 103 });
  const range = { from: 100, to: 106, taken: new Set([104]) };
  const given: number[] = [];
  for (const port of [1, 2, 3, 4]) given.push((await netfilter.allocateMark(tcp(port), range)).mark);
  expect(given).toEqual([100, 102, 105, 106]);
  await expect(netfilter.allocateMark(tcp(5), range)).rejects.toMatchObject({ code: 'ERR_IPVS_OUT_OF_RANGE' });
  await expect(netfilter.allocateMark(tcp(4), { from: 1, to: 9 })).rejects.toMatchObject({
    code: 'ERR_IPVS_MARK_EXISTS',
  });
  await netfilter.deleteMark(tcp(2));
  expect((await netfilter.allocateMark(tcp(6), range)).mark).toBe(102);
  const mark = await netfilter.allocateMark({ destination: '10.7.0.0/16' }, { from: 0xffffffff, to: 0xffffffff });
  expect(String(mark)).toBe('prerouting ip daddr 10.7.0.0/16 mark set 0xffffffff');
  expect((await netfilter.mark({ destination: '10.7.0.0/16' })).mark).toBe(0xffffffff);
});

test('within a mask', async () => {
  const { netfilter } = world;
  const range = { from: 1, to: 0xffffffff };
  const given: number[] = [];
  for (const port of [1, 2, 3])
    given.push((await netfilter.allocateMark({ ...tcp(port), mask: 0xff000000 }, range)).mark);
  expect(given).toEqual([0x1000000, 0x2000000, 0x3000000]);
  await expect(netfilter.allocateMark({ ...tcp(4), mask: 0x3000000 }, range)).rejects.toMatchObject({
    code: 'ERR_IPVS_OUT_OF_RANGE',
  });
  expect((await netfilter.allocateMark({ ...tcp(5), mask: 0x50 }, { from: 0x11, to: 0x50 })).mark).toBe(0x40);
});

test('two handles at once', async () => {
  const handles = [world.netfilter, await world.open()];
  const range = { from: 100, to: 139 };
  const marks = await Promise.all(
    handles.flatMap((handle, h) =>
      Array.from({ length: 20 }, (_, i) => handle.allocateMark(tcp(1 + h * 100 + i), range)),
    ),
  );
  const numbers = marks.map(({ mark }) => mark);
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => 100 + i));
  expect((await world.netfilter.marks()).map(String).sort()).toEqual(marks.map(String).sort());
});

test('two processes at once', async () => {
  const program = fileURLToPath(new URL('fixtures/worker.mjs', import.meta.url));
  const give = async (base: number): Promise<number[]> => {
    const job = JSON.stringify({ namespace: world.namespace, job: 'allocate', base, count: 25 });
    const { stdout } = await promisify(execFile)(process.execPath, [program, job]);
    return JSON.parse(stdout);
  };
  const numbers = (await Promise.all([give(1000), give(2000)])).flat();
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => 100 + i));
  expect(await world.netfilter.marks()).toHaveLength(50);
}, 120_000);
