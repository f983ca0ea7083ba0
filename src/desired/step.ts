import type { SettingDifference } from '../ipvs/differences.js';
import type { Change, ServerSettings, ServiceSettings } from '../kernel/ipvs/types.js';
import type { Item } from '../roles/items.js';
import type { Datagrams } from './datagrams.js';
import type { Draining } from './ledger.js';
import { serverWords, serviceWords } from './words.js';

/** Something to be done, or that is as it should be. */
export interface Step {
  /**
   * `keep`: it is as it should be. `make`, `change`: it is not. `adopt`: it is as it should be, and
   * becomes the owner's. `drain`: it takes no new connections any more, and goes later. `wait`: it can
   * not go yet. `foreign`: others made it within what is the owner's, or nobody here wants it; it stays. `take-back`: the owner made it, and wants it no more. `conflict`: something
   * is there that the owner did not make, or an interface is missing; as long as there is one, nothing is done.
   */
  readonly action: 'keep' | 'make' | 'change' | 'adopt' | 'drain' | 'wait' | 'foreign' | 'take-back' | 'conflict';
  /** In words, as ip, nft and ipvsadm would name it. */
  readonly what: string;
  /** How it is now, where it is otherwise. */
  readonly is?: string | undefined;
  /** `change` and `conflict` of services and servers: the settings that differ, the old and the new value. */
  readonly differences?: readonly SettingDifference[] | undefined;
  /**
   * `conflict` of services and servers: the owner that made it. `null`: another program made it, or an owner whose
   * record is not in the directory of records.
   */
  readonly owner?: string | null | undefined;
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
  /** It becomes the owner's: the owner has no record of it. */
  readonly adopts?: boolean | undefined;
  /** A conflict: what it is to be on is not there. */
  readonly lacks?: 'interface' | 'sysctl' | undefined;
}

/** What only some steps for rows have. */
export interface RowDetails {
  readonly is?: string | undefined;
  readonly differences?: readonly SettingDifference[] | undefined;
  readonly owner?: string | null | undefined;
  /** Of what is made: none, it is deleted. */
  readonly undo?: Change | undefined;
  /** `drain`: how. */
  readonly draining?: Draining | undefined;
  /** Where flows of UDP may be stale after it. */
  readonly stale?: readonly Datagrams[] | undefined;
}

/** A step for a row of the table of IPVS. There may be tens of thousands: they are small, and put in words on demand. */
export class TableStep implements Step {
  readonly action: Step['action'];
  readonly phase: PhaseNumber;
  /** By the names that the journal has. */
  readonly service: string;
  /** Without it, the service itself. */
  readonly server: string | undefined;
  /** None: it is gone already. */
  readonly settings: ServiceSettings | ServerSettings | undefined;
  /** Nothing is to be sent: only the journal changes. */
  readonly change: Change | undefined;
  readonly #details: RowDetails | undefined;
  #plain: Step | undefined;

  constructor(
    action: Step['action'],
    phase: PhaseNumber,
    service: string,
    server: string | undefined,
    settings: ServiceSettings | ServerSettings | undefined,
    change?: Change,
    details?: RowDetails,
  ) {
    this.action = action;
    this.phase = phase;
    this.service = service;
    this.server = server;
    this.settings = settings;
    this.change = change;
    this.#details = details;
  }

  get is(): string | undefined {
    return this.#details?.is;
  }
  get differences(): readonly SettingDifference[] | undefined {
    return this.#details?.differences;
  }
  get owner(): string | null | undefined {
    return this.#details?.owner;
  }
  get draining(): Draining | undefined {
    return this.#details?.draining;
  }
  get stale(): readonly Datagrams[] | undefined {
    return this.#details?.stale;
  }
  get what(): string {
    return this.plain.what;
  }

  /** For others. */
  get plain(): Step {
    this.#plain ??= new Plain(this.action, this.#words(), this.is, this.differences, this.owner);
    return this.#plain;
  }

  /** What undoes it, if anything does. */
  get undo(): Change | undefined {
    const { change, action } = this;
    if (this.#details?.undo || action !== 'make') return this.#details?.undo;
    if (change?.command === 'NEW_SERVICE') return { command: 'DEL_SERVICE', service: change.service.key };
    if (change?.command === 'NEW_DEST')
      return { command: 'DEL_DEST', service: change.service, server: change.server.key };
    return undefined;
  }

  /** The row without its settings: `server 10.0.0.1:80 of FWM 80`. */
  get subject(): string {
    return this.server === undefined ? `service ${this.service}` : `server ${this.server} of ${this.service}`;
  }

  #words(): string {
    const { service, server, settings } = this;
    const words = !settings ? '' : 'scheduler' in settings ? serviceWords(settings) : serverWords(settings);
    return server === undefined ? `service ${endOf(service, words)}` : `server ${server} of ${endOf(service, words)}`;
  }
}

let last = { service: '', words: '', end: '' };

/** Steps that follow each other are often of one service, and the same but for the server. */
function endOf(service: string, words: string): string {
  if (last.service !== service || last.words !== words)
    last = { service, words, end: words === '' ? service : `${service}: ${words}` };
  return last.end;
}

/** Work that earlier changes left: it is done after all others, and a failure undoes nothing. */
export interface OwedStep extends Step {
  readonly phase: PhaseNumber;
  readonly owed: 'announcement' | 'service' | 'table';
  /** The name of the item or service, or of the table. */
  readonly key: string;
}

export type PlannedStep = ItemStep | TableStep | OwedStep;

export function isOwed(step: Step): step is OwedStep {
  return 'owed' in step;
}

/** In the order in which they are done: by phase, and in one they stay in their order. */
export class StepList {
  // There may be tens of thousands, and few places: no comparisons.
  readonly #places: PlannedStep[][] = [];

  add(step: PlannedStep): void {
    const place = step.phase * RANKS + rank(step);
    const there = this.#places[place];
    if (there) there.push(step);
    else this.#places[place] = [step];
  }

  get steps(): readonly PlannedStep[] {
    const [first = [], ...others] = this.#places.filter((place) => place !== undefined);
    return others.length === 0 ? first : first.concat(...others); // flat() takes long
  }
}

const RANKS = 4;

/** In one batch services come before their servers, and go after them. */
function rank(step: PlannedStep): number {
  if (!(step instanceof TableStep)) return 0;
  const isServer = step.server !== undefined;
  return step.phase === Phase.raise ? (isServer ? 2 : 1) : step.action !== 'take-back' ? 1 : isServer ? 2 : 3;
}

/** Whether there is something to be done. */
export function isDue({ action }: Step): boolean {
  return action !== 'keep' && action !== 'wait' && action !== 'foreign' && action !== 'conflict';
}

export function toStep(step: Step): Step {
  return step instanceof TableStep ? step.plain : new Plain(step.action, step.what, step.is);
}

/**
 * A plain object, although no literal: once literals of a place have outlived a collection, V8 makes those that
 * follow among its old objects, where tens of thousands that nobody needs any more would stay for long, with their texts.
 */
const Plain = function (
  this: { -readonly [Key in keyof Step]: Step[Key] },
  action: Step['action'],
  what: string,
  is?: string,
  differences?: Step['differences'],
  owner?: Step['owner'],
) {
  this.action = action;
  this.what = what;
  if (is !== undefined) this.is = is;
  if (differences !== undefined) this.differences = differences;
  if (owner !== undefined) this.owner = owner;
} as unknown as new (
  action: Step['action'],
  what: string,
  is: string | undefined,
  differences?: Step['differences'],
  owner?: Step['owner'],
) => Step;
Plain.prototype = Object.prototype;
