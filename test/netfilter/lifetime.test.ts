// Watches that end, and what many operations leave behind: nothing.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { collect } from '../collect.js';
import { until, useWorld } from './world.js';

const world = useWorld();
beforeEach(() => world.load('flush ruleset'));

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const memory = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
const add = (port: number) => world.netfilter.addMark({ protocol: 'tcp', port, mark: 1 });

test.each(['close', 'return', 'signal', 'dispose', 'break'])('a loop that waits ends: %s', async (way) => {
  const controller = new AbortController();
  await add(9); // the socket for changes is made with the first
  const before = descriptors();
  const watch = await world.netfilter.watch(way === 'signal' ? { signal: controller.signal } : {});
  expect(descriptors()).toBeGreaterThan(before);
  let seen = 0;
  const loop = (async () => {
    for await (const _ of watch) if (++seen && way === 'break') break;
    return 'ended';
  })();
  if (way === 'break') await add(1);
  await world.netfilter.marks(); // the loop waits by now: requests are answered in order
  if (way === 'close') watch.close();
  if (way === 'return') await watch.return();
  if (way === 'dispose') await watch[Symbol.asyncDispose]();
  if (way === 'signal') {
    controller.abort(new Error('enough'));
    await expect(loop).rejects.toThrow('enough');
  } else expect(await loop).toBe('ended');
  watch.close();
  expect(await watch.next()).toEqual({ done: true, value: undefined });
  await world.netfilter.marks(); // what was closed is closed by now
  await until(descriptors, (count) => count <= before);
});

test('what came before the loop is not lost, and two that wait at once get two changes', async () => {
  const watch = await world.netfilter.watch();
  await add(1);
  await add(2);
  expect((await watch.next()).value).toMatchObject({ type: 'change' });
  expect((await watch.next()).value).toMatchObject({ type: 'change' });
  const both = [watch.next(), watch.next()];
  await add(3);
  await add(4);
  expect(await Promise.all(both)).toMatchObject([{ value: { type: 'change' } }, { value: { type: 'change' } }]);
  watch.close();
});

test('a signal that comes later ends the watch, not the handle', async () => {
  const controller = new AbortController();
  const watch = await world.netfilter.watch({ signal: controller.signal });
  await add(1);
  await watch.next();
  controller.abort(new Error('later'));
  await expect(watch.next()).rejects.toThrow('later');
  await add(2);
});

test('300 watches opened and dropped leave no descriptors', async () => {
  const before = descriptors();
  for (let i = 0; i < 300; i++) {
    const watch = await world.netfilter.watch();
    if (i % 3 === 0) void watch.next().catch(() => {});
    watch.close();
  }
  await world.netfilter.marks();
  await until(descriptors, (count) => count <= before);
});

test('watches that nobody closed are closed when they are collected', async () => {
  const before = descriptors();
  for (let i = 0; i < 300; i++) await world.netfilter.watch();
  expect(descriptors()).toBeGreaterThan(before + 200);
  const collected = async (): Promise<number> => {
    await collect();
    return descriptors();
  };
  await until(collected, (count) => count <= before);
});

test.each(['idle', 'exit'])('a process that ends: %s', (job) => {
  const program = fileURLToPath(new URL('fixtures/worker.mjs', import.meta.url));
  const args = [program, JSON.stringify({ namespace: world.namespace, job })];
  expect(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 50_000 })).toBe('"ready"\n');
});

test('20 000 changes on one handle leave no descriptors and no memory behind', async () => {
  const { netfilter } = world;
  const round = async (changes: number): Promise<void> => {
    for (let i = 0; i < changes / 2; i++) {
      await add(1000 + (i % 7));
      await netfilter.deleteMark({ protocol: 'tcp', port: 1000 + (i % 7) });
      if (i % 100 !== 0) continue;
      const watch = await netfilter.watch();
      await netfilter.set({
        marks: [{ destination: '10.0.0.0/8', mark: 1 }],
        rules: [{ type: 'masquerade', mark: i }],
      });
      await watch.next();
      watch.close();
      await netfilter.deleteMark({ protocol: 'udp', port: 1 }).catch(() => {});
    }
  };
  await round(4000); // what is kept for later is taken now
  const before = { memory: memory(), descriptors: descriptors() };
  await round(20_000);
  await netfilter.marks();
  await until(descriptors, (count) => count <= before.descriptors);
  expect(memory() - before.memory).toBeLessThan(40);
}, 600_000);
