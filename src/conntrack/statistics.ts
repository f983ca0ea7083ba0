import { checkInteger, checkList, checkOptions, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { ProcessorCounters } from '../kernel/conntrack/requests.js';
import type { Context } from './context.js';

/**
 * The counters that `conntrack -S` prints, by the number of their attribute (CTA_STATS_*). Each is a
 * u32 that wraps. A counter that this kernel does not send is absent.
 */
const names = {
  1: 'searched',
  2: 'found',
  3: 'new',
  4: 'invalid',
  5: 'ignore',
  6: 'delete',
  7: 'deleteList',
  8: 'insert',
  9: 'insertFailed',
  10: 'drop',
  11: 'earlyDrop',
  12: 'error',
  13: 'searchRestart',
  14: 'clashResolve',
  15: 'chainTooLong',
} as const satisfies Record<number, ConntrackStatisticName>;

/** The counters of flows, of one processor or added up. A counter that this kernel does not send is absent. */
export interface ConntrackStatistics {
  /** Lookups of flows. Always 0, or absent, on current kernels. */
  readonly searched?: number | undefined;
  /** Lookups that found a flow. */
  readonly found?: number | undefined;
  /** New flows. Always 0, or absent, on current kernels. */
  readonly new?: number | undefined;
  /** Packets outside of any window or state. */
  readonly invalid?: number | undefined;
  /** Packets that belong to a flow already. Always 0, or absent, on current kernels. */
  readonly ignore?: number | undefined;
  /** Flows that were deleted. Always 0, or absent, on current kernels. */
  readonly delete?: number | undefined;
  /** Flows that were deleted after their events. Always 0, or absent, on current kernels. */
  readonly deleteList?: number | undefined;
  /** Flows that were inserted into the table. */
  readonly insert?: number | undefined;
  /**
   * Flows that could not be inserted: a lost race for a tuple, or a chain too long. If `drop` rises too, packets are
   * lost.
   */
  readonly insertFailed?: number | undefined;
  /** Packets lost because no flow could be created for them. */
  readonly drop?: number | undefined;
  /** Unassured flows that were evicted because the table was full. */
  readonly earlyDrop?: number | undefined;
  /** Packets that a protocol rejected, for example ICMP errors that belong to no flow. */
  readonly error?: number | undefined;
  /** Lookups that were repeated because the table changed meanwhile. */
  readonly searchRestart?: number | undefined;
  /** Races of two packets for one flow in which both passed; harmless (DNS). */
  readonly clashResolve?: number | undefined;
  /**
   * Flows that were not inserted because the chain of their bucket was too long: too few buckets. Linux 5.15 and
   * later.
   */
  readonly chainTooLong?: number | undefined;
}

/** The name of a counter of flows. */
export type ConntrackStatisticName = keyof ConntrackStatistics;

/** The counters of flows of one processor, each a u32 that wraps. */
export interface ProcessorStatistics extends ConntrackStatistics {
  /** Number of the processor, from 0. */
  readonly processor: number;
}

/** The counters of expectations of one processor, each a u32 that wraps (CTA_STATS_EXP_*). */
export interface ExpectationStatistics {
  /** Number of the processor, from 0. */
  readonly processor: number;
  /** Flows that were expected. */
  readonly new?: number | undefined;
  /** Expectations that were created. */
  readonly create?: number | undefined;
  /** Expectations that ended: their flow came, they were deleted or timed out. */
  readonly delete?: number | undefined;
}

/** The differences between two readings of the counters. */
export interface ConntrackStatisticsChange {
  /** Sums over the processors that are in both readings. */
  readonly total: ConntrackStatistics;
  /** Differences of each processor that is in both readings. */
  readonly processors: readonly ProcessorStatistics[];
  /** The same sums per second. */
  readonly perSecond: ConntrackStatistics;
  /** Processors that only the second reading has. Their counts are unknown and not part of the sums. */
  readonly appeared: readonly number[];
  /** Processors that only the first reading has. Their counts are unknown and not part of the sums. */
  readonly vanished: readonly number[];
}

export async function readStatistics(context: Context, options?: CallOptions): Promise<ProcessorStatistics[]> {
  const call = { command: 'STATISTICS', action: 'read', object: 'statistics', options } as const;
  return (await context.ask(call, () => context.port.counters(options))).map(toStatistics);
}

export async function readExpectationStatistics(
  context: Context,
  options?: CallOptions,
): Promise<ExpectationStatistics[]> {
  const call = { command: 'STATISTICS', action: 'read', object: 'statistics of expectations', options } as const;
  return (await context.ask(call, () => context.port.expectationCounters(options))).map(toExpectationStatistics);
}

const entries = Object.entries(names) as [string, ConntrackStatisticName][];

function toStatistics({ processor, values }: ProcessorCounters): ProcessorStatistics {
  const known = entries.filter(([attribute]) => values[Number(attribute)] !== undefined);
  return { processor, ...Object.fromEntries(known.map(([attribute, name]) => [name, values[Number(attribute)]])) };
}

const expectationNames = { 1: 'new', 2: 'create', 3: 'delete' } as const;

function toExpectationStatistics({ processor, values }: ProcessorCounters): ExpectationStatistics {
  const known = Object.entries(expectationNames).filter(([attribute]) => values[Number(attribute)] !== undefined);
  return { processor, ...Object.fromEntries(known.map(([attribute, name]) => [name, values[Number(attribute)]])) };
}

function checkStatistics(statistics: ConntrackStatistics): void {
  checkOptions('statistics', statistics, ['processor', ...Object.values(names)]);
  const { processor = 0 } = statistics as Partial<ProcessorStatistics>;
  checkInteger('processor', processor, 0, 0xffffffff);
  for (const [, name] of entries)
    if (statistics[name] !== undefined) checkInteger(name, statistics[name], 0, Number.MAX_SAFE_INTEGER);
}

/** Adds up the counters of all processors. A sum can exceed 32 bits. */
export function sumStatistics(processors: readonly ConntrackStatistics[]): ConntrackStatistics {
  for (const statistics of checkList('processors', processors)) checkStatistics(statistics);
  const total: Partial<Record<ConntrackStatisticName, number>> = {};
  for (const [, name] of entries) {
    for (const statistics of processors) {
      const value = statistics[name];
      if (value !== undefined) total[name] = (total[name] ?? 0) + value;
    }
  }
  return total;
}

/**
 * Returns the differences between two readings of `Conntrack.statistics()`. A smaller counter is taken
 * to have wrapped once.
 * @param seconds time between the two readings, more than 0
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function compareStatistics(
  before: readonly ProcessorStatistics[],
  after: readonly ProcessorStatistics[],
  seconds: number,
): ConntrackStatisticsChange {
  if (typeof seconds !== 'number' || !(seconds > 0) || seconds === Number.POSITIVE_INFINITY)
    throw invalid(`seconds must be a finite number greater than 0, not ${show(seconds)}`);
  for (const statistics of [...checkList('before', before), ...checkList('after', after)]) {
    checkStatistics(statistics);
    checkInteger('processor', statistics.processor, 0, 0xffffffff);
  }
  const old = new Map(before.map((statistics) => [statistics.processor, statistics]));
  const numbers = new Set(after.map(({ processor }) => processor));
  const processors = after.flatMap((statistics) => {
    const earlier = old.get(statistics.processor);
    return earlier ? [difference(earlier, statistics)] : [];
  });
  const total = sumStatistics(processors);
  const rates = Object.entries(total).map(([name, value]) => [name, (value ?? 0) / seconds]);
  return {
    total,
    processors,
    perSecond: Object.fromEntries(rates) as ConntrackStatistics,
    appeared: [...numbers].filter((processor) => !old.has(processor)),
    vanished: [...old.keys()].filter((processor) => !numbers.has(processor)),
  };
}

function difference(before: ProcessorStatistics, after: ProcessorStatistics): ProcessorStatistics {
  const counts = entries.flatMap(([, name]) => {
    const [a, b] = [before[name], after[name]];
    return a === undefined || b === undefined ? [] : [[name, (b - a) >>> 0] as const];
  });
  return { processor: after.processor, ...Object.fromEntries(counts) };
}
