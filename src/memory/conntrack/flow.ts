import { inspect } from 'node:util';
import type { Family } from '../../common/address.js';
import { jsonOf } from '../../common/json.js';
import { flowLine } from '../../kernel/conntrack/line.js';
import type {
  Counters,
  DccpDetails,
  Directions,
  Flow,
  FlowProtocol,
  FlowStatus,
  SequenceAdjustment,
  Synproxy,
  TcpDetails,
  Tuple,
} from '../../kernel/conntrack/types.js';
import { flowNames, statesOf, statusNames } from '../../kernel/conntrack/vocabulary.js';

/** Bits of `enum ip_conntrack_status` that the in-memory kernel uses. */
export const Status = {
  expected: 1 << 0,
  seenReply: 1 << 1,
  assured: 1 << 2,
  confirmed: 1 << 3,
  sourceNat: 1 << 4,
  destinationNat: 1 << 5,
  sequenceAdjust: 1 << 6,
  natDone: (1 << 7) | (1 << 8),
  dying: 1 << 9,
  fixedTimeout: 1 << 10,
  helper: 1 << 13,
} as const;

/** A flow of the table. */
export interface MemoryFlow {
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly zone: number;
  readonly id: number;
  statusBits: number;
  mark: number;
  /** Time of expiry, in milliseconds of the machine's clock. */
  expires: number;
  state: number | undefined;
  /** Counters, only if accounting was on when the flow began. */
  counters: { original: { packets: bigint; bytes: bigint }; reply: { packets: bigint; bytes: bigint } } | undefined;
  started: bigint | undefined;
  /** Labels, only if a rule of the namespace used labels when the flow began. */
  labels: Uint8Array | undefined;
  /** True if the flow has the extension for a helper, with or without a helper. */
  hasHelp: boolean;
  helper: string | undefined;
  tcp: TcpDetails | undefined;
  sctp: Directions<number> | undefined;
  dccp: DccpDetails | undefined;
  readonly master: MemoryFlow | undefined;
  sequenceAdjustment: Partial<Directions<SequenceAdjustment>> | undefined;
  synproxy: Synproxy | undefined;
  /** True if listeners get its events, according to the settings when the flow began. */
  readonly told: boolean;
}

/** Reason for a snapshot: it determines which fields the kernel shows. */
export type Occasion = 'dump' | 'new' | 'update' | 'destroy';

/** An immutable copy of a flow at the time of a read; its text and JSON are those of the real kernel's flows. */
class FlowSnapshot implements Flow {
  readonly family: Family;
  readonly protocol: FlowProtocol;
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly zone: number;
  readonly id: number;
  readonly statusBits: number;
  readonly mark: number | undefined;
  readonly timeout: number;
  readonly state: string | undefined;
  readonly counters: Directions<Counters> | undefined;
  readonly started: bigint | undefined;
  readonly stopped: bigint | undefined;
  readonly labels: readonly number[] | undefined;
  readonly helper: string | undefined;
  readonly tcp: TcpDetails | undefined;
  readonly sctp: Directions<number> | undefined;
  readonly dccp: DccpDetails | undefined;
  readonly master: Tuple | undefined;
  readonly sequenceAdjustment: Partial<Directions<SequenceAdjustment>> | undefined;
  readonly synproxy: Synproxy | undefined;
  readonly use: number | undefined;

  constructor(flow: MemoryFlow, occasion: Occasion, now: number) {
    const { protocol } = flow.original;
    const [dump, end] = [occasion === 'dump', occasion === 'destroy'];
    this.family = flow.original.family;
    this.protocol = protocol;
    this.original = flow.original;
    this.reply = flow.reply;
    this.zone = flow.zone;
    this.id = flow.id;
    this.statusBits = flow.statusBits;
    this.mark = end && flow.mark === 0 ? undefined : flow.mark;
    this.timeout = Math.max(0, Math.floor((flow.expires - now) / 1000));
    this.state = flow.state === undefined ? undefined : (statesOf(protocol)[flow.state] ?? String(flow.state));
    const { counters } = flow;
    if (counters && (dump || end)) this.counters = { original: { ...counters.original }, reply: { ...counters.reply } };
    if (dump || end) this.started = flow.started;
    if (end && flow.started !== undefined) this.stopped = nanoseconds(now);
    this.labels = labelsOf(flow.labels);
    this.helper = flow.helper;
    if (!end) {
      this.tcp = flow.tcp;
      this.sctp = flow.sctp;
      this.dccp = flow.dccp;
      this.sequenceAdjustment = flow.sequenceAdjustment;
      this.synproxy = flow.synproxy;
    }
    this.master = flow.master?.original;
    if (dump) this.use = 2;
  }

  get status(): readonly FlowStatus[] {
    return statusNames.filter((_, bit) => (this.statusBits & (1 << bit)) !== 0);
  }

  toJSON(): Record<string, unknown> {
    const fields = flowNames.map((name) => [name, (this as unknown as Record<string, unknown>)[name]] as const);
    return jsonOf(Object.fromEntries(fields.filter(([, field]) => field !== undefined))) as Record<string, unknown>;
  }

  toString(): string {
    return flowLine(this);
  }

  [inspect.custom](): string {
    return flowLine(this);
  }
}

/** Returns an immutable copy of the flow. */
export function snapshot(flow: MemoryFlow, occasion: Occasion, now: number): Flow {
  return new FlowSnapshot(flow, occasion, now);
}

/** Converts the machine's time to a timestamp of the kernel, in nanoseconds. */
export function nanoseconds(now: number): bigint {
  return BigInt(Math.floor(now)) * 1_000_000n;
}

function labelsOf(bytes: Uint8Array | undefined): readonly number[] | undefined {
  if (!bytes) return undefined;
  const labels = Array.from({ length: bytes.length * 8 }, (_, bit) => bit);
  return labels.filter((bit) => ((bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
}

/** Returns a key of a tuple, equal for equal tuples. It includes the zone of the direction. */
export function tupleName(tuple: Tuple, zone: number): string {
  const { family, protocol, source, destination, sourcePort, destinationPort, icmp } = tuple;
  const details = icmp ? `${icmp.type}/${icmp.code}/${icmp.id}` : `${sourcePort} ${destinationPort}`;
  return `${family} ${protocol} ${source} ${destination} ${details} ${tuple.zone ?? zone}`;
}
