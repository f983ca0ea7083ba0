import { checkCallOptions } from '../common/check.js';
import { flatten } from '../common/flatten.js';
import type { CallOptions } from '../kernel/call.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import type { FlowKey } from '../kernel/conntrack/requests.js';
import type { Flow, FlowList } from '../kernel/conntrack/types.js';
import { translate } from './errors.js';
import { checkFilter, type FlowFilter } from './filter.js';
import { untilStable } from './stable.js';

/**
 * A stream of the flows of a table. Reads one batch at a time, when a consumer asks for it. Leaving a
 * loop early ends the reading.
 *
 * @example
 * ```ts
 * import { Conntrack } from 'ipvs';
 *
 * const conntrack = await Conntrack.open();
 * let bytes = 0n;
 * for await (const flows of conntrack.flows({ protocol: 'udp' }).batches())
 *   for (const { counters } of flows) bytes += counters?.original.bytes ?? 0n;
 * console.log(bytes);
 * await conntrack.close();
 * ```
 */
export class FlowStream implements AsyncIterable<Flow> {
  readonly #batches: () => AsyncGenerator<readonly Flow[], void, void>;
  readonly #repeatable: boolean;

  /**
   * @param repeatable true if reading changes nothing, so that it can be repeated
   * @internal
   */
  constructor(batches: () => AsyncGenerator<readonly Flow[], void, void>, repeatable: boolean) {
    this.#batches = batches;
    this.#repeatable = repeatable;
  }

  /** Begins a new reading, which returns batches of some hundreds of flows: the fastest way to read millions. */
  batches(): AsyncGenerator<readonly Flow[], void, void> {
    return this.#batches();
  }

  /** Returns all flows in one list. Use it for small tables only. Reads an unstable table again. */
  toArray(): Promise<Flow[]> {
    const read = async (): Promise<Flow[]> => {
      const all: Flow[] = [];
      for await (const batch of this.#batches()) all.push(...batch);
      return all;
    };
    return this.#repeatable ? untilStable(read) : read();
  }

  /** Begins a new reading, which returns the flows one at a time. */
  [Symbol.asyncIterator](): AsyncIterator<Flow, undefined> {
    return flatten(this.#batches());
  }
}

export function streamOfFlows(
  port: ConntrackPort,
  filter: FlowFilter,
  list: FlowList,
  options: CallOptions,
): FlowStream {
  const settings = checkFilter(filter);
  checkCallOptions(options);
  return new FlowStream(async function* () {
    try {
      yield* port.flows(settings, list, options);
    } catch (error) {
      throw translate({ command: 'DUMP', action: 'list', object: 'flows' }, error);
    }
  }, true);
}

/** Resets the counters of each batch of flows when the consumer asks for it. */
export function streamOfZeroedFlows(port: ConntrackPort, filter: FlowFilter, options: CallOptions): FlowStream {
  const settings = checkFilter(filter);
  checkCallOptions(options);
  return new FlowStream(async function* () {
    try {
      for await (const batch of port.flows(settings, 'live', options)) yield port.zero(batch.map(flowKeyOf), options);
    } catch (error) {
      throw translate({ command: 'DUMP', action: 'reset the counters of', object: 'flows' }, error);
    }
  }, false);
}

/** Returns a key with the tuple and the id of a flow. */
export function flowKeyOf(flow: Flow): FlowKey {
  const { original, zone, id } = flow;
  return { original, zone, ...(id !== undefined && { id }) };
}
