import type { DriftReport, Waker } from './watch.js';

const closers = new FinalizationRegistry<() => void>((close) => close());

/**
 * A stream of {@link DriftReport}s, subscribed from the moment it was opened. It can be read once: `close()`, or leaving
 * the loop, ends it.
 */
export class DriftWatch implements AsyncIterableIterator<DriftReport, void, void> {
  readonly #reports: AsyncGenerator<DriftReport, void, void>;
  readonly #close: () => void;
  readonly #closed: AbortSignal;

  /** @internal `read` makes the reports; it ends when its signal aborts. */
  constructor(waker: Waker, read: (closed: AbortSignal) => AsyncGenerator<DriftReport, void, void>) {
    const abort = new AbortController();
    this.#closed = abort.signal;
    this.#close = () => {
      abort.abort();
      waker.close();
    };
    this.#reports = read(abort.signal);
    closers.register(this, this.#close, this);
  }

  /** @throws the reason of the signal that the watch was opened with; IpvsError `ERR_IPVS_CLOSED` after the state was closed */
  async next(): Promise<IteratorResult<DriftReport, void>> {
    if (this.#closed.aborted) return { done: true, value: undefined };
    try {
      const result = await this.#reports.next();
      if (result.done) this.close();
      return result;
    } catch (error) {
      const wasClosed = this.#closed.aborted;
      this.close();
      if (wasClosed) return { done: true, value: undefined };
      throw error;
    }
  }

  /** Closes the watch; called when a loop is left. */
  async return(): Promise<IteratorResult<DriftReport, void>> {
    this.close();
    return { done: true, value: undefined };
  }

  /** Ends a loop that waits. A repair that has started is completed. */
  close(): void {
    closers.unregister(this);
    this.#close();
  }

  /** Returns the watch itself: one loop can read it. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Closes the watch, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
