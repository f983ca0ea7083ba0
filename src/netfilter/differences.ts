import { withJson } from '../common/json.js';
import { singleChanges } from '../kernel/netfilter/changes.js';
import { chainText, mapText } from '../kernel/netfilter/names.js';
import type {
  NftChainRule,
  NftMapKey,
  NftMapName,
  NftRule,
  NftRuleEntry,
  NftTableChange,
  NftTableEntry,
} from '../kernel/netfilter/types.js';
import { chainRuleKey, packetsRuleKey } from './layout.js';
import {
  checkMark,
  elementKey,
  type FwmarkSelector,
  markOf,
  markText,
  selectorOptions,
  settingsOf,
} from './mark-options.js';
import { hex } from './match.js';
import { type Desired, isDamaged, planAll } from './plan.js';
import { checkRule, type NetfilterRuleOptions, ruleOptions, ruleText } from './rule-options.js';

/** An object of a table, as {@link NetfilterDifference} names it. */
export type NetfilterObject =
  | {
      /** The table itself. */
      readonly kind: 'table';
    }
  | {
      /** The mark of some packets. */
      readonly kind: 'mark';
      /** Packets of the mark, as for `setMark()` and `deleteMark()`. */
      readonly selector: FwmarkSelector;
    }
  | {
      /** A rule for NAT or segment sizes. */
      readonly kind: 'rule';
      /** The rule, as for `addRule()` and `deleteRule()`. */
      readonly rule: NetfilterRuleOptions;
    }
  | {
      /** The rule of a chain that looks up the marks of a map. */
      readonly kind: 'lookup';
      /** Name of the map, such as `prerouting_port`. */
      readonly map: string;
    }
  | {
      /** A rule that this library would not write. */
      readonly kind: 'foreign-rule';
      /** Name of the chain. */
      readonly chain: string;
      /** Handle of the rule, as in `nft -a list table`. */
      readonly handle: bigint;
    }
  | {
      /** A chain, a map from packets to marks, or a set of another program. */
      readonly kind: 'chain' | 'map' | 'set';
      /** Name of the object. */
      readonly name: string;
    }
  | {
      /** A flag of the table: packets do not meet the rules of a table that is `dormant`. */
      readonly kind: 'flag';
      /** Name of the flag. */
      readonly name: string;
    };

/**
 * One difference of a table from a wanted state. Plain data; {@link describeDifference} returns its text. A chain or map
 * that is `unknown` is one difference: its rules and marks are not listed.
 */
export interface NetfilterDifference {
  /**
   * `missing`: is wanted and does not exist. `changed`: exists with another mark, or as a chain or map of another form.
   * `misplaced`: a rule in the wrong place of its chain. `unknown`: exists and is not wanted.
   */
  readonly problem: 'missing' | 'changed' | 'misplaced' | 'unknown';
  /** Object that differs. */
  readonly object: NetfilterObject;
  /** Present mark, from 0 to 0xffffffff. Only for the kind `mark`; absent if the packets have none. */
  readonly is?: number;
  /** Wanted mark, from 0 to 0xffffffff. Only for the kind `mark`; absent if the packets must have none. */
  readonly wanted?: number;
}

/** Returns the differences of a table, read with its elements, from the desired content. */
export function differences(table: NftTableEntry | undefined, desired: Desired): NetfilterDifference[] {
  if (!table || !isDamaged(table)) return differencesOf(table, [...singleChanges(planAll(table, desired))]);
  // A damaged table is made anew. Its differences are those of the same table without the damage, and the damage.
  const sound = {
    ...table,
    others: [],
    chains: table.chains.map((chain) => ({ ...chain, intact: true })),
    maps: table.maps.map((map) => ({ ...map, intact: true })),
  };
  const changes = [...singleChanges(planAll(sound, desired))];
  return [...damage(table, changes), ...differencesOf(sound, changes)];
}

