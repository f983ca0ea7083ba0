import { IpvsError } from '../common/errors.js';
import type { NftBatchChange } from '../kernel/netfilter/changes.js';
import type { NftElementList } from '../kernel/netfilter/elements.js';
import { chainText, mapText } from '../kernel/netfilter/names.js';
import type {
  NftMapElement,
  NftMapName,
  NftRule,
  NftRuleEntry,
  NftTableChange,
  NftTableEntry,
} from '../kernel/netfilter/types.js';
import { distinctMaps, packetsRuleKey } from './layout.js';
import { ElementChanges, filterElements, type MarkElements } from './mark-elements.js';
import { elementKey, hasMark, type MarkSettings, mapOf, markKey, markOf, markText, ruleOf } from './mark-options.js';
import { planStructure, structureOf } from './plan.js';
import { ruleText } from './rule-options.js';

/** Single changes of marks and rules. */
export interface Edits {
  readonly addMarks: readonly MarkSettings[];
  /** Marks to replace, each with its new value. */
  readonly setMarks: readonly MarkSettings[];
  readonly deleteMarks: readonly MarkSettings[];
  readonly addRules: readonly NftRule[];
  readonly deleteRules: readonly NftRule[];
  /** Many marks that maps hold, besides those of the lists. */
  readonly elements?: MarkElements | undefined;
}

export const noEdits: Edits = { addMarks: [], setMarks: [], deleteMarks: [], addRules: [], deleteRules: [] };

/**
 * Returns the changes that make the edits. `known`: the table was read with its elements, and edits that are already
 * made are skipped.
 * @throws IpvsError for an object that already exists, or does not exist
 */
export function planEdits(table: NftTableEntry | undefined, edits: Edits, known: boolean): NftBatchChange[] {
  const plan = new EditPlan(table, known);
  // Deletions first: a batch may delete a rule and add it again.
  for (const mark of edits.deleteMarks) plan.deleteMark(mark);
  for (const mark of edits.setMarks) plan.setMark(mark);
  for (const mark of edits.addMarks) plan.addMark(mark);
  for (const list of edits.elements?.deleted ?? []) plan.deleteElements(list);
  for (const list of edits.elements?.set ?? []) plan.setElements(list);
  for (const list of edits.elements?.added ?? []) plan.addElements(list);
  for (const rule of edits.deleteRules) plan.deleteRule(rule);
  for (const rule of edits.addRules) plan.addRule(rule);
  return plan.changes();
}

/** Collects edits: changes of elements as they are, and the rules and maps that the table has after all of them. */
class EditPlan {
  readonly #table: NftTableEntry | undefined;
  readonly #known: boolean;
  readonly #maps: readonly NftMapName[];
  readonly #rules: readonly NftRule[];
  /** Present elements with their marks, if they are known. */
  readonly #present = new Map<string, number>();
  /** Rules after the edits, by their packets. */
  readonly #after: Map<string, NftRule>;
  readonly #elements = new ElementChanges();
  /** Maps that edits add elements to. */
  readonly #needed: NftMapName[] = [];

  constructor(table: NftTableEntry | undefined, known: boolean) {
    const { maps, rules } = structureOf(table);
    this.#table = table;
    this.#known = known;
    this.#maps = maps;
    this.#rules = rules;
    this.#after = new Map(rules.map((rule) => [packetsRuleKey(rule), rule]));
    if (!known) return;
    for (const { name, elements = [] } of table?.maps ?? [])
      for (const element of elements) this.#present.set(elementKey(name, element), element.mark);
  }

