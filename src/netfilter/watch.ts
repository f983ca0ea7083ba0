import type { RulesetListener } from '../kernel/netfilter/port.js';
import { translate } from './errors.js';

/** A change of the table, or the loss of changes. */
export type NetfilterEvent =
  | {
      readonly type: 'change';
      /** Number of the generation: it counts every change of any rule in the namespace. */
      readonly generation: number;
      /**
       * Thread that made the change, as seen from the first pid namespace; threads of this library are named `ipvs-io`.
       */
      readonly process: { readonly pid: number; readonly name: string };
    }
  /** Changes were lost because they were not read in time: read the table. */
  | { readonly type: 'overrun' };

const closers = new FinalizationRegistry<() => void>((close) => close());

/** A stream of changes of one table, from when it was opened. It can be read once; leaving the loop closes it. */
export class NetfilterWatch implements AsyncIterableIterator<NetfilterEvent, void, void> {
  readonly #listener: RulesetListener;
  readonly #table: string;
  readonly #signal: AbortSignal | undefined;
  #queue: NetfilterEvent[] = [];
  /** Concurrent calls of `next()` wait for each other. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** @internal */
  constructor(listener: RulesetListener, table: string, signal: AbortSignal | undefined) {
    this.#listener = listener;
    this.#table = table;
    this.#signal = signal;
    closers.register(this, () => listener.close(), this);
  }

  next(): Promise<IteratorResult<NetfilterEvent, void>> {
    const turn = this.#last.then(() => this.#next());
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #next(): Promise<IteratorResult<NetfilterEvent, void>> {
    while (!this.#closed) {
      const event = this.#queue.shift();
      if (event) return { done: false, value: event };
      await this.#receive();
    }
    return { done: true, value: undefined };
  }

  async #receive(): Promise<void> {
    try {
      const { events, overrun } = await this.#listener.next(this.#signal);
      if (overrun) this.#queue.push({ type: 'overrun' });
      for (const { generation, process, tables } of events)
        if (tables.has(this.#table)) this.#queue.push({ type: 'change', generation, process });
    } catch (error) {
      if (this.#closed) return;
      this.close();
      throw translate({ command: 'listen', action: 'watch', object: `table inet ${this.#table}` }, error);
    }
  }

  async return(): Promise<IteratorResult<NetfilterEvent, void>> {
    this.close();
    return { done: true, value: undefined };
  }

  /** Closes the stream; ends a loop that waits, too. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    closers.unregister(this);
    this.#listener.close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
