import type { IpvsStatistics } from '../../kernel/ipvs/types.js';

/** Interval at which the kernel samples its counters, in milliseconds (net/netfilter/ipvs/ip_vs_est.c). */
export const SAMPLE_MILLISECONDS = 2000;
/** Number of samples without traffic after which every rate below 2^60 is 0. */
const ENOUGH = 200;

/** Counters in the order of `IPVS_STATS_ATTR_*`. */
export const Counter = { connections: 0, packetsIn: 1, packetsOut: 2, bytesIn: 3, bytesOut: 4 } as const;
const FIELDS = [0, 1, 2, 3, 4] as const;
/** Fraction bits of the fixed-point rates: 10 for connections and packets, 5 for bytes. */
const shifts = [10, 10, 10, 5, 5] as const;

const nothing: IpvsStatistics = Object.freeze({
  connections: 0n,
  incomingPackets: 0n,
  outgoingPackets: 0n,
  incomingBytes: 0n,
  outgoingBytes: 0n,
  connectionRate: 0n,
  incomingPacketRate: 0n,
  outgoingPacketRate: 0n,
  incomingByteRate: 0n,
  outgoingByteRate: 0n,
});

/** The counters of one service or server, or the totals. */
export class MemoryCounters {
  readonly #busy: Set<MemoryCounters>;
  readonly #live = [0, 0, 0, 0, 0];
  readonly #sampled = [0, 0, 0, 0, 0];
  /** Values at the last reset: the kernel subtracts them. */
  readonly #zero = [0, 0, 0, 0, 0];
  readonly #rates = [0, 0, 0, 0, 0];
  #used = false;

  /** @param busy set of the counters that need sampling */
  constructor(busy: Set<MemoryCounters>) {
    this.#busy = busy;
  }

  add(field: (typeof FIELDS)[number], amount: number): void {
    this.#live[field] = (this.#live[field] ?? 0) + amount;
    this.#used = true;
    this.#busy.add(this);
  }

  /** Takes the samples that are due; returns true if the next one is needed, too. */
  sample(times: number): boolean {
    let busy = false;
    for (const field of FIELDS) {
      const scale = 2 ** (shifts[field] - 1); // a sample covers 2 s
      const live = this.#live[field] ?? 0;
      const first = (live - (this.#sampled[field] ?? 0)) * scale;
      this.#sampled[field] = live;
      let rate = this.#rates[field] ?? 0;
      for (let time = 0; time < Math.min(times, ENOUGH); time++)
        rate += Math.floor(((time === 0 ? first : 0) - rate) / 4);
      if (rate !== 0) busy = true;
      this.#rates[field] = rate;
    }
    return busy;
  }

  /** Resets the counters. Packets that are not sampled yet still count afterwards. */
  zero(): void {
    for (const field of FIELDS) {
      this.#zero[field] = this.#sampled[field] ?? 0;
      this.#rates[field] = 0;
    }
  }

  read(): IpvsStatistics {
    if (!this.#used) return nothing;
    const count = (field: number): bigint => BigInt((this.#sampled[field] ?? 0) - (this.#zero[field] ?? 0));
    const rate = (field: (typeof FIELDS)[number]): bigint => {
      const one = 2 ** shifts[field];
      return BigInt(Math.floor(((this.#rates[field] ?? 0) + one / 2 - 1) / one));
    };
    return {
      connections: count(0),
      incomingPackets: count(1),
      outgoingPackets: count(2),
      incomingBytes: count(3),
      outgoingBytes: count(4),
      connectionRate: rate(0),
      incomingPacketRate: rate(1),
      outgoingPacketRate: rate(2),
      incomingByteRate: rate(3),
      outgoingByteRate: rate(4),
    };
  }
}

function words(statistics: IpvsStatistics, rates: boolean): string {
  const { connectionRate, incomingPacketRate, outgoingPacketRate, incomingByteRate, outgoingByteRate } = statistics;
  const { connections, incomingPackets, outgoingPackets, incomingBytes, outgoingBytes } = statistics;
  const values = rates
    ? [connectionRate, incomingPacketRate, outgoingPacketRate, incomingByteRate, outgoingByteRate]
    : [connections, incomingPackets, outgoingPackets, incomingBytes, outgoingBytes];
  return values
    .map((value, index) =>
      value
        .toString(16)
        .toUpperCase()
        .padStart(index < 3 ? 8 : 16),
    )
    .join(' ');
}

const titles = [
  '   Total Incoming Outgoing         Incoming         Outgoing',
  '   Conns  Packets  Packets            Bytes            Bytes',
] as const;
const rateTitle = ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s';

/** Returns the text of /proc/net/ip_vs_stats. */
export function totalsText(statistics: IpvsStatistics): string {
  return `${titles.join('\n')}\n${words(statistics, false)}\n\n${rateTitle}\n${words(statistics, true)}\n`;
}

/** Returns the text of /proc/net/ip_vs_stats_percpu for a machine with one processor. */
export function totalsByProcessorText(statistics: IpvsStatistics): string {
  const row = words(statistics, false);
  const table = `    ${titles[0]}\nCPU ${titles[1]}\n  0 ${row}\n  ~ ${row}\n`;
  return `${table}\n    ${rateTitle}\n    ${words(statistics, true)}\n`;
}
