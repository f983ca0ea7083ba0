import { checkOneOf, checkOptions, show } from '../kernel/check.js';
import { IpvsError, invalid } from '../kernel/errors.js';
import {
  checkMark,
  checkMarkSelector,
  type FwmarkOptions,
  type FwmarkSelector,
  markKey,
  packetsKey,
} from './mark-options.js';
import type { Edits } from './plan.js';
import { checkRule, type RuleOptions } from './rule-options.js';

/** One of many changes that are made together, or not at all. */
export type NetfilterChange =
  | { readonly change: 'add-mark'; readonly mark: FwmarkOptions }
  /** Another mark for packets that have one. */
  | { readonly change: 'set-mark'; readonly mark: FwmarkOptions }
  | { readonly change: 'remove-mark'; readonly mark: FwmarkSelector }
  | { readonly change: 'add-rule'; readonly rule: RuleOptions }
  | { readonly change: 'remove-rule'; readonly rule: RuleOptions };

const kinds = ['add-mark', 'set-mark', 'remove-mark', 'add-rule', 'remove-rule'] as const;

export function checkEdits(changes: readonly NetfilterChange[]): Edits {
  if (!Array.isArray(changes)) throw invalid('apply takes a list of changes');
  const edits = {
    addMarks: [] as Edits['addMarks'][number][],
    setMarks: [] as Edits['setMarks'][number][],
    removeMarks: [] as Edits['removeMarks'][number][],
    addRules: [] as Edits['addRules'][number][],
    removeRules: [] as Edits['removeRules'][number][],
  };
  // Not forEach(): it would pass over holes.
  for (const [index, change] of (changes as readonly NetfilterChange[]).entries()) {
    try {
      addEdit(edits, change);
    } catch (error) {
      throw error instanceof IpvsError ? invalid(`change ${index}: ${error.message}`) : error;
    }
  }
  checkOnce(edits);
  return edits;
}

type MutableEdits = { -readonly [K in keyof Edits]: Edits[K][number][] };

function addEdit(edits: MutableEdits, change: NetfilterChange): void {
  if (typeof change !== 'object' || change === null) throw invalid(`a change is an object, not ${show(change)}`);
  checkOneOf('change', change.change, kinds);
  checkOptions('a change', change, ['change', change.change.endsWith('mark') ? 'mark' : 'rule']);
  switch (change.change) {
    case 'add-mark':
      edits.addMarks.push(checkMark(change.mark));
      break;
    case 'set-mark':
      edits.setMarks.push(checkMark(change.mark));
      break;
    case 'remove-mark':
      edits.removeMarks.push(checkMarkSelector(change.mark));
      break;
    case 'add-rule':
      edits.addRules.push(checkRule(change.rule));
      break;
    case 'remove-rule':
      edits.removeRules.push(checkRule(change.rule));
      break;
  }
}

/** Changes of one batch are made in no order that a caller could know: of the same packets there is one. */
function checkOnce({ addMarks, setMarks, removeMarks }: Edits): void {
  const seen = new Set<string>();
  for (const settings of [...addMarks, ...setMarks, ...removeMarks]) {
    const key = packetsKey(settings);
    if (seen.has(key)) throw invalid(`two changes are for the same packets: ${markKey(settings)}`);
    seen.add(key);
  }
}

export const noEdits: Edits = { addMarks: [], setMarks: [], removeMarks: [], addRules: [], removeRules: [] };

/** What is to be in a table: all of it. */
export interface NetfilterState {
  readonly marks?: readonly FwmarkOptions[] | undefined;
  readonly rules?: readonly RuleOptions[] | undefined;
}

export function checkState(state: NetfilterState): { marks: Edits['addMarks']; rules: Edits['addRules'] } {
  checkOptions('the desired state', state, ['marks', 'rules']);
  const each = <T, R>(what: string, list: readonly T[] = [], check: (item: T) => R): R[] => {
    if (!Array.isArray(list)) throw invalid(`${what} are a list, not ${show(list)}`);
    return Array.from(list as readonly T[], (item, index) => {
      try {
        return check(item);
      } catch (error) {
        throw error instanceof IpvsError ? invalid(`${what}[${index}]: ${error.message}`) : error;
      }
    });
  };
  const marks = each('marks', state.marks, checkMark);
  checkOnce({ ...noEdits, addMarks: marks });
  return { marks, rules: each('rules', state.rules, checkRule) };
}

/** The owner's name is that of its table, as nft takes it. */
export function checkOwner(owner: string): string {
  if (typeof owner === 'string' && /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(owner)) return owner;
  throw invalid(
    `an owner is a name of letters, digits, "_", "." and "-" that begins with a letter, not ${show(owner)}`,
  );
}
