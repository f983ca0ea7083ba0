import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import { withJson } from '../../common/json.js';
import type { CallOptions } from '../../kernel/call.js';
import type { EventPort } from '../../kernel/conntrack/port.js';
import type { EventSettings, FilterSettings } from '../../kernel/conntrack/requests.js';
import type { ConntrackEvent, Flow } from '../../kernel/conntrack/types.js';
import { within } from '../machine.js';
import { flowTest } from './filter.js';
import { tupleName } from './flow.js';

/** Default receive buffer of a socket, in bytes (net.core.rmem_default). */
const RECEIVE_BUFFER = 212_992;

type FlowEvent = Extract<ConntrackEvent, { readonly flow: Flow }>;

function nameOf(flow: Flow): string {
  return tupleName(flow.original, flow.zone);
}

interface Known {
  readonly flow: Flow;
  /** True if a comparison found the flow, and no event has named it since. */
  readonly fromTable: boolean;
}

/** The flows as the events so far describe them, like native/conntrack/mirror.h. */
class Mirror {
  readonly #known = new Map<string, Known>();
  readonly #matches: (flow: Flow) => boolean;

  constructor(matches: (flow: Flow) => boolean) {
    this.#matches = matches;
  }

  /** Yields the events to deliver for one event. A known flow that no longer matches is reported one last time. */
  *take(event: FlowEvent): Generator<ConntrackEvent, void, void> {
    const { flow } = event;
    const name = nameOf(flow);
    const known = this.#known.get(name);
    const same = known?.flow.id === flow.id;
    if (event.type === 'destroy' || !this.#matches(flow)) {
      if (!same) return;
      this.#known.delete(name);
      yield event;
      return;
    }
    // The kernel reuses ids: a new flow is not the known flow with that id, unless only the table has shown that one.
    const type = event.type === 'new' && same && known?.fromTable ? 'update' : event.type;
    if (known && (!same || type === 'new')) yield gone(known.flow);
    this.#known.set(name, { flow, fromTable: false });
    yield type === event.type ? event : { ...event, type };
  }

