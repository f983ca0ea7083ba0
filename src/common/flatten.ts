/**
 * Returns the items of batches, one at a time. Several callers may wait for the next item. It is not a
 * generator, which would take three million turns of the microtask queue for a million items.
 */
export function flatten<T>(
  batches: AsyncGenerator<readonly T[], void, void>,
  /** Is called before the generator is closed, to end a `next()` that waits. */
  end: () => Promise<void> = async () => {},
): AsyncIterator<T, undefined> {
  let batch: readonly T[] = [];
  let at = 0;
  let ended = false;
  let fetching: Promise<void> | undefined;
  const fetch = async (): Promise<void> => {
    try {
      const piece = await batches.next();
      if (piece.done) ended = true;
      [batch, at] = [piece.done ? [] : piece.value, 0];
    } finally {
      fetching = undefined;
    }
  };
  return {
    async next() {
      while (at >= batch.length) {
        if (ended) return { done: true, value: undefined };
        fetching ??= fetch();
        await fetching;
      }
      return { done: false, value: batch[at++] as T };
    },
    async return() {
      ended = true;
      batch = [];
      await end();
      await batches.return();
      return { done: true, value: undefined };
    },
  };
}
