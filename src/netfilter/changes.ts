import { at, checkLength, checkList, checkNoHole, checkOneOf, checkOptions, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import { pauseIfDue } from '../common/slices.js';
import type { NftRule } from '../kernel/netfilter/types.js';
import type { Edits } from './edit-plan.js';
import { chainRuleKey } from './layout.js';
import { type MarkChange, MarkElements } from './mark-elements.js';
import {
  checkMark,
  checkMarkSelector,
  type FwmarkOptions,
  type FwmarkSelector,
  type MarkSettings,
  markKey,
  packetsKey,
  shapeOf,
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

const markNames = ['change', 'mark'];
const ruleNames = ['change', 'rule'];
const kinds = ['add-mark', 'set-mark', 'delete-mark', 'add-rule', 'delete-rule'] as const;

/** Number of changes from which {@link checkManyEdits} checks a list. */
export const MANY = 1000;
/** Number of changes between two reads of the clock. */
const SLICE = 64;

/** Checks changes. The order within a batch is not specified, so the same packets or rule may occur only once. */
export function checkEdits(changes: readonly NetfilterChange[]): Edits {
  checkList('changes', changes);
  const checked = new CheckedEdits();
  // Not forEach(), which skips holes.
  for (const [index, change] of changes.entries()) checked.add(change, index);
  return checked.edits;
}

/** Does the same as {@link checkEdits} in slices. The marks that maps hold become lists of elements. */
export async function checkManyEdits(
  changes: readonly NetfilterChange[],
  signal: AbortSignal | undefined,
): Promise<Edits> {
  checkLength('changes', changes);
  const copy = changes.slice(); // the caller may change the list before all of it is checked
  const checked = new CheckedEdits(new MarkElements(copy.length));
  for (let first = 0; first < copy.length; first += SLICE) {
    for (let index = first; index < Math.min(first + SLICE, copy.length); index++) {
      checkNoHole('changes', copy, index);
      checked.add(copy[index] as NetfilterChange, index);
    }
    await pauseIfDue(copy.length, signal);
  }
  return checked.edits;
}

/** Returns true if the edits add something to the table. */
export function isAddition({ addMarks, addRules, elements }: Edits): boolean {
  return addMarks.length > 0 || addRules.length > 0 || [...(elements?.added ?? [])].length > 0;
}

/** Checked changes by their kind. */
class CheckedEdits {
  readonly edits: { -readonly [K in keyof Omit<Edits, 'elements'>]: Edits[K][number][] } & Pick<Edits, 'elements'>;
  readonly #places = new Places((index) => `change ${index}`);

  /** `elements` takes the marks that maps hold; without it, they are listed like the others. */
  constructor(elements?: MarkElements) {
    this.edits = {
      addMarks: [],
      setMarks: [],
      deleteMarks: [],
      addRules: [],
      deleteRules: [],
      ...(elements && { elements }),
    };
  }

  add(change: NetfilterChange, index: number): void {
    try {
      this.#add(change, index);
    } catch (error) {
      throw error instanceof IpvsError ? invalid(`change ${index}: ${error.message}`) : error;
    }
  }

  #add(change: NetfilterChange, index: number): void {
    if (typeof change !== 'object' || change === null) throw invalid(`a change must be an object, not ${show(change)}`);
    checkOneOf('change', change.change, kinds);
    checkOptions('a change', change, change.change.endsWith('mark') ? markNames : ruleNames);
    switch (change.change) {
      case 'add-mark':
        this.#addMark('added', this.edits.addMarks, checkMark(change.mark), index);
        break;
      case 'set-mark':
        this.#addMark('set', this.edits.setMarks, checkMark(change.mark), index);
        break;
      case 'delete-mark':
        this.#addMark('deleted', this.edits.deleteMarks, checkMarkSelector(change.mark), index);
        break;
      case 'add-rule':
        this.#addRule(this.edits.addRules, checkRule(change.rule), change.change, index);
        break;
      case 'delete-rule':
        this.#addRule(this.edits.deleteRules, checkRule(change.rule), change.change, index);
    }
  }

  #addMark(kind: MarkChange, list: MarkSettings[], settings: MarkSettings, index: number): void {
    const { elements } = this.edits;
    const shape = elements && shapeOf(settings);
    if (shape) {
      const first = elements.add(kind, shape, settings, index);
      if (first !== undefined) throw samePackets(`change ${first}`, settings);
    } else {
      this.#places.addMark(settings, index);
      list.push(settings);
    }
  }

  #addRule(list: NftRule[], rule: NftRule, change: string, index: number): void {
    this.#places.addRule(rule, change, index);
    list.push(rule);
  }
}

function samePackets(first: string, settings: MarkSettings): IpvsError {
  return invalid(`it is for the same packets as ${first}: ${markKey(settings)}`);
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
    if (first !== undefined) throw samePackets(this.#placeOf(first), settings);
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
