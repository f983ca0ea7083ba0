import type { ConntrackPort } from './conntrack/port.js';
import type { IpvsPort } from './ipvs/port.js';
import type { OpenJournal, ReadJournals } from './journal.js';
import type { NetworkNamespace } from './namespace.js';
import type { NetfilterPort } from './netfilter/port.js';
import type { NamespacePort, NetworkPort } from './network/port.js';

/**
 * How long to wait for one request. Giving up stops the waiting; what has not been sent is not sent
 * any more (of many changes, those that are left), what has been is carried out.
 */
export interface CallOptions {
  /** Rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds, to 2 147 483 647, or `Infinity`; rejects with `ERR_IPVS_TIMEOUT`. Default: that
   * of the handle, 30 000.
   */
  readonly timeout?: number | undefined;
}

/** The time that deadlines go by. */
export interface Clock {
  /** Milliseconds since the machine was started: the same for all programs on it. */
  now(): number;
  /** Rejects with the signal's reason. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export interface OpenOptions extends CallOptions {
  /** Default: the namespace this process runs in. */
  readonly namespace?: NetworkNamespace | undefined;
}

/**
 * The seam: all above is written against this, so that a kernel in memory can stand in for the
 * real one. Arguments are valid and canonical; failures are `KernelFailure`s with an errno.
 */
export interface Kernel {
  openIpvs(options: OpenOptions): Promise<IpvsPort>;
  openConntrack(options: OpenOptions): Promise<ConntrackPort>;
  openNetfilter(options: OpenOptions): Promise<NetfilterPort>;
  openNetwork(options: OpenOptions): Promise<NetworkPort>;
  /** Network namespaces with names. */
  readonly namespaces: NamespacePort;
  readonly openJournal: OpenJournal;
  readonly readJournals: ReadJournals;
  readonly clock: Clock;
  /** Returns the identity of this run of the machine: another one after a restart. Empty where it is unknown. */
  bootId(): Promise<string>;
  /**
   * Until every packet that the kernel handles now is through. What it was to do by what it found before a change,
   * it has done then: a server that was given weight 0 before has, and counts, all the connections that it
   * will ever be chosen for.
   */
  gracePeriod(): Promise<void>;
}
