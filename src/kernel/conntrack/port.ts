import type { Family } from '../../common/address.js';
import type { CallOptions } from '../call.js';
import type {
  EventSettings,
  ExpectationSettings,
  FilterSettings,
  FlowChange,
  FlowKey,
  ProcessorCounters,
} from './requests.js';
import type { ConntrackEvent, Expectation, Flow, FlowGroup, FlowList, GroupField } from './types.js';

/** A stream of events, in batches. */
export interface EventPort {
  /** Size of the socket's receive buffer, in bytes, as the kernel counts: twice the requested size. */
  readonly receiveBuffer: number;
  /** Waits for the next batch. One call at a time. */
  next(options?: CallOptions): Promise<readonly ConntrackEvent[]>;
  /** Closes the stream and ends a `next()` that waits. */
  close(): Promise<void>;
}

/** The number of flows, as the kernel counts them. */
export interface FlowTotal {
  /** Number of flows of the namespace, with those that are about to be added or removed. */
  readonly entries: number;
  /** Maximum number of flows in all namespaces together (CTA_STATS_GLOBAL_MAX_ENTRIES). */
  readonly maximum?: number | undefined;
}

/** Connection tracking in one network namespace. Failures are `KernelFailure`s. */
export interface ConntrackPort {
  /** Reads one flow. ENOENT if it does not exist. */
  flow(key: FlowKey, options?: CallOptions): Promise<Flow>;
  /** Yields batches of flows that match. A batch may be empty. */
  flows(filter: FilterSettings, list: FlowList, options?: CallOptions): AsyncGenerator<readonly Flow[], void, void>;
  /** Resets the counters of flows. Returns the flows that exist, with their counters before the reset. */
  zero(keys: readonly FlowKey[], options?: CallOptions): Promise<readonly Flow[]>;
  /** Adds up the flows that match, in groups. */
  groups(
    filter: FilterSettings,
    by: readonly GroupField[],
    /** Number of groups to return, the largest first. Default: all groups, in any order. */
    largest?: { readonly count: number; readonly order: 'bytes' | 'packets' | 'flows' },
    options?: CallOptions,
  ): Promise<readonly FlowGroup[]>;
  /** Returns one errno per change, 0 for success, in order. A failed change does not stop the later ones. */
  apply(changes: readonly FlowChange[], options?: CallOptions): Promise<ArrayLike<number>>;
  /** Deletes all flows of a family, or of both families if it is `undefined`. */
  flush(family: Family | undefined, options?: CallOptions): Promise<void>;
  /** Reads the counters of flows of each processor (IPCTNL_MSG_CT_GET_STATS_CPU). */
  counters(options?: CallOptions): Promise<readonly ProcessorCounters[]>;
  /** Reads the counters of expectations of each processor (IPCTNL_MSG_EXP_GET_STATS_CPU). */
  expectationCounters(options?: CallOptions): Promise<readonly ProcessorCounters[]>;
  /** Reads the number of flows of the namespace (IPCTNL_MSG_CT_GET_STATS). */
  total(options?: CallOptions): Promise<FlowTotal>;
  /** Lists the expectations of a family, or of both families if it is `undefined`. */
  expectations(family: Family | undefined, options?: CallOptions): Promise<readonly Expectation[]>;
  /** Creates an expectation. EEXIST or EBUSY if such a flow is expected already. */
  createExpectation(expectation: ExpectationSettings, options?: CallOptions): Promise<void>;
  /** Deletes an expectation. ENOENT if it does not exist, or has another id than a key whose id is not 0. */
  deleteExpectation(key: Pick<Expectation, 'tuple' | 'zone' | 'id'>, options?: CallOptions): Promise<void>;
  /** Deletes all expectations. */
  flushExpectations(options?: CallOptions): Promise<void>;
  /** Opens a stream of events. It contains all events from the moment the promise resolves. */
  events(filter: FilterSettings, settings: EventSettings, options?: CallOptions): Promise<EventPort>;
  /** Reads files of /proc and /sys in this namespace. Returns the text of each, or an errno. */
  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]>;
  /** Writes a file of /proc/sys in this namespace. */
  writeFile(path: string, text: string, options?: CallOptions): Promise<void>;
  /** Closes the port. Requests under way fail with EBADF or ECANCELED. */
  close(): Promise<void>;
}
