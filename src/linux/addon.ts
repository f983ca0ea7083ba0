import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { IpvsError } from '../common/errors.js';
import type { Timeouts } from '../kernel/ipvs/types.js';
import { type Libc, libcOf } from './libc.js';

/** A daemon in the form of the addon, for arguments and replies. */
export interface NativeDaemon {
  readonly state: number;
  readonly interface: string;
  readonly syncId: number;
  readonly maxLength: number;
  readonly groupFamily: number;
  readonly group: Uint8Array;
  readonly port: number;
  readonly ttl: number;
}

/** The replies of {@link NativeIpvsSession}, by method. */
export interface IpvsReplies {
  open: number;
  resolve: number;
  close: undefined;
  apply: Int32Array;
  getService: ArrayBuffer;
  listServices: ArrayBuffer;
  listServers: ArrayBuffer;
  readTable: { readonly services: ArrayBuffer; readonly servers: ArrayBuffer };
  getInfo: { readonly version: number; readonly connectionTableSize: number };
  getTimeouts: Timeouts;
  setTimeouts: undefined;
  listDaemons: readonly NativeDaemon[];
  startDaemon: undefined;
  stopDaemon: undefined;
  readFiles: readonly (string | number)[];
  writeFile: undefined;
  openConnections: number;
  nextConnections: ArrayBuffer;
  closeConnections: undefined;
}

/** The handle of native/binding/handle.h. Each method starts a request; the first argument is its number. */
export interface NativeHandle {
  open(id: number, namespacePath: string | undefined): void;
  close(id: number): void;
  /** Cancels another request. It starts no request. */
  cancel(id: number): void;
  readFiles(id: number, paths: readonly string[]): void;
  writeFile(id: number, path: string, text: string): void;
}

/** The session of native/binding/ipvs_session.h. */
export interface NativeIpvsSession extends NativeHandle {
  resolve(id: number): void;
  apply(id: number, changes: Uint8Array): void;
  getService(id: number, key: Uint8Array): void;
  listServices(id: number): void;
  listServers(id: number, key: Uint8Array): void;
  readTable(id: number): void;
  getInfo(id: number): void;
  getTimeouts(id: number): void;
  setTimeouts(id: number, tcp: number, tcpFin: number, udp: number): void;
  listDaemons(id: number): void;
  startDaemon(id: number, daemon: NativeDaemon): void;
  stopDaemon(id: number, state: number): void;
  openConnections(id: number): void;
  nextConnections(id: number, cursor: number): void;
  closeConnections(id: number, cursor: number): void;
}

/** The replies of {@link NativeConntrackSession}, by method. */
export interface ConntrackReplies {
  open: undefined;
  close: undefined;
  get: ArrayBuffer;
  zero: ArrayBuffer;
  apply: Int32Array;
  flush: undefined;
  processorStatistics: ArrayBuffer;
  globalStatistics: { readonly entries: number; readonly maximum?: number };
  expectationStatistics: ArrayBuffer;
  listExpectations: ArrayBuffer;
  createExpectation: undefined;
  deleteExpectation: undefined;
  flushExpectations: undefined;
  openFlows: number;
  nextFlows: ArrayBuffer;
  closeFlows: undefined;
  aggregate: ArrayBuffer;
  openEvents: { readonly cursor: number; readonly receiveBuffer: number };
  nextEvents: ArrayBuffer;
  closeEvents: undefined;
  readFiles: readonly (string | number)[];
  writeFile: undefined;
}

/** The session of native/binding/conntrack_session.h. */
export interface NativeConntrackSession extends NativeHandle {
  get(id: number, key: Uint8Array): void;
  zero(id: number, keys: Uint8Array): void;
  apply(id: number, changes: Uint8Array): void;
  flush(id: number, family: number): void;
  processorStatistics(id: number): void;
  globalStatistics(id: number): void;
  expectationStatistics(id: number): void;
  listExpectations(id: number, family: number): void;
  createExpectation(id: number, expectation: Uint8Array): void;
  deleteExpectation(id: number, key: Uint8Array): void;
  flushExpectations(id: number): void;
  openFlows(id: number, filter: Uint8Array, command: number): void;
  nextFlows(id: number, cursor: number): void;
  closeFlows(id: number, cursor: number): void;
  aggregate(id: number, filter: Uint8Array, fields: number): void;
  openEvents(id: number, filter: Uint8Array, flags: number, receiveBuffer: number, interval: number): void;
  nextEvents(id: number, cursor: number): void;
  closeEvents(id: number, cursor: number): void;
}

/** The kernel's answers: one errno for each message, and its extended acks as `[index, text, ...]`. */
export interface NativeOutcomes {
  readonly errnos: Int32Array;
  readonly messages: readonly (number | string)[];
}

/** The kernel's answer to a batch that it executes completely or not at all. */
export interface Verdict {
  /** Index of the first message that the kernel rejects, or -1. */
  readonly failed: number;
  /** Errno of that message, and its extended ack. */
  readonly errno: number;
  readonly message: string;
  /** Offset of the rejected attribute in that message, in bytes; 0 if the kernel does not report it. */
  readonly attribute: number;
  /** True if some of the kernel's answers could not be received. */
  readonly lost: boolean;
}

