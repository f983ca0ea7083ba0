import type { CallOptions } from './call.js';
import type { ConntrackPort } from './conntrack/port.js';
import type { IpvsPort } from './ipvs/port.js';
import type { JournalPath, OpenJournal, ReadJournals } from './journal.js';
import type { NetworkNamespace } from './namespace.js';
import type { NetfilterPort } from './netfilter/port.js';
import type { NamespacePort, NetworkPort } from './network/port.js';

/** The clock for deadlines. */
export interface Clock {
  /** Returns the milliseconds since the machine was started. All programs on it read the same clock. */
  now(): number;
  /** Waits. Rejects with the signal's reason. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export interface OpenOptions extends CallOptions {
  /** Default: the namespace of this process. */
  readonly namespace?: NetworkNamespace | undefined;
}

/**
 * The interface between the library and a kernel: the real one, or one in memory. Arguments are valid and
 * canonical; failures are `KernelFailure`s with an errno.
 */
export interface Kernel {
  /** Opens IPVS of a namespace. ENOENT if the kernel has no IPVS, or for a namespace that does not exist. */
  openIpvs(options: OpenOptions): Promise<IpvsPort>;
  /** Opens connection tracking of a namespace. */
  openConntrack(options: OpenOptions): Promise<ConntrackPort>;
  /** Opens nf_tables of a namespace. */
  openNetfilter(options: OpenOptions): Promise<NetfilterPort>;
  /** Opens links, addresses and routes of a namespace. */
  openNetwork(options: OpenOptions): Promise<NetworkPort>;
  /** The named network namespaces. */
  readonly namespaces: NamespacePort;
  /** Returns the absolute path of a journal. */
  readonly journalPath: JournalPath;
  /** Opens a journal and takes its lock. */
  readonly openJournal: OpenJournal;
  /** Reads all journals of a directory, without locks. */
  readonly readJournals: ReadJournals;
  /** Clock for deadlines. */
  readonly clock: Clock;
  /** Returns the identity of this run of the machine, which changes with a restart. Empty if it is unknown. */
  bootId(): Promise<string>;
  /**
   * Waits for an RCU grace period: afterwards no packet acts on state read before. If a server got weight 0 before,
   * its counters then include every connection that was scheduled to it.
   */
  gracePeriod(): Promise<void>;
}
