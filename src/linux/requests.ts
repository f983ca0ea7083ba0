import { setMaxListeners } from 'node:events';
import { IpvsError, KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import {
  type Addon,
  type ConntrackReplies,
  type IpvsReplies,
  loadAddon,
  type NativeBatch,
  type NativeConntrackSession,
  type NativeEnvironment,
  type NativeHandle,
  type NativeIpvsSession,
  type NativeNetlinkSession,
  type NetlinkReplies,
} from './addon.js';

export const DEFAULT_TIMEOUT = 30_000;

/** Maximum time for answers in one turn of the event loop, in milliseconds. */
const TURN = 5;

/** The arguments of a method after the number of the request. */
export type Arguments<Session, Method extends keyof Session> = Session[Method] extends (
  id: number,
  ...rest: infer Rest
) => void
  ? Rest
  : never;

interface Pending {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

/**
 * Numbers requests, and settles their promises when the addon reports their results. Each JavaScript
 * environment (the main thread, a worker) has one, with its own I/O threads.
 */
class Requests {
  readonly #addon: Addon;
  readonly #environment: NativeEnvironment;
  readonly #pending = new Map<number, Pending>();
  #last = 0;
  /** Time of the first batch of this turn of the event loop. */
  #turn: number | undefined;
  /** Batches that wait for a later turn. */
  #waiting: (readonly unknown[])[] = [];

  constructor(addon: Addon) {
    this.#addon = addon;
    try {
      this.#environment = addon.start((batch) => this.#complete(batch));
    } catch (cause) {
      throw new IpvsError('ERR_IPVS_SYSTEM', `cannot start the I/O threads: ${cause}`, { cause });
    }
  }

  newIpvs(timeout: number): Sender<NativeIpvsSession, IpvsReplies> {
    return new Sender(this, new this.#addon.IpvsSession(this.#environment), timeout);
  }

  newConntrack(timeout: number): Sender<NativeConntrackSession, ConntrackReplies> {
    return new Sender(this, new this.#addon.ConntrackSession(this.#environment), timeout);
  }

  newNetlink(timeout: number): Sender<NativeNetlinkSession, NetlinkReplies> {
    return new Sender(this, new this.#addon.NetlinkSession(this.#environment), timeout);
  }

  newBatch(): NativeBatch {
    return new this.#addon.NetlinkBatch();
  }

  /** Sends a request. Rejects with a `KernelFailure`, the signal's reason or `ERR_IPVS_TIMEOUT`. */
  send<T>(
    session: NativeHandle,
    start: (id: number) => void,
    { signal, timeout }: { readonly signal: AbortSignal | undefined; readonly timeout: number },
    /** Is called with a result that arrives after the wait has ended. */
    discard?: (value: T) => void,
  ): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#last = (this.#last + 1) >>> 0;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown): void => {
        settle();
        session.cancel(id);
        if (discard) {
          this.#pending.set(id, { resolve: (value) => discard(value as T), reject: () => {} });
        }
        reject(reason);
      };
      const onAbort = (): void => giveUp(signal?.reason);
      const onTimeout = (): void => {
        giveUp(new IpvsError('ERR_IPVS_TIMEOUT', `no answer within ${timeout} ms; the kernel may still carry it out`));
      };
      const timer = timeout === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTimeout, timeout);
      timer?.unref(); // a request under way keeps the process alive, not its timer
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#pending.delete(id);
      };
      // Every request under way has a listener, so disables the warning of Node about more than ten.
      if (signal) setMaxListeners(0, signal);
      signal?.addEventListener('abort', onAbort);
      this.#pending.set(id, {
        resolve: (value) => {
          settle();
          resolve(value as T);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      });
      try {
        start(id);
      } catch (cause) {
        // The addon throws for invalid arguments before it begins a request.
        settle();
        const reason = cause instanceof Error ? cause.message : String(cause);
        reject(new IpvsError('ERR_IPVS_INVALID_ARGUMENT', `the addon refuses the request: ${reason}`, { cause }));
      }
    });
  }

  /**
   * Settles a batch now, or in the next turn of the event loop if this turn has taken more than 5 ms. Node
   * calls it as long as the addon has results, without a turn of the event loop in between: a program
   * that streams a table would see no timer for seconds.
   */
  #complete(batch: readonly unknown[]): void {
    const now = performance.now();
    if (this.#turn === undefined) {
      this.#turn = now;
      setImmediate(() => this.#nextTurn());
    }
    if (this.#waiting.length > 0 || now - this.#turn > TURN) this.#waiting.push(batch);
    else this.#settle(batch);
  }

  #nextTurn(): void {
    this.#turn = undefined;
    const [batch, ...rest] = this.#waiting;
    if (!batch) return;
    this.#waiting = rest;
    if (rest.length > 0) setImmediate(() => this.#nextTurn());
    this.#settle(batch);
  }

  #settle(batch: readonly unknown[]): void {
    for (let i = 0; i + 3 < batch.length; i += 4) {
      const id = batch[i] as number;
      const pending = this.#pending.get(id);
      if (!pending) continue;
      this.#pending.delete(id);
      const errno = batch[i + 1] as number;
      if (errno === 0) pending.resolve(batch[i + 3]);
      else pending.reject(new KernelFailure(errno, batch[i + 2] as string));
    }
  }
}

/** Sends the requests of one session, with its default timeout. */
export class Sender<Session extends NativeHandle, Replies> {
  readonly session: Session;
  readonly #requests: Requests;
  readonly #timeout: number;
  #closing: Promise<void> | undefined;

  constructor(requests: Requests, session: Session, timeout: number) {
    this.#requests = requests;
    this.session = session;
    this.#timeout = timeout;
  }

  send<Method extends keyof Session & keyof Replies>(
    method: Method,
    args: Arguments<Session, Method>,
    options: CallOptions,
    discard?: (value: Replies[Method]) => void,
  ): Promise<Replies[Method]> {
    const { signal, timeout = this.#timeout } = options;
    const start = this.session[method] as (id: number, ...rest: unknown[]) => void;
    const begin = (id: number): void => start.call(this.session, id, ...args);
    return this.#requests.send(this.session, begin, { signal, timeout }, discard);
  }

  /** Sends a request and ignores its result. */
  forget<Method extends keyof Session & keyof Replies>(method: Method, args: Arguments<Session, Method>): void {
    this.send(method, args, { timeout: Number.POSITIVE_INFINITY }).catch(() => {});
  }

  /** Closes the session. It has no time limit, never rejects, and does nothing when it is repeated. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const begin = (id: number): void => this.session.close(id);
    const patient = { signal: undefined, timeout: Number.POSITIVE_INFINITY };
    await this.#requests.send<undefined>(this.session, begin, patient).catch(() => {});
  }
}

let shared: Requests | undefined;

/** @throws IpvsError `ERR_IPVS_ADDON_NOT_LOADED` */
export function requests(): Requests {
  shared ??= new Requests(loadAddon());
  return shared;
}
