import { limits } from './limits.js';
import { shorten } from './show.js';

/**
 * The stable part of every error of this library. The `errors.ts` of each module assigns codes to commands and
 * errnos. New codes may be added; none changes its meaning.
 */
export type IpvsErrorCode =
  /** An argument that the kernel would reject, accept and ignore, or misread. Nothing was sent. */
  | 'ERR_IPVS_INVALID_ARGUMENT'
  /** The addon cannot be loaded on this machine; the message names the attempts. */
  | 'ERR_IPVS_ADDON_NOT_LOADED'
  /** This kernel does not have IPVS (or another requested subsystem), or its module cannot be loaded. */
  | 'ERR_IPVS_NOT_AVAILABLE'
  /** CAP_NET_ADMIN (or, to enter a namespace, CAP_SYS_ADMIN) is missing. */
  | 'ERR_IPVS_PERMISSION'
  | 'ERR_IPVS_NO_SUCH_NAMESPACE'
  | 'ERR_IPVS_NO_SUCH_SERVICE'
  | 'ERR_IPVS_NO_SUCH_SERVER'
  | 'ERR_IPVS_NO_SUCH_DAEMON'
  | 'ERR_IPVS_NO_SUCH_FLOW'
  | 'ERR_IPVS_NO_SUCH_EXPECTATION'
  | 'ERR_IPVS_NO_SUCH_INTERFACE'
  | 'ERR_IPVS_NO_SUCH_ADDRESS'
  | 'ERR_IPVS_NO_SUCH_ROUTE'
  | 'ERR_IPVS_NO_SUCH_NEIGHBOUR'
  | 'ERR_IPVS_NO_SUCH_FORWARDING_ENTRY'
  /** A sysctl that this kernel (or this namespace) does not have. */
  | 'ERR_IPVS_NO_SUCH_SYSCTL'
  | 'ERR_IPVS_NO_SUCH_MARK'
  | 'ERR_IPVS_NO_SUCH_UDP_TUNNEL'
  /** A rule of NAT or of routing does not exist. */
  | 'ERR_IPVS_NO_SUCH_RULE'
  | 'ERR_IPVS_UNKNOWN_SCHEDULER'
  | 'ERR_IPVS_UNKNOWN_ENGINE'
  /** A conntrack helper that the kernel does not have, or may not load. */
  | 'ERR_IPVS_UNKNOWN_HELPER'
  /** No flow can be added: the connection tracking table or the memory is full. */
  | 'ERR_IPVS_TABLE_FULL'
  | 'ERR_IPVS_SERVICE_EXISTS'
  | 'ERR_IPVS_SERVER_EXISTS'
  | 'ERR_IPVS_DAEMON_RUNNING'
  | 'ERR_IPVS_FLOW_EXISTS'
  | 'ERR_IPVS_EXPECTATION_EXISTS'
  | 'ERR_IPVS_NAMESPACE_EXISTS'
  | 'ERR_IPVS_LINK_EXISTS'
  | 'ERR_IPVS_ADDRESS_EXISTS'
  | 'ERR_IPVS_ROUTE_EXISTS'
  | 'ERR_IPVS_FORWARDING_ENTRY_EXISTS'
  /** A delete names several objects, or one that the kernel cannot distinguish from another. Nothing was sent. */
  | 'ERR_IPVS_AMBIGUOUS'
  | 'ERR_IPVS_MARK_EXISTS'
  | 'ERR_IPVS_UDP_TUNNEL_EXISTS'
  | 'ERR_IPVS_RULE_EXISTS'
  /** A conflicting object belongs to another program and was not changed. */
  | 'ERR_IPVS_FOREIGN'
  /** A step of a role failed; the message names it, and the steps that remain in effect. */
  | 'ERR_IPVS_STEP_FAILED'
  /** The file in which a role records its objects cannot be read or written. */
  | 'ERR_IPVS_RECORD'
  /** The kernel reports that a number is out of range. */
  | 'ERR_IPVS_OUT_OF_RANGE'
  /** The kernel rejected the request as invalid; the message names the usual causes. */
  | 'ERR_IPVS_REJECTED'
  /** This kernel has no IPv6, or IPVS was built without it. */
  | 'ERR_IPVS_FAMILY_NOT_SUPPORTED'
  /** The kernel accepted the request but ignored a part that it does not support. */
  | 'ERR_IPVS_NOT_SUPPORTED'
  /** ip_vs is being unloaded. */
  | 'ERR_IPVS_UNLOADING'
  /**
   * Another program changed the object: since it was read, for an update with `ifUnchanged`, which sent nothing; or
   * its weight, for a drain.
   */
  | 'ERR_IPVS_CHANGED'
  /** The table, or the object to set, changed during each of several attempts. */
  | 'ERR_IPVS_UNSTABLE'
  /** The request took longer than its timeout. The kernel may still execute it. */
  | 'ERR_IPVS_TIMEOUT'
  /** The handle is closed. */
  | 'ERR_IPVS_CLOSED'
  /** A reply of the kernel did not fit into the receive buffer. It is unknown if the request was executed. */
  | 'ERR_IPVS_OVERRUN'
  /** A reply of the kernel could not be understood. */
  | 'ERR_IPVS_PROTOCOL'
  /** Any other errno; see {@link IpvsError.errno}. */
  | 'ERR_IPVS_SYSTEM';

/** A request to the kernel in words, for messages and logs. */
export interface ErrorRequest {
  /** Action of the request: `add service`. */
  readonly action: string;
  /** Object of the request, as ipvsadm names it: `TCP 192.168.1.100:80`. */
  readonly object?: string;
}

export interface IpvsErrorOptions {
  readonly request?: ErrorRequest | undefined;
  readonly errno?: number | undefined;
  readonly errnoName?: string | undefined;
  readonly cause?: unknown;
}

const BRAND = Symbol.for('ipvs.IpvsError');

/** The one error class of this library. Branch on {@link IpvsError.code}. A message has at most 16 384 characters. */
export class IpvsError extends Error {
  /** True for errors of another copy of this package, too: a program may have several of its dependencies' copies. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass has its own instances
    if (this !== IpvsError) return super[Symbol.hasInstance](value);
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  static {
    // On the prototype, so that a printed error does not show it.
    Object.defineProperty(IpvsError.prototype, BRAND, { value: true });
  }

  override readonly name = 'IpvsError';
  readonly code: IpvsErrorCode;
  /** The kernel's answer, a positive Linux errno. Absent if no request was sent. */
  declare readonly errno?: number;
  /** Name of the errno, such as `ESRCH`. */
  declare readonly errnoName?: string;
  declare readonly request?: ErrorRequest;

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
 * The failure of a `Kernel`: an errno, and its origin in words. The layer that knows the request turns it
 * into an {@link IpvsError}.
 */
export class KernelFailure extends Error {
  override readonly name = 'KernelFailure';
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(shorten(message, limits.message));
    this.errno = errno;
  }
}
