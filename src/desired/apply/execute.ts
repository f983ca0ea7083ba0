import type { IpvsError } from '../../common/errors.js';
import { announceAddress, isAnnounced } from '../../items/addresses.js';
import type { Before } from '../../items/before.js';
import { handlerOf } from '../../items/handlers.js';
import { type ItemId, idOf } from '../../items/item-ids.js';
import type { Item, ItemOf } from '../../items/items.js';
import { readSnapshot } from '../../items/snapshot.js';
import type { World } from '../../items/world.js';
import { onInterface } from '../plan/renames.js';
import { type AnyStep, type ItemStep, isItem, isOwed, type PlannedStep, TableStep } from '../plan/step.js';
import type { Claims } from '../record/claims.js';
import type { Journal } from '../record/journal.js';
import type { Entry, Line } from '../record/ledger.js';
import { isShared, wantedOf } from '../record/wanted.js';
import { flowsAfter, stateBefore } from './consequences.js';
import { Interfaces } from './interfaces.js';
import { asIpvsError, isThere } from './outcomes.js';
import { isRefusal, Refused } from './refused.js';
import { RowRunner } from './row-runner.js';

/** A step that failed, with its error. */
export interface Failure {
  readonly step: AnyStep;
  readonly error: IpvsError;
}

/**
 * Runs steps, and can undo them. Writes each step to the journal first. Sends rows of IPVS to the kernel in batches,
 * and runs all other steps one after the other.
 */
export class Executor {
  readonly #world: World;
  readonly #journal: Journal;
  readonly #claims: Claims;
  /** Steps that may have been done, and that a rollback has to undo. */
  readonly #done: (ItemStep | readonly TableStep[])[] = [];
  /** State in the journal before the steps, for items and rows that it had. */
  readonly #entries = new Map<ItemStep, Entry>();
  /** Tables that become the owner's: their earlier content is not restored. */
  readonly #adopted = new Set<ItemId>();
  /** State of settings before the steps that change them. */
  readonly #now = new Map<ItemStep, Before>();
  readonly #interfaces: Interfaces;
  readonly #rows: RowRunner;
  readonly #refused = new Refused();
  #tried: AnyStep[] = [];
  readonly failures: Failure[] = [];
  /** Failures of work that is left for the next call. They undo nothing. */
  readonly owed: Failure[] = [];

  constructor(world: World, journal: Journal, claims: Claims) {
    this.#world = world;
    this.#journal = journal;
    this.#claims = claims;
    this.#interfaces = new Interfaces(world, () => journal.ledger);
    this.#rows = new RowRunner(world, journal);
  }

  /** Steps that were tried, including those that failed. */
  get tried(): readonly AnyStep[] {
    return this.#tried;
  }

  /**
   * Runs the steps in order. Stops after the first item, or the first batch of rows, with a failure, unless `goOn` is
   * true. Sysctls that the kernel refuses are tried again at the end of their phase.
   */
  async run(steps: readonly PlannedStep[], goOn = false): Promise<void> {
    const early = new Set<PlannedStep>();
    for (let at = 0; at < steps.length && (goOn || this.failures.length === 0); ) {
      const step = steps[at];
      if (!step) break;
      const { phase } = step;
      const start = at;
      if (step instanceof TableStep) {
        const belongs = (other: PlannedStep | undefined): boolean =>
          other instanceof TableStep && other.phase === phase;
        while (belongs(steps[at])) at++;
        const batch = steps.slice(start, at) as readonly TableStep[];
        this.#tried = this.#tried.concat(batch);
        const done = await this.#rows.run(batch, (one, error) => this.#failed(one, error));
        if (done) this.#done.push(done);
      } else {
        at++;
        // Owed work runs at the end, all of it together.
        if (!isOwed(step) && !early.has(step)) await this.#first(step);
      }
      if (steps[at]?.phase === phase) continue;
      if (goOn || this.failures.length === 0) await this.#again(steps.slice(at), early);
    }
    for (const [step, error] of this.#refused.end()) this.#failed(step, error);
  }

  /** Runs a step for the first time. */
  async #first(step: ItemStep): Promise<void> {
    this.#tried.push(step);
    await this.#item(step);
  }

