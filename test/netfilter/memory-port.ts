// Nf_tables in memory: as much of it as plans can be tried on.
import { Errno } from '../../src/kernel/errno.js';
import { chainText, mapText } from '../../src/kernel/netfilter/names.js';
import { ChangeFailure, type NetfilterPort } from '../../src/kernel/netfilter/port.js';
import { readRule, ruleExpressions } from '../../src/kernel/netfilter/rules.js';
import type { MapKey, MapName, TableChange, TableEntry } from '../../src/kernel/netfilter/types.js';
import { elementKey } from '../../src/netfilter/mark-options.js';

type Mutable<T> = { -readonly [K in keyof T]: NonNullable<T[K]> extends readonly (infer U)[] ? Mutable<U>[] : T[K] };
type Table = Mutable<TableEntry>;

/** @throws ChangeFailure as the kernel refuses them */
export function applyChanges(before: TableEntry | undefined, changes: readonly TableChange[]): TableEntry | undefined {
  let table = structuredClone(before) as Table | undefined;
  let handle = 1n;
  for (const chain of table?.chains ?? [])
    for (const rule of chain.rules) if (rule.handle >= handle) handle = rule.handle + 1n;
  changes.forEach((change, index) => {
    const fail = (errno: number): never => {
      throw new ChangeFailure(index, errno, `${change.change}`);
    };
    if (change.change === 'add-table') {
      if (table) fail(Errno.EEXIST);
      table = { comment: change.comment, generation: 0, chains: [], maps: [], others: [] };
      return;
    }
    const { chains, maps } = table ?? fail(Errno.ENOENT);
    const chain = (text: string) => chains.find(({ name }) => chainText(name) === text) ?? fail(Errno.ENOENT);
    const map = (text: string) => maps.find(({ name }) => mapText(name) === text) ?? fail(Errno.ENOENT);
    switch (change.change) {
      case 'delete-table':
        table = undefined;
        break;
      case 'add-chain':
        if (chains.some(({ name }) => chainText(name) === chainText(change.chain))) fail(Errno.EEXIST);
        chains.push({ name: change.chain, intact: true, rules: [] });
        break;
      case 'delete-chain':
        chains.splice(chains.indexOf(chain(change.name)), 1);
        break;
      case 'add-map':
        if (maps.some(({ name }) => mapText(name) === mapText(change.map))) fail(Errno.EEXIST);
        maps.push({ name: change.map, intact: true, elements: [] });
        break;
      case 'delete-map': {
        const { name } = map(change.name);
        const asked = chains.some((chain) =>
          chain.rules.some(
            ({ rule }) => rule && 'lookup' in rule && chain.name.hook === name.hook && rule.lookup === name.shape,
          ),
        );
        if (asked) fail(Errno.EBUSY);
        maps.splice(maps.indexOf(map(change.name)), 1);
        break;
      }
      case 'add-rule': {
        const { rules } = chain(chainText(change.chain));
        const { hook } = change.chain;
        if ('lookup' in change.rule) map(`${hook}_${change.rule.lookup}`);
        const at =
          change.before === undefined ? rules.length : rules.findIndex((rule) => rule.handle === change.before);
        if (at < 0) fail(Errno.ENOENT);
        const rule = readRule(hook, ruleExpressions(hook, change.rule));
        rules.splice(at, 0, { handle: handle++, ...(rule && { rule }), counter: { packets: 0n, bytes: 0n } } as never);
        break;
      }
      case 'delete-rule': {
        const { rules } = chain(change.chain);
        const at = rules.findIndex((rule) => rule.handle === change.handle);
        if (at < 0) fail(Errno.ENOENT);
        rules.splice(at, 1);
        break;
      }
      case 'add-element': {
        const { elements = [] } = map(mapText(change.map));
        const key = elementKey(change.map, change.element);
        if (elements.some((other) => elementKey(change.map, other) === key)) fail(Errno.EEXIST);
        elements.push({ ...change.element, counter: { packets: 0n, bytes: 0n } } as never);
        break;
      }
      case 'delete-element': {
        const { elements = [] } = map(mapText(change.map));
        const key = elementKey(change.map, change.key);
        const at = elements.findIndex((other) => elementKey(change.map, other) === key);
        if (at < 0) fail(Errno.ENOENT);
        elements.splice(at, 1);
        break;
      }
    }
  });
  return table as TableEntry | undefined;
}

/** One table. */
export class MemoryPort implements NetfilterPort {
  table: TableEntry | undefined;
  /** What was committed. */
  readonly commits: (readonly TableChange[])[] = [];
  #generation = 1;

  async read(): Promise<TableEntry | undefined> {
    return this.table && { ...structuredClone(this.table), generation: this.#generation };
  }
  async markOf(_table: string, map: MapName, key: MapKey): Promise<number | undefined> {
    const elements = this.table?.maps.find(({ name }) => mapText(name) === mapText(map))?.elements ?? [];
    return elements.find((element) => elementKey(map, element) === elementKey(map, key))?.mark;
  }
  async generation(): Promise<number> {
    return this.#generation;
  }
  async commit(_table: string, changes: readonly TableChange[], options: { generation?: number | undefined } = {}) {
    if (options.generation !== undefined && options.generation !== this.#generation)
      throw new ChangeFailure(-1, Errno.ERESTART, '');
    this.table = applyChanges(this.table, changes);
    this.#generation++;
    this.commits.push(changes);
  }
  async listen(): Promise<never> {
    throw new Error('nobody speaks here');
  }
  async close(): Promise<void> {}
}
