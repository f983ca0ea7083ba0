import type { RulesetListener } from '../kernel/netfilter/port.js';
import { translate } from './errors.js';

/** Somebody changed the table, or changes were missed. */
export type NetfilterEvent =
  | {
      readonly type: 'change';
      /** Counts every change of any rule in the namespace. */
      readonly generation: number;
      /** Which thread did it, as of the first pid namespace; those of this library are named `ipvs-io`. */
      readonly process: { readonly pid: number; readonly name: string };
    }
  /** More came than was read: look at the table. */
  | { readonly type: 'overrun' };

const closers = new FinalizationRegistry<() => void>((close) => close());

/** Changes of one table from when it was opened, to be read once. Closed with the loop that reads it. */
export class NetfilterWatch implements AsyncIterableIterator<NetfilterEvent, void, void> {
  readonly #listener: RulesetListener;
  readonly #table: string;
  readonly #signal: AbortSignal | undefined;
  #queue: NetfilterEvent[] = [];
  /** Those that wait at the same time wait one behind the other. */
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

  /** Ends a loop that waits, too. */
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
