import { chainText, mapText } from '../kernel/netfilter/names.js';
import type { ChainName, ChainRule, MapName, MapShape, Rule, RuleEntry } from '../kernel/netfilter/types.js';
import { mapShapes } from '../kernel/netfilter/types.js';
import { matchText, narrowness } from './match.js';
import { ruleText } from './rule-options.js';

/** Everything in a table except the elements of its maps. */
export interface Structure {
  readonly maps: readonly MapName[];
  readonly rules: readonly Rule[];
}

const ALL = 0xffffffff;

export function chainOf(rule: Rule): ChainName {
  const { type } = rule.action;
  const purpose = type === 'mark' ? 'mark' : type === 'clamp-mss' ? 'mss' : 'nat';
  return { purpose, hook: rule.hook };
}

export function chainRuleText(hook: Rule['hook'], rule: ChainRule): string {
  return 'lookup' in rule ? `${hook} mark set @${hook}_${rule.lookup}` : ruleText(rule);
}

/** Returns a key that is equal for rules that do the same. */
export function chainRuleKey(rule: ChainRule): string {
  return 'lookup' in rule ? `@${rule.lookup}` : JSON.stringify([rule.hook, matchText(rule.match), rule.action]);
}

/** Returns a key that is equal for rules for the same packets. Marks have the same key whatever number they set. */
export function packetsRuleKey(rule: ChainRule): string {
  if ('lookup' in rule || rule.action.type !== 'mark') return chainRuleKey(rule);
  return chainRuleKey({ ...rule, action: { ...rule.action, mark: 0 } });
}

function wideFirst(a: Rule, b: Rule): number {
  const [left, right] = [narrowness(a.match), narrowness(b.match)];
  const differing = left.findIndex((part, i) => part !== right[i]);
  if (differing >= 0) return (left[differing] ?? 0) - (right[differing] ?? 0);
  // Equally wide rules have a fixed order, too: otherwise a change of one would move others.
  const [one, other] = [chainRuleKey(a), chainRuleKey(b)];
  return one < other ? -1 : one > other ? 1 : 0;
}

/**
 * Returns the rules of each chain, in their order. A later mark replaces an earlier one: marks are ordered from the
 * widest to the narrowest, and those that set only some bits follow at the end. The first matching NAT rule is taken:
 * NAT rules are ordered from the narrowest to the widest.
 */
export function chainsOf({ maps, rules }: Structure): Map<string, { name: ChainName; rules: ChainRule[] }> {
  const chains = new Map<string, { name: ChainName; rules: ChainRule[] }>();
  const chain = (name: ChainName): ChainRule[] => {
    const text = chainText(name);
    const found = chains.get(text) ?? { name, rules: [] };
    chains.set(text, found);
    return found.rules;
  };
  const sorted = [...new Map(rules.map((rule) => [chainRuleKey(rule), rule])).values()].sort(wideFirst);
  const isPartial = ({ action }: Rule): boolean => action.type === 'mark' && action.mask !== ALL;
  for (const rule of sorted) if (!isPartial(rule) && rule.action.type !== 'clamp-mss') chain(chainOf(rule)).push(rule);
  for (const { name, rules: listed } of chains.values()) if (name.purpose === 'nat') listed.reverse();
  const order = (shape: MapShape): number => mapShapes.indexOf(shape);
  for (const { hook, shape } of [...maps].sort((a, b) => order(a.shape) - order(b.shape)))
    chain({ purpose: 'mark', hook }).push({ lookup: shape });
  for (const rule of sorted) if (isPartial(rule) || rule.action.type === 'clamp-mss') chain(chainOf(rule)).push(rule);
  return chains;
}

export function distinctMaps(maps: Iterable<MapName>): MapName[] {
  const distinct = new Map<string, MapName>();
  for (const map of maps) distinct.set(mapText(map), map);
  return [...distinct.values()];
}

/**
 * Returns the rules to remove from a chain, and the rules to add with their places, so that the others keep their
 * counters.
 */
export function compareRules(
  current: readonly RuleEntry[],
  wanted: readonly ChainRule[],
): { readonly remove: readonly RuleEntry[]; readonly add: readonly { rule: ChainRule; before?: bigint }[] } {
  const remove: RuleEntry[] = [];
  const kept: (RuleEntry | undefined)[] = wanted.map(() => undefined);
  const places = new Map(wanted.map((rule, index) => [chainRuleKey(rule), index]));
  let next = 0;
  for (const entry of current) {
    // A rule that belongs before a kept one is in the wrong place.
    const at = (entry.rule && places.get(chainRuleKey(entry.rule))) ?? -1;
    if (at < next) {
      remove.push(entry);
      continue;
    }
    kept[at] = entry;
    next = at + 1;
  }
  const add: { rule: ChainRule; before?: bigint }[] = [];
  let following: RuleEntry | undefined;
  for (const [index, rule] of [...wanted.entries()].reverse()) {
    following = kept[index] ?? following;
    if (!kept[index]) add.push(following ? { rule, before: following.handle } : { rule });
  }
  return { remove, add: add.reverse() };
}
