import { Errno } from '../common/errno.js';
import { IpvsError, KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { Faults, type KernelPart } from './faults.js';

/** A request to the in-memory kernel. */
export interface RequestRecord {
  /** Part of the kernel that the request went to. */
  readonly part: KernelPart;
  /** Name of the request, as in `fail()`. */
  readonly command: string;
  /** Object of the request, in words. */
  readonly object: string;
}

/** The state that all parts of the in-memory kernel share: the clock, the pending failures, the recorded requests. */
export class Machine {
  readonly faults = new Faults();
  /** All requests, in order. */
  readonly requests: RequestRecord[] = [];
  #now = 0;
  /** Incremented by kill(): handles of an earlier generation are closed. */
  #generation = 0;
  readonly #clocks = new Set<(now: number) => void>();

  /** Time since the machine was created, in milliseconds. */
  get now(): number {
    return this.#now;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Advances the clock in one step and runs the callbacks of {@link onAdvance}. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const clock of this.#clocks) clock(this.#now);
  }

  /** Calls `clock` after each advance of the time; returns a function that stops this. */
  onAdvance(clock: (now: number) => void): () => void {
    this.#clocks.add(clock);
    return () => void this.#clocks.delete(clock);
  }

  /** Closes all open handles, like SIGKILL. */
  kill(): void {
    this.#generation++;
  }
}

/** A handle to one part of the kernel: it makes requests, and is dead after close() or kill(). */
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
   * Makes one request; the answer arrives in a later turn, as from the real kernel. `work` throws `KernelFailure`. It
   * returns a promise only if it takes long, as a dump does that the kernel sends in several messages. A caller that needs an event or a lock waits for it outside this method.
   */
  async ask<T>(command: string, object: string, work: () => T | Promise<T>, options: CallOptions = {}): Promise<T> {
    options.signal?.throwIfAborted();
    await undefined;
    options.signal?.throwIfAborted();
    this.alive();
    this.machine.requests.push({ part: this.#part, command, object });
    const fault = this.machine.faults.next(this.#part, command, object);
    if (!fault) return work();
    if (fault.carriedOut) await work();
    throw this.#failure(fault.errno, `${command} ${object}`);
  }

  /**
   * Makes one change of a request with several changes, each with its own outcome; call it in the `work` of
   * {@link ask}. `work` returns an errno, 0 for success. Throws if the program is killed: the following changes are not
   * made.
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

/** Returns a promise that settles like `promise`, or rejects at the signal or the time limit. */
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
