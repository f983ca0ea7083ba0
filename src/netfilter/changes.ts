import { at, checkList, checkOneOf, checkOptions, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import type { NftRule } from '../kernel/netfilter/types.js';
import type { Edits } from './edit-plan.js';
import { chainRuleKey } from './layout.js';
import {
  checkMark,
  checkMarkSelector,
  type FwmarkOptions,
  type FwmarkSelector,
  type MarkSettings,
  markKey,
  packetsKey,
} from './mark-options.js';
import { checkRule, type NetfilterRuleOptions, ruleText } from './rule-options.js';

/** One of several changes that are made together, or not at all. */
export type NetfilterChange =
  | {
      /** Adds a mark. Fails with `ERR_IPVS_MARK_EXISTS` if the packets have one. */
      readonly change: 'add-mark';
      /** Packets and their mark. */
      readonly mark: FwmarkOptions;
    }
  | {
      /** Replaces the mark of packets. Fails with `ERR_IPVS_NO_SUCH_MARK` if they have none. */
      readonly change: 'set-mark';
      /** Packets and their new mark. */
      readonly mark: FwmarkOptions;
    }
  | {
      /** Deletes a mark. Fails with `ERR_IPVS_NO_SUCH_MARK` if the packets have none. */
      readonly change: 'delete-mark';
      /** Packets of the mark. */
      readonly mark: FwmarkSelector;
    }
  | {
      /** Adds a rule. Fails with `ERR_IPVS_RULE_EXISTS` if the table has it. */
      readonly change: 'add-rule';
      /** The rule. */
      readonly rule: NetfilterRuleOptions;
    }
  | {
      /** Deletes a rule. Fails with `ERR_IPVS_NO_SUCH_RULE` if the table does not have it. */
      readonly change: 'delete-rule';
      /** The rule. */
      readonly rule: NetfilterRuleOptions;
    };

const kinds = ['add-mark', 'set-mark', 'delete-mark', 'add-rule', 'delete-rule'] as const;

export function checkEdits(changes: readonly NetfilterChange[]): Edits {
  checkList('changes', changes);
  const edits = {
    addMarks: [] as Edits['addMarks'][number][],
    setMarks: [] as Edits['setMarks'][number][],
    deleteMarks: [] as Edits['deleteMarks'][number][],
    addRules: [] as Edits['addRules'][number][],
    deleteRules: [] as Edits['deleteRules'][number][],
  };
  // The order within a batch is not specified, so the same packets or rule may occur only once.
  const places = new Places((index) => `change ${index}`);
  // Not forEach(), which skips holes.
  for (const [index, change] of (changes as readonly NetfilterChange[]).entries()) {
    try {
      const { mark, rule } = addEdit(edits, change);
      if (mark) places.addMark(mark, index);
      if (rule) places.addRule(rule, change.change, index);
    } catch (error) {
      throw error instanceof IpvsError ? invalid(`change ${index}: ${error.message}`) : error;
    }
  }
  return edits;
}

type MutableEdits = { -readonly [K in keyof Edits]: Edits[K][number][] };

function addEdit(edits: MutableEdits, change: NetfilterChange): { mark?: MarkSettings; rule?: NftRule } {
  if (typeof change !== 'object' || change === null) throw invalid(`a change must be an object, not ${show(change)}`);
  checkOneOf('change', change.change, kinds);
  checkOptions('a change', change, ['change', change.change.endsWith('mark') ? 'mark' : 'rule']);
  switch (change.change) {
    case 'add-mark':
      return { mark: put(edits.addMarks, checkMark(change.mark)) };
    case 'set-mark':
      return { mark: put(edits.setMarks, checkMark(change.mark)) };
    case 'delete-mark':
      return { mark: put(edits.deleteMarks, checkMarkSelector(change.mark)) };
    case 'add-rule':
      return { rule: put(edits.addRules, checkRule(change.rule)) };
    case 'delete-rule':
      return { rule: put(edits.deleteRules, checkRule(change.rule)) };
  }
}

function put<T>(list: T[], item: T): T {
  list.push(item);
  return item;
}

/** Remembers the place in a list where each thing was named first. */
class Places {
  readonly #placeOf: (index: number) => string;
  readonly #seen = new Map<string, number>();

  constructor(placeOf: (index: number) => string) {
    this.#placeOf = placeOf;
  }

  addMark(settings: MarkSettings, index: number): void {
    const first = this.#add(packetsKey(settings), index);
    if (first !== undefined)
      throw invalid(`it is for the same packets as ${this.#placeOf(first)}: ${markKey(settings)}`);
  }

  addRule(rule: NftRule, change: string, index: number): void {
    const first = this.#add(`${change} ${chainRuleKey(rule)}`, index);
    if (first !== undefined)
      throw invalid(`the list has ${change} ${ruleText(rule)} twice: it is ${this.#placeOf(first)} already`);
  }

  #add(key: string, index: number): number | undefined {
    const first = this.#seen.get(key);
    if (first === undefined) this.#seen.set(key, index);
    return first;
  }
}

/** Wanted content of a table: all of it. */
export interface NetfilterState {
  /** All marks, each set of packets once. At most 1 048 576. Default: none. */
  readonly marks?: readonly FwmarkOptions[] | undefined;
  /** All rules. At most 1 048 576. Their order does not matter: the narrowest comes first. Default: none. */
  readonly rules?: readonly NetfilterRuleOptions[] | undefined;
}

export function checkState(
  state: NetfilterState,
  /** Returns the name of a mark in the input of the caller. */
  placeOf = (index: number): string => `marks[${index}]`,
): { marks: Edits['addMarks']; rules: Edits['addRules'] } {
  checkOptions('the wanted state { marks, rules }', state, ['marks', 'rules']);
  const listOf = <T>(what: string, list: readonly T[] = []): readonly T[] => checkList(what, list);
  const places = new Places(placeOf);
  // Not map(), which skips holes.
  const marks = Array.from(listOf('marks', state.marks), (mark, index) =>
    at(placeOf(index), () => {
      const settings = checkMark(mark);
      places.addMark(settings, index);
      return settings;
    }),
  );
  const rules = Array.from(listOf('rules', state.rules), (rule, index) => at(`rules[${index}]`, () => checkRule(rule)));
  return { marks, rules };
}
