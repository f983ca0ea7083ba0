import { checkInteger, checkList, checkOptions, show } from '../kernel/check.js';
import type { ProcessorCounters } from '../kernel/conntrack/types.js';
import { invalid } from '../kernel/errors.js';

/**
 * The counters that `conntrack -S` shows, by the number of their attribute (CTA_STATS_*). Each is a
 * u32 that wraps. What this kernel does not send is absent.
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
} as const;

/**
 * - `invalid`: packets outside of any window or state.
 * - `insertFailed`: a lost race for a tuple, or a chain too long; together with `drop` rising: packets lost to a clash.
 * - `drop`: packets lost, since no flow could be made for them.
 * - `earlyDrop`: the table was full, and an unassured flow was thrown out.
 * - `clashResolve`: two packets raced for one flow, and both were let through; harmless (DNS).
 * - `chainTooLong`: too few buckets (Linux 5.15 and later).
 * - `searched`, `new`, `ignore`, `delete`, `deleteList`: always 0, or absent, on kernels of today.
 */
export type StatisticName = (typeof names)[keyof typeof names];
export type Statistics = { readonly [Name in StatisticName]?: number | undefined };

export interface ProcessorStatistics extends Statistics {
  readonly processor: number;
}

export interface ExpectationStatistics {
  readonly processor: number;
  readonly new?: number | undefined;
  readonly create?: number | undefined;
  readonly delete?: number | undefined;
}

/** How often something happened between two readings. */
export interface StatisticsChange {
  /** Of the processors that both readings have. */
  readonly total: Statistics;
  readonly processors: readonly ProcessorStatistics[];
  /** The same, in each second. */
  readonly perSecond: Statistics;
  /** Processors that only one of them has: what they counted is not known, and not in the sums. */
  readonly appeared: readonly number[];
  readonly vanished: readonly number[];
}

const entries = Object.entries(names) as [string, StatisticName][];

export function toStatistics({ processor, values }: ProcessorCounters): ProcessorStatistics {
  const known = entries.filter(([attribute]) => values[Number(attribute)] !== undefined);
  return { processor, ...Object.fromEntries(known.map(([attribute, name]) => [name, values[Number(attribute)]])) };
}

const expectationNames = { 1: 'new', 2: 'create', 3: 'delete' } as const;

export function toExpectationStatistics({ processor, values }: ProcessorCounters): ExpectationStatistics {
  const known = Object.entries(expectationNames).filter(([attribute]) => values[Number(attribute)] !== undefined);
  return { processor, ...Object.fromEntries(known.map(([attribute, name]) => [name, values[Number(attribute)]])) };
}

function checkStatistics(statistics: Statistics): void {
  checkOptions('statistics', statistics, ['processor', ...Object.values(names)]);
  const { processor = 0 } = statistics as Partial<ProcessorStatistics>;
  checkInteger('processor', processor, 0, 0xffffffff);
  for (const [, name] of entries)
    if (statistics[name] !== undefined) checkInteger(name, statistics[name], 0, Number.MAX_SAFE_INTEGER);
}

/** Sums over the processors, which can be above 32 bits. */
export function sumStatistics(processors: readonly Statistics[]): Statistics {
  for (const statistics of checkList('processors', processors)) checkStatistics(statistics);
  const total: Partial<Record<StatisticName, number>> = {};
  for (const [, name] of entries) {
    for (const statistics of processors) {
      const value = statistics[name];
      if (value !== undefined) total[name] = (total[name] ?? 0) + value;
    }
  }
  return total;
}

/**
 * What happened between two readings of `Conntrack.statistics()`. A counter that has become
 * smaller has wrapped: it is taken to have done so once.
 * @param seconds between the two, more than 0
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function compareStatistics(
  before: readonly ProcessorStatistics[],
  after: readonly ProcessorStatistics[],
  seconds: number,
): StatisticsChange {
  if (typeof seconds !== 'number' || !(seconds > 0) || seconds === Number.POSITIVE_INFINITY)
    throw invalid(`between two readings are more than 0 seconds, not ${show(seconds)}`);
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
    perSecond: Object.fromEntries(rates) as Statistics,
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
