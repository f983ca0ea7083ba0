import type { CallOptions } from '../kernel/call.js';
import type { Context } from './context.js';
import { readNumber } from './settings.js';

/** The number of flows in the table, and its limits. */
export interface ConntrackUsage {
  /** Number of flows of this namespace, with those that are about to be added or removed. */
  readonly count: number;
  /** Maximum number of flows in all namespaces together (`nf_conntrack_max`). 0: no maximum. */
  readonly maximum: number;
  /** Number of buckets of the hash table, which all namespaces share (`nf_conntrack_buckets`). */
  readonly buckets: number;
  /** `count / maximum`: the part of the limit that this namespace uses. Other namespaces use the same limit. */
  readonly ratio: number;
}

export async function readUsage(context: Context, options?: CallOptions): Promise<ConntrackUsage> {
  const call = { command: 'STATISTICS', action: 'count', object: 'flows', options } as const;
  const [{ entries: count }, maximum, buckets] = await Promise.all([
    context.ask(call, () => context.port.total(options)),
    readNumber(context, 'nf_conntrack_max', options),
    readNumber(context, 'nf_conntrack_buckets', options),
  ]);
  return { count, maximum, buckets, ratio: maximum === 0 ? 0 : count / maximum };
}
