import { IpvsError } from '../common/errors.js';
import { chainText, mapText } from '../kernel/netfilter/names.js';
import type { MapName, Rule, TableChange, TableEntry } from '../kernel/netfilter/types.js';
import { chainRuleKey, chainsOf, compareRules, distinctMaps, type Structure } from './layout.js';
import { elementKey, hasMark, type MarkSettings, mapOf, markKey, markText, ruleOf } from './mark-options.js';
import { ruleText } from './rule-options.js';

/** Comment of a table that this library made. */
export const COMMENT = 'made by ipvs';

/** Wanted content of the table. */
export interface Desired {
  readonly marks: readonly MarkSettings[];
  readonly rules: readonly Rule[];
}

/** Single changes of marks and rules. */
export interface Edits {
  readonly addMarks: readonly MarkSettings[];
  /** Marks to replace, each with its new value. */
  readonly setMarks: readonly MarkSettings[];
  readonly removeMarks: readonly MarkSettings[];
  readonly addRules: readonly Rule[];
  readonly removeRules: readonly Rule[];
}

function structureOf(table: TableEntry | undefined): Structure {
  const rules = (table?.chains ?? []).flatMap((chain) =>
    chain.rules.flatMap(({ rule }) => (rule && !('lookup' in rule) ? [rule] : [])),
  );
  return { maps: (table?.maps ?? []).map(({ name }) => name), rules };
}

/**
 * Returns true if the table has something that this library did not make, or not like that: it is then made anew, in
 * one batch.
 */
function damaged(table: TableEntry): boolean {
  return table.others.length > 0 || [...table.chains, ...table.maps].some(({ intact }) => !intact);
}

/**
 * Returns the changes from the current table to that structure. Changes of elements belong between `before` and
 * `after`.
 */
function planStructure(
  table: TableEntry | undefined,
  wanted: Structure,
): { before: TableChange[]; after: TableChange[] } {
  const before: TableChange[] = table ? [] : [{ change: 'add-table', comment: COMMENT }];
  const after: TableChange[] = [];
  const maps = new Set((table?.maps ?? []).map(({ name }) => mapText(name)));
  for (const map of wanted.maps) if (!maps.delete(mapText(map))) before.push({ change: 'add-map', map });
  const chains = new Map((table?.chains ?? []).map((chain) => [chainText(chain.name), chain]));
  for (const [text, { name, rules }] of chainsOf(wanted)) {
    const current = chains.get(text);
    chains.delete(text);
    const { remove, add } = compareRules(current?.rules ?? [], rules);
    if (!current) after.push({ change: 'add-chain', chain: name });
    // Add before deleting: new rules are placed before existing ones.
    for (const { rule, before: handle } of add)
      after.push({ change: 'add-rule', chain: name, rule, ...(handle !== undefined && { before: handle }) });
    for (const { handle } of remove) after.push({ change: 'delete-rule', chain: text, handle });
  }
  for (const text of chains.keys()) after.push({ change: 'delete-chain', name: text });
  for (const text of maps) after.push({ change: 'delete-map', name: text });
  return { before, after };
}

/** Returns the fewest changes to exactly the desired content. The table was read with its elements. */
export function planAll(table: TableEntry | undefined, { marks, rules }: Desired): TableChange[] {
  if (marks.length === 0 && rules.length === 0) return table ? [{ change: 'delete-table' }] : [];
  if (table && damaged(table)) return [{ change: 'delete-table' }, ...planAll(undefined, { marks, rules })];
  const wanted = new Map<string, { map: MapName; change: TableChange & { change: 'add-element' } }>();
  const general: Rule[] = [...rules];
  for (const settings of marks) {
    const place = mapOf(settings);
    if (!place) general.push(ruleOf(settings));
    else {
      const change = { change: 'add-element', map: place.map, element: { ...place.key, mark: settings.mark } } as const;
      wanted.set(elementKey(place.map, place.key), { map: place.map, change });
    }
  }
  const maps = distinctMaps([...wanted.values()].map(({ map }) => map));
  const { before, after } = planStructure(table, { maps, rules: general });
  const remove: TableChange[] = [];
  const kept = new Set(maps.map(mapText));
  for (const { name, elements } of table?.maps ?? []) {
    if (!kept.has(mapText(name))) continue; // deleted with its map
    for (const { mark, counter: _, ...key } of elements ?? []) {
      const text = elementKey(name, key);
      if (wanted.get(text)?.change.element.mark === mark) wanted.delete(text);
      else remove.push({ change: 'delete-element', map: name, key });
    }
  }
  return [...before, ...remove, ...[...wanted.values()].map(({ change }) => change), ...after];
}

/**
 * Returns the changes that make the edits. `known`: the table was read with its elements, and edits that are already
 * made are skipped.
 * @throws IpvsError for an object that already exists, or does not exist
 */
