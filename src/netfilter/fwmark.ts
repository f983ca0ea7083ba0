import { inspect } from 'node:util';
import { checkOptions } from '../common/check.js';
import type { CallOptions } from '../kernel/call.js';
import type { FwmarkHook, NftCounter, NftMatch } from '../kernel/netfilter/types.js';
import { type FwmarkSelector, type MarkSettings, markText, selectorOptions } from './mark-options.js';

/** Methods that a mark needs of its table. */
export interface MarkTable {
  setMark(selector: FwmarkSelector, mark: number, options?: CallOptions): Promise<Fwmark>;
  deleteMark(selector: FwmarkSelector, options?: CallOptions): Promise<void>;
}

/**
 * A mark as it was read, with the packets that get it.
 *
 * @example
 * ```ts
 * import { Netfilter } from 'ipvs';
 *
 * const netfilter = await Netfilter.open({ owner: 'web' });
 * const mark = await netfilter.addMark({ destination: '198.51.100.1', protocol: 'tcp', port: 80, mark: 80 });
 * await mark.update({ mark: 81 });
 * await mark.delete();
 * await netfilter.close();
 * ```
 */
export class Fwmark {
  readonly #table: MarkTable;
  /** Hook at which packets get the mark. */
  readonly hook: FwmarkHook;
  /** Conditions on packets, in canonical form. */
  readonly match: NftMatch;
  /** The mark, from 0 to 0xffffffff. */
  readonly mark: number;
  /** Bits of the packet's mark that are set; the others stay as they are. */
  readonly mask: number;
  /** Packets that got the mark, and their bytes, since it was added. */
  readonly counter: NftCounter;

  /** @internal */
  constructor(table: MarkTable, { hook, match, mark, mask }: MarkSettings, counter: NftCounter) {
    this.#table = table;
    this.hook = hook;
    this.match = match;
    this.mark = mark;
    this.mask = mask;
    this.counter = counter;
  }

  /** Selector of the mark, for other calls and other handles. */
  get selector(): FwmarkSelector {
    return selectorOptions(this);
  }

  /**
   * Replaces the mark for the same packets, in one step: no packet passes without one. The counter starts again at 0.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_MARK`
   */
  async update(changes: { readonly mark: number }, options?: CallOptions): Promise<Fwmark> {
    checkOptions('a change of a mark', changes, ['mark']);
    return this.#table.setMark(this.selector, changes.mark, options);
  }

  /** Removes the mark. @throws IpvsError `ERR_IPVS_NO_SUCH_MARK` */
  async delete(options?: CallOptions): Promise<void> {
    await this.#table.deleteMark(this.selector, options);
  }

  /** Returns the mark as nft writes it, after its hook: `prerouting tcp dport 80 mark set 0x50`. */
  toString(): string {
    return markText(this);
  }

  /** Returns the fields for JSON, with the counters as text: they are 64-bit numbers. */
  toJSON(): Record<string, unknown> {
    const { hook, match, mark, mask, counter } = this;
    return { hook, match, mark, mask, packets: String(counter.packets), bytes: String(counter.bytes) };
  }

  /** @internal Keeps the types of Node out of the declarations. */
  [inspect.custom](): string {
    return `${this} (${this.counter.packets} packets, ${this.counter.bytes} bytes)`;
  }
}
