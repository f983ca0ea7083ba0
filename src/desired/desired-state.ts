import {
  checkCallOptions,
  checkFlag,
  checkInteger,
  checkKernel,
  checkOneOf,
  checkOptions,
  isText,
  show,
  valueOr,
} from '../kernel/check.js';
import { IpvsError, invalid } from '../kernel/errors.js';
import type { CallOptions, Kernel } from '../kernel/kernel.js';
import { World } from '../roles/world.js';
import { CheckedDocument, type DesiredDocument, type DocumentInput } from './document.js';
import { cancelDrain, type DrainOptions, type DrainProgress, readDrains, stepDrains } from './drain.js';
import { DriftWatch } from './drift-watch.js';
import { Engine, placesOf } from './engine.js';
import type { PlanOptions } from './plan.js';
import { Plan } from './plan-view.js';
import { checkRecord } from './role.js';
import { checkSame, StateSnapshot } from './state-snapshot.js';
import { type Step, toStep } from './step.js';
import type { Adoption } from './table-plan.js';
import { type DriftReport, driftOf, Waker } from './watch.js';

export interface DesiredStateOptions extends CallOptions {
  /**
   * Where what the owner has made is noted, so that another program can go on: a file, or `false` for
   * nowhere. Default: a file in /run/ipvs, one for each namespace and owner.
   */
  readonly record?: string | false | undefined;
  /** Another kernel than this machine's, for tests. */
  readonly kernel?: Kernel | undefined;
}

export interface PlanDocumentOptions extends CallOptions {
  /**
   * Takes over services and servers that another owner or another program made. `false`, the default: a service that
   * another one made is a conflict, also if it has the same settings, unless the document shares it
   * (`shared: true`); so is a server with other settings within an own or a shared service. `true`: wanted services and
   * servers become the owner's, except services with `shared: true` and their servers. `'all'`: the whole table of the
   * namespace becomes the owner's, and rows that are not wanted go. Another owner's record is not changed: that owner
   * still counts the rows as its own.
   * `true` also takes the other things that are wanted and that the owner has no record of: links, addresses, routes,
   * rules, GUE ports, marks and NAT, which `remove()` then deletes, and sysctls and timeouts, which keep the
   * value that they have when they are adopted. A link that is up stays up. The plan then has a step `foreign` for
   * what nobody here wants and an earlier run of the owner may have left: services of the namespace; addresses of
   * one host (/32, /128) on interfaces, and routes and rules of tables, that the document names; the owner's table
   * of nf_tables.
   */
  readonly adopt?: boolean | 'all' | undefined;
}

export interface ApplyDocumentOptions extends PlanDocumentOptions {
  /**
   * When something fails. `roll-back`, the default: what this call did before is undone. `leave`: it
   * stays, and the next apply goes on; what is pipelined with what failed is done, too.
   */
  readonly onFailure?: 'roll-back' | 'leave' | undefined;
  /** Waits until what drains is gone. Default: false; see {@link DesiredState.drain}. */
  readonly settle?: boolean | undefined;
}

export interface WatchDocumentOptions extends PlanDocumentOptions {
  /** Whether what is not as it should be is mended. Default: false. */
  readonly repair?: boolean | undefined;
  /**
   * Milliseconds between two looks at the table of IPVS, which has no events; from 10, default 2000.
   * Changes of marks, NAT, addresses, links, routes and rules are seen at once.
   */
  readonly interval?: number | undefined;
}

/** What comes with progress, and does not say which server it is. */
const progressNames = ['activeConnections', 'inactiveConnections', 'persistentConnections', 'remaining'];

/** Milliseconds between two looks at what drains, at least. */
const LEAST = 10;

/**
 * What one owner wants of a network namespace, as a document that is applied again and again.
 * Only what the owner made is ever changed or removed; several owners live side by side.
 */
export class DesiredState {
  readonly #engine: Engine;
  /** The last that was applied, or begun with. */
  #checked: CheckedDocument;
  #taking: Promise<void> = Promise.resolve();

  private constructor(engine: Engine, checked: CheckedDocument) {
    this.#engine = engine;
    this.#checked = checked;
  }

