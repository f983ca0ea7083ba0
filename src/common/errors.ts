import type { IpvsErrorCode } from './error-codes.js';
import { limits } from './limits.js';
import { shorten } from './show.js';

export type { IpvsErrorCode };

/** A request to the kernel in words, for messages and logs. */
export interface ErrorRequest {
  /** Verb and kind of object: `add service`. Not stable: do not branch on it. */
  readonly action: string;
  /**
   * The object, as ipvsadm, conntrack, nft or ip would print it: `TCP 192.168.1.100:80`. At most 16 384 characters.
   * Absent for requests without one, such as a flush.
   */
  readonly object?: string;
}

/** Properties of a new {@link IpvsError}. */
export interface IpvsErrorOptions {
  /** Request that failed. */
  readonly request?: ErrorRequest | undefined;
  /** The kernel's answer, a positive Linux errno. */
  readonly errno?: number | undefined;
  /** Name of the errno, such as `ESRCH`. */
  readonly errnoName?: string | undefined;
  /** Error that led to this one; it becomes `error.cause`. */
  readonly cause?: unknown;
}

const BRAND = Symbol.for('ipvs.IpvsError');

/** Accepts errors of another copy of this package, too: several dependencies of a program may each install one. */
function isInstance(this: unknown, value: unknown): boolean {
  // A subclass accepts its own instances only.
  if (this !== IpvsError) return Function.prototype[Symbol.hasInstance].call(this, value);
  return typeof value === 'object' && value !== null && BRAND in value;
}

/**
 * The one error class of this library. Branch on {@link IpvsError.code}; `docs/errors.md` lists every code, and the
 * usual cause of each errno. A message has at most 16 384 characters.
 *
 * @example
 * ```ts
 * import { Ipvs, IpvsError } from 'ipvs';
 *
 * try {
 *   await Ipvs.open();
 * } catch (error) {
 *   if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_NOT_AVAILABLE') throw error;
 *   console.error('this kernel has no IPVS');
 * }
 * ```
 */
export class IpvsError extends Error {
  static {
    // On the prototype, so that a printed error does not show it.
    Object.defineProperty(IpvsError.prototype, BRAND, { value: true });
    Object.defineProperty(IpvsError, Symbol.hasInstance, { value: isInstance });
  }

  /** Name of the class, also in stacks and in JSON. */
  override readonly name = 'IpvsError';
  /** Stable reason of the failure. */
  readonly code: IpvsErrorCode;
  /** The kernel's answer, a positive Linux errno. Absent if no request was sent. */
  declare readonly errno?: number;
  /** Name of the errno, such as `ESRCH`; `errno N` for one without a known name. */
  declare readonly errnoName?: string;
  /** Request that failed, in words. Absent if the error belongs to no request. */
  declare readonly request?: ErrorRequest;

  /** Creates an error, for example in a `Kernel` of your own. `options` has the optional properties. */
  constructor(code: IpvsErrorCode, message: string, options: IpvsErrorOptions = {}) {
    super(shorten(message, limits.message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    // Omits unknown properties to keep a printed error short.
    if (options.errno !== undefined) this.errno = options.errno;
    if (options.errnoName !== undefined) this.errnoName = options.errnoName;
    if (options.request !== undefined) this.request = shortRequest(options.request);
  }

  /** Returns the properties for JSON, with the message, which `JSON.stringify` omits for other errors. */
  toJSON(): Record<string, unknown> {
    const { name, code, message, errno, errnoName, request } = this;
    return { name, code, message, errno, errnoName, request };
  }
}

function shortRequest(request: ErrorRequest): ErrorRequest {
  const { object } = request;
  if (object === undefined || object.length <= limits.message) return request;
  return { ...request, object: shorten(object, limits.message) };
}

/** Returns an {@link IpvsError} for an argument that must not be sent. */
export function invalid(message: string, request?: ErrorRequest): IpvsError {
  return new IpvsError('ERR_IPVS_INVALID_ARGUMENT', message, { request });
}

/**
 * The failure of a `Kernel`: an errno, and its origin in words. The layer that knows the request turns it into an
 * {@link IpvsError}. Only implementations of `Kernel` throw it.
 *
 * @example
 * ```ts
 * import { type Kernel, KernelFailure } from 'ipvs/kernel';
 *
 * // Returns a kernel of a machine without IPVS.
 * export const withoutIpvs = (kernel: Kernel): Pick<Kernel, 'openIpvs'> => ({
 *   openIpvs: async () => {
 *     throw new KernelFailure(93, 'the family IPVS'); // EPROTONOSUPPORT
 *   },
 * });
 * ```
 */
export class KernelFailure extends Error {
  /** Name of the class. */
  override readonly name = 'KernelFailure';
  /** The kernel's answer, a positive Linux errno. */
  readonly errno: number;

  /** Creates a failure. `message` is the kernel's extended ack, or the failed call. */
  constructor(errno: number, message: string) {
    super(shorten(message, limits.message));
    this.errno = errno;
  }
}