function damage(table: NftTableEntry, changes: readonly NftTableChange[]): NetfilterDifference[] {
  if (changes.some(({ change }) => change === 'delete-table')) return [];
  const unwanted = new Set(
    changes.flatMap((change) =>
      change.change === 'delete-chain' || change.change === 'delete-map' ? change.name : [],
    ),
  );
  const broken = (kind: 'chain' | 'map', name: string): NetfilterDifference[] =>
    unwanted.has(name) ? [] : [{ problem: 'changed', object: { kind, name } }];
  return [
    ...table.others.map((other): NetfilterDifference => ({ problem: 'unknown', object: other })),
    ...table.chains.flatMap(({ name, intact }) => (intact ? [] : broken('chain', chainText(name)))),
    ...table.maps.flatMap(({ name, intact }) => (intact ? [] : broken('map', mapText(name)))),
  ];
}

/** Returns the differences that these changes repair. */
function differencesOf(table: NftTableEntry | undefined, changes: readonly NftTableChange[]): NetfilterDifference[] {
  const elements = new ChangedElements(table, changes);
  const rules = new ChangedRules(table, changes);
  const differencesOfChange = (change: NftTableChange): NetfilterDifference[] => {
    switch (change.change) {
      case 'add-table':
        return [{ problem: 'missing', object: { kind: 'table' } }];
      case 'delete-table':
        return [{ problem: 'unknown', object: { kind: 'table' } }];
      case 'add-chain':
        return [{ problem: 'missing', object: { kind: 'chain', name: chainText(change.chain) } }];
      case 'delete-chain':
        return [{ problem: 'unknown', object: { kind: 'chain', name: change.name } }];
      case 'flush-chain': // only a way to make other changes, which are reported
        return [];
      case 'add-map':
        return [{ problem: 'missing', object: { kind: 'map', name: mapText(change.map) } }];
      case 'delete-map':
        return [{ problem: 'unknown', object: { kind: 'map', name: change.name } }];
      case 'add-rule':
        return [rules.added(change)];
      case 'delete-rule':
        return rules.deleted(change);
      case 'add-element':
        return [elements.added(change)];
      case 'delete-element':
        return elements.deleted(change);
    }
  };
  return changes.flatMap(differencesOfChange);
}

type Of<Name extends NftTableChange['change']> = Extract<NftTableChange, { change: Name }>;

/** Returns the parts `is` and `wanted` of a difference, without those that are undefined. */
function values(is: number | undefined, wanted: number | undefined): { is?: number; wanted?: number } {
  return { ...(is !== undefined && { is }), ...(wanted !== undefined && { wanted }) };
}

/** Elements of maps that changes add and delete: an element that is deleted and added has another mark. */
class ChangedElements {
  readonly #marks = new Map<string, number>();
  readonly #added = new Set<string>();

  constructor(table: NftTableEntry | undefined, changes: readonly NftTableChange[]) {
    const deleted = new Set<string>();
    for (const change of changes) {
      if (change.change === 'add-element') this.#added.add(elementKey(change.map, change.element));
      if (change.change === 'delete-element') deleted.add(elementKey(change.map, change.key));
    }
    if (deleted.size === 0) return;
    for (const { name, elements = [] } of table?.maps ?? []) {
      for (const element of elements) {
        const key = elementKey(name, element);
        if (deleted.has(key)) this.#marks.set(key, element.mark);
      }
    }
  }

  added({ map, element }: Of<'add-element'>): NetfilterDifference {
    const is = this.#marks.get(elementKey(map, element));
    return this.#difference(is === undefined ? 'missing' : 'changed', map, element, is, element.mark);
  }

  deleted({ map, key }: Of<'delete-element'>): NetfilterDifference[] {
    const text = elementKey(map, key);
    if (this.#added.has(text)) return []; // reported as changed
    return [this.#difference('unknown', map, key, this.#marks.get(text), undefined)];
  }

  #difference(
    problem: NetfilterDifference['problem'],
    map: NftMapName,
    key: NftMapKey,
    is: number | undefined,
    wanted: number | undefined,
  ): NetfilterDifference {
    const selector = selectorOptions(markOf(map, key, 0));
    return { problem, object: { kind: 'mark', selector }, ...values(is, wanted) };
  }
}

/** Rules that changes add and delete: a rule that is deleted and added has another mark, or another place. */
class ChangedRules {
  /** Deleted rules of each chain by their handles. */
  readonly #deleted = new Map<string, NftRuleEntry>();
  /** Deleted rules by their packets, to be paired with added ones. */
  readonly #old = new Map<string, { readonly handle: string; readonly rule: NftChainRule }[]>();
  readonly #paired = new Set<string>();
  readonly #pairs = new Map<Of<'add-rule'>, NftChainRule>();

