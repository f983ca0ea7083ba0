import { describeService } from '../ipvs/describe.js';
import { IpvsError } from '../kernel/errors.js';
import type { CallOptions, Kernel } from '../kernel/kernel.js';
import { recordOf } from '../kernel/own.js';
import type { Network } from '../network/network.js';
import { readSnapshot, type Snapshot } from '../roles/snapshot.js';
import type { World } from '../roles/world.js';
import { ApplyError, inTheWay } from './apply-error.js';
import { Claims, isShared } from './claims.js';
import { Executor } from './execute.js';
import { Journal } from './journal.js';
import { type About, Ledger, type Line } from './ledger.js';
import { type OtherOwners, readOthers } from './owners.js';
import { completed, needsOf, type PlannedSteps, type PlanOptions, planSteps } from './plan.js';
import { renameLines } from './renames.js';
import { claimedForRoutes } from './router-routes.js';
import { settleOwed } from './settle.js';
import { isDue, isOwed, type PlannedStep, type Step, TableStep } from './step.js';
import { aboutOf, type Target } from './target.js';

export interface ApplyOptions extends PlanOptions {
  /** True if the caller can ask for adoption; the error then mentions it. Default: true. */
  readonly adoptable?: boolean | undefined;
  /** What becomes of what was done before something failed. */
  readonly onFailure: 'roll-back' | 'leave';
}

const DIRECTORY = '/run/ipvs';
const nothing: Target = { items: [], table: new Map() };

