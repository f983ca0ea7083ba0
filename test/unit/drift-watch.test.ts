// The stream of drift reports: when it begins, and every way in which it ends.
import { expect, test, vi } from 'vitest';
import { type DesiredDocument, DesiredState, Netfilter } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const document: DesiredDocument = { owner: 'test', marks: [{ destination: '192.0.2.1', mark: 7 }] };

async function begin(kernel = new MemoryKernel()) {
  const state = await DesiredState.open(document, { kernel });
  await state.apply();
  const damage = async (): Promise<void> => {
    await using netfilter = await Netfilter.open({ kernel, owner: 'ipvs-test' });
    await netfilter.deleteTable();
  };
  return { kernel, state, damage };
}

test('a watch is subscribed when it resolves: a change before the first read is reported', async () => {
  const { state, damage } = await begin();
  await using watch = await state.watch({ interval: 1_000_000 });
  await damage();
  expect((await watch.next()).value).toMatchObject({ drift: [{ problem: 'missing' }] });
});

test.each(['close', 'return', 'dispose'] as const)('%s ends a loop that waits, without an error', async (way) => {
  const { state } = await begin();
  const watch = await state.watch({ interval: 1_000_000 });
  const waiting = watch.next();
  if (way === 'close') await watch.close();
  if (way === 'return') await watch.return();
  if (way === 'dispose') await watch[Symbol.asyncDispose]();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await watch.next()).toEqual({ done: true, value: undefined });
  await watch.close();
  expect(await state.apply()).toEqual([]);
});

test('closing a watch while a repair runs completes the repair, and starts no other one', async () => {
  const kernel = new MemoryKernel();
  let onCommit = (): void => {};
  const openNetfilter = kernel.openNetfilter.bind(kernel);
  vi.spyOn(kernel, 'openNetfilter').mockImplementation(async (options) => {
    const port = await openNetfilter(options);
    const commit = port.commit.bind(port);
    vi.spyOn(port, 'commit').mockImplementation((...args) => {
      onCommit();
      return commit(...args);
    });
    return port;
  });
  const { state, damage } = await begin(kernel);
  const watch = await state.watch({ interval: 1_000_000, repair: true });
  await damage();
  let closed: Promise<void> | undefined;
  onCommit = () => {
    closed = watch.close();
  };
  expect(await watch.next()).toEqual({ done: true, value: undefined });
  expect(closed).toBeDefined();
  await closed;
  expect(await state.verify()).toEqual([]);
  onCommit = () => {};
  await damage();
  expect(await state.verify()).toMatchObject([{ problem: 'missing' }]);
});

test('a second loop over a watch is rejected: one loop reads it', async () => {
  const { state } = await begin();
  await using watch = await state.watch({ interval: 1_000_000 });
  watch[Symbol.asyncIterator]();
  expect(() => watch[Symbol.asyncIterator]()).toThrow(/one loop/);
});

test('a signal ends the watch with its reason, before it is opened and while it waits', async () => {
  const { state } = await begin();
  await expect(state.watch({ signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
  const stop = new AbortController();
  const watch = await state.watch({ interval: 1_000_000, signal: stop.signal });
  const waiting = watch.next();
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

test('a loop that is left closes the watch', async () => {
  const { state, damage } = await begin();
  const watch = await state.watch({ interval: 1_000_000, repair: true });
  await damage();
  for await (const { repaired } of watch) {
    expect(repaired).toHaveLength(1);
    break;
  }
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

test('a wrong option is rejected before anything is read', async () => {
  const { kernel, state } = await begin();
  const before = kernel.requests.length;
  await expect(state.watch({ interval: 1 })).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  await expect(state.watch({ timeout: -1 })).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  await expect(state.watch({ signal: {} as AbortSignal })).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  expect(kernel.requests.length).toBe(before);
});

test('verify() returns what a plan would change, and changes nothing', async () => {
  const { state, damage } = await begin();
  expect(await state.verify()).toEqual([]);
  await damage();
  const [difference] = await state.verify({ timeout: 10_000 });
  expect(difference).toMatchObject({ problem: 'missing', what: expect.stringContaining('nf_tables table') });
  expect(difference).not.toHaveProperty('is');
  expect(await state.verify()).toEqual([difference]);
  await expect(state.verify({ adopt: true } as object)).rejects.toThrow(/no option 'adopt'/);
  await state.apply();
  expect(await state.verify()).toEqual([]);
});
