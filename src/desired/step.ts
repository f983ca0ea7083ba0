import type { Change } from '../kernel/ipvs/types.js';
import type { Item } from '../roles/items.js';
import type { Draining } from './ledger.js';
import type { Datagrams } from './target.js';

/** Something to be done, or that is as it should be. */
export interface Step {
  /**
   * `keep`: it is as it should be. `make`, `change`: it is not. `adopt`: it is as it should be, and
   * becomes the owner's. `drain`: it takes no new connections any more, and goes later. `wait`: it can
   * not go yet. `foreign`: others made it within what is the owner's; it stays. `take-back`: the owner made it, and wants it no more. `conflict`: something else is
   * there that the owner did not make, or an interface is missing; as long as there is one, nothing is done.
   */
  readonly action: 'keep' | 'make' | 'change' | 'adopt' | 'drain' | 'wait' | 'foreign' | 'take-back' | 'conflict';
  /** In words, as ip, nft and ipvsadm would name it. */
  readonly what: string;
  /** How it is now, where it is otherwise. */
  readonly is?: string | undefined;
}

/** A row of the table of IPVS, by the names that the journal has. */
export interface Row {
  readonly service: string;
  /** Without it, the service itself. */
  readonly server?: string | undefined;
}

/** When a step is done: what comes first is up before anything is sent to it, and gone after. */
export const Phase = {
  /** Settings and interfaces. */
  ground: 0,
  /** Services and servers that are added, or get more. */
  raise: 1,
  /** Marks and NAT. */
  rules: 2,
  /** What would be in the way of what comes. */
  replace: 3,
  /** Addresses, routes. */
  reach: 4,
  unreach: 5,
  unrule: 6,
  /** Services and servers that get less, drain, or go. */
  lower: 7,
  unground: 8,
} as const;

export type PhaseNumber = (typeof Phase)[keyof typeof Phase];

export interface ItemStep extends Step {
  readonly phase: PhaseNumber;
  readonly item: Item;
  /** Of the journal. */
  readonly name: string;
  /** A conflict: what it is to be on is not there. */
  readonly noInterface?: boolean | undefined;
}

export interface TableStep extends Step {
  readonly phase: PhaseNumber;
  readonly row: Row;
  /** Nothing is to be sent: only the journal changes. */
  readonly change?: Change | undefined;
  /** Of what is made: none, it is deleted. */
  readonly undo?: Change | undefined;
  /** `drain`: how. */
  readonly draining?: Draining | undefined;
  /** Where flows of UDP may be stale after it. */
  readonly stale?: readonly Datagrams[] | undefined;
}

export type PlannedStep = ItemStep | TableStep;

/** What undoes a step, if anything does. */
export function undoOf({ undo, change, action }: TableStep): Change | undefined {
  if (undo !== undefined || action !== 'make') return undo;
  if (change?.command === 'NEW_SERVICE') return { command: 'DEL_SERVICE', service: change.service.key };
  if (change?.command === 'NEW_DEST')
    return { command: 'DEL_DEST', service: change.service, server: change.server.key };
  return undefined;
}

export function toStep({ action, what, is }: Step): Step {
  return is === undefined ? { action, what } : { action, what, is };
}
