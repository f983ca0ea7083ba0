import { KernelFailure } from '../errors.js';
import type { CallOptions } from '../kernel.js';
import type { MapKey, MapName, RulesetEvent, TableChange, TableEntry } from './types.js';

/** Nothing of a batch was carried out, because of that change of it. */
export class ChangeFailure extends KernelFailure {
  /** Which change; -1: the batch as a whole, as when the rules have changed since (ERESTART). */
  readonly index: number;

  constructor(index: number, errno: number, message: string) {
    super(errno, message);
    this.index = index;
  }
}

/** Nf_tables in one network namespace. */
export interface NetfilterPort {
  /** A table of the family inet, all of one moment; `undefined` if there is none. */
  read(
    table: string,
    options?: CallOptions & { readonly elements?: boolean | undefined },
  ): Promise<TableEntry | undefined>;
  /** Of all rules of the namespace. */
  generation(options?: CallOptions): Promise<number>;
  /** That of one element, for an error that names it. A kernel without this has errors that do not. */
  markOf?(table: string, map: MapName, key: MapKey, options?: CallOptions): Promise<number | undefined>;
  /**
   * Returns the main names of the interfaces that have these names; those that no interface has are left out. A kernel
   * without this compares every name as it is written.
   */
  mainNames?(names: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, string>>;
  /**
   * All or nothing. With a generation, ERESTART if the rules have changed since. ENOBUFS: whether
   * it was carried out is unknown.
   * @throws ChangeFailure
   */
  commit(
    table: string,
    changes: readonly TableChange[],
    options?: CallOptions & { readonly generation?: number | undefined },
  ): Promise<void>;
  /** Changes of any table of the family inet, from when this resolves. */
  listen(options?: CallOptions): Promise<RulesetListener>;
  /** Requests under way end with EBADF. */
  close(): Promise<void>;
}

export interface RulesetListener {
  /** What was committed since the last time; waits if nothing was. */
  next(signal?: AbortSignal): Promise<{ readonly events: readonly RulesetEvent[]; readonly overrun: boolean }>;
  close(): void;
}
