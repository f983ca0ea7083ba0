import { Errno } from '../kernel/errno.js';
import { KernelFailure } from '../kernel/errors.js';
import type { Handle } from './machine.js';

/** What one listener has not heard yet. It holds so much; more is lost, as in a socket that nobody reads. */
export class EventQueue<T> {
  readonly #handle: Handle;
  readonly #capacity: number;
  readonly #onClose: () => void;
  readonly #wanted: (event: T) => boolean;
  #events: T[] = [];
  #overrun = false;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(handle: Handle, capacity: number, onClose: () => void, wanted: (event: T) => boolean) {
    this.#handle = handle;
    this.#wanted = wanted;
    this.#capacity = capacity;
    this.#onClose = onClose;
  }

  push(event: T): void {
    if (this.#closed || this.#handle.closed) {
      this.close();
      return;
    }
    if (!this.#wanted(event)) return;
    if (this.#events.length < this.#capacity) this.#events.push(event);
    else this.#overrun = true;
    this.#wake?.();
  }

  /** As if more had come than it holds. */
  overrun(): void {
    this.#overrun = true;
    this.#wake?.();
  }

  /** Waits for something. @throws KernelFailure EBADF once it is closed */
  async take(signal?: AbortSignal): Promise<{ readonly events: readonly T[]; readonly overrun: boolean }> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#closed || this.#handle.closed) throw new KernelFailure(Errno.EBADF, 'the listener is closed');
      if (this.#events.length > 0 || this.#overrun) {
        const taken = { events: this.#events, overrun: this.#overrun };
        [this.#events, this.#overrun] = [[], false];
        return taken;
      }
      await this.#something(signal);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events = [];
    this.#onClose();
    this.#wake?.();
  }

  #something(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}

/** Those who listen to one thing. */
export class Listeners<T> {
  readonly #queues = new Set<EventQueue<T>>();
  /** How many events wait for one listener at most, before some are lost. */
  capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Whether anybody does: who makes events may spare itself the trouble. */
  get some(): boolean {
    return this.#queues.size > 0;
  }

  open(handle: Handle, wanted: (event: T) => boolean = () => true): EventQueue<T> {
    const forget = (): void => void this.#queues.delete(queue);
    const queue: EventQueue<T> = new EventQueue(handle, this.capacity, forget, wanted);
    this.#queues.add(queue);
    return queue;
  }

  push(event: T): void {
    for (const queue of this.#queues) queue.push(event);
  }

  /** All lose what comes next, as if it did not fit. */
  overrun(): void {
    for (const queue of this.#queues) queue.overrun();
  }
}
