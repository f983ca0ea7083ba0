import { Errno } from '../../common/errno.js';
import type { CallOptions } from '../../kernel/call.js';
import { type NftBatchChange, singleChanges } from '../../kernel/netfilter/changes.js';
import { mapText } from '../../kernel/netfilter/names.js';
import { type NetfilterPort, NftChangeFailure, type NftRulesetListener } from '../../kernel/netfilter/port.js';
import type {
  NftCounter,
  NftMapKey,
  NftMapName,
  NftRulesetEvent,
  NftTableChange,
  NftTableEntry,
} from '../../kernel/netfilter/types.js';
import { Listeners } from '../listeners.js';
import { Handle, type Machine } from '../machine.js';
import { type MemoryPacket, markPacket } from './packets.js';
import { changeText, isOurName, keyText, NetfilterTables, type TableState, tableEntry, type Undo } from './tables.js';

/** An object of another program in a table. */
export type ForeignThing =
  | {
      /** A chain or a set with a name that this library does not use, or a flag, which makes the table `dormant`. */
      readonly kind: 'chain' | 'set' | 'flag';
      /** Name of the object. */
      readonly name: string;
    }
  | {
      /** A rule that this library would not write. */
      readonly kind: 'rule';
      /** Name of the chain. */
      readonly chain: string;
      /** Position of the rule, from 0. Default: the end. */
      readonly at?: number | undefined;
    }
  | {
      /** A chain or a map of this library that gets another type, hook, priority or key. */
      readonly kind: 'changed';
      /** Name of the chain or the map. */
      readonly name: string;
    };

/** The owner of a counter: a rule, or an element of a map. */
export type CounterPlace =
  | {
      /** Handle of the rule. */
      readonly handle: bigint;
    }
  | {
      /** Name of the map. */
      readonly map: string;
      /** Key of the element. */
      readonly key: NftMapKey;
    };

const ours = { pid: process.pid, name: 'ipvs-io' };
const theirs = { pid: 2, name: 'nft' };

/**
 * nf_tables of one network namespace in memory: tables, chains, rules and maps of the family inet, to the extent that
 * this library writes them. Changes are made in batches, and accepted or rejected like in the kernel.
 *
 * @example
 * ```ts
 * import { Netfilter } from 'ipvs';
 * import { MemoryKernel } from 'ipvs/testing';
 *
 * const kernel = new MemoryKernel();
 * const netfilter = await Netfilter.open({ kernel, owner: 'web' });
 * await netfilter.addMark({ destination: '198.51.100.1', mark: 80 });
 * console.log(kernel.namespace().netfilter.tables); // ['web']
 * ```
 */
export class MemoryNetfilter {
  /** All batches that ports committed, in order. */
  readonly commits: {
    /** Name of the table. */
    readonly table: string;
    /** Changes of the batch, in order. */
    readonly changes: readonly NftTableChange[];
  }[] = [];
  /** @internal */
  readonly mainName: (name: string) => string | undefined;
  readonly #machine: Machine;
  readonly #tables = new NetfilterTables();
  readonly #listeners = new Listeners<NftRulesetEvent>(4096);
  /** Incremented by each commit of any program. */
  #generation = 1;

  /**
   * `mainName` returns the main name of the interface that has the given name. Default: there are no interfaces.
   * @internal
   */
  constructor(machine: Machine, mainName: (name: string) => string | undefined = () => undefined) {
    this.#machine = machine;
    this.mainName = mainName;
  }

