import type { IpvsError } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import { forEachInSlices, mapInSlices, pauseIfDue } from '../../common/slices.js';
import type { World } from '../../items/world.js';
import type { ServiceId } from '../../kernel/ipvs/ids.js';
import { type Datagrams, unionOf } from '../document/datagrams.js';
import { type AnyStep, RECORD, type TableStep, toStep } from '../plan/step.js';
import type { Journal } from '../record/journal.js';
import type { About, Draining, Line } from '../record/ledger.js';
import { isGone, isThere } from './outcomes.js';
import { RowsBuilder, rowsOf, send } from './rows.js';

/** State in the journal of a row that belonged to the owner before the step. */
type OwnedRow = { readonly draining: Draining | undefined; readonly about: About | undefined };

/** Runs steps for rows of the IPVS table in batches, and can undo them. Writes each step to the journal first. */
export class RowRunner {
  readonly #world: World;
  readonly #journal: Journal;
  /** State in the journal before the steps, for rows that it had. */
  readonly #owned = new Map<TableStep, OwnedRow>();

  constructor(world: World, journal: Journal) {
    this.#world = world;
    this.#journal = journal;
  }

  /** Runs a batch. Returns the steps that may have been done, and that a rollback has to undo. */
  async run(
    steps: readonly TableStep[],
    failed: (step: TableStep, error: unknown) => void,
  ): Promise<readonly TableStep[] | undefined> {
    const fail = (error: unknown): void => {
      for (const step of steps) failed(step, error);
    };
    try {
      await this.#journal.write(...(await this.#intents(steps)));
    } catch (error) {
      fail(error);
      return undefined;
    }
    let errors: readonly (IpvsError | undefined)[];
    try {
      const ipvs = await this.#world.ipvs;
      const changes = await mapInSlices(steps, ({ change }) => change);
      await pauseIfDue(steps.length);
      const sent = send(ipvs, this.#world.kernel, changes);
      // Makes the texts while the kernel works.
      [errors] = await Promise.all([sent, forEachInSlices(steps, toStep)]);
    } catch (error) {
      fail(error);
      return steps; // any of them may have been carried out
    }
    const others = new Set<TableStep>();
    const disowned: TableStep[] = [];
    const judge = (step: TableStep, index: number): void => {
      const error = errors[index];
      if (step.action === 'take-back' && (error === undefined || isGone(error))) {
        disowned.push(step);
        return;
      }
      if (!error) return;
      if (step.action === 'make' && isThere(error)) {
        others.add(step);
        if (!this.#owned.has(step)) disowned.push(step);
      }
      failed(step, error);
    };
    await forEachInSlices(steps, judge);
    // A failed step may still have taken effect, or its row was deleted with its service.
    const done = others.size === 0 ? steps : steps.filter((step) => !others.has(step));
    const [first] = disowned;
    if (!first) return done;
    try {
      await this.#journal.write(...(await rowsOf(disowned)).map((disown) => ({ disown })));
    } catch (error) {
      failed(first, error);
    }
    return done;
  }

  /** Returns the lines to write before the steps are done, and remembers what the journal had of their rows. */
  async #intents(steps: readonly TableStep[]): Promise<Line[]> {
    const { ledger } = this.#journal;
    const own = new RowsBuilder();
    const drains: Line[] = [];
    const stale = new Map<ServiceId, readonly Datagrams[]>();
    const add = (step: TableStep): void => {
      const { action, service, server, draining = null } = step;
      if (ledger.owns(service, server)) {
        const { servers, about } = ledger.owned.get(service) ?? {};
        this.#owned.set(step, { draining: server && servers?.get(server), about });
      }
      if (step.stale) stale.set(service, unionOf(stale.get(service) ?? ledger.stale.get(service) ?? [], step.stale));
      if (action === 'wait' || action === 'take-back') return;
      own.add(step);
      if (server !== undefined && (draining || this.#owned.get(step)?.draining))
        drains.push({ drain: { service, server, draining } });
    };
    await forEachInSlices(steps, add);
    return [...own.lines.map((own) => ({ own })), ...drains, ...(stale.size > 0 ? [{ stale: recordOf(stale) }] : [])];
  }

  /** Undoes steps of one batch, the last first. `tell` reports what could not be undone. */
  async undo(done: readonly TableStep[], tell: (step: AnyStep, error: unknown) => void): Promise<void> {
    const undos = done.flatMap((step) => {
      const { undo } = step;
      return undo === undefined ? [] : [{ step, undo }];
    });
    let errors: readonly (IpvsError | undefined)[];
    try {
      errors = await send(
        await this.#world.ipvs,
        this.#world.kernel,
        undos.map(({ undo }) => undo),
      );
    } catch (error) {
      for (const step of done) tell(step, error);
      return;
    }
    const failed = new Map<TableStep, IpvsError>();
    for (const [index, { step }] of undos.entries()) {
      const error = errors[index];
      if (error && !isGone(error) && !isThere(error)) failed.set(step, error);
    }
    for (const [step, error] of failed) tell(step, error);
    const back = done.filter((step) => !failed.has(step));
    const owned = back.filter((step) => this.#owned.has(step));
    const others = back.filter((step) => !this.#owned.has(step));
    try {
      await this.#journal.write(
        ...(await rowsOf(others)).map((disown) => ({ disown })),
        ...(await rowsOf(owned)).map((own) => ({ own })),
        ...owned.flatMap((step): Line[] => {
          const { service, server } = step;
          const { draining = null, about } = this.#owned.get(step) ?? {};
          if (server === undefined) return about ? [{ about: { [service]: about } }] : [];
          return [{ drain: { service, server, draining } }];
        }),
        // Added rows are deleted again, and flows may still lead to them.
        ...back.flatMap(({ service, stale }): Line[] => (stale ? [{ stale: { [service]: stale } }] : [])),
      );
    } catch (error) {
      tell(RECORD, error);
    }
  }
}
