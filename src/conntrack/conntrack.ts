import type { Family } from '../common/address.js';
import { checkCallOptions, checkOneOf, checkOptions } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { invalid, KernelFailure } from '../common/errors.js';
import type { Result } from '../common/result.js';
import type { CallOptions } from '../kernel/call.js';
import { describeFlow } from '../kernel/conntrack/line.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import type { Expectation, Flow, FlowGroup, FlowList } from '../kernel/conntrack/types.js';
import { Changes, type CreatedFlows, checkChanges } from './changes.js';
import { Context } from './context.js';
import {
  createExpectation,
  deleteExpectation,
  type ExpectationOptions,
  type ExpectationSelector,
  flushExpectations,
  listExpectations,
} from './expectations.js';
import { checkFilter, type FlowFilter, isSelective } from './filter.js';
import { type GroupOptions, readGroups } from './flow-groups.js';
import { type ConntrackChange, creation, type FlowChanges, type FlowOptions, update } from './flow-options.js';
import { type FlowStream, streamOfFlows, streamOfZeroedFlows } from './flow-stream.js';
import { type ConntrackOptions, openPort } from './open.js';
import { type ConntrackSettings, readSettings, writeSettings } from './settings.js';
import { untilStable } from './stable.js';
import { type StaleOptions, staleQuery } from './stale.js';
import {
  type ExpectationStatistics,
  type ProcessorStatistics,
  readExpectationStatistics,
  readStatistics,
} from './statistics.js';
import { checkFlowKey, type FlowSelector } from './tuple.js';
import { type ConntrackUsage, readUsage } from './usage.js';
import { ConntrackWatch, type ConntrackWatchOptions, checkWatchOptions } from './watch.js';

/** The options of {@link Conntrack.flows}. */
export interface FlowCallOptions extends CallOptions {
  /** `dying` lists ended flows whose `destroy` event a reliable listener has not yet received. Default: `live`. */
  readonly list?: FlowList | undefined;
}

/**
 * Connection tracking in one network namespace. Every method reads from the kernel, in a separate
 * thread, and rejects with an {@link IpvsError}; all can fail with `ERR_IPVS_PERMISSION`,
 * `ERR_IPVS_NOT_AVAILABLE`, `ERR_IPVS_CLOSED` and `ERR_IPVS_TIMEOUT`.
 *
 * @example
 * ```ts
 * import { Conntrack } from 'ipvs';
 *
 * const conntrack = await Conntrack.open();
 * const { count, maximum } = await conntrack.usage();
 * console.log(`${count} of ${maximum} flows`);
 * for await (const flow of conntrack.flows({ protocol: 'tcp' })) console.log(String(flow));
 * await conntrack.close();
 * ```
 */
export class Conntrack {
  readonly #context: Context;
  readonly #port: ConntrackPort;
  readonly #changes: Changes;

  private constructor(port: ConntrackPort) {
    this.#port = port;
    this.#context = new Context(port);
    this.#changes = new Changes(this.#context);
  }

  /**
   * Opens a handle. The handle keeps its namespace, even if the file of the namespace is deleted. An open
   * handle does not keep the process alive.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_PERMISSION` (entering a namespace requires
   * CAP_SYS_ADMIN), `ERR_IPVS_ADDON_NOT_LOADED`
   */
  static async open(options: ConntrackOptions = {}): Promise<Conntrack> {
    return new Conntrack(await openPort(options));
  }

  // --- counters

