import { Errno } from '../common/errno.js';
import { IpvsError, KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { Context } from './context.js';

/** A hash table of IPVS. */
export interface HashTableStatus {
  /** Number of connections or services. A connection of forwarding `nat` is in the table twice and counts once. */
  readonly entries: number;
  /** Number of buckets. 0 before the first service of the namespace. */
  readonly buckets: number;
  /**
   * Power of two of the load that the kernel aims for: with -3 it keeps 8 buckets per entry. See the sysctls
   * `conn_lfactor` and `svc_lfactor`.
   */
  readonly loadFactor: number;
  /** Number of buckets without entries. */
  readonly emptyBuckets: number;
  /** `chains[i]` is the number of buckets with `i + 1` entries. The seventh and last counts those with 7 or more. */
  readonly chains: readonly number[];
}

/** State of IPVS in one network namespace. */
export interface IpvsStatus {
  /** Table of connections. */
  readonly connections: HashTableStatus;
  /** Table of services. */
  readonly services: HashTableStatus;
  /** The kernel threads that compute rates. */
  readonly estimation: {
    /** Number of threads that run. */
    readonly threads: number;
    /** Maximum number of threads. 0 before the first service of the namespace. */
    readonly maximumThreads: number;
    /** Number of counters that a thread computes in one step. */
    readonly maximumChainLength: number;
    /** Number of counters that one thread can compute. */
    readonly maximumPerThread: number;
  };
}

const FILE = '/proc/thread-self/net/ip_vs_status';
/** A file that every kernel with IPVS has. */
const OLD_FILE = '/proc/thread-self/net/ip_vs_stats';
/** Number of chain lengths that the kernel distinguishes. */
const CHAINS = 7;

/** Parses /proc/net/ip_vs_status (ip_vs_status_show in net/netfilter/ipvs/ip_vs_ctl.c). */
export function parseStatus(text: string): IpvsStatus {
  const rows = new Map<string, readonly number[]>();
  for (const line of text.split('\n')) {
    const [name = '', values] = line.split(':');
    if (values !== undefined) rows.set(name, (values.match(/-?\d+/g) ?? []).map(Number));
  }
  const first = (name: string): number | undefined => rows.get(name)?.[0];
  const second = (name: string): number => rows.get(name)?.[1] ?? 0;
  const table = (entries: string, buckets: string): HashTableStatus => {
    const size = first(buckets) ?? 0;
    return {
      entries: first(entries) ?? 0,
      buckets: size,
      loadFactor: rows.get(buckets)?.[2] ?? 0,
      // The rows of chains are absent while the table has no entries.
      emptyBuckets: first(`${buckets} empty`) ?? size,
      chains: Array.from({ length: CHAINS }, (_, index) => first(`${buckets} len-${index + 1}`) ?? 0),
    };
  };
  return {
    connections: table('Conns', 'Conn buckets'),
    services: table('Services', 'Service buckets'),
    estimation: {
      threads: first('Stats thread slots') ?? 0,
      maximumThreads: second('Stats thread slots'),
      maximumChainLength: first('Stats chain max len') ?? 0,
      maximumPerThread: first('Stats thread ests') ?? 0,
    },
  };
}

/** @throws IpvsError `ERR_IPVS_NOT_SUPPORTED` before Linux 7.1 */
export async function readStatus(context: Context, options?: CallOptions): Promise<IpvsStatus> {
  const read = async (): Promise<string> => {
    const [text, old] = await context.port.readFiles([FILE, OLD_FILE], options);
    if (typeof text === 'string') return text;
    if (text === Errno.ENOENT && typeof old === 'string') throw notSupported();
    throw new KernelFailure(text ?? Errno.EIO, 'open');
  };
  return parseStatus(await context.ask({ command: 'READ_FILE', action: 'read', object: FILE, options }, read));
}

function notSupported(): IpvsError {
  return new IpvsError(
    'ERR_IPVS_NOT_SUPPORTED',
    `cannot read the status of IPVS: this kernel has no /proc/net/ip_vs_status (ENOENT). It requires Linux 7.1. ` +
      'On this kernel use info() for the size of the connection table and totals() for its counters',
    { errno: Errno.ENOENT, errnoName: 'ENOENT', request: { action: 'read', object: 'the status of IPVS' } },
  );
}
