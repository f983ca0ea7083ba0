import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import { describeFlow, describeTuple } from '../../kernel/conntrack/line.js';
import type { ConntrackPort, EventPort } from '../../kernel/conntrack/port.js';
import type {
  EventSettings,
  ExpectationSettings,
  FilterSettings,
  FlowChange,
  FlowKey,
  ProcessorCounters,
} from '../../kernel/conntrack/requests.js';
import type { Expectation, Flow, FlowGroup, FlowList, GroupField } from '../../kernel/conntrack/types.js';
import { integers, type MemoryFiles } from '../files.js';
import { Handle, type Machine } from '../machine.js';
import { MemoryEventStreams } from './events.js';
import { MemoryExpectations } from './expectations.js';
import { flowTest, groupsOf } from './filter.js';
import { nanoseconds, snapshot } from './flow.js';
import { MemoryFlowTable, noCounters } from './table.js';

const directory = '/proc/sys/net/netfilter';
/** Number of flows in one piece of a list. */
const BATCH = 500;

/** Sizes that all namespaces of a machine share; only the first namespace can set them. */
export interface ConntrackSizes {
  maximum: number;
  buckets: number;
  expectations: number;
}

/** Connection tracking of one network namespace. */
export class MemoryConntrack {
  readonly machine: Machine;
  readonly files: MemoryFiles;
  readonly flows: MemoryFlowTable;
  readonly expectations: MemoryExpectations;
  readonly streams: MemoryEventStreams;
  readonly sizes: ConntrackSizes;
  readonly permission: () => boolean;
  /** True if a rule of the namespace uses labels: then new flows can have labels. */
  labels = false;

  constructor(
    machine: Machine,
    files: MemoryFiles,
    sizes: ConntrackSizes,
    isFirst: boolean,
    permission: () => boolean,
  ) {
    this.machine = machine;
    this.files = files;
    this.sizes = sizes;
    this.permission = permission;
    const now = (): number => machine.now;
    const setting = (name: string): number => files.number(`${directory}/nf_conntrack_${name}`);
    for (const name of ['acct', 'timestamp']) files.set(`${directory}/nf_conntrack_${name}`, '0\n', integers(1, 0, 1));
    files.set(`${directory}/nf_conntrack_events`, '2\n', integers(1, 0, 2));
    const shared = { max: 'maximum', buckets: 'buckets', expect_max: 'expectations' } as const;
    for (const [name, size] of Object.entries(shared)) {
      files.define(`${directory}/nf_conntrack_${name}`, {
        read: () => `${sizes[size]}\n`,
        write: (text) => {
          if (!isFirst) return Errno.EACCES;
          const accepted = integers(1, 0)(text);
          if (typeof accepted === 'number') return accepted;
          sizes[size] = Number(accepted);
          return 0;
        },
      });
    }
    files.define(`${directory}/nf_conntrack_count`, { read: () => `${this.flows.size}\n` });
    this.streams = new MemoryEventStreams(() => this.list());
    this.flows = new MemoryFlowTable(
      {
        maximum: () => sizes.maximum,
        accounting: () => setting('acct') !== 0,
        timestamps: () => setting('timestamp') !== 0,
        told: () => setting('events') === 1 || (setting('events') === 2 && this.streams.some),
        labels: () => this.labels,
        now,
      },
      (type, flow) => {
        if (type === 'destroy') this.expectations.flowEnded(flow);
        if (!flow.told) return;
        const time = flow.started === undefined ? undefined : nanoseconds(now());
        this.streams.flow(type, () => snapshot(flow, type, now()), time);
      },
    );
    this.expectations = new MemoryExpectations(this.flows, now, (type, expectation) =>
      this.streams.expectation({ type, expectation }),
    );
    machine.onAdvance(() => {
      this.flows.expire();
      this.expectations.expire();
    });
  }

  open(): ConntrackPort {
    return new MemoryConntrackPort(this);
  }

  /** Yields the flows as a dump shows them. */
  *list(matches: (flow: Flow) => boolean = () => true): Generator<Flow, void, void> {
    for (const flow of this.flows.flows()) {
      const read = snapshot(flow, 'dump', this.machine.now);
      if (matches(read)) yield read;
    }
  }

  zero(key: FlowKey): Flow | undefined {
    const flow = this.flows.find(key);
    if (!flow || (key.id !== undefined && key.id !== flow.id)) return undefined;
    const read = snapshot(flow, 'dump', this.machine.now);
    if (flow.counters) flow.counters = noCounters();
    return read;
  }

  flush(family: Family | undefined): void {
    for (const flow of this.flows.flows()) {
      if (family === undefined || flow.original.family === family) this.flows.remove(flow);
    }
  }
}

/** A handle for connection tracking. */
class MemoryConntrackPort implements ConntrackPort {
  readonly #conntrack: MemoryConntrack;
  readonly #handle: Handle;
  readonly #streams = new Set<EventPort & { end?(errno: number): void }>();

  constructor(conntrack: MemoryConntrack) {
    this.#conntrack = conntrack;
    this.#handle = new Handle(conntrack.machine, 'conntrack');
  }