  /**
   * Tries refused sysctls again while others change. Takes back sysctls of later phases early if these may be in the
   * way, and adds them to `early`.
   */
  async #again(later: readonly PlannedStep[], early: Set<PlannedStep>): Promise<void> {
    for (;;) {
      for (let step = this.#refused.next(); step; step = this.#refused.next()) await this.#item(step, true);
      const inTheWay = later.find((step) => !early.has(step) && this.#refused.mayWaitFor(step));
      if (!inTheWay || !isItem(inTheWay)) break;
      early.add(inTheWay);
      await this.#first(inTheWay);
    }
    for (const [step, error] of this.#refused.end()) this.#failed(step, error);
  }

  /** Records that adopted tables have no earlier content to restore. */
  async adopt(): Promise<void> {
    const entries = [...this.#adopted].flatMap((id) => this.#journal.ledger.find(id) ?? []);
    this.#adopted.clear();
    await this.#journal.write(...entries.map(({ id, item }) => ({ put: { id, item } })));
  }

  /** Runs work that belongs to these steps, and reports it only if it fails. */
  async also(step: AnyStep, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#tried.push(step);
      this.#failed(step, error);
    }
  }

  /** Reports that work which an earlier call had left is done. */
  settled(step: AnyStep): void {
    this.#tried.push(step);
  }

  /** Reports that work which follows from these steps failed. The record keeps it. */
  owes(step: AnyStep, reason: unknown): void {
    this.#tried.push(step);
    this.owed.push({ step, error: asIpvsError(reason) });
  }

  /** Undoes the steps, the last first. Returns those that could not be undone. */
  async undo(): Promise<Failure[]> {
    const left: Failure[] = [];
    const tell = (step: AnyStep, reason: unknown): void => {
      left.push({ step, error: asIpvsError(reason) });
    };
    const refused = new Refused();
    const undo = async (step: ItemStep): Promise<void> => {
      try {
        await this.#undoItem(step, this.#entries.get(step));
        refused.succeeded(step);
      } catch (error) {
        if (isRefusal(step, error)) refused.add(step, error);
        else tell(step, error);
      }
    };
    for (const one of this.#done.toReversed()) {
      if ('id' in one) await undo(one);
      else await this.#rows.undo(one.toReversed(), tell);
    }
    for (let step = refused.next(); step; step = refused.next()) await undo(step);
    for (const [step, error] of refused.end()) tell(step, error);
    return left;
  }

  async #item(step: ItemStep, isRetry = false): Promise<void> {
    const { item, id, action } = step;
    const handler = handlerOf(item);
    const before = this.#journal.ledger.find(id);
    // A step that was refused is in the record, but not done.
    if (isRetry) this.#done.splice(this.#done.indexOf(step), 1);
    else if (before) this.#entries.set(step, before);
    try {
      if (action === 'take-back') {
        await this.#journal.write(...(await this.#consequences(step, stateBefore(item, before))));
        await this.#giveBack(id, before ?? { id, item });
        await this.#journal.write({ remove: id });
      } else {
        // A recorded item keeps the value from before the owner's first change.
        const remember = async () => (before ? before.before : handler.remember?.(item, this.#world));
        if (step.adopts && item.kind === 'netfilter') this.#adopted.add(id);
        const tried = before ? earlier(before, item) : [];
        const work = async (remembered: Before | undefined, claimed?: ReadonlySet<string>): Promise<void> => {
          // The index of a link is recorded after the link is made: a link with another index would be another
          // program's.
          const index = item.kind === 'link' ? await this.#renamedIndex(before) : await this.#interfaces.indexOf(item);
          const entry: Entry = {
            id,
            item,
            ...(remembered !== undefined && { before: remembered }),
            ...(index !== undefined && { index }),
          };
          const put = tried.length > 0 ? { ...entry, tried } : entry;
          await this.#journal.write({ put }, ...(await this.#consequences(step, item)));
          const now = action === 'change' && isShared(item) && (await handler.remember?.(item, this.#world));
          if (now) this.#now.set(step, now);
          const isKept = action === 'adopt' && (!isShared(item) || (await this.#isRight(item)));
          if (action === 'change' && handler.change) await this.#change(step, before, claimed);
          // Another owner may have restored the setting since it was read: set it again then.
          else if (!isKept) await handler.make(item, this.#world, claimed);
          const confirmed = isKept ? undefined : await handler.confirm?.(item, this.#world, claimed);
          // The change is complete: the kernel has no earlier version of the item.
          if (tried.length > 0 || confirmed) await this.#journal.write({ put: { ...entry, item: confirmed ?? item } });
          if (isAnnounced(item) && action !== 'adopt') await this.#announce(item, id);
          if (item.kind === 'link') await this.#journal.write(...(await this.#interfaces.made(id, before?.index)));
        };
        if (isShared(item)) await this.#claims.claim(id, wantedOf(item), () => sure(remember()), work);
        else await work(await remember());
      }
    } catch (error) {
      // Do not take back an item that another program made at the same time.
      if (!isThere(error)) this.#done.push(step);
      else if (before === undefined) await this.#journal.write({ remove: id });
      if (isRefusal(step, error)) this.#refused.add(step, error);
      else this.#failed(step, error);
      return;
    }
    this.#done.push(step);
    this.#refused.succeeded(step);
  }

  async #change({ item }: ItemStep, before: Entry | undefined, claimed?: ReadonlySet<string>): Promise<void> {
    const handler = handlerOf(item);
    const name = await this.#interfaces.otherName(before);
    if (name === undefined) return handler.change?.(item, this.#world, claimed);
    await handler.takeBack(onInterface(item, name), undefined, this.#world);
    const entry = this.#journal.ledger.find(idOf(item));
    if (entry) await this.#journal.write({ put: withoutIndex(entry) });
    await handler.make(item, this.#world);
  }

  /** Returns the index of a link that has to be deleted under another name first. */
  async #renamedIndex(before: Entry | undefined): Promise<number | undefined> {
    return (await this.#interfaces.otherName(before)) === undefined ? undefined : before?.index;
  }

  /** Returns the lines for work that a change of an item leaves until all other steps are done. */
  async #consequences({ action, id }: Pick<ItemStep, 'action' | 'id'>, after: Item): Promise<Line[]> {
    if (isAnnounced(after) && (action === 'make' || action === 'change')) return [{ announce: { [id]: true } }];
    return after.kind === 'netfilter' ? flowsAfter(this.#world, this.#journal.ledger, after) : [];
  }

  /** Announces at once, because clients wait for it. A failure is retried, and reported, after all other steps. */
  async #announce(item: ItemOf<'address'>, id: ItemId): Promise<void> {
    try {
      if (await announceAddress(this.#world, item)) await this.#journal.write({ announce: { [id]: null } });
    } catch {
      // The record keeps the announcement.
    }
  }

  async #undoItem(step: ItemStep, before: Entry | undefined): Promise<void> {
    const { action, item, id } = step;
    const handler = handlerOf(item);
    if (item.kind === 'netfilter') {
      const entry = before ?? this.#journal.ledger.find(id);
      const after = before && action !== 'make' ? before.item : stateBefore(item, entry);
      await this.#journal.write(...(await this.#consequences({ action, id }, after)));
    }
    if (before) {
      // Entries on the link that this call made have its index.
      const undone = this.#journal.ledger.find(id)?.index ?? before.index;
      if (item.kind === 'link')
        await this.#journal.write({ put: withoutIndex(this.#journal.ledger.find(id) ?? before) });
      // An earlier call made it, and this call changed it or took it back.
      const restore = async (): Promise<void> => {
        if (action === 'take-back') await this.#makeAgain(before.item);
        else if (action === 'change') await this.#changeBack(step, before.item);
        else if (action === 'make') await handler.takeBack(item, before.before, this.#world);
      };
      const was = (): Promise<Before> => sure(Promise.resolve(before.before));
      if (isShared(before.item)) await this.#claims.claim(id, wantedOf(before.item), was, restore);
      else await restore();
      await this.#journal.write({ put: item.kind === 'link' ? withoutIndex(before) : before });
      if (item.kind === 'link') await this.#journal.write(...(await this.#interfaces.made(id, undone)));
      return;
    }
    const entry = this.#journal.ledger.find(id);
    // An item that was only adopted stays, and is another program's again.
    const stays = action === 'adopt' && !isShared(item);
    if (!stays && (entry || isShared(item))) await this.#giveBack(id, entry ?? { id, item });
    await this.#journal.write({ remove: id });
  }

  /**
   * Undoes a change. A setting gets its value from before the step, whoever set that; other items get the owner's
   * version.
   */
  async #changeBack(step: ItemStep, before: Item): Promise<void> {
    const { item, id } = step;
    const now = this.#now.get(step);
    if (now === undefined) return handlerOf(item).change?.(before, this.#world);
    const made = this.#journal.ledger.find(id)?.item ?? item;
    await handlerOf(item).takeBack(made, now, this.#world);
  }

  async #isRight(item: Item): Promise<boolean> {
    const snapshot = await readSnapshot(this.#world, { table: false, items: [item], everything: false });
    return handlerOf(item).inspect(item, snapshot).state === 'right';
  }

  /**
   * Takes an item back, unless other owners want it, too. The kernel may have any version that the owner tried to make.
   */
  async #giveBack(id: ItemId, entry: Entry): Promise<void> {
    const { item, before, tried = [] } = entry;
    const other = await this.#interfaces.otherName(this.#journal.ledger.find(id));
    const takeBack = async (state = before, kept?: ReadonlyMap<string, string | undefined>): Promise<void> => {
      for (const one of [item, ...tried]) {
        const there = other === undefined ? one : onInterface(one, other);
        await handlerOf(one).takeBack(there, state, this.#world, kept);
      }
    };
    return isShared(item) ? this.#claims.release(id, item, takeBack) : takeBack();
  }

  /** Makes an item again. The item still exists if taking it back had failed. */
  async #makeAgain(item: Item): Promise<void> {
    try {
      await handlerOf(item).make(item, this.#world);
    } catch (error) {
      if (!isThere(error)) throw error;
    }
  }

  #failed(step: AnyStep, reason: unknown): void {
    this.failures.push({ step, error: asIpvsError(reason) });
  }
}

/** Returns the versions that the kernel may have instead of the item until the change to it is complete. */
function earlier({ item: before, tried = [] }: Entry, item: Item): readonly Item[] {
  // A table is taken back as a whole, whatever its content.
  if (item.kind === 'netfilter') return [];
  const text = JSON.stringify(item);
  const others = new Map([...tried, before].map((one) => [JSON.stringify(one), one]));
  others.delete(text);
  return [...others.values()];
}

function withoutIndex({ index: _, ...entry }: Entry): Entry {
  return entry;
}

/** Returns the state of a setting before its change: every handler of settings remembers it. */
async function sure(before: Promise<Before | undefined>): Promise<Before> {
  const state = await before;
  if (!state) throw new TypeError('a setting has no earlier state');
  return state;
}