  constructor(table: NftTableEntry | undefined, changes: readonly NftTableChange[]) {
    const handles = new Set(
      changes.flatMap((change) => (change.change === 'delete-rule' ? handleKey(change.chain, change.handle) : [])),
    );
    if (handles.size === 0) return;
    for (const { name, rules } of table?.chains ?? []) {
      for (const entry of rules) {
        const handle = handleKey(chainText(name), entry.handle);
        if (!handles.has(handle)) continue;
        this.#deleted.set(handle, entry);
        if (!entry.rule) continue;
        const key = `${chainText(name)} ${packetsRuleKey(entry.rule)}`;
        const old = this.#old.get(key) ?? [];
        old.push({ handle, rule: entry.rule });
        this.#old.set(key, old);
      }
    }
    for (const change of changes) if (change.change === 'add-rule') this.#pair(change);
  }

  #pair(change: Of<'add-rule'>): void {
    const old = this.#old.get(`${chainText(change.chain)} ${packetsRuleKey(change.rule)}`)?.shift();
    if (!old) return;
    this.#paired.add(old.handle);
    this.#pairs.set(change, old.rule);
  }

  added(change: Of<'add-rule'>): NetfilterDifference {
    const { chain, rule } = change;
    const old = this.#pairs.get(change);
    const object = objectOf(chain.hook, rule);
    if (old && chainRuleKey(old) === chainRuleKey(rule))
      return { problem: 'misplaced', object, ...values(ruleMark(old), ruleMark(rule)) };
    return { problem: old ? 'changed' : 'missing', object, ...values(old && ruleMark(old), ruleMark(rule)) };
  }

  deleted({ chain, handle }: Of<'delete-rule'>): NetfilterDifference[] {
    const key = handleKey(chain, handle);
    if (this.#paired.has(key)) return []; // reported as changed, or misplaced
    const rule = this.#deleted.get(key)?.rule;
    if (!rule) return [{ problem: 'unknown', object: withJson({ kind: 'foreign-rule', chain, handle } as const) }];
    const hook = 'lookup' in rule ? (chain.slice(chain.indexOf('_') + 1) as NftRule['hook']) : rule.hook;
    return [{ problem: 'unknown', object: objectOf(hook, rule), ...values(ruleMark(rule), undefined) }];
  }
}

function handleKey(chain: string, handle: bigint): string {
  return `${chain} ${handle}`;
}

function ruleMark(rule: NftChainRule): number | undefined {
  return 'lookup' in rule || rule.action.type !== 'mark' ? undefined : rule.action.mark;
}

function objectOf(hook: NftRule['hook'], rule: NftChainRule): NetfilterObject {
  if ('lookup' in rule) return { kind: 'lookup', map: `${hook}_${rule.lookup}` };
  const settings = settingsOf(rule);
  return settings ? { kind: 'mark', selector: selectorOptions(settings) } : { kind: 'rule', rule: ruleOptions(rule) };
}

/**
 * Returns a difference as text for people: the problem, and the object as nft would write it, for example
 * `missing: prerouting tcp dport 80 mark set 0x50`. Programs read the fields instead: the text may change.
 */
export function describeDifference({ problem, object, is, wanted }: NetfilterDifference): string {
  const other = is !== undefined && wanted !== undefined && is !== wanted ? ` (is ${hex(is)})` : '';
  return `${problem}: ${objectText(object, wanted ?? is)}${other}`;
}

function objectText(object: NetfilterObject, mark = 0): string {
  switch (object.kind) {
    case 'table':
      return 'the table';
    case 'mark':
      return markText(checkMark({ ...object.selector, mark }));
    case 'rule':
      return ruleText(checkRule(object.rule));
    case 'lookup':
      return `lookup in map ${object.map}`;
    case 'foreign-rule':
      return `rule of another program in chain ${object.chain} (handle ${object.handle})`;
    default:
      return `${object.kind} ${object.name}`;
  }
}