  /** @internal */
  open(): NetfilterPort {
    return new MemoryNetfilterPort(new Handle(this.#machine, 'netfilter'), this, this.#tables, this.#listeners);
  }

  /** Generation of the rules, which every commit of any program increments. */
  get generation(): number {
    return this.#generation;
  }

  /** Names of all tables. */
  get tables(): string[] {
    return [...this.#tables.tables.keys()];
  }

  /** Returns a table with its elements, without a request. */
  table(name: string): NftTableEntry | undefined {
    const state = this.#tables.tables.get(name);
    return state && tableEntry(state, this.#generation, true);
  }

  /**
   * Makes changes as another program, all or nothing.
   * @throws NftChangeFailure if the kernel would reject a change
   */
  change(name: string, changes: readonly NftBatchChange[]): void {
    this.#commit(name, [...singleChanges(changes)], theirs);
  }

  /** @internal */
  commit(name: string, changes: readonly NftTableChange[]): void {
    this.#commit(name, changes, ours);
    this.commits.push({ table: name, changes });
  }

  /** Replaces the table of this name by a copy of another one; undefined deletes it. */
  load(name: string, table: NftTableEntry | undefined): void {
    this.#tables.load(name, table);
    this.#changed([name]);
  }

  /** Adds objects of another program to a table; creates the table if it does not exist. */
  addForeign(name: string, ...things: readonly ForeignThing[]): void {
    if (!this.#tables.tables.has(name)) this.#tables.load(name, { generation: 0, chains: [], maps: [], others: [] });
    const state = this.#state(name);
    for (const thing of things) addThing(state, thing);
    this.#changed([name]);
  }

  /** Deletes all rules of a table, like `nft flush table inet NAME`; chains, maps and elements stay. */
  flushTable(name: string): void {
    for (const chain of this.#state(name).chains.values()) chain.rules = [];
    this.#changed([name]);
  }

  /** Deletes a table as another program, like `nft delete table inet NAME`. */
  deleteTable(name: string): void {
    this.#commit(name, [{ change: 'delete-table' }], theirs);
  }

  /** Deletes all tables as another program, like `nft flush ruleset`. */
  flushRuleset(): void {
    const names = this.tables;
    for (const name of names) this.#tables.load(name, undefined);
    this.#changed(names);
  }

  /** Sets a counter, as packets would; the generation does not change. */
  setCounter(name: string, place: CounterPlace, counter: NftCounter): void {
    const state = this.#state(name);
    if ('map' in place) {
      const elements = state.maps.get(place.map)?.elements;
      const element = elements?.get(keyText(place.key));
      if (!elements || !element) throw new RangeError(`no element ${keyText(place.key)} in ${place.map}`);
      elements.set(keyText(place.key), { ...element, counter });
      return;
    }
    for (const chain of state.chains.values())
      chain.rules = chain.rules.map((rule) => (rule.handle === place.handle ? { ...rule, counter } : rule));
  }

  /** Returns the mark of a packet after all tables. */
  mark(packet: MemoryPacket): number {
    return markPacket(this.#tables.tables.values(), packet);
  }

  /** Makes all listeners lose events, as if their buffers were full. */
  overrun(): void {
    this.#listeners.overrun();
  }

  #state(name: string): TableState {
    const state = this.#tables.tables.get(name);
    if (!state) throw new RangeError(`there is no table inet ${name}`);
    return state;
  }

  #commit(name: string, changes: readonly NftTableChange[], process: NftRulesetEvent['process']): void {
    const undo: Undo = [];
    for (const [index, change] of changes.entries()) {
      const errno = this.#tables.apply(name, change, undo);
      if (errno === 0) continue;
      for (const step of undo.toReversed()) step();
      throw new NftChangeFailure(index, errno, changeText(name, change));
    }
    if (changes.length > 0) this.#changed([name], process);
  }

  #changed(names: readonly string[], process: NftRulesetEvent['process'] = theirs): void {
    this.#generation++;
    this.#listeners.push({ generation: this.#generation, process, tables: new Set(names) });
  }
}

function addThing(state: TableState, thing: ForeignThing): void {
  switch (thing.kind) {
    case 'rule': {
      const chain = state.chains.get(thing.chain);
      if (!chain) throw new RangeError(`there is no chain ${thing.chain}`);
      chain.rules = chain.rules.toSpliced(thing.at ?? chain.rules.length, 0, { handle: ++state.handle });
      return;
    }
    case 'changed': {
      const found = state.chains.get(thing.name) ?? state.maps.get(thing.name);
      if (!found) throw new RangeError(`there is no chain and no map ${thing.name}`);
      found.intact = false;
      return;
    }
    default:
      if (isOurName(thing.name)) throw new RangeError(`${thing.name} is a name of this library's`);
      state.others = [...state.others, { kind: thing.kind, name: thing.name }];
  }
}

class MemoryNetfilterPort implements NetfilterPort {
  readonly #handle: Handle;
  readonly #netfilter: MemoryNetfilter;
  readonly #tables: NetfilterTables;
  readonly #listeners: Listeners<NftRulesetEvent>;
  readonly #open = new Set<NftRulesetListener>();

  constructor(
    handle: Handle,
    netfilter: MemoryNetfilter,
    tables: NetfilterTables,
    listeners: Listeners<NftRulesetEvent>,
  ) {
    this.#handle = handle;
    this.#netfilter = netfilter;
    this.#tables = tables;
    this.#listeners = listeners;
  }

  read(
    table: string,
    { elements = false, ...options }: CallOptions & { readonly elements?: boolean | undefined } = {},
  ): Promise<NftTableEntry | undefined> {
    const work = (): NftTableEntry | undefined => {
      const state = this.#tables.tables.get(table);
      return state && tableEntry(state, this.#netfilter.generation, elements);
    };
    return this.#handle.ask('read', `table inet ${table}`, work, options);
  }

  generation(options: CallOptions = {}): Promise<number> {
    return this.#handle.ask('generation', '', () => this.#netfilter.generation, options);
  }

  markOf(table: string, map: NftMapName, key: NftMapKey, options: CallOptions = {}): Promise<number | undefined> {
    const work = (): number | undefined =>
      this.#tables.tables.get(table)?.maps.get(mapText(map))?.elements.get(keyText(key))?.mark;
    return this.#handle.ask('markOf', `${mapText(map)} of table inet ${table}`, work, options);
  }

  mainNames(names: readonly string[], options: CallOptions = {}): Promise<ReadonlyMap<string, string>> {
    const work = (): ReadonlyMap<string, string> =>
      new Map(
        names.flatMap((name) => {
          const main = this.#netfilter.mainName(name);
          return main === undefined ? [] : [[name, main] as const];
        }),
      );
    return this.#handle.ask('mainNames', names.join(', '), work, options);
  }

  async commit(
    table: string,
    batch: readonly NftBatchChange[],
    { generation, ...options }: CallOptions & { readonly generation?: number | undefined } = {},
  ): Promise<void> {
    const changes = [...singleChanges(batch)];
    if (changes.length === 0) return;
    const work = (): void => {
      if (generation !== undefined && generation !== this.#netfilter.generation)
        throw new NftChangeFailure(-1, Errno.ERESTART, '');
      for (const [index, change] of changes.entries()) {
        const object = changeText(table, change);
        const errno = this.#handle.change(change.change, object, () => 0);
        if (errno !== 0) throw new NftChangeFailure(index, errno, object);
      }
      this.#netfilter.commit(table, changes);
    };
    await this.#handle.ask('commit', `table inet ${table}`, work, options);
  }

  async listen(options: CallOptions = {}): Promise<NftRulesetListener> {
    const queue = await this.#handle.ask('listen', '', () => this.#listeners.open(this.#handle), options);
    const listener: NftRulesetListener = {
      next: (signal) => queue.take(signal),
      close: () => {
        queue.close();
        this.#open.delete(listener);
      },
    };
    this.#open.add(listener);
    return listener;
  }

  async close(): Promise<void> {
    this.#handle.close();
    for (const listener of this.#open) listener.close();
  }
}
