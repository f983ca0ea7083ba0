import { expect, test, vi } from 'vitest';
import { Watch, type WatchSource } from '../../src/common/watch.js';

/** A source that gives these batches, then waits until it is closed. */
function sourceOf<T>(...batches: (readonly T[] | Error)[]) {
  let end: (error: Error) => void = () => {};
  const close = vi.fn(() => end(new Error('closed')));
  const source: WatchSource<T> = {
    async next(signal) {
      const batch = batches.shift();
      if (batch instanceof Error) throw batch;
      if (batch) return batch;
      return new Promise((_, reject) => {
        end = reject;
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    },
    close,
  };
  return { source, close };
}

test('a loop gets every item in order, and leaving it closes the source', async () => {
  const { source, close } = sourceOf([1, 2], [], [3]);
  const seen: number[] = [];
  for await (const item of new Watch(source)) if (seen.push(item) === 3) break;
  expect(seen).toEqual([1, 2, 3]);
  expect(close).toHaveBeenCalledOnce();
});

test('batches has what was not read yet, then all that comes', async () => {
  const watch = new Watch(sourceOf([1, 2, 3], [4, 5]).source);
  expect(await watch.next()).toEqual({ done: false, value: 1 });
  const seen: (readonly number[])[] = [];
  for await (const batch of watch.batches()) if (seen.push(batch) === 2) break;
  expect(seen).toEqual([
    [2, 3],
    [4, 5],
  ]);
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

test('concurrent calls of next get different items, and closing ends those that wait', async () => {
  const { source } = sourceOf([1, 2]);
  const watch = new Watch(source);
  const calls = [watch.next(), watch.next(), watch.next(), watch.next()];
  expect(await Promise.all(calls.slice(0, 2))).toEqual([1, 2].map((value) => ({ done: false, value })));
  await watch.close();
  expect(await Promise.all(calls.slice(2))).toEqual([1, 2].map(() => ({ done: true, value: undefined })));
});

test('one loop reads a watch', async () => {
  const watch = new Watch(sourceOf([1]).source);
  expect(watch[Symbol.asyncIterator]()).toBe(watch);
  expect(() => watch[Symbol.asyncIterator]()).toThrow('read by one loop');
  await expect(watch.batches().next()).rejects.toThrow('read by one loop');
});

test('a failure is translated, closes the source, and the watch has ended after it', async () => {
  const { source, close } = sourceOf<number>([1], new Error('reset'));
  const watch = new Watch(source, { translate: (error) => new Error(`cannot watch: ${(error as Error).message}`) });
  await watch.next();
  await expect(watch.next()).rejects.toThrow('cannot watch: reset');
  expect(close).toHaveBeenCalledOnce();
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

test('a signal ends the loop with its reason', async () => {
  const abort = new AbortController();
  const watch = new Watch(sourceOf<number>().source, { signal: abort.signal });
  const next = watch.next();
  abort.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');
});

test('a source that ends, and one that was closed before, end the loop', async () => {
  const ends: WatchSource<number> = { next: async () => undefined, close: () => Promise.reject(new Error('closed')) };
  const watch = new Watch(ends);
  for await (const _ of watch) expect.unreachable();
  await watch.close();
});
