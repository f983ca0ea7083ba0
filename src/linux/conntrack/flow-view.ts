import { type InspectOptions, inspect } from 'node:util';
import { type Family, readAddress } from '../../common/address.js';
import { jsonOf } from '../../common/json.js';
import { protocolName } from '../../common/protocols.js';
import { flowLine } from '../../kernel/conntrack/line.js';
import type {
  Counters,
  DccpDetails,
  Directions,
  Flow,
  FlowProtocol,
  FlowStatus,
  IcmpTuple,
  SequenceAdjustment,
  Synproxy,
  TcpDetails,
  Tuple,
} from '../../kernel/conntrack/types.js';
import { flowNames, statesOf, statusNames } from '../../kernel/conntrack/vocabulary.js';
import type { RecordReader } from '../records.js';
import type { Batch } from './batch.js';
import { Field, layout, TupleField } from './layout.js';

const tupleNames = ['family', 'protocol', 'source', 'destination', 'sourcePort', 'destinationPort', 'icmp', 'zone'];

/** Copies the values of getters to a plain object, for JSON and for printing. Omits absent values. */
function plain(value: object, names: readonly string[]): Record<string, unknown> {
  const fields = names.map((name) => [name, (value as Record<string, unknown>)[name]] as const);
  return Object.fromEntries(fields.filter(([, field]) => field !== undefined));
}

export class TupleView implements Tuple {
  readonly #from: RecordReader;
  readonly #at: number;

  constructor(from: RecordReader, at: number) {
    this.#from = from;
    this.#at = at;
  }

