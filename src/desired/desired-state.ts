import { checkCallOptions, checkFlag, checkInteger, checkKernel, checkOptions, valueOr } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import { mapInSlices } from '../common/slices.js';
import { Watch } from '../common/watch.js';
import { checkServerKey, type ServerSelector } from '../ipvs/server-options.js';
import { checkServiceKey, type ServiceSelector } from '../ipvs/service-options.js';
import { World } from '../items/world.js';
import type { CallOptions } from '../kernel/call.js';
import type { Engine } from './apply/engine.js';
import { type Difference, differencesOf } from './difference.js';
import { CheckedDocument, type DocumentInput } from './document/document.js';
import type { DesiredDocument } from './document/types.js';
import {
  type ApplyDocumentOptions,
  adoptionOf,
  applyNames,
  callOptions,
  checkApply,
  type DesiredStateOptions,
  drainNames,
  openNames,
  type PlanDocumentOptions,
  planNames,
  planOptions,
  type WatchDocumentOptions,
  watchNames,
} from './document-options.js';
import type { DrainOptions, DrainProgress } from './drain.js';
import type { PlanOptions } from './plan/plan.js';
import { type Plan, planOf } from './plan/plan-view.js';
import { checkSame, StateSnapshot } from './plan/state-snapshot.js';
import { type Step, toStep } from './plan/step.js';
import { checkRecord } from './role.js';
import { type DriftReport, DriftSource, Waker } from './watch.js';

/** Fields of the progress that do not identify the server. */
const progressNames = ['activeConnections', 'inactiveConnections', 'persistentConnections', 'remaining'];

/** Minimum interval between two reads of the draining servers, in milliseconds. */
const LEAST = 10;

/**
 * Desired state of a network namespace for one owner: a document that you can apply as often as you like. It changes
 * and removes only what the owner made, so several owners can use the same namespace.
 *
 * @example
 * ```ts
 * import { DesiredState } from 'ipvs';
 *
 * const state = await DesiredState.open({
 *   owner: 'web',
 *   services: [{ protocol: 'tcp', address: '198.51.100.1', port: 80, servers: ['10.0.0.11:8080', '10.0.0.12:8080'] }],
 * });
 * console.log(String(await state.plan())); // what apply() would do
 * await state.apply();
 * await state.close();
 * ```
 */
export class DesiredState {
  readonly #engine: Engine;
  readonly #planning: typeof import('./planning.js');
  /** The document of the last apply, or of `open()`. */
  #checked: CheckedDocument;
  #taking: Promise<void> = Promise.resolve();

  private constructor(planning: typeof import('./planning.js'), engine: Engine, checked: CheckedDocument) {
    this.#planning = planning;
    this.#engine = engine;
    this.#checked = checked;
  }

