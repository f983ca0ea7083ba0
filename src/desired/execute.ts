import { IpvsError } from '../kernel/errors.js';
import type { Change } from '../kernel/ipvs/types.js';
import { handlerOf } from '../roles/handlers/index.js';
import type { Item } from '../roles/items.js';
import type { World } from '../roles/world.js';
import { type Claims, isShared, wantedValue } from './claims.js';
import type { Journal } from './journal.js';
import type { Draining, Entry, Ledger, Line, Rows } from './ledger.js';
import { wordsOf } from './plan.js';
import { type ItemStep, type PlannedStep, type TableStep, undoOf } from './step.js';
import type { Datagrams } from './target.js';

/** A step that was tried. */
export interface Tried {
  readonly step: PlannedStep;
  /** None: it was done. */
  readonly error?: IpvsError | undefined;
}

/** Something done, and what it takes to undo it. */
type Done =
  | { readonly step: ItemStep; readonly before: Entry | undefined }
  | { readonly step: TableStep; readonly owned: boolean; readonly draining: Draining | undefined };

/**
 * Does steps, and can undo them. Before each, the journal says so; rows of IPVS go to the kernel
 * many at a time, everything else one after the other.
 */
export class Executor {
  readonly #world: World;
  readonly #journal: Journal;
  readonly #claims: Claims;
  readonly #done: Done[] = [];
  readonly tried: Tried[] = [];
  /** Those of {@link tried} with an error. */
  readonly failures: (Tried & { readonly error: IpvsError })[] = [];

  constructor(world: World, journal: Journal, claims: Claims) {
    this.#world = world;
    this.#journal = journal;
    this.#claims = claims;
  }

  /** In order; ends with the first item, or the first batch of rows, in which something fails, unless it is to go on. */
  async run(steps: readonly PlannedStep[], goOn = false): Promise<void> {
    for (let at = 0; at < steps.length; ) {
      const step = steps[at];
      if (!step) return;
      if ('row' in step) {
        const end = steps.findIndex((other, index) => index > at && (!('row' in other) || other.phase !== step.phase));
        const batch = steps.slice(at, end < 0 ? undefined : end) as readonly TableStep[];
        await this.#rows(batch);
        at += batch.length;
      } else {
        await this.#item(step);
        at++;
      }
      if (!goOn && this.failures.length > 0) return;
    }
  }