  /** Compares the mirror with the table; yields the missed events. */
  *compare(flows: Iterable<Flow>): Generator<ConntrackEvent, void, void> {
    const now = new Map<string, Known>();
    for (const flow of flows) {
      if (!this.#matches(flow)) continue;
      const name = nameOf(flow);
      const known = this.#known.get(name);
      const same = known?.flow.id === flow.id;
      if (known && !same) yield gone(known.flow);
      if (!known || !same) yield { type: 'new', flow, recovered: true };
      else if (isChanged(known.flow, flow)) yield { type: 'update', flow, recovered: true };
      now.set(name, { flow, fromTable: !same || known?.fromTable === true });
    }
    for (const [name, { flow }] of this.#known) if (!now.has(name)) yield gone(flow);
    this.#known.clear();
    for (const [name, known] of now) this.#known.set(name, known);
    yield { type: 'resynchronised', flows: now.size };
  }
}

function gone(flow: Flow): ConntrackEvent {
  return { type: 'destroy', flow, recovered: true };
}

/** Returns true for a change that the comparison of the native mirror sees, too. */
function isChanged(one: Flow, other: Flow): boolean {
  return (
    one.mark !== other.mark ||
    one.statusBits !== other.statusBits ||
    one.state !== other.state ||
    JSON.stringify(one.labels ?? []) !== JSON.stringify(other.labels ?? [])
  );
}

/** One listener. Its queue has no limit: only {@link MemoryEventStreams.lose} makes an overrun. */
class MemoryEventStream implements EventPort {
  readonly receiveBuffer: number;
  readonly settings: EventSettings;
  readonly #matches: (flow: Flow) => boolean;
  readonly #mirror: Mirror | undefined;
  readonly #table: () => Iterable<Flow>;
  readonly #isDead: () => boolean;
  readonly #onClose: (stream: MemoryEventStream) => void;
  #waiting: ConntrackEvent[] = [];
  #overruns = 0;
  #resynchronise: boolean;
  #failure: KernelFailure | undefined;
  #wake: (() => void) | undefined;

  constructor(
    filter: FilterSettings,
    settings: EventSettings,
    table: () => Iterable<Flow>,
    isDead: () => boolean,
    onClose: (stream: MemoryEventStream) => void,
  ) {
    this.settings = settings;
    this.receiveBuffer = settings.receiveBuffer === 0 ? RECEIVE_BUFFER : settings.receiveBuffer * 2;
    this.#matches = flowTest(filter);
    this.#table = table;
    this.#isDead = isDead;
    this.#onClose = onClose;
    this.#mirror = settings.resynchronise ? new Mirror(this.#matches) : undefined;
    this.#resynchronise = settings.resynchronise;
  }

  async next(options: CallOptions = {}): Promise<readonly ConntrackEvent[]> {
    await undefined;
    for (;;) {
      options.signal?.throwIfAborted();
      if (this.#isDead()) this.end(Errno.EBADF);
      if (this.#failure) throw this.#failure;
      const events = this.#take();
      if (events.length > 0) return events;
      if (this.#wake) throw new KernelFailure(Errno.EBUSY, 'somebody waits already');
      const something = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        await within(something, options);
      } finally {
        this.#wake = undefined;
      }
    }
  }

  async close(): Promise<void> {
    this.end(Errno.ECANCELED);
  }

  end(errno: number): void {
    if (this.#failure) return;
    this.#failure = new KernelFailure(errno, 'the stream of events is closed');
    this.#onClose(this);
    this.#wake?.();
  }

  push(event: ConntrackEvent): void {
    if (this.#isDead()) this.end(Errno.EBADF);
    if (this.#failure) return;
    if ('flow' in event && !this.#mirror && !this.#matches(event.flow)) return;
    this.#waiting.push(event);
    this.#wake?.();
  }

  /** Drops the pending events and reports an overrun. */
  overrun(): void {
    this.#waiting = [];
    if (this.settings.reliable) return;
    this.#waiting.push({ type: 'overrun', overruns: ++this.#overruns });
    this.#resynchronise = this.settings.resynchronise;
    this.#wake?.();
  }

  #take(): ConntrackEvent[] {
    const raw = this.#waiting;
    this.#waiting = [];
    const mirror = this.#mirror;
    if (!mirror) return raw;
    const events = raw.flatMap((event) => ('flow' in event ? [...mirror.take(event)] : [event]));
    if (this.#resynchronise) events.push(...mirror.compare(this.#table()));
    this.#resynchronise = false;
    return events;
  }
}

function made(type: FlowEvent['type'], flow: Flow, time: bigint | undefined): FlowEvent {
  const event = { type, flow, recovered: false };
  return time === undefined ? event : withJson({ ...event, time });
}

/** All event streams of a namespace. */
export class MemoryEventStreams {
  readonly #streams = new Set<MemoryEventStream>();
  readonly #table: () => Iterable<Flow>;
  #losing = false;

  constructor(table: () => Iterable<Flow>) {
    this.#table = table;
  }

  /** True if there is a stream, for flows or for expectations. */
  get some(): boolean {
    return this.#streams.size > 0;
  }

  /** @param isDead returns true if the listening program was killed */
  open(
    filter: FilterSettings,
    settings: EventSettings,
    isDead: () => boolean,
    onClose: (stream: EventPort) => void,
  ): MemoryEventStream {
    const stream = new MemoryEventStream(filter, settings, this.#table, isDead, (closed) => {
      this.#streams.delete(closed);
      onClose(closed);
    });
    this.#streams.add(stream);
    return stream;
  }

  flow(type: 'new' | 'update' | 'destroy', flow: () => Flow, time: bigint | undefined): void {
    if (this.#streams.size === 0 || this.#losing) return;
    const wanted = { new: 'created', update: 'updated', destroy: 'destroyed' } as const;
    let event: ConntrackEvent | undefined;
    for (const stream of this.#streams) {
      if (!stream.settings[wanted[type]]) continue;
      event ??= made(type, flow(), time);
      stream.push(event);
    }
  }

  expectation(event: Extract<ConntrackEvent, { readonly expectation: unknown }>): void {
    if (this.#losing) return;
    for (const stream of this.#streams) if (stream.settings.expectations) stream.push(event);
  }

  /** Drops the pending events and those during `during`, as if the buffers were full. */
  async lose(during?: () => unknown): Promise<void> {
    this.#losing = true;
    try {
      await during?.();
    } finally {
      this.#losing = false;
    }
    for (const stream of this.#streams) stream.overrun();
  }
}
