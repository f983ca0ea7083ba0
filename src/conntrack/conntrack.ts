import type { Family } from '../common/address.js';
import {
  checkCallOptions,
  checkInteger,
  checkKernel,
  checkList,
  checkOneOf,
  checkOptions,
  show,
} from '../common/check.js';
import { Errno } from '../common/errno.js';
import { IpvsError, invalid, KernelFailure } from '../common/errors.js';
import { limits } from '../common/limits.js';
import type { Result } from '../common/result.js';
import type { CallOptions } from '../kernel/call.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import type { Expectation, Flow, FlowGroup, FlowList, GroupField } from '../kernel/conntrack/types.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import { groupBits } from '../linux/conntrack/layout.js';
import { nativeKernel } from '../linux/linux-kernel.js';
import { Changes, flowKeyOf } from './changes.js';
import { Context } from './context.js';
import { translate } from './errors.js';
import {
  checkExpectation,
  checkExpectationKey,
  type ExpectationOptions,
  type ExpectationSelector,
} from './expectations.js';
import { checkFilter, type FlowFilter, isSelective } from './filter.js';
import {
  type ConntrackChange,
  checkChange,
  creation,
  type FlowChanges,
  type FlowOptions,
  update,
} from './flow-options.js';
import { FlowStream } from './flow-stream.js';
import { type ConntrackSettings, readNumber, readSettings, writeSettings } from './settings.js';
import { untilStable } from './stable.js';
import { type StaleOptions, staleQuery } from './stale.js';
import {
  type ExpectationStatistics,
  type ProcessorStatistics,
  toExpectationStatistics,
  toStatistics,
} from './statistics.js';
import { checkFlowKey, describeFlow, describeTuple, type FlowSelector } from './tuple.js';
import { ConntrackWatch, type ConntrackWatchOptions, checkWatchOptions } from './watch.js';

export interface ConntrackOptions extends OpenOptions {
  /** Kernel to use instead of this machine's, for tests. */
  readonly kernel?: Pick<Kernel, 'openConntrack'> | undefined;
}

/** The number of flows in the table, and its limits. */
export interface Usage {
  /** Number of flows of this namespace, with those that are about to be added or removed. */
  readonly count: number;
  /** Maximum number of flows in all namespaces together. */
  readonly maximum: number;
  readonly buckets: number;
  /** `count / maximum`: the part of the limit that this namespace uses. Other namespaces use the same limit. */
  readonly ratio: number;
}

export interface FlowCallOptions extends CallOptions {
  /** `dying` lists ended flows whose `destroy` event a reliable listener has not yet received. Default: `live`. */
  readonly list?: FlowList | undefined;
}

export interface GroupOptions {
  readonly by: readonly GroupField[];
  readonly filter?: FlowFilter | undefined;
  /** Maximum number of groups, the largest first. Default: all groups, in no order. */
  readonly top?: number | undefined;
  /**
   * Size of a group: the bytes or packets of both directions together, which requires accounting, or the
   * number of flows. Default: `bytes`.
   */
  readonly order?: 'bytes' | 'packets' | 'flows' | undefined;
}

