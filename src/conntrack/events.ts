import { checkInteger, checkList, checkOneOf, checkOptions, show } from '../kernel/check.js';
import type { EventPort } from '../kernel/conntrack/port.js';
import type { ConntrackEvent, EventSettings } from '../kernel/conntrack/types.js';
import { invalid } from '../kernel/errors.js';
import { limits } from '../kernel/limits.js';
import { translate } from './errors.js';
import { type FlowFilter, filterNames } from './filter.js';
import { flatten } from './flatten.js';

export interface EventOptions {
  /** Default: `new`, `update` and `destroy`. */
  readonly types?: readonly ('new' | 'update' | 'destroy' | 'expectation')[] | undefined;
  /**
   * Which flows, each as it is when the event comes: a flow that begins to match comes as `update`,
   * one that stops to match (its mark has changed, say) no more; with `resynchronise` once more, as
   * it is then, and there is no `destroy` of it. Not by `state`, which events do not always say.
   * Family, protocol and mark are filtered in the kernel, before they take room in the buffer.
   */
  readonly filter?: FlowFilter | undefined;
  /**
   * Of the socket, in bytes: an event takes about 1 KiB of it. Default: 1 MiB. Above
   * `net.core.rmem_max` with CAP_NET_ADMIN, as all of this takes.
   */
  readonly receiveBuffer?: number | undefined;
  /**
   * NETLINK_BROADCAST_ERROR: ends of flows that did not fit are delivered again, later; other events
   * only if their packet comes again. Overruns are then not told, so it does not go together with
   * `resynchronise`. Default: false.
   */
  readonly reliable?: boolean | undefined;
  /**
   * Begin with the table as it is, and read it again after an overrun, at most every so many
   * milliseconds (`true`: 1000): what was missed comes as events that are `recovered`. Takes about
   * 250 bytes for each flow. Default: false.
   */
  readonly resynchronise?: boolean | { readonly interval: number } | undefined;
}

const names = ['types', 'filter', 'receiveBuffer', 'reliable', 'resynchronise'];
const defaultTypes: NonNullable<EventOptions['types']> = ['new', 'update', 'destroy'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkEventOptions(options: EventOptions): EventSettings {
  checkOptions('a stream of events', options, names);
  const { types = defaultTypes, receiveBuffer, reliable = false, resynchronise = false } = options;
  if (checkList('types', types, limits.names).length === 0)
    throw invalid('types is a list of at least one type of events');
  for (const type of types) checkOneOf('types', type, ['new', 'update', 'destroy', 'expectation']);
  if (typeof resynchronise === 'object' && resynchronise !== null)
    checkOptions('resynchronise', resynchronise, ['interval']);
  else if (typeof resynchronise !== 'boolean')
    throw invalid(`resynchronise is true, false or { interval }, not ${show(resynchronise)}`);
  const interval = typeof resynchronise === 'object' ? resynchronise.interval : 1000;
  const has = (type: (typeof types)[number]): boolean => types.includes(type);
  if (resynchronise && !(has('new') && has('update') && has('destroy')))
    throw invalid('a stream that is resynchronised takes new, update and destroy');
  if (resynchronise && reliable) throw invalid('a reliable stream is not told of overruns, so it cannot resynchronise');
  if (options.filter !== undefined) checkOptions('a filter of flows', options.filter, filterNames);
  if (options.filter?.state !== undefined)
    throw invalid('events cannot be filtered by state: they do not always say it');
  if (typeof reliable !== 'boolean') throw invalid(`reliable is true or false, not ${show(reliable)}`);
  return {
    created: has('new'),
    updated: has('update'),
    destroyed: has('destroy'),
    expectations: has('expectation'),
    reliable,
    resynchronise: resynchronise !== false,
    receiveBuffer: receiveBuffer === undefined ? 0 : checkInteger('receiveBuffer', receiveBuffer, 1, 0x3fffffff),
    interval: checkInteger('the interval of resynchronisation', interval, 1, 0x7fffffff),
  };
}

/**
 * Events from the moment it was opened on. Who does not keep up finds `overrun` items: the kernel
 * waits for nobody. One loop at a time; it keeps the process alive as long as it waits, and breaking
 * it off closes the stream.
 */
export class EventStream implements AsyncIterable<ConntrackEvent> {
  /** Of the socket, in bytes, as the kernel counts (twice what was asked for). */
  readonly receiveBuffer: number;
  readonly #port: EventPort;
  readonly #signal: AbortSignal | undefined;
  #closed = false;
  #looping = false;

  /** @internal */
  constructor(port: EventPort, signal: AbortSignal | undefined) {
    this.#port = port;
    this.#signal = signal;
    this.receiveBuffer = port.receiveBuffer;
  }

  /** All that have come, at a time; waits for the first. */
  async *batches(): AsyncGenerator<readonly ConntrackEvent[], void, void> {
    if (this.#closed) return;
    if (this.#looping) throw invalid('a stream of events has one loop; open another stream for another');
    this.#looping = true;
    try {
      while (!this.#closed) yield await this.#port.next(this.#signal ? { signal: this.#signal } : {});
    } catch (error) {
      if (this.#closed) return;
      throw translate({ command: 'EVENTS', action: 'receive', object: 'events of conntrack' }, error);
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<ConntrackEvent, undefined> {
    return flatten(this.batches(), () => this.close());
  }

  /** Ends a loop that waits. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // A closed handle has closed its streams.
    await this.#port.close().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
