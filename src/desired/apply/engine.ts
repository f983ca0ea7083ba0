import { IpvsError } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import { forEachInSlices, pauseIfDue } from '../../common/slices.js';
import type { Item } from '../../items/items.js';
import { readSnapshot, type Snapshot } from '../../items/snapshot.js';
import type { World } from '../../items/world.js';
import type { CallOptions } from '../../kernel/call.js';
import { encodeService, type ServiceId } from '../../kernel/ipvs/ids.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { Link } from '../../kernel/network/types.js';
import type { Network } from '../../network/network.js';
import { aboutOf, type Target, type WantedService } from '../document/target.js';
import { completed, needsOf, type PlannedSteps, type PlanOptions, planSteps } from '../plan/plan.js';
import { following, followLines, interfaceOf, withMainNames } from '../plan/renames.js';
import { claimedForRoutes } from '../plan/router-routes.js';
import { type AnyStep, isDue, isItem, isOwed, type PlannedStep, RECORD, TableStep } from '../plan/step.js';
import { Claims } from '../record/claims.js';
import { Journal } from '../record/journal.js';
import { type About, Ledger, type Line } from '../record/ledger.js';
import { type OtherOwners, readOthers } from '../record/owners.js';
import { isShared } from '../record/wanted.js';
import { ApplyError, inTheWay } from './apply-error.js';
import { Executor, type Failure } from './execute.js';
import { settleOwed } from './settle.js';

export interface ApplyOptions extends PlanOptions {
  /** True if the caller can ask for adoption; the error then mentions it. Default: true. */
  readonly adoptable?: boolean | undefined;
  /** Action on a failure: undo the steps that were done (`roll-back`), or keep them (`leave`). */
  readonly onFailure: 'roll-back' | 'leave';
}

const DIRECTORY = '/run/ipvs';
const nothing: Target = { items: [], table: new Map() };

