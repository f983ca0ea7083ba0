import { invalid } from './errors.js';

/**
 * Source of the items of a {@link Watch}. It must not refer to the watch: a watch to which nothing refers is closed.
 */
export interface WatchSource<T> {
  /** Returns the next items, or undefined at the end. Rejects with the reason of the signal when that aborts. */
  next(signal: AbortSignal | undefined): Promise<readonly T[] | undefined>;
  /** Ends a `next()` that waits. */
  close(): void | Promise<void>;
}

export interface WatchOptions {
  /** Ends the watch: a loop throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Returns the error to throw for a failure of the source. */
  readonly translate?: ((error: unknown) => unknown) | undefined;
}

const closers = new FinalizationRegistry<WatchSource<unknown>>((source) => void closeSource(source));

async function closeSource(source: WatchSource<unknown>): Promise<void> {
  try {
    await source.close();
  } catch {
    // Closing a handle closes its watches: the source may be closed already.
  }
}

/**
 * A stream of items that begins when it is opened: nothing that happens after the promise of `watch()` resolved is
 * missed unless an item says so. One loop reads it; leaving the loop closes it. A loop that waits keeps the process
 * alive.
 *
 * @example
 * ```ts
 * import { Network } from 'ipvs';
 *
 * const network = await Network.open();
 * for await (const event of await network.watch()) {
 *   console.log(event.type);
 *   break; // closes the watch
 * }
 * await network.close();
 * ```
 */
export class Watch<T> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #source: WatchSource<T>;
  readonly #options: WatchOptions;
  #items: readonly T[] = [];
  #at = 0;
  #receiving: Promise<void> | undefined;
  #looping = false;
  #closed = false;

  /** @internal */
  constructor(source: WatchSource<T>, options: WatchOptions = {}) {
    this.#source = source;
    this.#options = options;
    closers.register(this, source, this);
  }

  /** Returns the next item. Concurrent calls get different items. */
  async next(): Promise<IteratorResult<T, undefined>> {
    while (this.#at >= this.#items.length) {
      if (this.#closed) return { done: true, value: undefined };
      this.#receiving ??= this.#receive();
      await this.#receiving;
    }
    return { done: false, value: this.#items[this.#at++] as T };
  }

  /** Returns all items that have come, as soon as there is one, again and again: the fastest way to read many. */
  async *batches(): AsyncGenerator<readonly T[], void, void> {
    this.#loop();
    try {
      for (;;) {
        if (this.#at < this.#items.length) {
          const items = this.#at === 0 ? this.#items : this.#items.slice(this.#at);
          this.#items = [];
          yield items;
        } else if (this.#closed) return;
        else {
          this.#receiving ??= this.#receive();
          await this.#receiving;
        }
      }
    } finally {
      await this.close();
    }
  }

  async #receive(): Promise<void> {
    try {
      const items = await this.#source.next(this.#options.signal);
      [this.#items, this.#at] = [this.#closed ? [] : (items ?? []), 0];
      if (items === undefined) await this.close();
    } catch (error) {
      if (this.#closed) return;
      await this.close();
      throw this.#options.translate?.(error) ?? error;
    } finally {
      this.#receiving = undefined;
    }
  }

  /** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if another loop reads the watch: each would miss what the other gets */
  [Symbol.asyncIterator](): this {
    this.#loop();
    return this;
  }

  #loop(): void {
    if (this.#looping) throw invalid('a watch is read by one loop; open another watch for another loop');
    this.#looping = true;
  }

  /** Closes the watch, as leaving the loop does. */
  async return(): Promise<IteratorResult<T, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Ends the stream, and a loop that waits. Items that were not read are dropped. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    [this.#items, this.#at] = [[], 0];
    closers.unregister(this);
    await closeSource(this.#source);
  }

  /** Closes the watch: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