/**
 * Connection tracking in one network namespace. Every method reads from the kernel, in a separate
 * thread, and rejects with an {@link IpvsError}; all can fail with `ERR_IPVS_PERMISSION`,
 * `ERR_IPVS_NOT_AVAILABLE`, `ERR_IPVS_CLOSED` and `ERR_IPVS_TIMEOUT`.
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
    if (typeof options !== 'object')
      throw invalid(`open takes options: Conntrack.open({ namespace: ${show(options)} })`);
    checkOptions('a handle', options, ['namespace', 'kernel', 'signal', 'timeout']);
    const { namespace, kernel = nativeKernel, ...call } = options;
    checkCallOptions(call);
    checkKernel(kernel, 'openConntrack');
    const object = namespace === undefined ? 'conntrack' : `conntrack in namespace ${show(namespace)}`;
    try {
      return new Conntrack(await kernel.openConntrack(options));
    } catch (error) {
      if (error instanceof IpvsError) throw error;
      throw translate({ command: 'OPEN', action: 'open', object }, error);
    }
  }

  // --- counters

  async usage(options?: CallOptions): Promise<Usage> {
    const [{ entries: count }, maximum, buckets] = await Promise.all([
      this.#context.ask('STATISTICS', 'count', 'flows', () => this.#port.total(options), options),
      readNumber(this.#context, 'nf_conntrack_max', options),
      readNumber(this.#context, 'nf_conntrack_buckets', options),
    ]);
    return { count, maximum, buckets, ratio: maximum === 0 ? 0 : count / maximum };
  }

  /**
   * Returns the counters of each processor, as `conntrack -S` does. `sumStatistics` adds them up, and
   * `compareStatistics` compares two readings.
   */
  async statistics(options?: CallOptions): Promise<ProcessorStatistics[]> {
    const rows = await this.#context.ask(
      'STATISTICS',
      'read',
      'statistics',
      () => this.#port.counters(options),
      options,
    );
    return rows.map(toStatistics);
  }

  async expectationStatistics(options?: CallOptions): Promise<ExpectationStatistics[]> {
    const read = (): ReturnType<ConntrackPort['counters']> => this.#port.expectationCounters(options);
    const rows = await this.#context.ask('STATISTICS', 'read', 'statistics of expectations', read, options);
    return rows.map(toExpectationStatistics);
  }

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
    return this.#stream(filter, list, call);
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
    const port = this.#port;
    return this.#stream(filter, 'live', options, (batch) => port.zero(batch.map(flowKeyOf), options));
  }

  #stream(
    filter: FlowFilter,
    list: FlowList,
    options: CallOptions,
    change?: (batch: readonly Flow[]) => Promise<readonly Flow[]>,
  ): FlowStream {
    const settings = checkFilter(filter);
    checkCallOptions(options);
    const port = this.#port;
    const action = change === undefined ? 'list' : 'reset the counters of';
    return new FlowStream(async function* () {
      try {
        for await (const batch of port.flows(settings, list, options)) yield change ? await change(batch) : batch;
      } catch (error) {
        throw translate({ command: 'DUMP', action, object: 'flows' }, error);
      }
    }, change === undefined);
  }

  /** Returns totals of flows, grouped by some of their fields. Adds them up as they arrive, without flow objects. */
  async groups(how: GroupOptions, options?: CallOptions): Promise<FlowGroup[]> {
    checkOptions('a sum', how, ['by', 'filter', 'top', 'order']);
    const { by, filter = {}, top, order = 'bytes' } = how;
    checkCallOptions(options);
    for (const field of checkList('by', by, limits.names))
      checkOneOf('by', field, Object.keys(groupBits) as GroupField[]);
    if (top !== undefined) checkInteger('top', top, 1, 0xffffffff);
    checkOneOf('order', order, ['bytes', 'packets', 'flows']);
    const settings = checkFilter(filter);
    const largest = top === undefined ? undefined : { count: top, order };
    const work = (): Promise<readonly FlowGroup[]> => this.#port.groups(settings, by, largest, options);
    return [...(await this.#context.ask('DUMP', 'add up', 'flows', work, options))];
  }

  /** Reads one flow (`conntrack -G`). @throws IpvsError `ERR_IPVS_NO_SUCH_FLOW`, also if the flow has another id */
  async flow(selector: FlowSelector, options?: CallOptions): Promise<Flow> {
    const key = checkFlowKey(selector);
    const read = async (): Promise<Flow> => {
      const flow = await this.#port.flow(key, options);
      if (key.id === undefined || key.id === flow.id) return flow;
      throw new KernelFailure(Errno.ENOENT, 'it has another id');
    };
    return this.#context.ask('GET', 'read flow', describeFlow(key), read, options);
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
    const checked = checkList('changes', changes).map((change, index) => {
      try {
        return checkChange(change);
      } catch (error) {
        throw error instanceof IpvsError ? invalid(`change ${index}: ${error.message}`) : error;
      }
    });
    return this.#changes.all(checked, options);
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
  ): Promise<{ readonly created: number; readonly failures: readonly { flow: FlowOptions; error: IpvsError }[] }> {
    const iterable = typeof flows === 'object' && flows !== null;
    if (!iterable || !(Symbol.iterator in flows || Symbol.asyncIterator in flows))
      throw invalid(`createAll takes an iterable of flows, not ${show(flows)}`);
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
    await this.#context.ask('FLUSH', 'delete', object, () => this.#port.flush(family, options), options);
  }

  /**
   * Returns the flows to a virtual address whose replies are from another machine than one of its servers.
   * Such a flow makes a UDP sender continue to send to a removed server.
   */
  async staleFlows(query: StaleOptions, options?: CallOptions): Promise<Flow[]> {
    const { filter, isStale } = staleQuery(query);
    return untilStable(async () => {
      const stale: Flow[] = [];
      for await (const flow of this.flows(filter, options)) if (isStale(flow)) stale.push(flow);
      return stale;
    });
  }

  /** Deletes the flows that {@link staleFlows} finds, by tuple and id, and returns their number. */
  async deleteStaleFlows(query: StaleOptions, options: CallOptions = {}): Promise<number> {
    const { filter, isStale } = staleQuery(query);
    return this.deleteWhere(filter, isStale, options);
  }

  /** @internal Deletes the flows of a filter for which `wanted` returns true. Returns their number. */
  deleteWhere(filter: FlowFilter, wanted: (flow: Flow) => boolean, options: CallOptions = {}): Promise<number> {
    return this.#changes.deleteEach(this.flows(filter, options), wanted, options);
  }

  // --- expectations

  async expectations(filter: { readonly family?: Family } = {}, options?: CallOptions): Promise<Expectation[]> {
    checkOptions('a filter of expectations', filter, ['family']);
    const { family } = checkFilter(filter);
    const list = (): ReturnType<ConntrackPort['expectations']> => this.#port.expectations(family, options);
    return [...(await this.#context.ask('DUMP_EXPECTATIONS', 'list', 'expectations', list, options))];
  }

  /**
   * Creates an expectation (`conntrack -I exp`).
   * @throws IpvsError `ERR_IPVS_UNKNOWN_HELPER`, `ERR_IPVS_NO_SUCH_FLOW` (its master), `ERR_IPVS_EXPECTATION_EXISTS`
   */
  async createExpectation(expectation: ExpectationOptions, options?: CallOptions): Promise<void> {
    const settings = checkExpectation(expectation);
    const create = (): Promise<void> => this.#port.createExpectation(settings, options);
    await this.#context.ask('NEW_EXPECTATION', 'expect', describeTuple(settings.tuple), create, options);
  }

  /** Deletes an expectation (`conntrack -D exp`). @throws IpvsError `ERR_IPVS_NO_SUCH_EXPECTATION` */
  async deleteExpectation(selector: ExpectationSelector, options?: CallOptions): Promise<void> {
    const key = checkExpectationKey(selector);
    const work = (): Promise<void> => this.#port.deleteExpectation(key, options);
    await this.#context.ask('DELETE_EXPECTATION', 'delete expectation', describeTuple(key.tuple), work, options);
  }

  async flushExpectations(options?: CallOptions): Promise<void> {
    const work = (): Promise<void> => this.#port.flushExpectations(options);
    await this.#context.ask('FLUSH', 'delete', 'all expectations', work, options);
  }

  // --- events

  /**
   * Opens a stream of events (`conntrack -E`). It contains all events from the moment the promise resolves. If
   * `settings().events` is `auto`, the kernel may send none for flows that began while no program listened:
   * `resynchronise` finds their changes. `options.signal` also ends the stream; `options.timeout` limits the opening
   * only.
   */
  async watch(watch: ConntrackWatchOptions = {}, options: CallOptions = {}): Promise<ConntrackWatch> {
    checkCallOptions(options);
    const settings = checkWatchOptions(watch);
    const filter = checkFilter(watch.filter ?? {});
    const open = (): ReturnType<ConntrackPort['events']> => this.#port.events(filter, settings, options);
    const port = await this.#context.ask('EVENTS', 'watch', 'conntrack', open, options);
    return new ConntrackWatch(port, options.signal);
  }

  /**
   * Closes the handle. Requests and loops under way fail with `ERR_IPVS_CLOSED`. It has no time limit, never rejects,
   * and does nothing when it is repeated.
   */
  async close(): Promise<void> {
    await this.#port.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