/** Applies the wanted state of one owner to one namespace, one call at a time. */
export class Engine {
  readonly world: World;
  /** Path of the journal; undefined if the ledger is only in memory. */
  readonly #path: string | undefined;
  /** Common prefix of the paths of all owners' records. */
  readonly #records: string;
  readonly #claims: Claims;
  readonly #memory = new Ledger();
  /** The journal of the last call, closed. */
  #journal: Journal | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(world: World, { journal, records, claims, claimant }: Places) {
    this.world = world;
    this.#path = journal;
    this.#records = records;
    this.#claims = new Claims(world.kernel, claims, claimant, async () => (await world.network).links());
  }

  /** Checks that the record can be used, and repairs what an interrupted program left in it. */
  begin(call?: CallOptions): Promise<void> {
    return this.#withJournal(call, (journal) => this.#trySettle(journal, call));
  }

  async #trySettle(journal: Journal, call?: CallOptions): Promise<void> {
    try {
      await this.#settle(journal, call);
    } catch (error) {
      // A program without write access has claimed nothing. A call that needs the record reports the error.
      if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_RECORD') throw error;
    }
  }

  async #settle(journal: Journal, call?: CallOptions): Promise<void> {
    // The claims follow renamed interfaces, too: a setting has one name in both.
    const links = await this.#links(journal.ledger.entries.map(({ item }) => item));
    await journal.write(...followLines(journal.ledger, { links, netfilter: {} }));
    const lost = await this.#claims.settle(journal.ledger.entries, call);
    await journal.write(...lost.map((put) => ({ put })));
  }

  /** Returns the steps to the target. Changes nothing. */
  plan(target: Target, options: PlanOptions, call?: CallOptions): Promise<PlannedSteps> {
    return this.#withJournal(call, ({ ledger }) => this.#plan(target, ledger, { ...options, signal: call?.signal }));
  }

  /** Reads everything from which plans for this owner are made, and the settings that only this target names. */
  snapshot(target: Target, call?: CallOptions): Promise<{ readonly snapshot: Snapshot; readonly ledger: Ledger }> {
    return this.#withJournal(call, async ({ ledger }) => {
      const snapshot = await this.#read(target, ledger, { adopt: 'none' }, true);
      const names = new Set((snapshot.table ?? []).map(({ service }) => encodeService(service.key)));
      const others = await this.#others(names);
      return { snapshot: { ...snapshot, ...(others.length > 0 && { others }) }, ledger: ledger.copy() };
    });
  }

  /**
   * @returns the steps that were done
   * @throws IpvsError `ERR_IPVS_FOREIGN`; an `ApplyError`
   */
  apply(target: Target, options: ApplyOptions, call?: CallOptions): Promise<readonly AnyStep[]> {
    return this.#withJournal(call, async (journal) => {
      const executor = new Executor(this.world, journal, this.#claims);
      const fine = (): boolean => executor.failures.length === 0;
      if (needsOf(target, journal.ledger, options.adopt).items.some(isShared)) await this.#settle(journal, call);
      const due = await this.#pass(target, options, journal, executor);
      // Plan again: a link that was made anew has lost everything on it, and a server that gets no new connections may
      // have none left.
      if (fine() && due.some((step) => isAnew(step) || isQuieted(step)))
        await executor.also({ ...RECORD, subject: 'dependents' }, async () => {
          await this.#pass(target, options, journal, executor);
        });
      const goesOn = (): boolean => fine() || options.onFailure === 'leave';
      // A failure of these is reported and left to the next call; it undoes nothing.
      await pauseIfDue(due.length);
      if (goesOn()) await settleOwed(this.world, journal, executor, keysOwed(due));
      const noteFacts = async (): Promise<void> => journal.write(...(await aboutLines(target, journal.ledger)));
      if (goesOn()) await executor.also(RECORD, noteFacts);
      if (fine()) await executor.also({ ...RECORD, action: 'adopt' }, () => executor.adopt());
      const failed = !fine();
      const left = failed && options.onFailure === 'roll-back' ? await this.#undo(journal, executor, due) : undefined;
      const [first, ...others] = [...executor.failures, ...executor.owed];
      if (!first) return executor.tried;
      throw new ApplyError(
        [first, ...others],
        executor.tried,
        due.filter((step) => !isOwed(step)),
        left,
      );
    });
  }

  /** Plans, and runs the steps that are due. Returns those steps. */
  async #pass(
    target: Target,
    options: ApplyOptions,
    journal: Journal,
    executor: Executor,
  ): Promise<readonly PlannedStep[]> {
    const { snapshot, steps } = await this.#plan(target, journal.ledger, options);
    await pauseIfDue(steps.length);
    const due = steps.filter(isDue);
    const conflicts = due.length < steps.length ? steps.filter(({ action }) => action === 'conflict') : [];
    if (conflicts.length > 0)
      throw inTheWay(conflicts, options.adoptable ?? true, journal.isNew ? this.#path : undefined);
    await journal.write(...followLines(journal.ledger, snapshot));
    await journal.write(...completed(target, snapshot, journal.ledger).map((put) => ({ put })));
    await pauseIfDue(due.length);
    await executor.run(due);
    await pauseIfDue(due.length);
    return due;
  }

  /** Reads the kernel and plans. Names the owners of conflicting services from their records. */
  async #plan(
    target: Target,
    ledger: Ledger,
    options: PlanOptions,
  ): Promise<PlannedSteps & { readonly snapshot: Snapshot }> {
    const snapshot = await this.#read(target, ledger, options);
    const planned = await planSteps(target, snapshot, ledger, options);
    const conflicts = planned.steps.filter(
      (step): step is TableStep => step instanceof TableStep && step.action === 'conflict',
    );
    if (conflicts.length === 0) return { snapshot, ...planned };
    const others = await this.#others(new Set(conflicts.map(({ service }) => service)));
    return { snapshot, ...(await planSteps(target, { ...snapshot, others }, ledger, options)) };
  }

  #others(services: ReadonlySet<ServiceId>): Promise<OtherOwners> {
    return readOthers(this.world.kernel, this.#records, this.#path, services);
  }

  async #undo(journal: Journal, executor: Executor, due: readonly PlannedStep[]): Promise<Failure[]> {
    const left = await executor.undo();
    const after = new Executor(this.world, journal, this.#claims);
    await settleOwed(this.world, journal, after, new Set());
    left.push(...after.owed);
    if (!due.some(isAnew)) return left;
    // A link that was made anew is as before now, but has lost everything on it: make that again.
    const items = journal.ledger.entries.map(({ item }) => item);
    const target = { items, table: nothing.table };
    const options: PlanOptions = { adopt: 'none' };
    const snapshot = await this.#read(target, journal.ledger, options);
    const { steps } = await planSteps(target, snapshot, journal.ledger, options);
    const gone = steps.filter((step) => isItem(step) && (step.action === 'make' || step.action === 'change'));
    const again = new Executor(this.world, journal, this.#claims);
    await again.run(gone, true);
    return [...left, ...again.failures];
  }

  /**
   * Takes back everything that the owner made, the last first. Leaves what cannot be taken back yet to a later call.
   */
  remove(call?: CallOptions): Promise<PlannedStep[]> {
    return this.#withJournal(call, async (journal) => {
      await this.#trySettle(journal);
      const executor = new Executor(this.world, journal, this.#claims);
      // Nobody is left to wait for draining servers.
      const options: PlanOptions = { adopt: 'none', atOnce: true };
      const snapshot = await this.#follow(nothing, journal, options);
      const { steps } = await planSteps(nothing, snapshot, journal.ledger, options);
      const due = steps.filter(isDue);
      await pauseIfDue(due.length);
      await executor.run(due, true);
      await settleOwed(this.world, journal, executor, keysOwed(due));
      const failures = [...executor.failures, ...executor.owed];
      const { tried } = executor;
      const [first, ...others] = failures;
      if (first) {
        throw new ApplyError([first, ...others], tried, [], failures);
      }
      // Also return what stays because others use it.
      return [...due, ...steps.filter(({ action }) => action === 'wait')];
    });
  }

  /** Runs `work` with exclusive access to the record. */
  exclusively<T>(
    call: CallOptions | undefined,
    work: (journal: Journal, executor: Executor) => Promise<T>,
  ): Promise<T> {
    return this.#withJournal(call, (journal) => work(journal, new Executor(this.world, journal, this.#claims)));
  }

  /** Closes the handles; what it made stays. */
  close(): Promise<void> {
    return this.#inTurn(() => this.world.close());
  }

  /** Reads the kernel, and records interfaces that were renamed, and tables that others replaced. */
  async #follow(target: Target, journal: Journal, options: PlanOptions): Promise<Snapshot> {
    const snapshot = await this.#read(target, journal.ledger, options);
    await journal.write(...followLines(journal.ledger, snapshot));
    return snapshot;
  }

  async #read(target: Target, ledger: Ledger, { adopt }: PlanOptions, everything = false): Promise<Snapshot> {
    const links = await this.#links(needsOf(target, ledger, adopt).items, everything);
    const current = following(ledger, { links, netfilter: {} });
    const needs = { ...needsOf(withMainNames(target, links), current, adopt), everything, links };
    if (!everything && !needs.items.some(isShared)) return readSnapshot(this.world, needs);
    // Read claims before settings: a setting that another owner restores meanwhile then still counts as claimed.
    const claims = await this.#claims.others();
    const items = [...needs.items, ...claimedForRoutes(target.items, claims)];
    return { ...(await readSnapshot(this.world, { ...needs, items })), claims };
  }

  /** Reads the links if one of the items is on an interface. */
  async #links(items: readonly Item[], everything = false): Promise<readonly Link[] | undefined> {
    const isNeeded = everything || items.some((item) => interfaceOf(item) !== undefined);
    return isNeeded ? (await this.world.network).links() : undefined;
  }

  #withJournal<T>(call: CallOptions | undefined, work: (journal: Journal) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      if (this.world.closed) throw new IpvsError('ERR_IPVS_CLOSED', 'the handle is closed');
      if (this.#path === undefined) return work(Journal.inMemory(this.#memory));
      const journal = await Journal.open(this.world.kernel, this.#path, call, this.#journal);
      this.#journal = journal;
      try {
        return await work(journal);
      } finally {
        await journal.close();
      }
    }, call?.signal);
  }

  /**
   * Runs calls one at a time. An abort before its turn rejects the call, which then does nothing; started work is
   * completed.
   */
  #inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let begun = false;
    const turn = this.#last.then(() => {
      signal?.throwIfAborted();
      begun = true;
      return work();
    });
    const over = (): void => {};
    this.#last = turn.then(over, over); // without the result, which may be large
    if (!signal) return turn;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (!begun) reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
      turn.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }
}

