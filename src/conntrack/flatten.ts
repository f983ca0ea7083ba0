/**
 * The items of batches, one at a time. Not a generator: a million items would be three million
 * turns of the microtask queue.
 */
export function flatten<T>(batches: AsyncGenerator<readonly T[], void, void>): AsyncIterator<T, undefined> {
  let batch: readonly T[] = [];
  let at = 0;
  const end = { done: true, value: undefined } as const;
  return {
    async next() {
      while (at === batch.length) {
        const piece = await batches.next();
        if (piece.done) return end;
        batch = piece.value;
        at = 0;
      }
      return { done: false, value: batch[at++] as T };
    },
    async return() {
      await batches.return();
      return end;
    },
  };
}