  /** Something that belongs to these steps: it fails with them. */
  async also(step: PlannedStep, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failed(step, error);
    }
  }

  /** Back to how it was; what could not be, in words. */
  async undo(): Promise<string[]> {
    const left: string[] = [];
    const tell = (what: string, error: unknown): void => {
      left.push(`${what} (${error instanceof Error ? error.message : String(error)})`);
    };
    for (let at = this.#done.length; at > 0; ) {
      const rows: Extract<Done, { step: TableStep }>[] = [];
      for (let one = this.#done[at - 1]; one && 'owned' in one; one = this.#done[at - 1]) {
        rows.push(one);
        at--;
      }
      if (rows.length > 0) await this.#undoRows(rows, tell);
      const item = this.#done[at - 1];
      if (!item || 'owned' in item) continue;
      at--;
      try {
        await this.#undoItem(item.step, item.before);
      } catch (error) {
        tell(wordsOf(item.step.item), error);
      }
    }
    return left;
  }

  async #item(step: ItemStep): Promise<void> {
    const { item, name, action } = step;
    const handler = handlerOf(item);
    const before = this.#journal.ledger.find(name);
    try {
      if (action === 'take-back') {
        await this.#giveBack(item, name, before?.before);
        await this.#journal.write({ remove: name });
      } else {
        // Of what was recorded before, what was there at first counts.
        const remembered = before ? before.before : await this.#remember(item, name);
        await this.#journal.write({ put: { name, item, ...(remembered !== undefined && { before: remembered }) } });
        if (action === 'change' && handler.change) await handler.change(item, this.#world);
        else if (action !== 'adopt') await handler.make(item, this.#world);
      }
    } catch (error) {
      // What somebody else made at the same time is not to be taken back.
      if (!isThere(error)) this.#done.push({ step, before });
      else if (before === undefined) await this.#journal.write({ remove: name });
      this.#failed(step, error);
      return;
    }
    this.#done.push({ step, before });
    this.tried.push({ step });
  }

  async #undoItem({ action, item, name }: ItemStep, before: Entry | undefined): Promise<void> {
    const handler = handlerOf(item);
    if (before) {
      // Made by an earlier call, and changed or taken back by this one.
      if (action === 'take-back') await this.#makeAgain(before.item);
      else if (action === 'change') await handler.change?.(before.item, this.#world);
      else if (action === 'make') await handler.takeBack(item, before.before, this.#world);
      if (isShared(before.item) && before.before !== undefined) {
        const { before: value } = before;
        await this.#claims.claim(name, wantedValue(before.item), async () => value);
      }
      await this.#journal.write({ put: before });
      return;
    }
    const entry = this.#journal.ledger.find(name);
    if (entry) await this.#giveBack(item, name, entry.before);
    await this.#journal.write({ remove: name });
  }

  /** What is there before it is made. */
  async #remember(item: Item, name: string): Promise<string | undefined> {
    const handler = handlerOf(item);
    const now = async (): Promise<string> => (await handler.remember?.(item, this.#world)) ?? '';
    return isShared(item) ? this.#claims.claim(name, wantedValue(item), now) : handler.remember?.(item, this.#world);
  }

  /** Unless others want it, too. */
  async #giveBack(item: Item, name: string, before: string | undefined): Promise<void> {
    if (isShared(item) && (await this.#claims.release(name))) return;
    await handlerOf(item).takeBack(item, before, this.#world);
  }

  /** If it is there still, its taking back had failed. */
  async #makeAgain(item: Item): Promise<void> {
    try {
      await handlerOf(item).make(item, this.#world);
    } catch (error) {
      if (!isThere(error)) throw error;
    }
  }

  async #rows(steps: readonly TableStep[]): Promise<void> {
    const { ledger } = this.#journal;
    const done = steps.map((step) => {
      const { service, server = '' } = step.row;
      return { step, owned: ledger.owns(service, server), draining: ledger.owned.get(service)?.servers.get(server) };
    });
    const fail = (error: unknown): void => {
      for (const step of steps) this.#failed(step, error);
    };
    try {
      await this.#journal.write(...intents(steps, ledger));
    } catch (error) {
      return fail(error);
    }
    let errors: readonly (IpvsError | undefined)[];
    try {
      errors = await this.#send(steps.map(({ change }) => change));
    } catch (error) {
      // Whether any of them was carried out is not known.
      for (const one of done) this.#done.push(one);
      return fail(error);
    }
    const disown: TableStep[] = [];
    done.forEach((one, index) => {
      const { step, owned } = one;
      const error = errors[index];
      const gone = step.action === 'take-back' && (error === undefined || isGone(error));
      const others = step.action === 'make' && isThere(error);
      if (gone || (others && !owned)) disown.push(step);
      // What failed may have been done all the same, or gone with its service.
      if (!others) this.#done.push(one);
      if (error === undefined || gone) this.tried.push(one);
      else this.#failed(step, error);
    });
    const [first] = disown;
    if (!first) return;
    try {
      await this.#journal.write({ disown: rowsOf(disown) });
    } catch (error) {
      this.#failed(first, error);
    }
  }

  #failed(step: PlannedStep, reason: unknown): void {
    const failure = { step, error: asIpvsError(reason) };
    this.tried.push(failure);
    this.failures.push(failure);
  }

  /** One error for each; what has nothing to be sent ends well. */
  async #send(changes: readonly (Change | undefined)[]): Promise<(IpvsError | undefined)[]> {
    const due = changes.filter((change) => change !== undefined);
    if (due.length === 0) return changes.map(() => undefined);
    const errors = await (await this.#world.ipvs).send(due);
    if (due.length === changes.length) return errors;
    let at = 0;
    return changes.map((change) => (change === undefined ? undefined : errors[at++]));
  }

  async #undoRows(
    done: readonly Extract<Done, { step: TableStep }>[],
    tell: (what: string, error: unknown) => void,
  ): Promise<void> {
    const undos = done.flatMap(({ step }) => {
      const undo = undoOf(step);
      return undo === undefined ? [] : [{ step, undo }];
    });
    let errors: (IpvsError | undefined)[];
    try {
      errors = await this.#send(undos.map(({ undo }) => undo));
    } catch (error) {
      for (const { step } of done) tell(step.what, error);
      return;
    }
    const failed = new Map<TableStep, IpvsError>();
    for (const [index, { step }] of undos.entries()) {
      const error = errors[index];
      if (error && !isGone(error) && !isThere(error)) failed.set(step, error);
    }
    for (const [step, error] of failed) tell(step.what, error);
    const back = done.filter(({ step }) => !failed.has(step));
    try {
      await this.#journal.write(
        ...rowLines(
          'disown',
          back.filter(({ owned }) => !owned),
        ),
        ...rowLines(
          'own',
          back.filter(({ owned }) => owned),
        ),
        ...back.flatMap(({ step: { row }, owned, draining = null }): Line[] =>
          owned && row.server !== undefined ? [{ drain: { service: row.service, server: row.server, draining } }] : [],
        ),
      );
    } catch (error) {
      tell('the journal', error);
    }
  }
}

function rowLines(verb: 'own' | 'disown', done: readonly { readonly step: TableStep }[]): Line[] {
  if (done.length === 0) return [];
  const rows = rowsOf(done.map(({ step }) => step));
  return [verb === 'own' ? { own: rows } : { disown: rows }];
}

/** What the journal says before the steps are done. */
function intents(steps: readonly TableStep[], ledger: Ledger): Line[] {
  const own: TableStep[] = [];
  const drains: Line[] = [];
  const stale = new Map<string, readonly Datagrams[]>();
  for (const step of steps) {
    const { action, row, draining = null } = step;
    const { service, server } = row;
    if (step.stale) stale.set(service, step.stale);
    if (action === 'wait' || action === 'take-back') continue;
    own.push(step);
    const before = server === undefined ? undefined : ledger.owned.get(service)?.servers.get(server);
    if (server !== undefined && (draining || before)) drains.push({ drain: { service, server, draining } });
  }
  return [
    ...(own.length > 0 ? [{ own: rowsOf(own) }] : []),
    ...drains,
    ...(stale.size > 0 ? [{ stale: Object.fromEntries(stale) }] : []),
  ];
}

function rowsOf(steps: readonly TableStep[]): Rows {
  const rows: Record<string, string[]> = {};
  let last = ''; // most come one after the other
  let names: string[] = [];
  steps.forEach(({ row: { service, server = '' } }) => {
    if (service !== last) {
      last = service;
      names = rows[service] ?? [];
      rows[service] = names;
    }
    names.push(server);
  });
  return rows;
}

function isThere(error: unknown): boolean {
  return error instanceof IpvsError && error.code.endsWith('_EXISTS');
}

function isGone(error: IpvsError): boolean {
  return error.code === 'ERR_IPVS_NO_SUCH_SERVICE' || error.code === 'ERR_IPVS_NO_SUCH_SERVER';
}

function asIpvsError(error: unknown): IpvsError {
  if (error instanceof IpvsError) return error;
  return new IpvsError('ERR_IPVS_SYSTEM', error instanceof Error ? error.message : String(error), { cause: error });
}