/** Makes one namespace as one owner wants it, one change after the other. */
export class Engine {
  readonly world: World;
  /** Of the journal; none: the ledger is only here. */
  readonly #path: string | undefined;
  /** The beginning of the paths of all owners' records. */
  readonly #records: string;
  readonly #claims: Claims;
  readonly #memory = new Ledger();
  /** The last, closed. */
  #journal: Journal | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(world: World, { journal, records, claims, claimant }: Places) {
    this.world = world;
    this.#path = journal;
    this.#records = records;
    this.#claims = new Claims(world.kernel, claims, claimant);
  }

  /** Whether the record can be used. */
  begin(call?: CallOptions): Promise<void> {
    return this.#withJournal(call, (journal) => this.#trySettle(journal, call));
  }

  async #trySettle(journal: Journal, call?: CallOptions): Promise<void> {
    try {
      await this.#settle(journal, call);
    } catch (error) {
      // Who may not write there has claimed nothing; who needs it is told when it does.
      if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_RECORD') throw error;
    }
  }

  async #settle(journal: Journal, call?: CallOptions): Promise<void> {
    const lost = await this.#claims.settle(journal.ledger.entries, call);
    await journal.write(...lost.map((put) => ({ put })));
  }

  /** Nothing is changed. */
  plan(target: Target, options: PlanOptions, call?: CallOptions): Promise<PlannedSteps> {
    return this.#withJournal(call, ({ ledger }) => this.#plan(target, ledger, options));
  }

  /** All that plans for this owner are made of, and of the target what only it names. */
  snapshot(target: Target, call?: CallOptions): Promise<{ readonly snapshot: Snapshot; readonly ledger: Ledger }> {
    return this.#withJournal(call, async ({ ledger }) => {
      const snapshot = await this.#read(target, ledger, { adopt: 'none' }, true);
      const names = new Set((snapshot.table ?? []).map(({ service }) => describeService(service.key)));
      const others = await this.#others(names);
      return { snapshot: { ...snapshot, ...(others.length > 0 && { others }) }, ledger: ledger.copy() };
    });
  }

  /**
   * @returns what was done
   * @throws IpvsError `ERR_IPVS_FOREIGN`; an `ApplyError`
   */
  apply(target: Target, options: ApplyOptions, call?: CallOptions): Promise<readonly Step[]> {
    return this.#withJournal(call, async (journal) => {
      const executor = new Executor(this.world, journal, this.#claims);
      const fine = (): boolean => executor.failures.length === 0;
      if (needsOf(target, journal.ledger, options.adopt).items.some(isShared)) await this.#settle(journal, call);
      const due = await this.#pass(target, options, journal, executor);
      // With a link that was made anew went what stood on it. And what takes nothing new any more, and
      // had no connections, or lost them since, can go.
      if (fine() && due.some((step) => isAnew(step) || isQuieted(step)))
        await executor.also({ action: 'change', what: 'what depends on these steps' }, async () => {
          await this.#pass(target, options, journal, executor);
        });
      const goesOn = (): boolean => fine() || options.onFailure === 'leave';
      // A failure of these is reported and left to the next call: nothing is undone for it.
      if (goesOn()) await settleOwed(this.world, journal, executor, keysOwed(due));
      if (goesOn())
        await executor.also({ action: 'change', what: 'the record' }, () =>
          journal.write(...aboutLines(target, journal.ledger)),
        );
      if (fine()) await executor.also({ action: 'adopt', what: 'the record' }, () => executor.adopt());
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

  /** What was due. */
  async #pass(
    target: Target,
    options: ApplyOptions,
    journal: Journal,
    executor: Executor,
  ): Promise<readonly PlannedStep[]> {
    const { snapshot, steps } = await this.#plan(target, journal.ledger, options);
    const due = steps.filter(isDue);
    const conflicts = due.length < steps.length ? steps.filter(({ action }) => action === 'conflict') : [];
    if (conflicts.length > 0)
      throw inTheWay(conflicts, options.adoptable ?? true, journal.isNew ? this.#path : undefined);
    await journal.write(...renameLines(journal.ledger, snapshot.links));
    await journal.write(...completed(target, snapshot, journal.ledger).map((put) => ({ put })));
    await executor.run(due);
    return due;
  }

  /** Reads and plans; the records of other owners name those that made what is in the way. */
  async #plan(
    target: Target,
    ledger: Ledger,
    options: PlanOptions,
  ): Promise<PlannedSteps & { readonly snapshot: Snapshot }> {
    const snapshot = await this.#read(target, ledger, options);
    const planned = planSteps(target, snapshot, ledger, options);
    const services = planned.steps.flatMap((step) =>
      step instanceof TableStep && step.action === 'conflict' ? [step.service] : [],
    );
    if (services.length === 0) return { snapshot, ...planned };
    const others = await this.#others(new Set(services));
    return { snapshot, ...planSteps(target, { ...snapshot, others }, ledger, options) };
  }

  #others(services: ReadonlySet<string>): Promise<OtherOwners> {
    return readOthers(this.world.kernel, this.#records, this.#path, services);
  }

  async #undo(journal: Journal, executor: Executor, due: readonly PlannedStep[]): Promise<string[]> {
    const left = await executor.undo();
    const after = new Executor(this.world, journal, this.#claims);
    await settleOwed(this.world, journal, after, new Set());
    left.push(...after.owed.map(({ step, error }) => `${step.what} (${error.message})`));
    if (!due.some(isAnew)) return left;
    // What stood on a link that was made anew, and is as before now.
    const items = journal.ledger.entries.map(({ item }) => item);
    const target = { items, table: nothing.table };
    const options: PlanOptions = { adopt: 'none' };
    const snapshot = await this.#read(target, journal.ledger, options);
    const { steps } = planSteps(target, snapshot, journal.ledger, options);
    const gone = steps.filter((step) => 'item' in step && (step.action === 'make' || step.action === 'change'));
    const again = new Executor(this.world, journal, this.#claims);
    await again.run(gone, true);
    return [...left, ...again.failures.map(({ step, error }) => `${step.what} (${error.message})`)];
  }

  /** What the owner made goes, the last first; what cannot be taken back now, can later. */
  remove(call?: CallOptions): Promise<PlannedStep[]> {
    return this.#withJournal(call, async (journal) => {
      await this.#trySettle(journal);
      const executor = new Executor(this.world, journal, this.#claims);
      // Nobody is left who would wait for those that drain.
      const options: PlanOptions = { adopt: 'none', atOnce: true };
      const snapshot = await this.#follow(nothing, journal, options);
      const { steps } = planSteps(nothing, snapshot, journal.ledger, options);
      const due = steps.filter(isDue);
      await executor.run(due, true);
      await settleOwed(this.world, journal, executor, keysOwed(due));
      const failures = [...executor.failures, ...executor.owed];
      const { tried } = executor;
      const [first, ...others] = failures;
      if (first) {
        const left = [...new Set(failures.map(({ step }) => step.what))];
        throw new ApplyError([first, ...others], tried, [], left);
      }
      // What cannot go yet, since others use it, is told.
      return [...due, ...steps.filter(({ action }) => action === 'wait')];
    });
  }

  /** Reads and changes some of it: others wait. */
  exclusively<T>(
    call: CallOptions | undefined,
    work: (journal: Journal, executor: Executor) => Promise<T>,
  ): Promise<T> {
    return this.#withJournal(call, (journal) => work(journal, new Executor(this.world, journal, this.#claims)));
  }

  /** Closes its handles; what it made stays. */
  close(): Promise<void> {
    return this.#inTurn(() => this.world.close());
  }

  /** Reads, and notes the interfaces that have other names now. */
  async #follow(target: Target, journal: Journal, options: PlanOptions): Promise<Snapshot> {
    const snapshot = await this.#read(target, journal.ledger, options);
    await journal.write(...renameLines(journal.ledger, snapshot.links));
    return snapshot;
  }

  async #read(target: Target, ledger: Ledger, { adopt }: PlanOptions, everything = false): Promise<Snapshot> {
    const needs = { ...needsOf(target, ledger, adopt), everything };
    if (!everything && !needs.items.some(isShared)) return readSnapshot(this.world, needs);
    // Before the settings: one that another owner sets back meanwhile is claimed still.
    const claims = await this.#claims.others();
    const items = [...needs.items, ...claimedForRoutes(target.items, claims)];
    return { ...(await readSnapshot(this.world, { ...needs, items })), claims };
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

  /** Who gives up before its turn has done nothing; what has begun is taken to its end. */
  #inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let begun = false;
    const turn = this.#last.then(() => {
      signal?.throwIfAborted();
      begun = true;
      return work();
    });
    const over = (): void => {};
    this.#last = turn.then(over, over); // not what came of it: that may be large
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
  return new Set(due.flatMap((step) => (isOwed(step) ? [step.key] : [])));
}

