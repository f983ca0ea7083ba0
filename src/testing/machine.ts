import { Errno } from '../kernel/errno.js';
import { IpvsError, KernelFailure } from '../kernel/errors.js';
import type { CallOptions } from '../kernel/kernel.js';
import { Faults, type KernelPart } from './faults.js';

/** A request that was made of the kernel in memory. */
export interface RequestRecord {
  readonly part: KernelPart;
  readonly command: string;
  readonly object: string;
}

/** What all parts of the kernel in memory share: the time, the failures to come, what was asked. */
export class Machine {
  readonly faults = new Faults();
  /** All requests, in order. */
  readonly requests: RequestRecord[] = [];
  #now = 0;
  /** Counted up when the programs are killed: handles from before are dead. */
  #generation = 0;
  readonly #clocks = new Set<(now: number) => void>();

  /** Milliseconds since the machine was made. */
  get now(): number {
    return this.#now;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Time passes, in one step; who has something that ends with time is told. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const clock of this.#clocks) clock(this.#now);
  }

  /** Calls back whenever time has passed. */
  onAdvance(clock: (now: number) => void): () => void {
    this.#clocks.add(clock);
    return () => void this.#clocks.delete(clock);
  }

  /** All handles that are open die, as with SIGKILL. */
  kill(): void {
    this.#generation++;
  }
}

/** What a handle of any part has: how it asks, how it dies. */
export class Handle {
  readonly machine: Machine;
  readonly #part: KernelPart;
  readonly #generation: number;
  #closed = false;

  constructor(machine: Machine, part: KernelPart) {
    this.machine = machine;
    this.#part = part;
    this.#generation = machine.generation;
  }

  get closed(): boolean {
    return this.#closed || this.#generation !== this.machine.generation;
  }

  close(): void {
    this.#closed = true;
  }

  /**
   * One request: answered in a later turn, as the real one is. `work` throws `KernelFailure`s.
   * What waits for something else (an event, a lock) does so by itself.
   */
  async ask<T>(command: string, object: string, work: () => T, options: CallOptions = {}): Promise<T> {
    options.signal?.throwIfAborted();
    await undefined;
    options.signal?.throwIfAborted();
    this.alive();
    this.machine.requests.push({ part: this.#part, command, object });
    const fault = this.machine.faults.next(this.#part, command, object);
    if (!fault) return work();
    if (fault.carriedOut) work();
    throw this.#failure(fault.errno, `${command} ${object}`);
  }

  /**
   * One of several changes of a request, of which each has its own outcome; to be called within the
   * `work` of {@link ask}. `work` gives an errno, 0 for success. If the program is killed, it throws:
   * what comes behind is not done any more.
   */
  change(command: string, object: string, work: () => number): number {
    this.machine.requests.push({ part: this.#part, command, object });
    const fault = this.machine.faults.next(this.#part, command, object);
    if (!fault) return work();
    if (fault.carriedOut) work();
    const failure = this.#failure(fault.errno, `${command} ${object}`);
    if (this.closed) throw failure;
    return failure.errno;
  }

  /** @throws KernelFailure EBADF if it is closed, or the program was killed */
  alive(): void {
    if (this.closed) throw new KernelFailure(Errno.EBADF, 'the handle is closed');
  }

  #failure(errno: number | 'killed' = Errno.EIO, message: string): KernelFailure {
    if (errno !== 'killed') return new KernelFailure(errno, message);
    this.machine.kill();
    return new KernelFailure(Errno.EBADF, `killed at ${message}`);
  }
}

/** A promise that ends with what it waits for, the signal, or the time limit. */
export function within<T>(promise: Promise<T>, { signal, timeout }: CallOptions): Promise<T> {
  if (signal === undefined && timeout === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => settle(() => reject(signal?.reason));
    const timer =
      timeout === undefined || timeout === Number.POSITIVE_INFINITY
        ? undefined
        : setTimeout(
            () => settle(() => reject(new IpvsError('ERR_IPVS_TIMEOUT', `no answer within ${timeout} ms`))),
            timeout,
          );
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      end();
    };
    if (signal?.aborted) return settle(() => reject(signal.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