  /**
   * Checks the document (an object, or YAML), and opens what it takes; nothing is changed.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` with the places in the document, `ERR_IPVS_RECORD`,
   * and as {@link Network.open}
   */
  static async open(document: DocumentInput, options: DesiredStateOptions = {}): Promise<DesiredState> {
    checkOptions('open', options, ['record', 'kernel', 'signal', 'timeout']);
    const { record, signal, timeout, kernel } = options;
    checkCallOptions({ signal, timeout });
    checkRecord(record);
    checkKernel(kernel, 'openIpvs', 'openConntrack', 'openNetfilter', 'openNetwork', 'openJournal', 'gracePeriod');
    const checked = await CheckedDocument.parse(document);
    const { owner, namespace } = checked.document;
    const world = new World({ kernel, timeout, namespace });
    try {
      const engine = new Engine(world, await placesOf(world.kernel, await world.network, owner, record));
      await engine.begin({ signal, timeout });
      // Begun now, so that nobody waits for it later; whoever needs it is told if it cannot be opened.
      if (checked.target.table.size > 0) world.ipvs.catch(() => {});
      return new DesiredState(engine, checked);
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  get owner(): string {
    return this.#checked.document.owner;
  }

  /** The last that was applied here, or the one that it was opened with. */
  get document(): DesiredDocument {
    return this.#checked.document;
  }

  /** What it takes to make the namespace as the document says, the same or another of this owner. Nothing is changed. */
  async plan(document?: DocumentInput, options: PlanDocumentOptions = {}): Promise<Plan> {
    checkOptions('plan', options, ['adopt', 'signal', 'timeout']);
    callOptions(options);
    planOptions(undefined, options); // complain before reading the document
    const checked = await this.#take(document);
    return this.#plan(checked, { ...planOptions(checked, options), leftOvers: options.adopt === true }, options);
  }

  async #plan(checked: CheckedDocument, planning: PlanOptions, call: CallOptions): Promise<Plan> {
    return new Plan(await this.#engine.plan(checked.target, planning, callOptions(call)));
  }

  /**
   * Makes the namespace as the document says, the same or another of this owner: what clients need is
   * there before they are sent to it, and goes after. Repeated, it does nothing, or mends.
   * The signal counts until it begins: what has begun is taken to its end, or undone. The timeout is that of
   * each request, not of `settle`.
   * @returns the steps that were done. Servers that drain are not gone yet: see {@link drain}.
   * @throws IpvsError `ERR_IPVS_FOREIGN` if something is in the way that the owner did not make: nothing was done. The
   * message names the owner, as far as records in /run/ipvs have it, and the settings that differ. An
   * {@link ApplyError} (`ERR_IPVS_STEP_FAILED`) with the outcome of each step. If only stale flows or announcements
   * failed, nothing is undone: the plan has them until a later apply does them.
   */
  async apply(document?: DocumentInput, options: ApplyDocumentOptions = {}): Promise<Step[]> {
    checkOptions('apply', options, applyNames);
    const { onFailure = 'roll-back', settle = false } = options;
    checkApply(options);
    const call = callOptions(options);
    const planning = planOptions(undefined, options); // complain before reading the document
    const checked = await this.#take(document);
    this.#checked = checked;
    const { drain } = checked.document;
    const done = await this.#engine.apply(checked.target, { ...planning, drain, onFailure }, call);
    if (settle) for await (const _ of this.drain(call));
    return done.map(toStep);
  }

  /**
   * All that the owner made goes: what is in the way of nobody's connections first. Sysctls get the
   * values back that they had, unless somebody else has changed them since.
   * @returns the steps that were done, also for what was gone already; a step `wait` for what stays the owner's as
   * long as others use it (a service that has servers of others): it can be repeated then
   * @throws IpvsError an {@link ApplyError} that says what is left; it can be repeated
   */
  async remove(options: CallOptions = {}): Promise<Step[]> {
    checkCallOptions(options);
    return (await this.#engine.remove(options)).map(toStep);
  }

  /** What the kernel has of all this, and what the owner made: plans can be made of it elsewhere. */
  async snapshot(options: CallOptions = {}): Promise<StateSnapshot> {
    checkCallOptions(options);
    const { snapshot, ledger } = await this.#engine.snapshot(this.#checked.target, options);
    return new StateSnapshot(snapshot, ledger, this.document);
  }

  /** The servers that drain now, also if another program began it. */
  async draining(options: CallOptions = {}): Promise<DrainProgress[]> {
    checkCallOptions(options);
    return readDrains(this.#engine, options);
  }

  /**
   * Removes servers that drain as soon as they are through, until there are none, and tells of each
   * whenever its connections change. It takes up what other programs have begun. A loop that is left
   * leaves the rest for later: somebody has to go on.
   */
  async *drain(options: DrainOptions = {}): AsyncGenerator<DrainProgress, void, void> {
    checkOptions('drain', options, ['interval', 'signal', 'timeout']);
    const { signal, timeout } = callOptions(options);
    const interval = checkInteger('interval', valueOr(options.interval, 1000), 10, 0x7fffffff);
    const told = new Map<string, DrainProgress>();
    for (;;) {
      const { all, owns } = await stepDrains(this.#engine, this.#checked.target, this.document.drain, {
        signal,
        timeout,
      });
      for (const progress of all) {
        const key = `${progress.server} of ${progress.service}`;
        if (isNews(progress, told.get(key))) yield progress;
        told.set(key, progress);
      }
      // What another call has removed meanwhile, or keeps.
      for (const [key, progress] of told) {
        const { service, server, state } = progress;
        if (all.some((other) => `${other.server} of ${other.service}` === key)) continue;
        told.delete(key);
        if (state === 'draining') yield { ...progress, state: owns(service, server) ? 'cancelled' : 'gone' };
      }
      const left = all.filter(({ state }) => state === 'draining');
      if (left.length === 0) return;
      const next = Math.min(interval, ...left.map(({ remaining }) => Math.max(remaining, LEAST)));
      await this.#engine.world.clock.sleep(next, signal);
    }
  }

  /**
   * A server that drains gets its weight back, in place: its connections do not notice. It is still not
   * in the document: the next apply drains it again, unless that has it.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER` if it does not drain
   */
  async cancelDrain(server: Pick<DrainProgress, 'service' | 'server'>, options?: CallOptions): Promise<void> {
    checkOptions('a server that drains', server, ['service', 'server', 'state', ...progressNames]);
    for (const name of ['service', 'server'] as const)
      if (!isText(server[name], 128) || server[name] === '')
        throw invalid(`${name} is a text as DrainProgress has it, not ${show(server[name])}`);
    checkCallOptions(options);
    return cancelDrain(this.#engine, server.service, server.server, options);
  }

  /**
   * Compares the namespace with the document again and again, and reports whenever the difference changes. With
   * `repair`, drift is mended and drains continue. Resolves when it is subscribed: it reports every change made after that.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`; the signal's reason. A signal that comes later ends the watch with its reason.
   */
  async watch(options: WatchDocumentOptions = {}): Promise<DriftWatch> {
    checkOptions('watch', options, ['adopt', 'repair', 'interval', 'signal', 'timeout']);
    const { repair = false, adopt } = options;
    const { signal, timeout } = callOptions(options);
    checkFlag('repair', repair);
    planOptions(undefined, options);
    const interval = checkInteger('interval', valueOr(options.interval, 2000), 10, 0x7fffffff);
    const waker = new Waker();
    await waker.listen(this.#engine.world, this.#checked.target);
    if (signal?.aborted) waker.close();
    signal?.throwIfAborted();
    return new DriftWatch(waker, (closed) => {
      const ends = signal ? AbortSignal.any([signal, closed]) : closed;
      return this.#reports(waker, { adopt, timeout, signal: ends }, repair, interval);
    });
  }

  async *#reports(
    waker: Waker,
    options: PlanDocumentOptions,
    repair: boolean,
    interval: number,
  ): AsyncGenerator<DriftReport, void, void> {
    const well = JSON.stringify([[], undefined]);
    let told = well;
    for (;;) {
      options.signal?.throwIfAborted();
      const { plan, ...seen } = await this.#look(options);
      const drift = plan ? driftOf(plan) : [];
      const due = repair && plan !== undefined && plan.changes.length > 0 && plan.conflicts.length === 0;
      const report: DriftReport = due ? { drift, ...(await this.#repair(options)) } : { drift, repaired: [], ...seen };
      const text = JSON.stringify([drift, report.error?.message]);
      if (text !== told) yield report;
      // A repaired fault is news when it appears again.
      told = due && report.error === undefined ? well : text;
      await waker.wait(this.#engine.world, interval, options.signal);
    }
  }

  /** Closes its handles; what it made stays. */
  close(): Promise<void> {
    return this.#engine.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** That it cannot be read now is told, and tried again. */
  async #look(options: PlanDocumentOptions): Promise<{ readonly plan?: Plan; readonly error?: IpvsError }> {
    try {
      const checked = await this.#take(undefined);
      return { plan: await this.#plan(checked, planOptions(checked, options), options) };
    } catch (error) {
      if (error instanceof IpvsError && error.code !== 'ERR_IPVS_CLOSED') return { error };
      throw error;
    }
  }

  async #repair(options: ApplyDocumentOptions): Promise<Pick<DriftReport, 'repaired' | 'error'>> {
    try {
      return { repaired: await this.apply(undefined, { ...options, onFailure: 'leave' }) };
    } catch (error) {
      if (error instanceof IpvsError && error.code !== 'ERR_IPVS_CLOSED') return { repaired: [], error };
      throw error;
    }
  }

  /** In the order in which they were given, however long it takes to read them. */
  #take(document: DocumentInput | undefined): Promise<CheckedDocument> {
    const taken = this.#taking.then(async () => {
      if (document === undefined) return this.#checked;
      const checked = await CheckedDocument.parse(document);
      checkSame(checked.document, this.document);
      return checked;
    });
    this.#taking = taken.then(
      () => undefined,
      () => undefined,
    );
    return taken;
  }
}

function callOptions({ signal, timeout }: CallOptions): CallOptions {
  checkCallOptions({ signal, timeout });
  return { signal, timeout };
}

const applyNames = ['adopt', 'onFailure', 'settle', 'signal', 'timeout'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
function checkApply({ adopt = false, onFailure = 'roll-back', settle = false }: ApplyDocumentOptions): void {
  adoptionOf(adopt);
  checkOneOf('onFailure', onFailure, ['roll-back', 'leave']);
  checkFlag('settle', settle);
}

function planOptions(checked: CheckedDocument | undefined, { adopt = false }: PlanDocumentOptions) {
  return { adopt: adoptionOf(adopt), drain: checked?.document.drain };
}

function adoptionOf(adopt: unknown): Adoption {
  if (adopt !== 'all' && typeof adopt !== 'boolean') throw invalid(`adopt is true, false or 'all', not ${show(adopt)}`);
  return adopt === 'all' ? 'all' : adopt ? 'wanted' : 'none';
}

function isNews(progress: DrainProgress, before: DrainProgress | undefined): boolean {
  const textOf = ({ remaining: _, ...rest }: DrainProgress): string => JSON.stringify(rest);
  return before === undefined || textOf(progress) !== textOf(before);
}

/**
 * Makes a namespace as a document says (an object, or YAML), by one call.
 * @returns the steps that were done
 * @throws as {@link DesiredState.open} and {@link DesiredState.apply}
 */
export async function applyDocument(
  document: DocumentInput,
  options: DesiredStateOptions & ApplyDocumentOptions = {},
): Promise<Step[]> {
  checkOptions('apply', options, ['record', 'kernel', ...applyNames]);
  const { record, kernel, ...apply } = options;
  const { signal, timeout } = callOptions(apply);
  checkApply(apply);
  await using state = await DesiredState.open(document, { record, kernel, signal, timeout });
  return await state.apply(undefined, apply);
}

/**
 * The plan of a document for a kernel as a snapshot has it, on whatever machine. A sysctl that
 * the document of the snapshot did not name is not in it, and planned as if it had no value.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, also if the snapshot is another owner's, or namespace's
 */
export async function planDocument(
  document: DocumentInput,
  snapshot: StateSnapshot,
  options: Pick<PlanDocumentOptions, 'adopt'> = {},
): Promise<Plan> {
  if (!(snapshot instanceof StateSnapshot))
    throw invalid('the snapshot is a StateSnapshot: StateSnapshot.parse() makes one of its JSON text');
  checkOptions('plan', options, ['adopt']);
  const { adopt = false } = options;
  const adoption = adoptionOf(adopt);
  return snapshot.plan(await CheckedDocument.parse(document), adoption);
}
