import { Errno } from '../common/errno.js';
import { KernelFailure } from '../common/errors.js';
import type { Handle } from './machine.js';

/** The pending events of one listener. Events beyond `capacity` are lost, as in a full socket buffer. */
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

  /** Marks the queue as overrun, as if events had been lost. */
  overrun(): void {
    this.#overrun = true;
    this.#wake?.();
  }

  /** Waits for events and takes them. @throws KernelFailure EBADF if it is closed */
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

/** All listeners of one kind of event. */
export class Listeners<T> {
  readonly #queues = new Set<EventQueue<T>>();
  /** Maximum number of pending events per listener; further events are lost. */
  capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** True if there is a listener; otherwise no events need to be made. */
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

  /** Marks all queues as overrun. */
  overrun(): void {
    for (const queue of this.#queues) queue.overrun();
  }
}