/** The messages of a batch, written in pieces (native/binding/netlink_batch.h). */
export interface NativeBatch {
  append(bytes: Uint8Array, offsets: Uint32Array): void;
}

/** The replies of {@link NativeNetlinkSession}, by method. */
export interface NetlinkReplies {
  /** Cookie of the namespace. */
  open: bigint;
  close: undefined;
  request: NativeOutcomes & { readonly replies: ArrayBuffer };
  dump: NativeOutcomes & { readonly replies: ArrayBuffer };
  transact: Verdict;
  listen: number;
  heard: { readonly messages: ArrayBuffer; readonly overrun: boolean };
  unlisten: undefined;
  sendFrame: undefined;
  createNamespace: undefined;
  deleteNamespace: undefined;
  readFiles: readonly (string | number)[];
  writeFile: undefined;
}

/** The session of native/binding/netlink_session.h. */
export interface NativeNetlinkSession extends NativeHandle {
  open(id: number, namespacePath: string | undefined, protocol?: number): void;
  request(id: number, bytes: Uint8Array, offsets: Uint32Array): void;
  dump(id: number, bytes: Uint8Array, offsets: Uint32Array): void;
  /** Sends a batch, which is empty afterwards. */
  transact(id: number, batch: NativeBatch): void;
  listen(id: number, groups: Uint32Array): void;
  heard(id: number, cursor: number): void;
  unlisten(id: number, cursor: number): void;
  sendFrame(id: number, interfaceIndex: number, frame: Uint8Array): void;
  /**
   * Creates a namespace. Like {@link deleteNamespace}, it does not require an open handle. `patience` is the time
   * to wait for the lock of the directory, in milliseconds, or `Infinity`.
   */
  createNamespace(id: number, directory: string, name: string, patience: number): void;
  deleteNamespace(id: number, directory: string, name: string): void;
}

/** The opaque environment of native/binding/environment.h. */
export type NativeEnvironment = { readonly brand: unique symbol };

export interface Addon {
  /** Starts the I/O threads of sessions. It calls `complete` with `[id, errno, message, value, ...]`. */
  start(complete: (batch: readonly unknown[]) => void): NativeEnvironment;
  readonly IpvsSession: new (environment: NativeEnvironment) => NativeIpvsSession;
  readonly ConntrackSession: new (environment: NativeEnvironment) => NativeConntrackSession;
  readonly NetlinkSession: new (environment: NativeEnvironment) => NativeNetlinkSession;
  readonly NetlinkBatch: new () => NativeBatch;
  /** Locks a descriptor with flock(2) without waiting. Returns 0 or an errno: EAGAIN if it is locked already. */
  lock(fd: number): number;
  /** Waits for a grace period (native/binding/grace_period.h). Resolves with 0 or an errno. */
  gracePeriod(): Promise<number>;
  readonly layout: Readonly<Record<string, number>>;
  readonly conntrackLayout: Readonly<Record<string, number>>;
}

let loaded: Addon | undefined;

/**
 * Loads the addon: one that `npx ipvs build` compiled, or a prebuilt binary for this platform.
 * @throws IpvsError `ERR_IPVS_ADDON_NOT_LOADED`
 */
export function loadAddon(): Addon {
  // The search takes a dozen system calls.
  loaded ??= findAddon();
  return loaded;
}

function findAddon(): Addon {
  const system = `${process.platform}-${process.arch}, Node ${process.version}`;
  if (process.platform !== 'linux')
    throw new IpvsError(
      'ERR_IPVS_ADDON_NOT_LOADED',
      `cannot open the kernel of ${system}: IPVS, conntrack and nf_tables are parts of the Linux kernel. Run the program ` +
        'on Linux, for example in a container or a virtual machine. Types, validation, plans and the kernel in memory ' +
        '(MemoryKernel of ipvs/testing) work on this system',
    );
  const require = createRequire(import.meta.url);
  let root = 'ipvs/';
  try {
    // The package finds itself by its name, because a bundle is in another folder than its sources.
    root = `${dirname(require.resolve('ipvs/package.json'))}/`;
    return loaderFor(require, libcOf(process.execPath))(root);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IpvsError(
      'ERR_IPVS_ADDON_NOT_LOADED',
      `cannot load the native addon of ipvs for ${system}: ` +
        `looked for a built or prebuilt binary in ${root} (build/Release/, prebuilds/): ${reason.trim()}` +
        '\nTo compile it (this requires a C++20 compiler, make and Python): npx ipvs build',
      { cause },
    );
  }
}

/**
 * Returns a node-gyp-build that searches for binaries for a C library. It decides at its own loading, by LIBC or by the
 * presence of /etc/alpine-release, which other systems with musl do not have. A copy that another package has loaded
 * remains the one of that package.
 */
function loaderFor(require: NodeJS.Require, libc: Libc | undefined): (directory: string) => Addon {
  const name = require.resolve('node-gyp-build/node-gyp-build.js');
  if (libc === undefined || process.env.LIBC !== undefined) return require(name);
  const other = require.cache[name];
  delete require.cache[name];
  process.env.LIBC = libc;
  try {
    return require(name);
  } finally {
    delete process.env.LIBC;
    delete require.cache[name];
    if (other) require.cache[name] = other;
  }
}