  get family(): Family {
    return this.#from.family(this.#at + layout.tuple.family);
  }
  get source(): string {
    return readAddress(this.#from.bytes, this.#at + layout.tuple.source, this.family);
  }
  get destination(): string {
    return readAddress(this.#from.bytes, this.#at + layout.tuple.destination, this.family);
  }
  get protocol(): FlowProtocol {
    return protocolName(this.#from.u8(this.#at + layout.tuple.protocol));
  }
  get sourcePort(): number | undefined {
    return this.#has(TupleField.sourcePort) ? this.#from.u16(this.#at + layout.tuple.sourcePort) : undefined;
  }
  get destinationPort(): number | undefined {
    return this.#has(TupleField.destinationPort) ? this.#from.u16(this.#at + layout.tuple.destinationPort) : undefined;
  }
  get icmp(): IcmpTuple | undefined {
    if (!this.#has(TupleField.icmp)) return undefined;
    const { icmpType, icmpCode, icmpId } = layout.tuple;
    return {
      type: this.#from.u8(this.#at + icmpType),
      code: this.#from.u8(this.#at + icmpCode),
      id: this.#from.u16(this.#at + icmpId),
    };
  }
  get zone(): number | undefined {
    return this.#has(TupleField.zone) ? this.#from.u16(this.#at + layout.tuple.zone) : undefined;
  }
  toJSON(): Record<string, unknown> {
    return plain(this, tupleNames);
  }
  [inspect.custom](_depth: number, options: InspectOptions): string {
    return inspect(this.toJSON(), options);
  }

  #has(field: number): boolean {
    return (this.#from.u8(this.#at + layout.tuple.present) & field) !== 0;
  }
}

export class FlowView implements Flow {
  readonly #from: Batch;
  readonly #at: number;

  constructor(from: Batch, at: number) {
    this.#from = from;
    this.#at = at;
  }

  get family(): Family {
    return this.#from.family(this.#at + layout.tuple.family);
  }
  get protocol(): FlowProtocol {
    return protocolName(this.#from.u8(this.#at + layout.tuple.protocol));
  }
  get original(): Tuple {
    return new TupleView(this.#from, this.#at + layout.flow.original);
  }
  get reply(): Tuple {
    return new TupleView(this.#from, this.#at + layout.flow.reply);
  }
  get zone(): number {
    return this.#from.u16(this.#at + layout.flow.zone);
  }
  get id(): number | undefined {
    return this.#number(Field.id, layout.flow.id);
  }
  get status(): readonly FlowStatus[] {
    const bits = this.statusBits;
    return statusNames.filter((_, bit) => (bits & (1 << bit)) !== 0);
  }
  get statusBits(): number {
    return this.#from.u32(this.#at + layout.flow.status);
  }
  get mark(): number | undefined {
    return this.#number(Field.mark, layout.flow.mark);
  }
  get timeout(): number | undefined {
    return this.#number(Field.timeout, layout.flow.timeout);
  }
  get use(): number | undefined {
    return this.#number(Field.use, layout.flow.use);
  }
  get state(): string | undefined {
    if (!this.#has(Field.state)) return undefined;
    const state = this.#from.u8(this.#at + layout.flow.state);
    return statesOf(this.protocol)[state] ?? String(state);
  }
  get counters(): Directions<Counters> | undefined {
    if (!this.#has(Field.countersOriginal | Field.countersReply)) return undefined;
    return countersAt(this.#from, this.#at + layout.flow.counters);
  }
  get started(): bigint | undefined {
    return this.#has(Field.start) ? this.#from.u64(this.#at + layout.flow.start) : undefined;
  }
  get stopped(): bigint | undefined {
    return this.#has(Field.stop) ? this.#from.u64(this.#at + layout.flow.stop) : undefined;
  }
  get labels(): readonly number[] | undefined {
    if (!this.#has(Field.labels)) return undefined;
    const start = this.#at + layout.flow.labels;
    const bits = this.#from.u8(this.#at + layout.flow.labelsLength) * 8;
    return Array.from({ length: bits }, (_, bit) => bit).filter((bit) => {
      return (this.#from.u8(start + (bit >> 3)) & (1 << (bit & 7))) !== 0;
    });
  }
  get tcp(): TcpDetails | undefined {
    if (!this.#has(Field.tcp)) return undefined;
    const { tcpScaleOriginal, tcpScaleReply, tcpFlagsOriginal, tcpFlagsReply } = layout.flow;
    return {
      windowScale: { original: this.#byte(tcpScaleOriginal), reply: this.#byte(tcpScaleReply) },
      flags: { original: this.#byte(tcpFlagsOriginal), reply: this.#byte(tcpFlagsReply) },
    };
  }
  get helper(): string | undefined {
    return this.#has(Field.helper) ? this.#from.text(this.#extension + layout.extension.helper, 16) : undefined;
  }
  get sctp(): Directions<number> | undefined {
    if (!this.#has(Field.sctp)) return undefined;
    const { sctpTagOriginal, sctpTagReply } = layout.extension;
    const at = this.#extension;
    return { original: this.#from.u32(at + sctpTagOriginal), reply: this.#from.u32(at + sctpTagReply) };
  }
  get dccp(): DccpDetails | undefined {
    if (!this.#has(Field.dccp)) return undefined;
    const role = this.#from.u8(this.#extension + layout.extension.dccpRole);
    return {
      role: role === 0 ? 'client' : 'server',
      handshakeSequence: this.#from.u64(this.#extension + layout.extension.dccpHandshake),
    };
  }
  get master(): Tuple | undefined {
    return this.#has(Field.master) ? new TupleView(this.#from, this.#extension + layout.extension.master) : undefined;
  }
  get sequenceAdjustment(): Partial<Directions<SequenceAdjustment>> | undefined {
    const original = this.#adjustment(Field.sequenceOriginal, layout.extension.sequenceOriginal);
    const reply = this.#adjustment(Field.sequenceReply, layout.extension.sequenceReply);
    if (!original && !reply) return undefined;
    return { ...(original && { original }), ...(reply && { reply }) };
  }
  get synproxy(): Synproxy | undefined {
    if (!this.#has(Field.synproxy)) return undefined;
    const at = this.#extension + layout.extension.synproxy;
    return {
      initialSequence: this.#from.u32(at),
      initialTimestamp: this.#from.u32(at + 4),
      timestampOffset: this.#from.u32(at + 8),
    };
  }
  get securityContext(): string | undefined {
    if (!this.#has(Field.securityContext)) return undefined;
    const { text, textLength } = layout.extension;
    return this.#from.tail(this.#from.u32(this.#extension + text), this.#from.u32(this.#extension + textLength));
  }
  toJSON(): Record<string, unknown> {
    return jsonOf(plain(this, flowNames)) as Record<string, unknown>;
  }
  toString(): string {
    return flowLine(this);
  }
  [inspect.custom](): string {
    return flowLine(this);
  }

  get #extension(): number {
    return this.#from.extensionAt(this.#from.u32(this.#at + layout.flow.extension));
  }
  #has(fields: number): boolean {
    return (this.#from.u32(this.#at + layout.flow.present) & fields) !== 0;
  }
  #byte(offset: number): number {
    return this.#from.u8(this.#at + offset);
  }
  #number(field: number, offset: number): number | undefined {
    return this.#has(field) ? this.#from.u32(this.#at + offset) : undefined;
  }
  #adjustment(field: number, offset: number): SequenceAdjustment | undefined {
    if (!this.#has(field)) return undefined;
    const at = this.#extension + offset;
    return { position: this.#from.u32(at), before: this.#from.u32(at + 4), after: this.#from.u32(at + 8) };
  }
}

export function countersAt(from: RecordReader, at: number): Directions<Counters> {
  return {
    original: { packets: from.u64(at), bytes: from.u64(at + 8) },
    reply: { packets: from.u64(at + 16), bytes: from.u64(at + 24) },
  };
}