  /**
   * Checks the document (an object, or YAML), and opens the handles that it needs; changes nothing.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` with the places in the document, `ERR_IPVS_RECORD`, and the errors of
   * {@link Network.open}
   */
  static async open(document: DocumentInput, options: DesiredStateOptions = {}): Promise<DesiredState> {
    checkOptions('open', options, openNames);
    const { record, signal, timeout, kernel } = options;
    checkCallOptions({ signal, timeout });
    checkRecord(record);
    checkKernel(kernel, 'openIpvs', 'openConntrack', 'openNetfilter', 'openNetwork', 'openJournal', 'gracePeriod');
    const checked = await CheckedDocument.parse(document, { signal });
    const { owner, namespace } = checked.document;
    const planning = await import('./planning.js');
    const { Engine, placesOf } = planning;
    const world = new World({ kernel, timeout, namespace });
    try {
      const engine = new Engine(world, await placesOf(world.kernel, await world.network, owner, record));
      await engine.begin({ signal, timeout });
      // Open IPVS early, so that later calls need not wait. A call that needs it reports the error if it cannot be
      // opened.
      if (checked.target.table.size > 0) world.ipvs.catch(() => {});
      return new DesiredState(planning, engine, checked);
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  /** Name of the owner, as the document has it. It cannot change: a document of another owner is rejected. */
  get owner(): string {
    return this.#checked.document.owner;
  }

  /** The document of the last `apply()`, or of `open()`. */
  get document(): DesiredDocument {
    return this.#checked.document;
  }

  /**
   * Returns the steps that make the namespace match the document: the current one, or another one of this owner.
   * Changes nothing.
   */
  async plan(document?: DocumentInput, options: PlanDocumentOptions = {}): Promise<Plan> {
    checkOptions('plan', options, planNames);
    callOptions(options);
    planOptions(undefined, options); // reject bad options before reading the document
    const checked = await this.#take(document, options.signal);
    return this.#plan(checked, { ...planOptions(checked, options), leftOvers: options.adopt === true }, options);
  }

  /**
   * Returns the differences between the namespace and the current document; empty if there are none. Changes nothing.
   * `plan()` has the steps that remove them, and `watch()` reports them whenever they change.
   * @throws IpvsError the errors of {@link plan}
   */
  async verify(options: CallOptions = {}): Promise<Difference[]> {
    checkCallOptions(options);
    const checked = await this.#take(undefined);
    const { steps } = await this.#engine.plan(checked.target, planOptions(checked, {}), options);
    return differencesOf(steps, options.signal);
  }

  async #plan(checked: CheckedDocument, planning: PlanOptions, call: CallOptions): Promise<Plan> {
    return planOf(await this.#engine.plan(checked.target, planning, callOptions(call)), call.signal);
  }

  /**
   * Makes the namespace match the document: the current one, or another one of this owner. Objects that clients need
   * exist before traffic reaches them, and are deleted after it stops. A repeated call does nothing, or repairs. The
   * signal counts until the work starts: work that has started is completed, or undone. The timeout is that of each
   * request, not of `settle`.
   * @returns the steps that were done. Draining servers may still exist: see {@link drain}.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if a setting has two values under two names of its interface: nothing
   * was done. `ERR_IPVS_FOREIGN` if something that the owner did not make is in the way: nothing was done. The
   * message names its owner, as far as records in /run/ipvs have it, and the settings that differ. An {@link
   * ApplyError} (`ERR_IPVS_STEP_FAILED`) with the outcome of each step. If only stale flows or announcements failed,
   * nothing is undone: the plan has them until a later apply succeeds.
   */
  async apply(document?: DocumentInput, options: ApplyDocumentOptions = {}): Promise<Step[]> {
    checkOptions('apply', options, applyNames);
    const { onFailure = 'roll-back', settle = false } = options;
    checkApply(options);
    const call = callOptions(options);
    const planning = planOptions(undefined, options); // reject bad options before reading the document
    const checked = await this.#take(document, options.signal);
    this.#checked = checked;
    const { drain } = checked.document;
    const done = await this.#engine.apply(checked.target, { ...planning, drain, onFailure }, call);
    if (settle) for await (const _ of this.drain(call));
    return mapInSlices(done, toStep);
  }

  /**
   * Removes everything that the owner made: first addresses and routes, then marks and NAT, services, and last
   * interfaces and settings. Restores the earlier values of sysctls, unless another program has changed them since.
   * @returns the steps that were done, also those for objects that no longer existed; a step `wait` for an object that
   * stays the owner's while others use it (a service that has servers of others): the call can be repeated then
   * @throws IpvsError an {@link ApplyError} that lists what is left; the call can be repeated
   */
  async remove(options: CallOptions = {}): Promise<Step[]> {
    checkCallOptions(options);
    return mapInSlices(await this.#engine.remove(options), toStep);
  }

  /** Returns the state of the kernel and what the owner made, from which another machine can make plans. */
  async snapshot(options: CallOptions = {}): Promise<StateSnapshot> {
    checkCallOptions(options);
    const { snapshot, ledger } = await this.#engine.snapshot(this.#checked.target, options);
    return new StateSnapshot(snapshot, ledger, this.document);
  }

  /** Returns the servers that drain now, including those that another program began to drain. */
  async draining(options: CallOptions = {}): Promise<DrainProgress[]> {
    checkCallOptions(options);
    return this.#planning.readDrains(this.#engine, options);
  }

  /**
   * Removes each draining server as soon as its connections are over, until none is left. Yields the progress of a
   * server whenever its connections change. Includes servers that other programs began to drain. After you leave the
   * loop, another call has to remove the remaining servers.
   */
  async *drain(options: DrainOptions = {}): AsyncGenerator<DrainProgress, void, void> {
    checkOptions('drain', options, drainNames);
    const { signal, timeout } = callOptions(options);
    const interval = checkInteger('interval (in milliseconds)', valueOr(options.interval, 1000), 10, 0x7fffffff);
    const told = new Map<string, DrainProgress>();
    for (;;) {
      const { all, owns } = await this.#planning.stepDrains(this.#engine, this.#checked.target, this.document.drain, {
        signal,
        timeout,
      });
      for (const progress of all) {
        const key = this.#planning.drainId(progress);
        if (isNews(progress, told.get(key))) yield progress;
        told.set(key, progress);
      }
      // Another call has removed these meanwhile, or keeps them.
      for (const [key, progress] of told) {
        if (all.some((other) => this.#planning.drainId(other) === key)) continue;
        told.delete(key);
        if (progress.state === 'draining') yield { ...progress, state: owns(progress) ? 'cancelled' : 'gone' };
      }
      const left = all.filter(({ state }) => state === 'draining');
      if (left.length === 0) return;
      const next = Math.min(interval, ...left.map(({ remaining }) => Math.max(remaining, LEAST)));
      await this.#engine.world.clock.sleep(next, signal);
    }
  }

  /**
   * Restores the weight of a draining server, in place: its connections are not affected. The document still lacks the
   * server: the next apply drains it again, unless its document has the server.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER` if it does not drain
   */
  async cancelDrain(
    server: { readonly service: ServiceSelector; readonly server: ServerSelector },
    options?: CallOptions,
  ): Promise<void> {
    checkOptions('a server that drains', server, ['service', 'server', 'state', ...progressNames]);
    const service = checkServiceKey(server.service);
    checkCallOptions(options);
    return this.#planning.cancelDrain(
      this.#engine,
      { service, server: checkServerKey(server.server, service) },
      options,
    );
  }

  /**
   * Compares the namespace with the document repeatedly, and reports whenever the difference changes. With `repair`,
   * drift is repaired and drains continue. Resolves when it is subscribed: it reports every change made after that.
   * Closing the watch completes a repair that has started.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`; the signal's reason. A signal that aborts later ends the watch with
   * its reason.
   */
  async watch(options: WatchDocumentOptions = {}): Promise<Watch<DriftReport>> {
    checkOptions('watch', options, watchNames);
    const { repair = false, adopt } = options;
    const { signal, timeout } = callOptions(options);
    checkFlag('repair', repair);
    planOptions(undefined, options);
    const interval = checkInteger('interval (in milliseconds)', valueOr(options.interval, 2000), 10, 0x7fffffff);
    const waker = new Waker();
    await waker.listen(this.#engine.world, this.#checked.target);
    if (signal?.aborted) waker.close();
    signal?.throwIfAborted();
    const source = new DriftSource(waker, (closed) => {
      const ends = signal ? AbortSignal.any([signal, closed]) : closed;
      return this.#reports(waker, { adopt, timeout, signal: ends }, repair, interval);
    });
    return new Watch(source);
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
      const drift = plan ? await differencesOf(plan.planned) : [];
      const due = repair && plan !== undefined && plan.changes.length > 0 && plan.conflicts.length === 0;
      const report: DriftReport = due ? { drift, ...(await this.#repair(options)) } : { drift, repaired: [], ...seen };
      const text = JSON.stringify([drift, report.error?.message]);
      if (text !== told) yield report;
      // A repaired difference is reported when it appears again.
      told = due && report.error === undefined ? well : text;
      await waker.wait(this.#engine.world, interval, options.signal);
    }
  }

  /** Closes the handles; what it made stays. */
  close(): Promise<void> {
    return this.#engine.close();
  }

  /** Closes the handles, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Reads the state and plans. Returns the error if that fails: the watch reports it and retries. */
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

  /** Reads documents in the order of the calls, regardless of how long each takes. */
  #take(document: DocumentInput | undefined, signal?: AbortSignal): Promise<CheckedDocument> {
    const taken = this.#taking.then(async () => {
      if (document === undefined) return this.#checked;
      const checked = await CheckedDocument.parse(document, { signal });
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

function isNews(progress: DrainProgress, before: DrainProgress | undefined): boolean {
  const textOf = ({ remaining: _, ...rest }: DrainProgress): string => JSON.stringify(rest);
  return before === undefined || textOf(progress) !== textOf(before);
}

/**
 * Opens a document (an object, or YAML), applies it, and closes the handles.
 * @returns the steps that were done
 * @throws the errors of {@link DesiredState.open} and {@link DesiredState.apply}
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
 * Returns the plan of a document for the kernel that a snapshot shows, on any machine. The snapshot lacks a sysctl that
 * its document did not name: the plan treats it as a sysctl without a value.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, also if the snapshot belongs to another owner or namespace
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
