import { setMaxListeners } from 'node:events';
import { type Addon, loadAddon, type NativeEnvironment, type NativeReplies, type NativeSession } from './addon.js';
import { IpvsError, KernelFailure } from './errors.js';
import type { CallOptions } from './kernel.js';

export const DEFAULT_TIMEOUT = 30_000;

export type Arguments<Method extends keyof NativeReplies> =
  Parameters<NativeSession[Method]> extends [number, ...infer Rest] ? Rest : never;

interface Pending {
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

/**
 * Numbers requests, and settles their promises when the addon says how they ended. One for each
 * JavaScript environment (the main thread, a worker), with an I/O thread of its own.
 */
class Requests {
  readonly #addon: Addon;
  readonly #environment: NativeEnvironment;
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  constructor(addon: Addon) {
    this.#addon = addon;
    try {
      this.#environment = addon.start((batch) => this.#complete(batch));
    } catch (cause) {
      throw new IpvsError('ERR_IPVS_SYSTEM', `cannot start the I/O thread: ${cause}`, { cause });
    }
  }

  newSession(): NativeSession {
    return new this.#addon.Session(this.#environment);
  }

  /** Rejects with a `KernelFailure`, with the signal's reason, or with `ERR_IPVS_TIMEOUT`. */
  send<Method extends keyof NativeReplies>(
    session: NativeSession,
    method: Method,
    args: Arguments<Method>,
    options: CallOptions,
    /** Called with what came after nobody waited any more. */
    discard?: (value: NativeReplies[Method]) => void,
  ): Promise<NativeReplies[Method]> {
    const { signal, timeout = DEFAULT_TIMEOUT } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#last = (this.#last + 1) >>> 0;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown): void => {
        settle();
        session.cancel(id);
        if (discard) {
          this.#pending.set(id, { resolve: (value) => discard(value as NativeReplies[Method]), reject: () => {} });
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
      // Every request under way listens; that is not the leak that Node warns of beyond ten.
      if (signal) setMaxListeners(0, signal);
      signal?.addEventListener('abort', onAbort);
      this.#pending.set(id, {
        resolve: (value) => {
          settle();
          resolve(value as NativeReplies[Method]);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      });
      const start = session[method] as (id: number, ...rest: unknown[]) => void;
      start.call(session, id, ...args);
    });
  }

  #complete(batch: readonly unknown[]): void {
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

let shared: Requests | undefined;

/** @throws IpvsError `ERR_IPVS_ADDON_NOT_LOADED` */
export function requests(): Requests {
  shared ??= new Requests(loadAddon());
  return shared;
}