  flow(key: FlowKey, options?: CallOptions): Promise<Flow> {
    const { flows, machine } = this.#conntrack;
    return this.#ask(
      'flow',
      describeFlow(key),
      () => {
        const flow = flows.find(key);
        if (!flow) throw new KernelFailure(Errno.ENOENT, describeFlow(key));
        flows.counts.found++;
        return snapshot(flow, 'dump', machine.now);
      },
      options,
    );
  }

  async *flows(
    filter: FilterSettings,
    list: FlowList,
    options?: CallOptions,
  ): AsyncGenerator<readonly Flow[], void, void> {
    // The dying list is always empty: every event is delivered.
    const read = (): Flow[] => (list === 'dying' ? [] : [...this.#conntrack.list(flowTest(filter))]);
    const found = await this.#ask('flows', list, read, options);
    const { sizes } = this.#conntrack;
    const { buckets } = sizes;
    for (let at = 0; at < found.length; at += BATCH) {
      this.#handle.alive();
      options?.signal?.throwIfAborted();
      if (sizes.buckets !== buckets) throw new KernelFailure(Errno.EINTR, 'the number of buckets changed');
      yield found.slice(at, at + BATCH);
    }
  }

  zero(keys: readonly FlowKey[], options?: CallOptions): Promise<readonly Flow[]> {
    const work = (): Flow[] =>
      keys.map((key) => this.#conntrack.zero(key)).filter((flow): flow is Flow => flow !== undefined);
    return this.#ask('zero', `${keys.length} flows`, work, options);
  }

  groups(
    filter: FilterSettings,
    by: readonly GroupField[],
    largest?: { readonly count: number; readonly order: 'bytes' | 'packets' | 'flows' },
    options?: CallOptions,
  ): Promise<readonly FlowGroup[]> {
    const work = (): FlowGroup[] => groupsOf(this.#conntrack.list(flowTest(filter)), by, largest);
    return this.#ask('groups', by.join(' '), work, options);
  }

  async apply(changes: readonly FlowChange[], options?: CallOptions): Promise<ArrayLike<number>> {
    if (changes.length === 0) return [];
    const { flows, permission } = this.#conntrack;
    const work = (): number[] =>
      changes.map((change) =>
        this.#handle.change(change.verb, describeFlow(change.key), () =>
          permission() ? flows.apply(change) : Errno.EPERM,
        ),
      );
    return this.#handle.ask('apply', `${changes.length} changes`, work, options);
  }

  flush(family: Family | undefined, options?: CallOptions): Promise<void> {
    return this.#ask('flush', family ?? 'all flows', () => this.#conntrack.flush(family), options);
  }

  counters(options?: CallOptions): Promise<readonly ProcessorCounters[]> {
    const { counts } = this.#conntrack.flows;
    // The keys are the numbers of CTA_STATS_*.
    const values = (): Record<number, number> => ({
      2: counts.found,
      4: 0,
      8: counts.insert,
      9: counts.insertFailed,
      10: counts.drop,
      ...Object.fromEntries([11, 12, 13, 14, 15].map((attribute) => [attribute, 0])),
    });
    return this.#ask('counters', 'statistics', () => [{ processor: 0, values: values() }], options);
  }

  expectationCounters(options?: CallOptions): Promise<readonly ProcessorCounters[]> {
    const { counts } = this.#conntrack.expectations;
    const read = (): ProcessorCounters[] => [{ processor: 0, values: { 1: 0, 2: counts.create, 3: counts.delete } }];
    return this.#ask('expectationCounters', 'statistics', read, options);
  }

  total(options?: CallOptions): Promise<{ readonly entries: number; readonly maximum?: number }> {
    const { flows, sizes } = this.#conntrack;
    return this.#ask('total', 'flows', () => ({ entries: flows.size, maximum: sizes.maximum }), options);
  }

  expectations(family: Family | undefined, options?: CallOptions): Promise<readonly Expectation[]> {
    const { expectations } = this.#conntrack;
    return this.#ask('expectations', family ?? 'all', () => expectations.list(family), options);
  }

  createExpectation(settings: ExpectationSettings, options?: CallOptions): Promise<void> {
    const { expectations } = this.#conntrack;
    const object = describeTuple(settings.tuple);
    return this.#ask('createExpectation', object, () => check(expectations.create(settings), object), options);
  }

  deleteExpectation(key: Pick<Expectation, 'tuple' | 'zone' | 'id'>, options?: CallOptions): Promise<void> {
    const { expectations } = this.#conntrack;
    const object = describeTuple(key.tuple);
    return this.#ask('deleteExpectation', object, () => check(expectations.delete(key), object), options);
  }

  flushExpectations(options?: CallOptions): Promise<void> {
    return this.#ask('flushExpectations', 'expectations', () => this.#conntrack.expectations.flush(), options);
  }

  events(filter: FilterSettings, settings: EventSettings, options?: CallOptions): Promise<EventPort> {
    return this.#ask(
      'events',
      'events',
      () => {
        const { streams } = this.#conntrack;
        const isDead = (): boolean => this.#handle.closed;
        const stream = streams.open(filter, settings, isDead, (closed) => this.#streams.delete(closed));
        this.#streams.add(stream);
        return stream;
      },
      options,
    );
  }

  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]> {
    return this.#handle.ask('readFiles', paths.join(' '), () => this.#conntrack.files.read(paths), options);
  }

  writeFile(path: string, text: string, options?: CallOptions): Promise<void> {
    const { files, permission } = this.#conntrack;
    const work = (): void => check(permission() ? files.write(path, text) : Errno.EACCES, path);
    return this.#handle.ask('writeFile', path, work, options);
  }

  async close(): Promise<void> {
    this.#handle.close();
    for (const stream of this.#streams) stream.end?.(Errno.EBADF);
  }

  #ask<T>(command: string, object: string, work: () => T, options?: CallOptions): Promise<T> {
    const permitted = (): T => {
      if (!this.#conntrack.permission()) throw new KernelFailure(Errno.EPERM, command);
      return work();
    };
    return this.#handle.ask(command, object, permitted, options);
  }
}

function check(errno: number, message: string): void {
  if (errno !== 0) throw new KernelFailure(errno, message);
}