/** Takes nothing new any more. */
function isQuieted(step: PlannedStep): boolean {
  return step.action === 'drain' || (step instanceof TableStep && step.draining !== undefined);
}

function isAnew(step: PlannedStep): boolean {
  return step.action === 'change' && 'item' in step && step.item.kind === 'link';
}

/** What the journal is to know of services, where it does not. */
function aboutLines({ table }: Target, ledger: Ledger): Line[] {
  const changed: Record<string, About | null> = recordOf([]);
  for (const [name, service] of table) {
    const known = ledger.owned.get(name);
    if (!known) continue;
    const about = aboutOf(service);
    if (about === undefined && known.about === undefined) continue;
    if (JSON.stringify(about) !== JSON.stringify(known.about)) changed[name] = about ?? null;
  }
  return Object.keys(changed).length === 0 ? [] : [{ about: changed }];
}

/** Where an owner notes what it made, and all owners of a namespace what they share. */
export interface Places {
  readonly journal: string | undefined;
  /** The path of every owner's record begins so; the owner's name and `.json` follow. */
  readonly records: string;
  readonly claims: string | undefined;
  /** Who claims: an owner with two records is two. */
  readonly claimant: string;
}

/** Other ones after the machine was started again: cookies begin anew then. `false`: nowhere. */
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
  return {
    journal: record ?? `${records}${owner}.json`,
    records,
    claims: `${namespace}.shared.json`,
    claimant: record === undefined ? owner : `${owner} (${record})`,
  };
}