  /** Returns the number of flows and the limits of the table. */
  usage(options?: CallOptions): Promise<ConntrackUsage> {
    return readUsage(this.#context, options);
  }

  /**
   * Returns the counters of each processor, as `conntrack -S` does. `sumStatistics` adds them up, and
   * `compareStatistics` compares two readings.
   */
  statistics(options?: CallOptions): Promise<ProcessorStatistics[]> {
    return readStatistics(this.#context, options);
  }

  /** Returns the counters of expectations of each processor. */
  expectationStatistics(options?: CallOptions): Promise<ExpectationStatistics[]> {
    return readExpectationStatistics(this.#context, options);
  }

  /** Reads the settings of this namespace. A setting that it lacks is absent. */
  settings(options?: CallOptions): Promise<ConntrackSettings> {
    return readSettings(this.#context, options);
  }

  /**
   * Writes the named settings. Accounting, timestamps and events apply to flows that begin later.
   * @throws IpvsError `ERR_IPVS_PERMISSION`: only the first namespace can set the maximum and the buckets
   */
  setSettings(settings: ConntrackSettings, options?: CallOptions): Promise<void> {
    return writeSettings(this.#context, settings, options);
  }

  // --- flows

  /**
   * Returns the table as a stream (`conntrack -L`), which reads no faster than its consumer. A flow that begins or
   * ends meanwhile may be missing; no flow is listed twice. Throws for bad arguments immediately. A flow
   * holds the batch of records that it was received in (some hundred KiB) in memory: to keep flows for long, copy the
   * values that you need.
   *
   * When the number of buckets changes meanwhile, the kernel skips flows and repeats others without a flag. The
   * reading starts again if it has not returned a flow yet, and fails otherwise; `toArray()`, `groups`,
   * `deleteMatching`, `staleFlows` and the resynchronisation of events always start again.
   * @throws IpvsError `ERR_IPVS_UNSTABLE`: the number of buckets changed after flows were returned
   */
  flows(filter: FlowFilter = {}, options: FlowCallOptions = {}): FlowStream {
    checkCallOptions(options, ['list']);
    const { list = 'live', ...call } = options;
    checkOneOf('list', list, ['live', 'dying']);
    return streamOfFlows(this.#port, filter, list, call);
  }

  /**
   * Resets the counters of the flows that match, and returns the number of these flows. A flow without counters
   * counts, too. When the number of buckets changes meanwhile, it starts again; the number is that of the last,
   * complete reading. To get the values, use {@link zeroedFlows}.
   * @throws IpvsError `ERR_IPVS_UNSTABLE`: the number of buckets changed during each of 20 readings
   */
  async zero(filter: FlowFilter = {}, options: CallOptions = {}): Promise<number> {
    const flows = this.zeroedFlows(filter, options);
    return untilStable(async () => {
      let count = 0;
      for await (const batch of flows.batches()) count += batch.length;
      return count;
    });
  }

  /**
   * Returns the flows that match as a stream, each with its counters, and resets these. Reading is resetting: a flow
   * that the consumer does not reach keeps its counters. Each flow is read and reset by one request
   * (IPCTNL_MSG_CT_GET_CTRZERO), so that no packet is lost from the sums: a dump that resets, as `conntrack -L -z`
   * does, loses the counters of some flows.
   * @throws IpvsError `ERR_IPVS_UNSTABLE`: the number of buckets changed after flows were returned
   */
  zeroedFlows(filter: FlowFilter = {}, options: CallOptions = {}): FlowStream {
    return streamOfZeroedFlows(this.#port, filter, options);
  }

  /**
   * Returns totals of flows, grouped by some of their fields. Adds them up as they arrive, without flow objects.
   * @throws IpvsError `ERR_IPVS_UNSTABLE`: the number of buckets changed during each of several readings
   */
  groups(options: GroupOptions): Promise<FlowGroup[]> {
    return readGroups(this.#context, options);
  }

  /** Reads one flow (`conntrack -G`). @throws IpvsError `ERR_IPVS_NO_SUCH_FLOW`, also if the flow has another id */
  async flow(selector: FlowSelector, options?: CallOptions): Promise<Flow> {
    const key = checkFlowKey(selector);
    const read = async (): Promise<Flow> => {
      const flow = await this.#port.flow(key, options);
      if (key.id === undefined || key.id === flow.id) return flow;
      throw new KernelFailure(Errno.ENOENT, 'it has another id');
    };
    return this.#context.ask({ command: 'GET', action: 'read flow', object: describeFlow(key), options }, read);
  }

  /**
   * Creates a flow (`conntrack -I`).
   * @throws IpvsError `ERR_IPVS_FLOW_EXISTS`, `ERR_IPVS_TABLE_FULL`, `ERR_IPVS_UNKNOWN_HELPER`, `ERR_IPVS_REJECTED`
   */
  async create(flow: FlowOptions, options?: CallOptions): Promise<void> {
    await this.#changes.one(creation(flow), options);
  }

  /**
   * Updates a flow (`conntrack -U`).
   * @throws IpvsError `ERR_IPVS_NO_SUCH_FLOW`, `ERR_IPVS_UNKNOWN_HELPER`, `ERR_IPVS_REJECTED`
   */
  async update(selector: FlowSelector, changes: FlowChanges, options?: CallOptions): Promise<void> {
    await this.#changes.one(update(selector, changes), options);
  }

  /** Deletes one flow (`conntrack -D`). A tuple is required. @throws IpvsError `ERR_IPVS_NO_SUCH_FLOW` */
  async delete(selector: FlowSelector, options?: CallOptions): Promise<void> {
    await this.#changes.one({ verb: 'delete', key: checkFlowKey(selector) }, options);
  }

  /**
   * Applies many changes in their order and returns one result for each. A failure does not stop the later changes.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`: a change is invalid; none was sent
   */
  async apply(changes: readonly ConntrackChange[], options?: CallOptions): Promise<Result[]> {
    return this.#changes.all(checkChanges(changes), options);
  }

  /**
   * Creates any number of flows from an iterable, which it reads no faster than the kernel creates them. Returns the
   * number of created flows, and the failed ones with their errors. An invalid flow does not stop the others. The
   * timeout applies to each request separately. More than 65 536 failures end it; created flows remain.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  async createAll(
    flows: Iterable<FlowOptions> | AsyncIterable<FlowOptions>,
    options?: CallOptions,
  ): Promise<CreatedFlows> {
    return this.#changes.createAll(flows, options);
  }

  /**
   * Deletes every flow that matches, by its tuple and id, and returns their number. A flow that replaces
   * a matching one at the same moment may be deleted instead: the kernel often gives it the same id.
   * Rejects a filter that matches all flows of a family; use {@link flush} for that.
   */
  async deleteMatching(filter: FlowFilter, options: CallOptions = {}): Promise<number> {
    checkCallOptions(options);
    if (!isSelective(checkFilter(filter)))
      throw invalid('this filter matches every flow (of a family); use flush() to delete all');
    return this.#changes.deleteEach(this.flows(filter, options), () => true, options);
  }

  /** Deletes all flows of the namespace, or only those of a family or a zone (`conntrack -F`). */
  async flush(
    what: { readonly family?: Family | undefined; readonly zone?: number | undefined } = {},
    options?: CallOptions,
  ): Promise<void> {
    checkOptions('a flush', what, ['family', 'zone']);
    checkCallOptions(options);
    // A missing value must not mean "all".
    for (const name of ['family', 'zone'] as const) {
      if (name in what && what[name] === undefined)
        throw invalid(`${name} is undefined; to delete all flows, leave it out`);
    }
    const { family, zone } = checkFilter(what);
    if (zone !== undefined) {
      // Kernels before 6.8 ignore the zone and would delete all flows.
      await this.deleteMatching({ ...(family && { family }), zone }, options);
      return;
    }
    const object = family === undefined ? 'all flows' : `all flows of ${family}`;
    await this.#context.ask({ command: 'FLUSH', action: 'delete', object, options }, () =>
      this.#port.flush(family, options),
    );
  }

  /**
   * Returns the flows to a virtual address whose replies are from another machine than one of its servers.
   * Such a flow makes a UDP sender continue to send to a removed server.
   */
  async staleFlows(query: StaleOptions, options?: CallOptions): Promise<Flow[]> {
    checkCallOptions(options);
    const { filter, isStale } = staleQuery(query);
    return untilStable(async () => {
      const stale: Flow[] = [];
      for await (const flow of this.flows(filter, options)) if (isStale(flow)) stale.push(flow);
      return stale;
    });
  }

  /** Deletes the flows that {@link staleFlows} finds, by tuple and id, and returns their number. */
  async deleteStaleFlows(query: StaleOptions, options: CallOptions = {}): Promise<number> {
    checkCallOptions(options);
    const { filter, isStale } = staleQuery(query);
    return this.deleteWhere(filter, isStale, options);
  }

  /** @internal Deletes the flows of a filter for which `wanted` returns true. Returns their number. */
  deleteWhere(filter: FlowFilter, wanted: (flow: Flow) => boolean, options: CallOptions = {}): Promise<number> {
    return this.#changes.deleteEach(this.flows(filter, options), wanted, options);
  }

  // --- expectations

  /** Returns the expectations of all helpers (`conntrack -L exp`), or those of one family. */
  expectations(filter: { readonly family?: Family } = {}, options?: CallOptions): Promise<Expectation[]> {
    return listExpectations(this.#context, filter, options);
  }

  /**
   * Creates an expectation (`conntrack -I exp`).
   * @throws IpvsError `ERR_IPVS_UNKNOWN_HELPER`, `ERR_IPVS_NO_SUCH_FLOW` (its master), `ERR_IPVS_EXPECTATION_EXISTS`
   */
  createExpectation(expectation: ExpectationOptions, options?: CallOptions): Promise<void> {
    return createExpectation(this.#context, expectation, options);
  }

  /** Deletes an expectation (`conntrack -D exp`). @throws IpvsError `ERR_IPVS_NO_SUCH_EXPECTATION` */
  deleteExpectation(selector: ExpectationSelector, options?: CallOptions): Promise<void> {
    return deleteExpectation(this.#context, selector, options);
  }

  /** Deletes all expectations of the namespace (`conntrack -F exp`). */
  flushExpectations(options?: CallOptions): Promise<void> {
    return flushExpectations(this.#context, options);
  }

  // --- events

  /**
   * Opens a stream of events (`conntrack -E`). It contains all events from the moment the promise resolves. If
   * `settings().events` is `auto`, the kernel may send none for flows that began while no program listened:
   * `resynchronise` finds their changes.
   */
  async watch(options: ConntrackWatchOptions = {}): Promise<ConntrackWatch> {
    const settings = checkWatchOptions(options);
    const filter = checkFilter(options.filter ?? {});
    const { signal, timeout } = options;
    const request = { command: 'EVENTS', action: 'watch', object: 'conntrack', options: { signal, timeout } } as const;
    const port = await this.#context.ask(request, () => this.#port.events(filter, settings, request.options));
    return new ConntrackWatch(port, signal);
  }

  /**
   * Closes the handle. Requests and loops under way fail with `ERR_IPVS_CLOSED`. It has no time limit, never rejects,
   * and does nothing when it is repeated.
   */
  async close(): Promise<void> {
    await this.#port.close();
  }

  /** Closes the handle: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
