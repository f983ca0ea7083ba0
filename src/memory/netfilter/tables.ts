import { Errno } from '../../common/errno.js';
import { chainNamed, chainText, mapNamed, mapText } from '../../kernel/netfilter/names.js';
import { readRule, ruleExpressions } from '../../kernel/netfilter/rules.js';
import type {
  NftChainName,
  NftChainRule,
  NftCounter,
  NftHook,
  NftMapElement,
  NftMapKey,
  NftMapName,
  NftRuleEntry,
  NftTableChange,
  NftTableEntry,
} from '../../kernel/netfilter/types.js';

const noCounter: NftCounter = { packets: 0n, bytes: 0n };

export interface ChainState {
  readonly name: NftChainName;
  intact: boolean;
  /** Order of creation: of base chains with the same priority, the newest runs first (nf_hook_entries_grow). */
  readonly made: number;
  /** Replaced as a whole, never changed in place, so that it can be restored. */
  rules: readonly NftRuleEntry[];
}

export type ElementState = NftMapElement & { readonly counter: NftCounter };

export interface MapState {
  readonly name: NftMapName;
  intact: boolean;
  readonly elements: Map<string, ElementState>;
}

/** A table, with its chains and maps by name. */
export interface TableState {
  readonly comment: string | undefined;
  chains: ReadonlyMap<string, ChainState>;
  maps: ReadonlyMap<string, MapState>;
  others: NftTableEntry['others'];
  /** Last handle: chains, maps and rules share one sequence of numbers. */
  handle: bigint;
}

/** Undo functions, one for each step of a change. */
export type Undo = (() => void)[];

/** The tables of one namespace. apply() makes one change and returns an errno, 0 for success. */
export class NetfilterTables {
  tables: ReadonlyMap<string, TableState> = new Map();
  #made = 0;

