import { ask } from '../common/ask.js';
import { checkCallOptions, checkKernel, checkLength, checkOptions, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import { withJson } from '../common/json.js';
import { Watch } from '../common/watch.js';
import type { CallOptions } from '../kernel/call.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import type { NetfilterPort } from '../kernel/netfilter/port.js';
import type { NftCounter, NftRule, NftTableEntry } from '../kernel/netfilter/types.js';
import { resolveInterface } from '../kernel/network/main-names.js';
import type { Link } from '../kernel/network/types.js';
import { nativeKernel } from '../linux/linux-kernel.js';
import {
  checkEdits,
  checkManyEdits,
  checkState,
  isAddition,
  MANY,
  type NetfilterChange,
  type NetfilterState,
} from './changes.js';
import { Commits } from './commits.js';
import { differences, type NetfilterDifference } from './differences.js';
import { type Edits, noEdits, planEdits } from './edit-plan.js';
import { translate } from './errors.js';
import { Fwmark } from './fwmark.js';
import { distinctMarks, interfacesOf, withMainNames } from './main-names.js';
import {
  checkMark,
  checkMarkRange,
  checkMarkSelector,
  type FwmarkOptions,
  type FwmarkRange,
  type FwmarkSelector,
  hasMark,
  type MarkSettings,
  markKey,
  markOf,
  selectorOf,
  settingsOf,
} from './mark-options.js';
import { checkInMask } from './match.js';
import { checkLoadable, checkOwner } from './owner.js';
import { type Desired, planAll } from './plan.js';
import { checkRule, type NetfilterRuleOptions, ruleOptions, ruleText } from './rule-options.js';
import { type NetfilterEvent, TableEvents } from './watch.js';

export interface NetfilterOptions extends OpenOptions {
  /**
   * Name of the owner's table in the family inet: 1 to 64 letters, digits, `_`, `.` and `-`, the first a letter.
   * Default: `ipvs`. A table of that name that this library did not make is never touched (`ERR_IPVS_FOREIGN`). Every
   * call that adds to the table rejects a keyword of nft (`mark`, `limit`) as its name (`ERR_IPVS_INVALID_ARGUMENT`):
   * nft could not load its listing.
   */
  readonly owner?: string | undefined;
  /** Kernel to use instead of the machine's, for tests. */
  readonly kernel?: Pick<Kernel, 'openNetfilter'> | undefined;
}

/** A rule as it was read. */
export interface NetfilterRule {
  /** The rule, as for `addRule()`. */
  readonly rule: NetfilterRuleOptions;
  /** The rule as nft writes it, with the hook before it. */
  readonly text: string;
  /**
   * Packets that matched, and their bytes, since the rule was added. A NAT rule counts the packets that began a
   * connection.
   */
  readonly counter: NftCounter;
}

const noCounter: NftCounter = { packets: 0n, bytes: 0n };

/**
 * Marks and the NAT rules of a director, in one table of nf_tables that belongs to one owner. Every change is one
 * batch: the kernel makes all of it or nothing, and no packet sees a part of it. Unchanged rules keep their counters.
 * All methods can fail with `ERR_IPVS_PERMISSION`, `ERR_IPVS_FOREIGN`, `ERR_IPVS_UNSTABLE` (others changed rules during
 * each of several attempts), `ERR_IPVS_CLOSED` and `ERR_IPVS_TIMEOUT`.
 *
 * @example
 * ```ts
 * import { Netfilter } from 'ipvs';
 *
 * const netfilter = await Netfilter.open({ owner: 'web' });
 * await netfilter.addMark({ destination: '198.51.100.1', protocol: 'tcp', port: 443, mark: 80 });
 * for (const mark of await netfilter.marks()) console.log(String(mark)); // as `nft list` prints it
 * await netfilter.close();
 * ```
 */
export class Netfilter {
  /** Owner, which is the name of the table in the family inet. */
  readonly owner: string;
  readonly #port: NetfilterPort;
  readonly #commits: Commits;

  private constructor(port: NetfilterPort, owner: string) {
    this.#port = port;
    this.#commits = new Commits(port, owner);
    this.owner = owner;
  }

  /**
   * Opens a handle; makes nothing before the first change. An open handle does not keep the process alive, and what it
   * made stays when it is closed.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_PERMISSION`, `ERR_IPVS_NOT_AVAILABLE`,
   * `ERR_IPVS_ADDON_NOT_LOADED`
   */
  static async open(options: NetfilterOptions = {}): Promise<Netfilter> {
    if (typeof options !== 'object')
      throw invalid(`open takes options: Netfilter.open({ namespace: ${show(options)} })`);
    checkOptions('a handle', options, ['namespace', 'owner', 'kernel', 'signal', 'timeout']);
    const { namespace: _namespace, owner = 'ipvs', kernel = nativeKernel, ...call } = options;
    checkCallOptions(call);
    checkOwner(owner);
    checkKernel(kernel, 'openNetfilter');
    const object = options.namespace === undefined ? undefined : `namespace ${show(options.namespace)}`;
    try {
      return new Netfilter(await kernel.openNetfilter(options), owner);
    } catch (error) {
      const request = { command: 'OPEN', action: 'open nf_tables', ...(object !== undefined && { object }) } as const;
      throw error instanceof IpvsError ? error : translate(request, error);
    }
  }

  /** Returns all marks with their counters: first those for one address or port, then the others. */
  async marks(options?: CallOptions): Promise<Fwmark[]> {
    const table = await this.#commits.read(true, options);
    return marksOf(table).map(([settings, counter]) => new Fwmark(this, settings, counter));
  }

  /** Returns the mark of these packets. @throws IpvsError `ERR_IPVS_NO_SUCH_MARK` */
  async mark(selector: FwmarkSelector, options?: CallOptions): Promise<Fwmark> {
    checkCallOptions(options);
    const { marks = [] } = await this.#commits.resolve({ marks: [checkMarkSelector(selector)] }, options);
    const wanted = marks.map(markKey).join();
    const found = (await this.marks(options)).find((mark) => markKey(mark) === wanted);
    if (!found)
      throw new IpvsError('ERR_IPVS_NO_SUCH_MARK', `there is no mark for ${wanted} in table inet ${this.owner}`);
    return found;
  }

  /** Adds a mark. @throws IpvsError `ERR_IPVS_MARK_EXISTS` if these packets have a mark already */
  async addMark(mark: FwmarkOptions, options?: CallOptions): Promise<Fwmark> {
    const settings = checkMark(mark);
    checkLoadable(this.owner);
    const { addMarks } = await this.#commits.edit({ ...noEdits, addMarks: [settings] }, options);
    return new Fwmark(this, addMarks[0] ?? settings, noCounter);
  }

  /**
   * Adds the least mark of a range that no packets of this table have, also when several programs do so at once.
   * @throws IpvsError `ERR_IPVS_OUT_OF_RANGE` if all are taken
   */
  async allocateMark(selector: FwmarkSelector, range: FwmarkRange, options?: CallOptions): Promise<Fwmark> {
    const { from, to, taken } = checkMarkRange(range);
    const packets = checkMarkSelector(selector);
    checkLoadable(this.owner);
    let settings = packets;
    await this.#commits.change(options, { marks: [packets] }, ({ marks: [resolved = packets] }, table, uncertain) => {
      const marks = marksOf(table);
      const used = new Set(marks.map(([{ mark }]) => mark));
      const present = marks.find(([other]) => markKey(other) === markKey(resolved))?.[0];
      if (present && uncertain && present.mark === settings.mark) return []; // it was made, but the answer was lost
      if (present)
        throw new IpvsError('ERR_IPVS_MARK_EXISTS', `cannot allocate a mark: ${hasMark(resolved, present.mark)}`);
      let mark = from;
      while (mark <= to && (used.has(mark) || taken.has(mark) || outside(mark, packets.mask)))
        mark = nextMark(mark, packets.mask);
      if (mark > to)
        throw new IpvsError(
          'ERR_IPVS_OUT_OF_RANGE',
          `all marks from ${from} to ${to} are taken, or outside of the mask`,
        );
      settings = { ...resolved, mark };
      checkInMask(mark, settings.mask);
      return planEdits(table, { ...noEdits, addMarks: [settings] }, false);
    });
    return new Fwmark(this, settings, noCounter);
  }

  /**
   * Replaces the mark of packets that have one, in one step. The counter starts again at 0.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_MARK`
   */
  async setMark(selector: FwmarkSelector, mark: number, options?: CallOptions): Promise<Fwmark> {
    checkMarkSelector(selector);
    const settings = checkMark({ ...selectorOf(selector), mark });
    const { setMarks } = await this.#commits.edit({ ...noEdits, setMarks: [settings] }, options);
    return new Fwmark(this, setMarks[0] ?? settings, noCounter);
  }

  /** Deletes the mark of these packets. @throws IpvsError `ERR_IPVS_NO_SUCH_MARK` */
  async deleteMark(selector: FwmarkSelector, options?: CallOptions): Promise<void> {
    await this.#commits.edit({ ...noEdits, deleteMarks: [checkMarkSelector(selector)] }, options);
  }

  /** Returns the rules for NAT and segment sizes, in the order in which packets meet them. */
  async rules(options?: CallOptions): Promise<NetfilterRule[]> {
    const table = await this.#commits.read(false, options);
    return rulesOf(table).map(([rule, counter]) =>
      withJson({ rule: ruleOptions(rule), text: ruleText(rule), counter }),
    );
  }

  /** Adds a rule. @throws IpvsError `ERR_IPVS_RULE_EXISTS`, `ERR_IPVS_NOT_SUPPORTED` */
  async addRule(rule: NetfilterRuleOptions, options?: CallOptions): Promise<void> {
    const checked = checkRule(rule);
    checkLoadable(this.owner);
    await this.#commits.edit({ ...noEdits, addRules: [checked] }, options);
  }

  /** Deletes a rule. @throws IpvsError `ERR_IPVS_NO_SUCH_RULE` */
  async deleteRule(rule: NetfilterRuleOptions, options?: CallOptions): Promise<void> {
    await this.#commits.edit({ ...noEdits, deleteRules: [checkRule(rule)] }, options);
  }

  /**
   * Makes many changes as one batch: all or nothing, with the error of the first that the kernel rejects. Each set of
   * packets, and each rule, may occur once.
   */
  async apply(changes: readonly NetfilterChange[], options?: CallOptions): Promise<void> {
    const loadable = (edits: Edits): Edits => {
      if (isAddition(edits)) checkLoadable(this.owner);
      return edits;
    };
    if (checkLength('changes', changes) < MANY) {
      await this.#commits.edit(loadable(checkEdits(changes)), options);
      return;
    }
    checkCallOptions(options);
    await this.#commits.editChecked(checkManyEdits(changes, options?.signal).then(loadable), options);
  }

  /**
   * Makes the table exactly this, with the fewest changes, in one batch. Marks and rules that are right stay, with
   * their counters; everything that others put into the table is removed. Without marks and rules the table is deleted,
   * too. A repeated call changes nothing, or repairs the table after another program has changed it.
   */
  async set(state: NetfilterState, options?: CallOptions): Promise<void> {
    const desired = checkState(state);
    if (!isEmpty(desired)) checkLoadable(this.owner);
    await this.#commits.change(
      options,
      { ...desired },
      (wanted, table) => planAll(table, distinct(wanted)),
      !isEmpty(desired),
    );
  }

  /** Returns the differences that {@link set} would repair; empty if there are none. */
  async verify(state: NetfilterState, options?: CallOptions): Promise<NetfilterDifference[]> {
    const desired = checkState(state);
    const table = await this.#commits.read(true, options);
    const wanted = await this.#commits.resolve({ ...desired }, options);
    return differences(table, distinct(wanted));
  }

  /** Returns the table as the kernel has it. @internal */
  entry(options?: CallOptions): Promise<NftTableEntry | undefined> {
    return this.#commits.read(true, options);
  }

  /**
   * Watches the table. The watch reports every commit that changes it after the promise resolved, also those of this
   * handle. A loop that waits for events and then calls {@link set} keeps the table as wanted. The signal ends the
   * watch; the timeout limits only the subscription.
   * @throws IpvsError `ERR_IPVS_CLOSED` from the loop, if the handle is closed
   */
  async watch(options: CallOptions = {}): Promise<Watch<NetfilterEvent>> {
    const call = { command: 'listen', action: 'watch', object: `table inet ${this.owner}` } as const;
    const listener = await ask(translate, { ...call, options }, () => this.#port.listen(options));
    return new Watch(new TableEvents(listener, this.owner), {
      signal: options.signal,
      translate: (error) => translate(call, error),
    });
  }

  /** Deletes the table with its content. Succeeds if no table exists. */
  async deleteTable(options?: CallOptions): Promise<void> {
    await this.set({}, options);
  }

  /** Closes the handle; what it made stays. Pending requests fail with `ERR_IPVS_CLOSED`. */
  async close(): Promise<void> {
    await this.#port.close();
  }

  /** Closes the handle: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Returns the differences that {@link Netfilter.set} would repair in such a table, with these interfaces. @internal */
export function compareState(
  table: NftTableEntry | undefined,
  state: NetfilterState,
  links: readonly Link[] = [],
): NetfilterDifference[] {
  const desired = { ...checkState(state) };
  const names = new Map(interfacesOf(desired).map((name) => [name, resolveInterface(name, links)]));
  return differences(table, distinct(withMainNames(desired, names)));
}

function isEmpty({ marks, rules }: Desired): boolean {
  return marks.length === 0 && rules.length === 0;
}

function distinct({ marks, rules }: Desired): Desired {
  return { marks: distinctMarks(marks), rules };
}

function marksOf(table: NftTableEntry | undefined): [MarkSettings, NftCounter][] {
  const mapped = (table?.maps ?? []).flatMap(({ name, elements = [] }) =>
    elements.map((element): [MarkSettings, NftCounter] => [
      markOf(name, element, element.mark),
      element.counter ?? noCounter,
    ]),
  );
  const others = (table?.chains ?? []).flatMap(({ name, rules }) =>
    rules.flatMap(({ rule, counter }): [MarkSettings, NftCounter][] => {
      if (!rule || 'lookup' in rule || name.purpose !== 'mark') return [];
      const settings = settingsOf(rule);
      return settings ? [[settings, counter ?? noCounter]] : [];
    }),
  );
  return [...mapped, ...others];
}

function rulesOf(table: NftTableEntry | undefined): [NftRule, NftCounter][] {
  return (table?.chains ?? []).flatMap(({ rules }) =>
    rules.flatMap(({ rule, counter }): [NftRule, NftCounter][] =>
      rule && !('lookup' in rule) && rule.action.type !== 'mark' ? [[rule, counter ?? noCounter]] : [],
    ),
  );
}

/** Returns the bits of a mark that are outside a mask. */
function outside(mark: number, mask: number): number {
  return (mark & ~mask) >>> 0;
}

/** Returns the next mark that may be within the mask. Skips all marks with the same bit outside of it at once. */
function nextMark(mark: number, mask: number): number {
  const size = 2 ** (32 - Math.clz32(outside(mark, mask)));
  return outside(mark, mask) === 0 ? mark + 1 : (Math.floor(mark / size) + 1) * size;
}
