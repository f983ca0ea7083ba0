import { limits } from './limits.js';
import { shorten } from './show.js';

/**
 * The stable part of every error of this library. What each means for which command stands in
 * `src/ipvs/errors.ts`; new codes may be added, none changes its meaning.
 */
export type IpvsErrorCode =
  /** An argument that the kernel would refuse, accept and ignore, or misread. Nothing was sent. */
  | 'ERR_IPVS_INVALID_ARGUMENT'
  /** The addon cannot be loaded on this machine; the message says what was tried. */
  | 'ERR_IPVS_ADDON_NOT_LOADED'
  /** This kernel has no IPVS (or what else was asked for), or its module cannot be loaded. */
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
  /** No such rule of NAT, or of routing. */
  | 'ERR_IPVS_NO_SUCH_RULE'
  | 'ERR_IPVS_UNKNOWN_SCHEDULER'
  | 'ERR_IPVS_UNKNOWN_ENGINE'
  /** A conntrack helper that the kernel has not, or may not load. */
  | 'ERR_IPVS_UNKNOWN_HELPER'
  /** No flow can be added: the connection tracking table is full, or memory is. */
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
  /** A delete names several objects, or one that the kernel cannot tell from another. Nothing was sent. */
  | 'ERR_IPVS_AMBIGUOUS'
  | 'ERR_IPVS_MARK_EXISTS'
  | 'ERR_IPVS_UDP_TUNNEL_EXISTS'
  | 'ERR_IPVS_RULE_EXISTS'
  /** What is in the way belongs to another program: it is not touched. */
  | 'ERR_IPVS_FOREIGN'
  /** A step of a role failed; the message says which, and what is left of the others. */
  | 'ERR_IPVS_STEP_FAILED'
  /** The file in which a role keeps what it has made cannot be read or written. */
  | 'ERR_IPVS_RECORD'
  /** The kernel says that a number is out of range. */
  | 'ERR_IPVS_OUT_OF_RANGE'
  /** The kernel refused the request as invalid; the message names the usual causes. */
  | 'ERR_IPVS_REJECTED'
  /** This kernel has no IPv6, or IPVS was built without it. */
  | 'ERR_IPVS_FAMILY_NOT_SUPPORTED'
  /** The kernel accepted the request but ignored a part that it does not know. */
  | 'ERR_IPVS_NOT_SUPPORTED'
  /** ip_vs is being unloaded. */
  | 'ERR_IPVS_UNLOADING'
  /** An update with `ifUnchanged` found the object changed since it was read. Nothing was sent. */
  | 'ERR_IPVS_CHANGED'
  /** The table changed during each of several reads. */
  | 'ERR_IPVS_UNSTABLE'
  /** The request took longer than its timeout. The kernel may still carry it out. */
  | 'ERR_IPVS_TIMEOUT'
  /** The handle is closed. */
  | 'ERR_IPVS_CLOSED'
  /** A reply of the kernel did not fit: whether the request was carried out is unknown. */
  | 'ERR_IPVS_OVERRUN'
  /** A reply of the kernel could not be understood. */
  | 'ERR_IPVS_PROTOCOL'
  /** Any other errno; see {@link IpvsError.errno}. */
  | 'ERR_IPVS_SYSTEM';

/** What was asked of the kernel, for messages and logs. */
export interface ErrorRequest {
  /** What was to be done, in words: `add service`. */
  readonly action: string;
  /** Of which object, as ipvsadm would name it: `TCP 192.168.1.100:80`. */
  readonly object?: string;
}

export interface IpvsErrorOptions {
  readonly request?: ErrorRequest | undefined;
  readonly errno?: number | undefined;
  readonly errnoName?: string | undefined;
  readonly cause?: unknown;
}

/** The one error class of this library. Branch on {@link IpvsError.code}. A message has at most 16 384 characters. */
export class IpvsError extends Error {
  override readonly name = 'IpvsError';
  readonly code: IpvsErrorCode;
  /** What the kernel answered (a positive Linux errno), if it was asked. */
  declare readonly errno?: number;
  /** The errno's name, such as `ESRCH`. */
  declare readonly errnoName?: string;
  declare readonly request?: ErrorRequest;

  constructor(code: IpvsErrorCode, message: string, options: IpvsErrorOptions = {}) {
    super(shorten(message, limits.message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    // What is not known is not there, so that a printed error is no longer than it must be.
    if (options.errno !== undefined) this.errno = options.errno;
    if (options.errnoName !== undefined) this.errnoName = options.errnoName;
    if (options.request !== undefined) this.request = shortRequest(options.request);
  }

  /** With the message, which `JSON.stringify` leaves out of other errors. */
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

/** An {@link IpvsError} for an argument that must not be sent. */
export function invalid(message: string, request?: ErrorRequest): IpvsError {
  return new IpvsError('ERR_IPVS_INVALID_ARGUMENT', message, { request });
}

/**
 * What a `Kernel` rejects with: an errno, and in words where it came from. The floor that knows
 * what was asked makes an {@link IpvsError} of it.
 */
export class KernelFailure extends Error {
  override readonly name = 'KernelFailure';
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(shorten(message, limits.message));
    this.errno = errno;
  }
}