  deleteMark(settings: MarkSettings): void {
    const place = mapOf(settings);
    if (!place) {
      if (!this.#take(ruleOf(settings))) throw noMark('delete', settings);
    } else if (!this.#hasMap(place.map)) {
      if (!this.#known) throw noMark('delete', settings);
    } else if (!this.#known || this.#present.has(elementKey(place.map, place.key)))
      this.#elements.delete(place.map, place.key);
  }

  setMark(settings: MarkSettings): void {
    const place = mapOf(settings);
    if (!place) {
      const rule = ruleOf(settings);
      if (!this.#take(rule)) throw noMark('change', settings);
      this.#after.set(packetsRuleKey(rule), rule);
    } else if (!this.#isMade(settings, place)) {
      // The kernel cannot change the data of an element: delete and add it in one batch.
      this.#elements.delete(place.map, place.key);
      this.#elements.add(place.map, place.key, settings.mark);
    }
  }

  addMark(settings: MarkSettings): void {
    const place = mapOf(settings);
    if (place) {
      this.#needed.push(place.map);
      if (!this.#isMade(settings, place)) this.#elements.add(place.map, place.key, settings.mark);
      return;
    }
    const present = this.#put(ruleOf(settings))?.action;
    if (present?.type === 'mark')
      throw new IpvsError(
        'ERR_IPVS_MARK_EXISTS',
        `cannot add mark ${markText(settings)}: ${hasMark(settings, present.mark)}`,
      );
  }

  deleteElements(list: NftElementList): void {
    const [first] = list;
    if (!first) return;
    if (this.#hasMap(list.map)) {
      const isPresent = (key: NftMapElement): boolean => this.#present.has(elementKey(list.map, key));
      this.#elements.append('delete-elements', this.#known ? filterElements(list, isPresent) : list);
    } else if (!this.#known) throw noMark('delete', markOf(list.map, first, 0));
  }

  setElements(list: NftElementList): void {
    const missing = this.#missing(list);
    this.#elements.append('delete-elements', missing);
    this.#elements.append('add-elements', missing);
  }

  addElements(list: NftElementList): void {
    this.#needed.push(list.map);
    this.#elements.append('add-elements', this.#missing(list));
  }

  deleteRule(rule: NftRule): void {
    if (!this.#take(rule))
      throw new IpvsError('ERR_IPVS_NO_SUCH_RULE', `cannot delete rule ${ruleText(rule)}: there is no such rule`);
  }

  addRule(rule: NftRule): void {
    if (this.#put(rule))
      throw new IpvsError('ERR_IPVS_RULE_EXISTS', `cannot add rule ${ruleText(rule)}: it already exists`);
  }

  /** Returns the changes of all edits, in the order in which the kernel can make them. */
  changes(): NftBatchChange[] {
    const rules = [...this.#after.values()];
    const isSame = rules.length === this.#rules.length && rules.every((rule, i) => rule === this.#rules[i]);
    const elements = this.#elements.changes();
    if (isSame && (elements.length === 0 || isComplete(this.#table, this.#needed))) return elements;
    const maps = distinctMaps([...this.#maps, ...this.#needed]);
    const { before, after } = planStructure(this.#table, { maps, rules });
    return [...before, ...elements, ...withoutForeign(this.#table, after)];
  }

  /** Adds a rule. Returns the existing one that it conflicts with. */
  #put(rule: NftRule): NftRule | undefined {
    const key = packetsRuleKey(rule);
    const present = this.#after.get(key);
    if (!present) this.#after.set(key, rule);
    return this.#known ? undefined : present;
  }

  /** Deletes a rule. Returns false if it does not exist. */
  #take(rule: NftRule): boolean {
    return this.#after.delete(packetsRuleKey(rule)) || this.#known;
  }

  #hasMap({ hook, shape }: NftMapName): boolean {
    return this.#maps.some((map) => map.hook === hook && map.shape === shape);
  }

  /** Returns true if the packets are known to have this mark. */
  #isMade({ mark }: MarkSettings, { map, key }: NonNullable<ReturnType<typeof mapOf>>): boolean {
    return this.#known && this.#present.get(elementKey(map, key)) === mark;
  }

  /** Returns the elements that are not known to exist. */
  #missing(list: NftElementList): NftElementList {
    if (!this.#known) return list;
    return filterElements(list, (element) => this.#present.get(elementKey(list.map, element)) !== element.mark);
  }
}

function noMark(verb: 'change' | 'delete', settings: MarkSettings): IpvsError {
  return new IpvsError(
    'ERR_IPVS_NO_SUCH_MARK',
    `cannot ${verb} mark of ${markKey(settings)}: no mark is set for these packets`,
  );
}

/** Omits deletions of what other programs added: only `set()` makes them. A chain with such a rule loses only ours. */
function withoutForeign(table: NftTableEntry | undefined, changes: readonly NftTableChange[]): NftTableChange[] {
  const ours = handlesOfOurs(table);
  return changes.flatMap((change): readonly NftTableChange[] => {
    if (change.change === 'delete-rule') return ours.has(change.handle) ? [change] : [];
    if (change.change !== 'delete-chain' || !hasOthers(table, change.name)) return [change];
    const chain = change.name;
    return (rulesOf(table, chain) ?? []).flatMap(({ handle, rule }) =>
      rule ? [{ change: 'delete-rule', chain, handle } as const] : [],
    );
  });
}

const complete = new WeakMap<NftTableEntry, boolean>();

/**
 * Returns true if the table has these maps, and the rules that use them. Computed once for a table, not for each
 * element.
 */
function isComplete(table: NftTableEntry | undefined, needed: readonly NftMapName[]): boolean {
  if (!table) return false;
  let known = complete.get(table);
  if (known === undefined) {
    const { before, after } = planStructure(table, structureOf(table));
    known = before.length === 0 && after.length === 0;
    complete.set(table, known);
  }
  const has = (map: NftMapName): boolean => table.maps.some(({ name }) => mapText(name) === mapText(map));
  return known && needed.every(has);
}

function rulesOf(table: NftTableEntry | undefined, chain: string): readonly NftRuleEntry[] | undefined {
  return table?.chains.find(({ name }) => chainText(name) === chain)?.rules;
}

function hasOthers(table: NftTableEntry | undefined, chain: string): boolean {
  return rulesOf(table, chain)?.some(({ rule }) => !rule) ?? false;
}

function handlesOfOurs(table: NftTableEntry | undefined): Set<bigint> {
  const rules = (table?.chains ?? []).flatMap((chain) => chain.rules);
  return new Set(rules.flatMap(({ handle, rule }) => (rule ? [handle] : [])));
}