export function planEdits(table: TableEntry | undefined, edits: Edits, known: boolean): TableChange[] {
  const { maps, rules } = structureOf(table);
  const present = new Map<string, number>();
  if (known) {
    for (const { name, elements } of table?.maps ?? [])
      for (const element of elements ?? []) present.set(elementKey(name, element), element.mark);
  }
  const general = new Map(rules.map((rule) => [editKey(rule), rule]));
  const elements: TableChange[] = [];
  const newMaps: MapName[] = [];
  /** Adds a rule. Returns the existing one that it conflicts with. */
  const put = (rule: Rule): Rule | undefined => {
    const key = editKey(rule);
    const present = general.get(key);
    if (!present) general.set(key, rule);
    return known ? undefined : present;
  };
  const take = (rule: Rule): boolean => general.delete(editKey(rule)) || known;
  const noMark = (verb: 'change' | 'delete', settings: MarkSettings): IpvsError =>
    new IpvsError('ERR_IPVS_NO_SUCH_MARK', `cannot ${verb} ${markWords(settings)}: no mark is set for these packets`);
  for (const settings of edits.removeMarks) {
    const place = mapOf(settings);
    if (!place) {
      if (!take(ruleOf(settings))) throw noMark('delete', settings);
    } else if (!maps.some(({ hook, shape }) => hook === place.map.hook && shape === place.map.shape)) {
      if (!known) throw noMark('delete', settings);
    } else if (!known || present.has(elementKey(place.map, place.key)))
      elements.push({ change: 'delete-element', map: place.map, key: place.key });
  }
  for (const settings of edits.setMarks) {
    const place = mapOf(settings);
    if (!place) {
      if (!take(ruleOf(settings))) throw noMark('change', settings);
      general.set(editKey(ruleOf(settings)), ruleOf(settings));
    } else if (!known || present.get(elementKey(place.map, place.key)) !== settings.mark) {
      // The kernel cannot change the data of an element: delete and add it in one batch.
      elements.push({ change: 'delete-element', map: place.map, key: place.key });
      elements.push({ change: 'add-element', map: place.map, element: { ...place.key, mark: settings.mark } });
    }
  }
  for (const settings of edits.addMarks) {
    const place = mapOf(settings);
    if (!place) {
      const present = put(ruleOf(settings))?.action;
      if (present?.type === 'mark')
        throw new IpvsError(
          'ERR_IPVS_MARK_EXISTS',
          `cannot add mark ${markText(settings)}: ${hasMark(settings, present.mark)}`,
        );
    } else {
      newMaps.push(place.map);
      if (!known || present.get(elementKey(place.map, place.key)) !== settings.mark)
        elements.push({ change: 'add-element', map: place.map, element: { ...place.key, mark: settings.mark } });
    }
  }
  for (const rule of edits.removeRules)
    if (!take(rule))
      throw new IpvsError('ERR_IPVS_NO_SUCH_RULE', `cannot delete rule ${ruleText(rule)}: it is not there`);
  for (const rule of edits.addRules)
    if (put(rule))
      throw new IpvsError('ERR_IPVS_RULE_EXISTS', `cannot add rule ${ruleText(rule)}: it is there already`);
  const left = [...general.values()];
  const structural = left.length !== rules.length || left.some((rule, i) => rule !== rules[i]);
  if (!structural && (elements.length === 0 || isComplete(table, newMaps))) return elements;
  const { before, after } = planStructure(table, { maps: distinctMaps([...maps, ...newMaps]), rules: left });
  // Only set() removes the rules of other programs.
  const ours = handlesOfOurs(table);
  const others = after.filter((change) => {
    if (change.change === 'delete-rule') return ours.has(change.handle);
    return change.change !== 'delete-chain' || !hasOthers(table, change.name);
  });
  return [...before, ...elements, ...others];
}

const complete = new WeakMap<TableEntry, boolean>();

/**
 * Returns true if the table has these maps, and the rules that use them. Computed once for a table, not for each
 * element.
 */
function isComplete(table: TableEntry | undefined, needed: readonly MapName[]): boolean {
  if (!table) return false;
  let known = complete.get(table);
  if (known === undefined) {
    const { before, after } = planStructure(table, structureOf(table));
    known = before.length === 0 && after.length === 0;
    complete.set(table, known);
  }
  const has = (map: MapName): boolean => table.maps.some(({ name }) => mapText(name) === mapText(map));
  return known && needed.every(has);
}

function hasOthers(table: TableEntry | undefined, chain: string): boolean {
  const entry = table?.chains.find(({ name }) => chainText(name) === chain);
  return entry?.rules.some(({ rule }) => !rule) ?? false;
}

function handlesOfOurs(table: TableEntry | undefined): Set<bigint> {
  const rules = (table?.chains ?? []).flatMap((chain) => chain.rules);
  return new Set(rules.flatMap(({ handle, rule }) => (rule ? [handle] : [])));
}

/** Returns the key of a rule. Marks for the same packets and bits have the same key, whatever the mark is. */
function editKey(rule: Rule): string {
  return chainRuleKey(rule.action.type === 'mark' ? { ...rule, action: { ...rule.action, mark: 0 } } : rule);
}

function markWords(settings: MarkSettings): string {
  return `mark of ${markKey(settings)}`;
}
