import { chainText, mapText } from '../kernel/netfilter/names.js';
import type {
  NftChainName,
  NftChainRule,
  NftMapName,
  NftMapShape,
  NftRule,
  NftRuleEntry,
} from '../kernel/netfilter/types.js';
import { mapShapes } from '../kernel/netfilter/types.js';
import { matchText, narrowness } from './match.js';
import { ruleText } from './rule-options.js';

/** Everything in a table except the elements of its maps. */
export interface Structure {
  readonly maps: readonly NftMapName[];
  readonly rules: readonly NftRule[];
}

const ALL = 0xffffffff;

export function chainOf(rule: NftRule): NftChainName {
  const { type } = rule.action;
  const purpose = type === 'mark' ? 'mark' : type === 'clamp-mss' ? 'mss' : 'nat';
  return { purpose, hook: rule.hook };
}

export function chainRuleText(hook: NftRule['hook'], rule: NftChainRule): string {
  return 'lookup' in rule ? `${hook} mark set @${hook}_${rule.lookup}` : ruleText(rule);
}

/** Returns a key that is equal for rules that do the same. */
export function chainRuleKey(rule: NftChainRule): string {
  return 'lookup' in rule ? `@${rule.lookup}` : JSON.stringify([rule.hook, matchText(rule.match), rule.action]);
}

/** Returns a key that is equal for rules for the same packets. Marks have the same key whatever number they set. */
export function packetsRuleKey(rule: NftChainRule): string {
  if ('lookup' in rule || rule.action.type !== 'mark') return chainRuleKey(rule);
  return chainRuleKey({ ...rule, action: { ...rule.action, mark: 0 } });
}

function wideFirst(a: NftRule, b: NftRule): number {
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
export function chainsOf({ maps, rules }: Structure): Map<string, { name: NftChainName; rules: NftChainRule[] }> {
  const chains = new Map<string, { name: NftChainName; rules: NftChainRule[] }>();
  const chain = (name: NftChainName): NftChainRule[] => {
    const text = chainText(name);
    const found = chains.get(text) ?? { name, rules: [] };
    chains.set(text, found);
    return found.rules;
  };
  const sorted = [...new Map(rules.map((rule) => [chainRuleKey(rule), rule])).values()].sort(wideFirst);
  const isPartial = ({ action }: NftRule): boolean => action.type === 'mark' && action.mask !== ALL;
  for (const rule of sorted) if (!isPartial(rule) && rule.action.type !== 'clamp-mss') chain(chainOf(rule)).push(rule);
  for (const { name, rules: listed } of chains.values()) if (name.purpose === 'nat') listed.reverse();
  const order = (shape: NftMapShape): number => mapShapes.indexOf(shape);
  for (const { hook, shape } of [...maps].sort((a, b) => order(a.shape) - order(b.shape)))
    chain({ purpose: 'mark', hook }).push({ lookup: shape });
  for (const rule of sorted) if (isPartial(rule) || rule.action.type === 'clamp-mss') chain(chainOf(rule)).push(rule);
  return chains;
}

export function distinctMaps(maps: Iterable<NftMapName>): NftMapName[] {
  const distinct = new Map<string, NftMapName>();
  for (const map of maps) distinct.set(mapText(map), map);
  return [...distinct.values()];
}

/**
 * Returns the rules to remove from a chain, and the rules to add with their places, so that the others keep their
 * counters.
 */
export function compareRules(
  current: readonly NftRuleEntry[],
  wanted: readonly NftChainRule[],
): { readonly remove: readonly NftRuleEntry[]; readonly add: readonly { rule: NftChainRule; before?: bigint }[] } {
  const remove: NftRuleEntry[] = [];
  const kept: (NftRuleEntry | undefined)[] = wanted.map(() => undefined);
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
  const add: { rule: NftChainRule; before?: bigint }[] = [];
  let following: NftRuleEntry | undefined;
  for (const [index, rule] of [...wanted.entries()].reverse()) {
    following = kept[index] ?? following;
    if (!kept[index]) add.push(following ? { rule, before: following.handle } : { rule });
  }
  return { remove, add: add.reverse() };
}
