import { checkInteger, checkList, checkOneOf, checkOptions, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { flatten } from '../common/flatten.js';
import { limits } from '../common/limits.js';
import type { EventPort } from '../kernel/conntrack/port.js';
import type { ConntrackEvent, EventSettings } from '../kernel/conntrack/types.js';
import { translate } from './errors.js';
import { type FlowFilter, filterNames } from './filter.js';

export interface EventOptions {
  /** Default: `new`, `update` and `destroy`. */
  readonly types?: readonly ('new' | 'update' | 'destroy' | 'expectation')[] | undefined;
  /**
   * Flows to report, selected by their values at the time of the event. A flow that begins to match is reported as
   * `update`. One that stops matching, for example because its mark changes, is no longer reported; with
   * `resynchronise` it is reported once more, with its new values, and without a later `destroy`.
   * `state` is rejected because not all events have it. Without expectations and `resynchronise`, the kernel
   * filters by family, protocol and mark before an event takes space in the buffer.
   */
  readonly filter?: FlowFilter | undefined;
  /**
   * Size of the socket's receive buffer, in bytes, 1 to 1 073 741 823. An event takes about 1 KiB of it.
   * Default: 1 MiB. It may exceed `net.core.rmem_max`, because events require CAP_NET_ADMIN anyway.
   */
  readonly receiveBuffer?: number | undefined;
  /**
   * True if the stream sets NETLINK_BROADCAST_ERROR. The kernel then delivers a `destroy` that did not fit into
   * the buffer again later, and other events only if their packet is sent again. It reports no overruns, so
   * `resynchronise` is rejected. Default: false.
   */
  readonly reliable?: boolean | undefined;
  /**
   * True if the stream reads the table at its start and after each overrun, at most once per `interval`
   * (milliseconds, 1 to 2 147 483 647; `true`: 1000). It reports missed changes as events with `recovered`, and
   * takes about 250 bytes of memory for each flow. Default: false.
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
    throw invalid(`resynchronise must be true, false or { interval }, not ${show(resynchronise)}`);
  const interval = typeof resynchronise === 'object' ? resynchronise.interval : 1000;
  const has = (type: (typeof types)[number]): boolean => types.includes(type);
  if (resynchronise && !(has('new') && has('update') && has('destroy')))
    throw invalid('a stream that is resynchronised takes new, update and destroy');
  if (resynchronise && reliable) throw invalid('a reliable stream is not told of overruns, so it cannot resynchronise');
  if (options.filter !== undefined) checkOptions('a filter of flows', options.filter, filterNames);
  if (options.filter?.state !== undefined)
    throw invalid('events cannot be filtered by state: they do not always say it');
  if (typeof reliable !== 'boolean') throw invalid(`reliable must be true or false, not ${show(reliable)}`);
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
 * A stream of the events since it was opened. The kernel does not wait for a slow consumer: the stream
 * then contains `overrun` items. It allows one loop at a time. A loop that waits keeps the process alive,
 * and leaving it closes the stream.
 */
export class EventStream implements AsyncIterable<ConntrackEvent> {
  /** Size of the socket's receive buffer, in bytes, as the kernel counts: twice the requested size. */
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

  /** Returns batches of all events received so far. Waits for the first event. */
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

  /** Closes the stream and ends a loop that waits. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // Closing the handle closes its streams, so the port may be closed already.
    await this.#port.close().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
