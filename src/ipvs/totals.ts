import type { IpvsStatistics } from '../kernel/ipvs/types.js';
import { counterNames, rateNames } from './statistics.js';

/** The counters of one processor. They include connections that have ended. */
export interface ProcessorTotals extends IpvsStatistics {
  /** Number of the processor, from 0. */
  readonly processor: number;
}

/**
 * Parses /proc/net/ip_vs_stats (ip_vs_stats_show in net/netfilter/ipvs/ip_vs_ctl.c): hexadecimal
 * numbers under two headings, the counters and then the rates.
 */
export function parseTotals(text: string): IpvsStatistics {
  const rows = text
    .split('\n')
    .map(parseRow)
    .filter((row) => row.length === counterNames.length);
  const [counters = [], rates = []] = rows;
  return statistics(counters, rates);
}

/** Parses /proc/net/ip_vs_stats_percpu: a row for each processor, a row `~` with the sums, then the total rates. */
export function parseTotalsByProcessor(text: string): ProcessorTotals[] {
  return text.split('\n').flatMap((line) => {
    const row = parseRow(line);
    if (row.length !== counterNames.length + 1) return [];
    const [processor = 0n, ...counters] = row;
    return [{ processor: Number(processor), ...statistics(counters, []) }];
  });
}

function parseRow(line: string): bigint[] {
  const words = line.trim().split(/\s+/);
  return words.every((word) => /^[0-9A-F]+$/i.test(word)) ? words.map((word) => BigInt(`0x${word}`)) : [];
}

function statistics(counters: readonly bigint[], rates: readonly bigint[]): IpvsStatistics {
  return Object.fromEntries([
    ...counterNames.map((name, index) => [name, counters[index] ?? 0n]),
    ...rateNames.map((name, index) => [name, rates[index] ?? 0n]),
  ]) as unknown as IpvsStatistics;
}
