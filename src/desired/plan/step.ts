import type { SettingDifference } from '../../ipvs/differences.js';
import { handlerOf } from '../../items/handlers.js';
import type { ItemId } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import { describeServer, describeService } from '../../kernel/ipvs/describe.js';
import { decodeServer, decodeService, type ServerId, type ServiceId } from '../../kernel/ipvs/ids.js';
import type { IpvsChange, ServerSettings, ServiceSettings } from '../../kernel/ipvs/types.js';
import type { Datagrams } from '../document/datagrams.js';
import type { Draining } from '../record/ledger.js';
import { isShared } from '../record/wanted.js';
import { type Reason, reasonWords } from './reasons.js';
import { serverWords, serviceWords } from './words.js';

/** One step of a plan: a change to make, or an object that stays as it is. */
export interface Step {
  /**
   * `keep`: the object is as wanted. `make`, `change`: it is not. `adopt`: it is as wanted, and becomes the owner's.
   * `drain`: it gets no new connections, and is deleted later. `wait`: it cannot be done yet. `foreign`: others made it
   * among the owner's objects, or the document does not want it; it stays. `take-back`: the owner made it, and no
   * longer wants it. `conflict`: an object that the owner did not make is in the way, or an interface is missing; while
   * one exists, nothing is done.
   */
  readonly action: 'keep' | 'make' | 'change' | 'adopt' | 'drain' | 'wait' | 'foreign' | 'take-back' | 'conflict';
  /** Description of the object, as ip, nft and ipvsadm would write it. */
  readonly what: string;
  /** Current state, if it differs from the wanted one. */
  readonly is?: string | undefined;
  /** Settings that differ, with their old and new values, of a `change` or `conflict`. */
  readonly differences?: readonly SettingDifference[] | undefined;
  /**
   * Owner that made the service or server of a `conflict`. `null`: another program made it, or an owner whose record is
   * not in the directory of records.
   */
  readonly owner?: string | null | undefined;
}

/**
 * Phases in which steps are done: a target exists before traffic reaches it, and is deleted after the traffic stops.
 */
export const Phase = {
  /** Settings and interfaces. */
  ground: 0,
  /** Services and servers that are added or changed. */
  raise: 1,
  /** Marks and NAT. */
  rules: 2,
  /** Old addresses that block new ones. */
  replace: 3,
  /** Addresses, routes. */
  reach: 4,
  unreach: 5,
  unrule: 6,
  /** Services and servers that get less weight, drain, or are deleted. */
  lower: 7,
  unground: 8,
} as const;

export type PhaseNumber = (typeof Phase)[keyof typeof Phase];

/** A step as plans and the executor have it: without texts. */
interface PlainStep {
  readonly action: Step['action'];
  readonly phase: PhaseNumber;
}

/** A step for an item. */
export interface ItemStep extends PlainStep {
  readonly item: Item;
  readonly id: ItemId;
  readonly reason?: Reason | undefined;
  /** True if the owner adopts the item, of which it has no record. */
  readonly adopts?: boolean | undefined;
}

/** Details that only some steps for rows have. */
export interface RowDetails {
  readonly reason?: Reason | undefined;
  readonly differences?: readonly SettingDifference[] | undefined;
  readonly owner?: string | null | undefined;
  /** Change that undoes the step. Absent for a new row: undoing deletes it. */
  readonly undo?: IpvsChange | undefined;
  /** Weight to restore, and time limit, of a draining server. */
  readonly draining?: Draining | undefined;
  /** Datagrams whose UDP flows may be stale after the step. */
  readonly stale?: readonly Datagrams[] | undefined;
}

/**
 * A step for a row of the IPVS table. A plan may have tens of thousands: they are small, and made into text on demand.
 */
export class TableStep implements PlainStep {
  readonly action: Step['action'];
  readonly phase: PhaseNumber;
  readonly service: ServiceId;
  /** Undefined for the service itself. */
  readonly server: ServerId | undefined;
  /** Settings of the row; undefined if it no longer exists. */
  readonly settings: ServiceSettings | ServerSettings | undefined;
  /** Change to send; undefined if only the journal changes. */
  readonly change: IpvsChange | undefined;
  readonly #details: RowDetails | undefined;
  #plain: Step | undefined;

  constructor(
    action: Step['action'],
    phase: PhaseNumber,
    service: ServiceId,
    server: ServerId | undefined,
    settings: ServiceSettings | ServerSettings | undefined,
    change?: IpvsChange,
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

  get reason(): Reason | undefined {
    return this.#details?.reason;
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
  /** The step as a plain object, for callers. */
  get plain(): Step {
    const { action, reason, differences, owner } = this;
    this.#plain ??= plainStep(action, this.#words(), reason && reasonWords(reason), differences, owner);
    return this.#plain;
  }

  /** Change that undoes the step; undefined if none does. */
  get undo(): IpvsChange | undefined {
    const { change, action } = this;
    if (this.#details?.undo || action !== 'make') return this.#details?.undo;
    if (change?.command === 'NEW_SERVICE') return { command: 'DEL_SERVICE', service: change.service.key };
    if (change?.command === 'NEW_DEST')
      return { command: 'DEL_DEST', service: change.service, server: change.server.key };
    return undefined;
  }

  /** Name of the row without its settings: `server 10.0.0.1:80 of FWM 80`. */
  get subject(): string {
    return this.#named('');
  }

  #words(): string {
    const { settings } = this;
    return this.#named(!settings ? '' : 'scheduler' in settings ? serviceWords(settings) : serverWords(settings));
  }

  #named(words: string): string {
    const { service, server, settings } = this;
    const end = words === '' ? serviceNames.of(service) : `${serviceNames.of(service)}: ${words}`;
    if (server === undefined) return `service ${end}`;
    const key = settings && 'forwarding' in settings ? settings.key : decodeServer(server);
    return `server ${describeServer(key)} of ${end}`;
  }
}

/**
 * Names of services. It keeps the last one: a plan names all servers of a service one after the other. It saves a tenth
 * of the processor time of an apply of 11,000 rows.
 */
class ServiceNames {
  #id: ServiceId | undefined;
  #name = '';

