import { readFile } from 'node:fs/promises';
import { IpvsError } from '../kernel/errors.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { Network } from '../network/network.js';
import { readSnapshot, type Snapshot } from '../roles/snapshot.js';
import type { World } from '../roles/world.js';
import { ApplyError, inTheWay } from './apply-error.js';
import { Claims, isShared } from './claims.js';
import { Executor } from './execute.js';
import { Journal } from './journal.js';
import { Ledger } from './ledger.js';
import { needsOf, type PlannedSteps, type PlanOptions, planSteps } from './plan.js';
import { deleteStaleFlows } from './stale-flows.js';
import type { PlannedStep } from './step.js';
import type { Target } from './target.js';

export interface ApplyOptions extends PlanOptions {
  /** What becomes of what was done before something failed. */
  readonly onFailure: 'roll-back' | 'leave';
}

const DIRECTORY = '/run/ipvs';
const nothing: Target = { items: [], table: new Map() };
const idle: readonly PlannedStep['action'][] = ['keep', 'wait', 'foreign', 'conflict'];

/** Makes one namespace as one owner wants it, one change after the other. */
export class Engine {
  readonly world: World;
  /** Of the journal; none: the ledger is only here. */
  readonly #path: string | undefined;
  readonly #claims: Claims;
  readonly #memory = new Ledger();
  /** The last, closed. */
  #journal: Journal | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(world: World, { journal, claims }: Places, owner: string) {
    this.world = world;
    this.#path = journal;
    this.#claims = new Claims(world.kernel, claims, owner);
  }

  /** Nothing is changed. */
  plan(target: Target, options: PlanOptions): Promise<PlannedSteps> {
    return this.#withJournal(undefined, async ({ ledger }) =>
      planSteps(target, await this.#read(target, ledger), ledger, options),
    );
  }

  /** What a plan for the target is made of. */
  snapshot(target: Target): Promise<{ readonly snapshot: Snapshot; readonly ledger: Ledger }> {
    return this.#withJournal(undefined, async ({ ledger }) => ({
      snapshot: await this.#read(target, ledger),
      ledger: ledger.copy(),
    }));
  }

  /**
   * @returns what was done
   * @throws IpvsError `ERR_IPVS_FOREIGN`; an `ApplyError`
   */
  apply(target: Target, options: ApplyOptions, call?: CallOptions): Promise<PlannedStep[]> {
    return this.#withJournal(call, async (journal) => {
      const executor = new Executor(this.world, journal, this.#claims);
      const pass = async (): Promise<readonly PlannedStep[]> => {
        call?.signal?.throwIfAborted();
        const { steps } = planSteps(target, await this.#read(target, journal.ledger), journal.ledger, options);
        const conflicts = steps.filter(({ action }) => action === 'conflict');
        if (conflicts.length > 0) throw inTheWay(conflicts);
        const due = steps.filter(({ action }) => !idle.includes(action));
        await executor.run(due);
        return due;
      };
      const due = await pass();
      // With a link that was made anew went what stood on it.
      const anew = due.some((step) => step.action === 'change' && 'item' in step && step.item.kind === 'link');
      if (anew && executor.failures.length === 0) await pass();
      const [last] = due.slice(-1);
      if (last && executor.failures.length === 0)
        await executor.also(last, () => deleteStaleFlows(this.world, target.table, due));
      const [first] = executor.failures;
      if (first) {
        const left = options.onFailure === 'roll-back' ? await executor.undo() : undefined;
        throw new ApplyError(first, executor.tried, due, left);
      }
      return executor.tried.map(({ step }) => step);
    });
  }

  /** What the owner made goes, the last first; what can not be taken back now, can later. */
  remove(options: PlanOptions): Promise<PlannedStep[]> {
    return this.#withJournal(undefined, async (journal) => {
      const executor = new Executor(this.world, journal, this.#claims);
      const snapshot = await this.#read(nothing, journal.ledger);
      // Nobody is left who would wait for those that drain.
      const { steps } = planSteps(nothing, snapshot, journal.ledger, { ...options, drain: { timeout: 0 } });
      await executor.run(
        steps.filter(({ action }) => !idle.includes(action)),
        true,
      );
      const { failures, tried } = executor;
      const [first] = failures;
      if (first)
        throw new ApplyError(
          first,
          tried,
          [],
          failures.map(({ step }) => step.what),
        );
      const done = tried.map(({ step }) => step);
      await deleteStaleFlows(this.world, nothing.table, done);
      // What can not go yet, since others use it, is told.
      return [...done, ...steps.filter(({ action }) => action === 'wait')];
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

  async #read(target: Target, ledger: Ledger): Promise<Snapshot> {
    const needs = needsOf(target, ledger);
    const snapshot = await readSnapshot(this.world, needs);
    return needs.items.some(isShared) ? { ...snapshot, claims: await this.#claims.others() } : snapshot;
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
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** Where an owner notes what it made, and all owners of a namespace what they share. */
export interface Places {
  readonly journal: string | undefined;
  readonly claims: string | undefined;
}

/** Other ones after the machine was started again: cookies begin anew then. `false`: nowhere. */
export async function placesOf(
  { cookie }: Network,
  owner: string,
  record: string | false | undefined,
): Promise<Places> {
  if (record === false) return { journal: undefined, claims: undefined };
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const namespace = `${DIRECTORY}/${boot.slice(0, 8)}-${cookie}`;
  return { journal: record ?? `${namespace}-${owner}.json`, claims: `${namespace}.shared.json` };
}
