import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../call.js';
import type { NftBatchChange } from './changes.js';
import type { NftMapKey, NftMapName, NftRulesetEvent, NftTableEntry } from './types.js';

/**
 * A failed batch, of which the kernel has executed nothing.
 *
 * @example
 * ```ts
 * import { NftChangeFailure, type NetfilterPort, type NftBatchChange } from 'ipvs/kernel';
 *
 * export async function commit(port: NetfilterPort, changes: readonly NftBatchChange[]): Promise<void> {
 *   try {
 *     await port.commit('web', changes);
 *   } catch (error) {
 *     if (error instanceof NftChangeFailure) console.error(`change ${error.index} failed with errno ${error.errno}`);
 *     throw error;
 *   }
 * }
 * ```
 */
export class NftChangeFailure extends KernelFailure {
  /**
   * Index of the failed change, where each element of a list counts as one; -1 for the whole batch, for example if the
   * rules have changed since (ERESTART).
   */
  readonly index: number;

  constructor(index: number, errno: number, message: string) {
    super(errno, message);
    this.index = index;
  }
}

/** The nf_tables of one network namespace. */
export interface NetfilterPort {
  /** Reads a consistent state of a table of the family inet. Returns `undefined` if it does not exist. */
  read(
    table: string,
    options?: CallOptions & { readonly elements?: boolean | undefined },
  ): Promise<NftTableEntry | undefined>;
  /** Reads the generation of the rules of the namespace. */
  generation(options?: CallOptions): Promise<number>;
  /** Reads the mark of one element, for an error that names it. Without this method, errors do not name the mark. */
  markOf?(table: string, map: NftMapName, key: NftMapKey, options?: CallOptions): Promise<number | undefined>;
  /**
   * Returns the main names of the interfaces with these names. Omits names without an interface. Without this method,
   * every name is compared as it is written.
   */
  mainNames?(names: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, string>>;
  /**
   * Applies all changes or none. With a generation, it fails with ERESTART if the rules have changed since. After
   * ENOBUFS it is unknown if the changes were applied.
   * @throws NftChangeFailure
   */
  commit(
    table: string,
    changes: readonly NftBatchChange[],
    options?: CallOptions & { readonly generation?: number | undefined },
  ): Promise<void>;
  /** Listens to changes of all tables of the family inet, from the moment the promise resolves. */
  listen(options?: CallOptions): Promise<NftRulesetListener>;
  /** Closes the port. Requests under way fail with EBADF. */
  close(): Promise<void>;
}

/** A subscription to the commits of a namespace. */
export interface NftRulesetListener {
  /** Returns the commits since the last call. Waits if there are none. */
  next(signal?: AbortSignal): Promise<{
    /** Commits in their order. */
    readonly events: readonly NftRulesetEvent[];
    /** True if the kernel dropped events before these (ENOBUFS). */
    readonly overrun: boolean;
  }>;
  /** Ends the subscription. A `next()` that waits fails with EBADF. */
  close(): void;
}