function keysOwed(due: readonly PlannedStep[]): ReadonlySet<string> {
  return new Set(due.filter(isOwed).map(({ key }) => key));
}

/** Returns true if a server gets no new connections after the step. */
function isQuieted(step: PlannedStep): boolean {
  return step.action === 'drain' || (step instanceof TableStep && step.draining !== undefined);
}

function isAnew(step: PlannedStep): boolean {
  return step.action === 'change' && isItem(step) && step.item.kind === 'link';
}

/** Returns the lines that update the facts about services in the journal. */
async function aboutLines({ table }: Target, ledger: Ledger): Promise<Line[]> {
  const changed: Record<string, About | null> = recordOf([]);
  const compare = ([id, service]: readonly [ServiceId, WantedService]): void => {
    const known = ledger.owned.get(id);
    if (!known) return;
    const about = aboutOf(service);
    if (about === undefined && known.about === undefined) return;
    if (JSON.stringify(about) !== JSON.stringify(known.about)) changed[id] = about ?? null;
  };
  await forEachInSlices(table, compare);
  return Object.keys(changed).length === 0 ? [] : [{ about: changed }];
}

/** Paths of an owner's record, and of the record that all owners of a namespace share. */
export interface Places {
  readonly journal: string | undefined;
  /** Common prefix of every owner's record path; the owner's name and `.json` follow. */
  readonly records: string;
  readonly claims: string | undefined;
  /** Name of the owner in the shared record: an owner with two records counts as two. */
  readonly claimant: string;
}

/**
 * Returns the paths of the records. They differ after a reboot, when namespace cookies start again. `false`: no record.
 */
export async function placesOf(
  kernel: Kernel,
  { cookie }: Network,
  owner: string,
  record: string | false | undefined,
): Promise<Places> {
  const boot = await kernel.bootId();
  const namespace = `${DIRECTORY}/${boot.slice(0, 8)}-${cookie}`;
  const records = `${namespace}-`;
  if (record === false) return { journal: undefined, records, claims: undefined, claimant: owner };
  const usual = `${records}${owner}.json`;
  // One file under two spellings would be two owners.
  const journal = record === undefined ? usual : await kernel.journalPath(record);
  return {
    journal,
    records,
    claims: `${namespace}.shared.json`,
    claimant: journal === usual ? owner : `${owner} (${journal})`,
  };
}
