import { inspect } from 'node:util';
import { checkOptions } from '../kernel/check.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { Counter, MarkHook, Match } from '../kernel/netfilter/types.js';
import { type FwmarkSelector, type MarkSettings, markText } from './mark-options.js';

/** What a mark needs of the table it stands in. */
export interface MarkTable {
  setMark(selector: FwmarkSelector, mark: number, options?: CallOptions): Promise<Fwmark>;
  removeMark(selector: FwmarkSelector, options?: CallOptions): Promise<void>;
}

/** A mark as it was read, and the packets that get it. */
export class Fwmark {
  readonly #table: MarkTable;
  readonly hook: MarkHook;
  readonly match: Match;
  readonly mark: number;
  /** The bits that are set; the others stay as they are. */
  readonly mask: number;
  /** Packets that got it, and their bytes, since it was added. */
  readonly counter: Counter;

  /** @internal */
  constructor(table: MarkTable, { hook, match, mark, mask }: MarkSettings, counter: Counter) {
    this.#table = table;
    this.hook = hook;
    this.match = match;
    this.mark = mark;
    this.mask = mask;
    this.counter = counter;
  }

  /** What names it, for other calls and other handles. */
  get selector(): FwmarkSelector {
    const { packetMark: _, ...match } = this.match;
    return { hook: this.hook, mask: this.mask, ...match };
  }

  /**
   * Another mark for the same packets, in one step: none passes without one. Its counter begins at 0.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_MARK`
   */
  async update(changes: { readonly mark: number }, options?: CallOptions): Promise<Fwmark> {
    checkOptions('a change of a mark', changes, ['mark']);
    return this.#table.setMark(this.selector, changes.mark, options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_MARK` */
  async delete(options?: CallOptions): Promise<void> {
    await this.#table.removeMark(this.selector, options);
  }

  toString(): string {
    return markText(this);
  }

  toJSON(): Record<string, unknown> {
    const { hook, match, mark, mask, counter } = this;
    return { hook, match, mark, mask, packets: String(counter.packets), bytes: String(counter.bytes) };
  }

  /** @internal So that who has no types of Node needs none for this. */
  [inspect.custom](): string {
    return `${this} (${this.counter.packets} packets, ${this.counter.bytes} bytes)`;
  }
}