  apply(table: string, change: NftTableChange, undo: Undo): number {
    const state = this.tables.get(table);
    if (change.change === 'add-table') {
      if (state) return Errno.EEXIST;
      this.#put(table, { comment: change.comment, chains: new Map(), maps: new Map(), others: [], handle: 0n }, undo);
      return 0;
    }
    if (!state) return Errno.ENOENT;
    switch (change.change) {
      case 'delete-table':
        this.#put(table, undefined, undo);
        return 0;
      case 'add-chain': {
        const name = chainText(change.chain);
        if (state.chains.has(name) || isOther(state, 'chain', name)) return Errno.EEXIST;
        state.handle++;
        const chain = { name: change.chain, intact: true, made: ++this.#made, rules: [] };
        setChains(state, new Map(state.chains).set(name, chain), undo);
        return 0;
      }
      case 'delete-chain':
        return deleteChain(state, change.name, undo);
      case 'flush-chain': {
        const chain = state.chains.get(change.name);
        if (!chain) return Errno.ENOENT;
        setRules(chain, [], undo);
        return 0;
      }
      case 'add-map': {
        const name = mapText(change.map);
        if (state.maps.has(name) || isOther(state, 'set', name)) return Errno.EEXIST;
        state.handle++;
        setMaps(state, new Map(state.maps).set(name, { name: change.map, intact: true, elements: new Map() }), undo);
        return 0;
      }
      case 'delete-map':
        return deleteMap(state, change.name, undo);
      case 'add-rule':
        return addRule(state, change, undo);
      case 'delete-rule': {
        const chain = state.chains.get(change.chain);
        const rules = chain?.rules.filter((rule) => rule.handle !== change.handle);
        if (!chain || rules?.length === chain.rules.length) return Errno.ENOENT;
        setRules(chain, rules ?? [], undo);
        return 0;
      }
      case 'add-element': {
        const elements = state.maps.get(mapText(change.map))?.elements;
        if (!elements) return Errno.ENOENT;
        const key = keyText(change.element);
        if (elements.has(key)) return Errno.EEXIST;
        elements.set(key, { ...change.element, counter: noCounter });
        undo.push(() => elements.delete(key));
        return 0;
      }
      case 'delete-element': {
        const elements = state.maps.get(mapText(change.map))?.elements;
        const key = keyText(change.key);
        const element = elements?.get(key);
        if (!elements || !element) return Errno.ENOENT;
        elements.delete(key);
        undo.push(() => elements.set(key, element));
        return 0;
      }
    }
  }

  /** Replaces a table by a copy of another one; undefined deletes it. */
  load(table: string, entry: NftTableEntry | undefined): void {
    if (!entry) {
      this.#put(table, undefined, []);
      return;
    }
    const handles = entry.chains.flatMap(({ rules }) => rules.map(({ handle }) => handle));
    const handle = handles.toSorted((a, b) => (a < b ? -1 : 1)).at(-1) ?? 0n;
    const chains = entry.chains.map(({ name, intact, rules }): [string, ChainState] => [
      chainText(name),
      { name, intact, made: ++this.#made, rules: [...rules] },
    ]);
    const maps = entry.maps.map(({ name, intact, elements = [] }): [string, MapState] => {
      const states = elements.map((element) => ({ ...element, counter: element.counter ?? noCounter }));
      return [mapText(name), { name, intact, elements: new Map(states.map((state) => [keyText(state), state])) }];
    });
    const { comment, others } = entry;
    this.#put(table, { comment, chains: new Map(chains), maps: new Map(maps), others, handle }, []);
  }

  #put(name: string, state: TableState | undefined, undo: Undo): void {
    const before = this.tables;
    const after = new Map(before);
    if (state) after.set(name, state);
    else after.delete(name);
    this.tables = after;
    undo.push(() => {
      this.tables = before;
    });
  }
}

/** Returns a table as the port shows it. Entries are replaced, never changed in place, so it is safe to return them. */
export function tableEntry(state: TableState, generation: number, elements: boolean): NftTableEntry {
  const { comment, others } = state;
  return {
    ...(comment !== undefined && { comment }),
    generation,
    chains: Array.from(state.chains.values(), ({ name, intact, rules }) => ({ name, intact, rules })),
    maps: Array.from(state.maps.values(), ({ name, intact, elements: all }) =>
      elements && intact ? { name, intact, elements: [...all.values()] } : { name, intact },
    ),
    others,
  };
}

export function keyText({ address, protocol, port }: NftMapKey): string {
  return `${address} ${protocol} ${port}`;
}

/** Returns the name of the changed object. */
export function changeText(table: string, change: NftTableChange): string {
  switch (change.change) {
    case 'add-table':
    case 'delete-table':
      return `table inet ${table}`;
    case 'add-chain':
      return chainText(change.chain);
    case 'delete-chain':
    case 'flush-chain':
    case 'delete-map':
      return change.name;
    case 'add-map':
      return mapText(change.map);
    case 'add-rule':
      return chainText(change.chain);
    case 'delete-rule':
      return `${change.chain} handle ${change.handle}`;
    case 'add-element':
    case 'delete-element': {
      const { address, protocol, port } = change.change === 'add-element' ? change.element : change.key;
      return [mapText(change.map), address, protocol, port].filter((part) => part !== undefined).join(' ');
    }
  }
}

/** Returns true if this library would create a chain or a map with this name. */
export function isOurName(name: string): boolean {
  return chainNamed(name) !== undefined || mapNamed(name) !== undefined;
}

function isOther(state: TableState, kind: 'chain' | 'set', name: string): boolean {
  return state.others.some((other) => other.kind === kind && other.name === name);
}

function deleteChain(state: TableState, name: string, undo: Undo): number {
  const chains = new Map(state.chains);
  // The kernel deletes the rules of the chain, too.
  if (chains.delete(name)) setChains(state, chains, undo);
  else if (isOther(state, 'chain', name)) deleteOther(state, 'chain', name, undo);
  else return Errno.ENOENT;
  return 0;
}

function deleteMap(state: TableState, name: string, undo: Undo): number {
  const map = state.maps.get(name);
  if (!map) {
    if (!isOther(state, 'set', name)) return Errno.ENOENT;
    deleteOther(state, 'set', name, undo);
    return 0;
  }
  for (const chain of state.chains.values()) if (asks(chain, map.name)) return Errno.EBUSY;
  const maps = new Map(state.maps);
  maps.delete(name);
  setMaps(state, maps, undo);
  return 0;
}

function asks({ name, rules }: ChainState, map: NftMapName): boolean {
  return name.hook === map.hook && rules.some(({ rule }) => rule && 'lookup' in rule && rule.lookup === map.shape);
}

function addRule(state: TableState, change: Extract<NftTableChange, { change: 'add-rule' }>, undo: Undo): number {
  const chain = state.chains.get(chainText(change.chain));
  if (!chain) return Errno.ENOENT;
  const { rule, before } = change;
  const { hook } = chain.name;
  if ('lookup' in rule && !state.maps.has(`${hook}_${rule.lookup}`)) return Errno.ENOENT;
  const at = before === undefined ? chain.rules.length : chain.rules.findIndex(({ handle }) => handle === before);
  if (at < 0) return Errno.ENOENT;
  const read = asRead(hook, rule);
  const handle = ++state.handle;
  const { counter = noCounter } = change;
  setRules(chain, chain.rules.toSpliced(at, 0, { handle, ...(read && { rule: read }), counter }), undo);
  return 0;
}

const readings = new WeakMap<NftChainRule, NftChainRule>();

/** Returns the rule as it is read back after a write: converts it to expressions and back. */
function asRead(hook: NftHook, rule: NftChainRule): NftChainRule | undefined {
  const known = readings.get(rule);
  if (known) return known;
  const read = readRule(hook, ruleExpressions(hook, rule));
  if (read) readings.set(rule, read);
  return read;
}

function setRules(chain: ChainState, rules: readonly NftRuleEntry[], undo: Undo): void {
  const before = chain.rules;
  chain.rules = rules;
  undo.push(() => {
    chain.rules = before;
  });
}

function setChains(state: TableState, chains: ReadonlyMap<string, ChainState>, undo: Undo): void {
  const before = state.chains;
  state.chains = chains;
  undo.push(() => {
    state.chains = before;
  });
}

function setMaps(state: TableState, maps: ReadonlyMap<string, MapState>, undo: Undo): void {
  const before = state.maps;
  state.maps = maps;
  undo.push(() => {
    state.maps = before;
  });
}

function deleteOther(state: TableState, kind: 'chain' | 'set', name: string, undo: Undo): void {
  const before = state.others;
  state.others = before.filter((other) => other.kind !== kind || other.name !== name);
  undo.push(() => {
    state.others = before;
  });
}
