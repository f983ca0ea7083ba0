import type { Family } from '../address.js';
import type { CallOptions } from '../kernel.js';
import type {
  ConntrackEvent,
  EventSettings,
  Expectation,
  ExpectationSettings,
  FilterSettings,
  Flow,
  FlowChange,
  FlowGroup,
  FlowKey,
  FlowList,
  GroupField,
  ProcessorCounters,
} from './types.js';

/** Events as they come, in batches. */
export interface EventPort {
  /** Of the socket, in bytes, as the kernel has it (twice what was asked for). */
  readonly receiveBuffer: number;
  /** Waits for more. One call at a time. */
  next(options?: CallOptions): Promise<readonly ConntrackEvent[]>;
  close(): Promise<void>;
}

/** Connection tracking in one network namespace. Failures are `KernelFailure`s. */
export interface ConntrackPort {
  /** ENOENT if there is none. */
  flow(key: FlowKey, options?: CallOptions): Promise<Flow>;
  /** Batches of flows that match, some of them empty. */
  flows(filter: FilterSettings, list: FlowList, options?: CallOptions): AsyncGenerator<readonly Flow[], void, void>;
  /** Those that are there, with their counters, which are set back to zero. */
  zero(keys: readonly FlowKey[], options?: CallOptions): Promise<readonly Flow[]>;
  groups(
    filter: FilterSettings,
    by: readonly GroupField[],
    /** Only so many of the largest, the largest first; without it all, in any order. */
    largest?: { readonly count: number; readonly order: 'bytes' | 'packets' | 'flows' },
    options?: CallOptions,
  ): Promise<readonly FlowGroup[]>;
  /** One errno per change, 0 for success, in order. A failed change does not stop those behind it. */
  apply(changes: readonly FlowChange[], options?: CallOptions): Promise<ArrayLike<number>>;
  /** Without a family: both. */
  flush(family: Family | undefined, options?: CallOptions): Promise<void>;
  counters(options?: CallOptions): Promise<readonly ProcessorCounters[]>;
  expectationCounters(options?: CallOptions): Promise<readonly ProcessorCounters[]>;
  total(options?: CallOptions): Promise<{ readonly entries: number; readonly maximum?: number }>;
  expectations(family: Family | undefined, options?: CallOptions): Promise<readonly Expectation[]>;
  createExpectation(expectation: ExpectationSettings, options?: CallOptions): Promise<void>;
  deleteExpectation(key: Pick<Expectation, 'tuple' | 'zone' | 'id'>, options?: CallOptions): Promise<void>;
  flushExpectations(options?: CallOptions): Promise<void>;
  /** Resolves once no event is missed any more. */
  events(filter: FilterSettings, settings: EventSettings, options?: CallOptions): Promise<EventPort>;
  /** Files of /proc and /sys as this namespace sees them: the text, or an errno. */
  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]>;
  writeFile(path: string, text: string, options?: CallOptions): Promise<void>;
  /** Requests under way end with EBADF or ECANCELED. */
  close(): Promise<void>;
}
