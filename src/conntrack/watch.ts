import {
  checkCallOptions,
  checkFlag,
  checkInteger,
  checkList,
  checkOneOf,
  checkOptions,
  show,
} from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { Watch, type WatchSource } from '../common/watch.js';
import type { CallOptions } from '../kernel/call.js';
import type { EventPort } from '../kernel/conntrack/port.js';
import type { EventSettings } from '../kernel/conntrack/requests.js';
import type { ConntrackEvent } from '../kernel/conntrack/types.js';
import { translate } from './errors.js';
import { type FlowFilter, filterNames } from './filter.js';

/**
 * The events that {@link Conntrack.watch} reports, and how it receives them. `signal` also ends the stream; `timeout`
 * limits only the opening.
 */
export interface ConntrackWatchOptions extends CallOptions {
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
  readonly resynchronise?:
    | boolean
    | {
        /** Minimum time between two readings, in milliseconds. */
        readonly interval: number;
      }
    | undefined;
}

const names = Object.keys({
  types: true,
  filter: true,
  receiveBuffer: true,
  reliable: true,
  resynchronise: true,
  signal: true,
  timeout: true,
} satisfies Record<keyof ConntrackWatchOptions, true>);
const defaultTypes: NonNullable<ConntrackWatchOptions['types']> = ['new', 'update', 'destroy'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkWatchOptions(options: ConntrackWatchOptions): EventSettings {
  checkOptions('a watch of conntrack', options, names);
  const { types = defaultTypes, receiveBuffer, reliable = false, resynchronise = false, signal, timeout } = options;
  checkCallOptions({ signal, timeout });
  if (checkList('types', types, limits.names).length === 0)
    throw invalid('types must be a list of at least one type of event');
  for (const type of types) checkOneOf('types', type, ['new', 'update', 'destroy', 'expectation']);
  if (typeof resynchronise === 'object' && resynchronise !== null)
    checkOptions('resynchronise', resynchronise, ['interval']);
  else if (typeof resynchronise !== 'boolean')
    throw invalid(`resynchronise must be true, false or { interval }, not ${show(resynchronise)}`);
  const interval = typeof resynchronise === 'object' ? resynchronise.interval : 1000;
  const has = (type: (typeof types)[number]): boolean => types.includes(type);
  if (resynchronise && !(has('new') && has('update') && has('destroy')))
    throw invalid('resynchronise requires the types new, update and destroy');
  if (resynchronise && reliable)
    throw invalid('a reliable watch cannot resynchronise: the kernel reports no overruns to it');
  if (options.filter !== undefined) checkOptions('a filter of flows', options.filter, filterNames);
  if (options.filter?.state !== undefined) throw invalid('events cannot be filtered by state: not all of them have it');
  checkFlag('reliable', reliable);
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

/** Gives a watch the batches of an event port as they are, without a copy. */
function sourceOf(port: EventPort): WatchSource<ConntrackEvent> {
  return {
    next: (signal) => port.next(signal ? { signal } : {}),
    close: () => port.close(),
  };
}

const received = { command: 'EVENTS', action: 'receive', object: 'events of conntrack' } as const;

/**
 * A stream of the events of flows and expectations since it was opened. The kernel does not wait for a slow consumer:
 * the stream then contains `overrun` items. `batches()` is the fastest way to read it.
 *
 * @example
 * ```ts
 * import { Conntrack } from 'ipvs';
 *
 * const conntrack = await Conntrack.open();
 * for await (const event of await conntrack.watch()) {
 *   if (event.type === 'overrun') console.error('events were lost');
 *   else if (event.type === 'new') console.log(String(event.flow));
 * }
 * ```
 */
export class ConntrackWatch extends Watch<ConntrackEvent> {
  /** Size of the socket's receive buffer, in bytes, as the kernel counts: twice the requested size. */
  readonly receiveBuffer: number;

  /** @internal */
  constructor(port: EventPort, signal: AbortSignal | undefined) {
    super(sourceOf(port), { signal, translate: (error) => translate(received, error) });
    this.receiveBuffer = port.receiveBuffer;
  }
}