  of(id: ServiceId): string {
    if (id !== this.#id) [this.#id, this.#name] = [id, describeService(decodeService(id))];
    return this.#name;
  }
}
const serviceNames = new ServiceNames();

/** Work that earlier changes left. It is done after all other steps, and its failure undoes nothing. */
export type OwedStep = PlainStep & { readonly reason?: Reason | undefined } & Owed;

/** `key`: the address to announce, the service or the nf_tables table whose stale flows have to be deleted. */
type Owed =
  | { readonly owed: 'announcement'; readonly key: ItemId; readonly item: Item | undefined }
  | { readonly owed: 'service'; readonly key: ServiceId }
  | { readonly owed: 'table'; readonly key: string };

/** Work on the record itself, of which only a failure is reported. */
export interface RecordStep extends PlainStep {
  readonly subject: 'record' | 'dependents';
}

/** Stands for the record itself where only its failure is reported. */
export const RECORD: RecordStep = { action: 'change', phase: Phase.unground, subject: 'record' };

export type PlannedStep = ItemStep | TableStep | OwedStep;
export type AnyStep = PlannedStep | RecordStep;

export function isOwed(step: AnyStep): step is OwedStep {
  return 'owed' in step;
}

export function isItem(step: AnyStep): step is ItemStep {
  return 'id' in step;
}

/** Steps in the order in which they are done: by phase and rank, then as they were added. */
export class StepList {
  // One list for each place saves comparisons: a plan may have tens of thousands of steps.
  readonly #places: PlannedStep[][] = [];

  add(step: PlannedStep): void {
    const place = step.phase * RANKS + rank(step);
    const there = this.#places[place];
    if (there) there.push(step);
    else this.#places[place] = [step];
  }

  get steps(): readonly PlannedStep[] {
    const [first = [], ...others] = this.#places.filter((place) => place !== undefined);
    return others.length === 0 ? first : first.concat(...others); // flat() is slow
  }
}

const RANKS = 4;

/** Returns the rank in a batch: a service is added before its servers, and deleted after them. */
function rank(step: PlannedStep): number {
  if (!(step instanceof TableStep)) return 0;
  const isServer = step.server !== undefined;
  return step.phase === Phase.raise ? (isServer ? 2 : 1) : step.action !== 'take-back' ? 1 : isServer ? 2 : 3;
}

/** Returns true if an apply has to do something for the step. */
export function isDue({ action }: Pick<Step, 'action'>): boolean {
  return action !== 'keep' && action !== 'wait' && action !== 'foreign' && action !== 'conflict';
}

/** Returns a step for callers, with its texts. */
export function toStep(step: AnyStep): Step {
  if (step instanceof TableStep) return step.plain;
  const item = isItem(step) ? step.item : undefined;
  const reason = 'reason' in step ? step.reason : undefined;
  const differences = reason?.why === 'differs' ? reason.differences : undefined;
  return plainStep(step.action, whatOf(step), reason && reasonWords(reason, item), differences);
}

/** Returns the object of a step in words. */
export function whatOf(step: AnyStep): string {
  if (step instanceof TableStep) return step.plain.what;
  // The owner's value of a setting goes: its earlier one comes back.
  if (isItem(step))
    return (step.action === 'take-back' && isShared(step.item)) || isLeftOver(step)
      ? handlerOf(step.item).name(step.item)
      : wordsOf(step.item);
  if (!isOwed(step)) return step.subject === 'record' ? 'the record' : 'what depends on these steps';
  if (step.owed === 'service') return `stale flows of ${describeService(decodeService(step.key))}`;
  if (step.owed === 'table') return `stale flows of nf_tables table inet ${step.key}`;
  return `announcement of ${step.item ? handlerOf(step.item).name(step.item) : step.key}`;
}

/** Returns true for a table that an earlier run left: it has content, and the item has none. */
function isLeftOver({ action, item }: ItemStep): boolean {
  return action === 'foreign' && item.kind === 'netfilter';
}

/** Returns an item with its wanted state, in words. */
export function wordsOf(item: Item): string {
  const handler = handlerOf(item);
  const wanted = handler.wanted?.(item);
  const name = handler.name(item);
  return wanted === undefined ? name : `${name}: ${wanted}`;
}

function plainStep(
  action: Step['action'],
  what: string,
  is?: string,
  differences?: Step['differences'],
  owner?: Step['owner'],
): Step {
  // The usual case, of a hundred thousand steps.
  if (is === undefined && differences === undefined && owner === undefined) return { action, what };
  return {
    action,
    what,
    ...(is !== undefined && { is }),
    ...(differences !== undefined && { differences }),
    ...(owner !== undefined && { owner }),
  };
}
