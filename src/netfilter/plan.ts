import type { NftBatchChange } from '../kernel/netfilter/changes.js';
import { chainText, mapText } from '../kernel/netfilter/names.js';
import type { NftMapName, NftRule, NftTableChange, NftTableEntry } from '../kernel/netfilter/types.js';
import { chainsOf, compareRules, distinctMaps, type Structure } from './layout.js';
import { ElementChanges } from './mark-elements.js';
import { elementKey, type MarkSettings, mapOf, ruleOf } from './mark-options.js';

/** Comment of a table that this library made. */
export const COMMENT = 'made by ipvs';

/** Wanted content of the table. */
export interface Desired {
  readonly marks: readonly MarkSettings[];
  readonly rules: readonly NftRule[];
}

/** Returns the rules and maps of a table that this library writes. */
export function structureOf(table: NftTableEntry | undefined): Structure {
  const rules = (table?.chains ?? []).flatMap((chain) =>
    chain.rules.flatMap(({ rule }) => (rule && !('lookup' in rule) ? [rule] : [])),
  );
  return { maps: (table?.maps ?? []).map(({ name }) => name), rules };
}

/**
 * Returns true if the table has something that this library did not make, or not like that: it is then made anew, in
 * one batch.
 */
export function isDamaged(table: NftTableEntry): boolean {
  return table.others.length > 0 || [...table.chains, ...table.maps].some(({ intact }) => !intact);
}

/**
 * Returns the changes from the current table to that structure. Changes of elements belong between `before` and
 * `after`.
 */
export function planStructure(
  table: NftTableEntry | undefined,
  wanted: Structure,
): { before: NftTableChange[]; after: NftTableChange[] } {
  const before: NftTableChange[] = table ? [] : [{ change: 'add-table', comment: COMMENT }];
  const after: NftTableChange[] = [];
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
export function planAll(table: NftTableEntry | undefined, desired: Desired): NftBatchChange[] {
  if (desired.marks.length === 0 && desired.rules.length === 0) return table ? [{ change: 'delete-table' }] : [];
  if (table && isDamaged(table)) return [{ change: 'delete-table' }, ...planAll(undefined, desired)];
  const { elements, rules } = placesOf(desired);
  const maps = distinctMaps(Array.from(elements.values(), ({ map }) => map));
  const { before, after } = planStructure(table, { maps, rules });
  return [...before, ...planElements(table, maps, elements), ...after];
}

type AddElement = Extract<NftTableChange, { change: 'add-element' }>;

/** Returns the desired elements of maps by their keys, and all desired rules: those of marks that no map can hold, too. */
function placesOf({ marks, rules }: Desired): { elements: Map<string, AddElement>; rules: NftRule[] } {
  const elements = new Map<string, AddElement>();
  const all = [...rules];
  for (const settings of marks) {
    const place = mapOf(settings);
    if (!place) {
      all.push(ruleOf(settings));
      continue;
    }
    const { map, key } = place;
    elements.set(elementKey(map, key), { change: 'add-element', map, element: { ...key, mark: settings.mark } });
  }
  return { elements, rules: all };
}

/** Returns the changes of the elements of the maps that stay. */
function planElements(
  table: NftTableEntry | undefined,
  maps: readonly NftMapName[],
  wanted: ReadonlyMap<string, AddElement>,
): NftBatchChange[] {
  const kept = new Set(maps.map(mapText));
  const add = new Map(wanted);
  const changes = new ElementChanges();
  for (const { name, elements = [] } of table?.maps ?? []) {
    if (!kept.has(mapText(name))) continue; // deleted with its map
    for (const { mark, counter: _, ...key } of elements) {
      const text = elementKey(name, key);
      if (add.get(text)?.element.mark === mark) add.delete(text);
      else changes.delete(name, key);
    }
  }
  for (const { map, element } of add.values()) changes.add(map, element, element.mark);
  return changes.changes();
}
