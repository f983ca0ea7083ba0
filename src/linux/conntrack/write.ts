import { familyOf, writeAddress } from '../../common/address.js';
import { protocolNumber } from '../../common/protocols.js';
import type {
  ExpectationSettings,
  FilterSettings,
  FlowChange,
  FlowKey,
  FlowSettings,
  NatSettings,
  TupleFilter,
} from '../../kernel/conntrack/requests.js';
import type { SequenceAdjustment, Tuple } from '../../kernel/conntrack/types.js';
import { familyNumber } from '../../kernel/families.js';
import { RecordWriter } from '../records.js';
import { Field, layout, TupleField } from './layout.js';

class Pen extends RecordWriter {
  tuple(at: number, tuple: Tuple): void {
    const field = layout.tuple;
    let present = TupleField.source | TupleField.destination | TupleField.protocol;
    writeAddress(this.bytes, at + field.source, tuple.source, tuple.family);
    writeAddress(this.bytes, at + field.destination, tuple.destination, tuple.family);
    this.u8(at + field.family, familyNumber(tuple.family));
    this.u8(at + field.protocol, protocolNumber(tuple.protocol));
    const { sourcePort, destinationPort, icmp, zone } = tuple;
    if (sourcePort !== undefined) {
      present |= TupleField.sourcePort;
      this.u16(at + field.sourcePort, sourcePort);
    }
    if (destinationPort !== undefined) {
      present |= TupleField.destinationPort;
      this.u16(at + field.destinationPort, destinationPort);
    }
    if (icmp) {
      present |= TupleField.icmp;
      this.u8(at + field.icmpType, icmp.type);
      this.u8(at + field.icmpCode, icmp.code);
      this.u16(at + field.icmpId, icmp.id);
    }
    if (zone !== undefined) {
      present |= TupleField.zone;
      this.u16(at + field.zone, zone);
    }
    this.u8(at + field.present, present);
  }

  key(at: number, key: FlowKey): number {
    let present = 0;
    if (key.original) {
      present |= Field.original;
      this.tuple(at + layout.flow.original, key.original);
    }
    if (key.reply) {
      present |= Field.reply;
      this.tuple(at + layout.flow.reply, key.reply);
    }
    if (key.zone !== undefined && key.zone !== 0) {
      present |= Field.zone;
      this.u16(at + layout.flow.zone, key.zone);
    }
    if (key.id !== undefined) {
      present |= Field.id;
      this.u32(at + layout.flow.id, key.id);
    }
    return present;
  }

  /** Writes the fields of a flow at `at`, and of its extension at `more`. Returns the bits of the written fields. */
  settings(at: number, more: number, settings: FlowSettings): number {
    const flow = layout.flow;
    let present = this.#numbers(at, settings);
    const { labels, labelsMask, tcp } = settings;
    if (labels) {
      present |= Field.labels;
      this.bytes.set(labels, at + flow.labels);
      this.u8(at + flow.labelsLength, labels.length);
    }
    if (labelsMask) {
      present |= Field.labelsMask;
      this.bytes.set(labelsMask, more + layout.extension.labelsMask);
    }
    if (tcp) {
      present |= Field.tcp;
      this.u8(at + flow.tcpScaleOriginal, tcp.windowScale.original);
      this.u8(at + flow.tcpScaleReply, tcp.windowScale.reply);
      this.u8(at + flow.tcpFlagsOriginal, tcp.flags.original);
      this.u8(at + flow.tcpFlagsReply, tcp.flags.reply);
    }
    return present | this.#rare(more, settings);
  }

  #numbers(at: number, settings: FlowSettings): number {
    const flow = layout.flow;
    let present = 0;
    const put = (value: number | undefined, field: number, offset: number): void => {
      if (value === undefined) return;
      present |= field;
      this.u32(at + offset, value);
    };
    put(settings.statusBits, Field.status, flow.status);
    put(settings.mark, Field.mark, flow.mark);
    put(settings.markMask, Field.markMask, flow.markMask);
    put(settings.timeout, Field.timeout, flow.timeout);
    if (settings.state !== undefined) {
      present |= Field.state;
      this.u8(at + flow.state, settings.state);
    }
    return present;
  }

  #rare(at: number, settings: FlowSettings): number {
    const field = layout.extension;
    let present = 0;
    if (settings.helper !== undefined) {
      present |= Field.helper;
      this.text(at + field.helper, settings.helper);
    }
    if (settings.master) {
      present |= Field.master;
      this.tuple(at + field.master, settings.master);
    }
    if (settings.natSource) {
      present |= Field.natSource;
      this.#nat(at + field.natSource, settings.natSource);
    }
    if (settings.natDestination) {
      present |= Field.natDestination;
      this.#nat(at + field.natDestination, settings.natDestination);
    }
    if (settings.sctp) {
      present |= Field.sctp;
      this.u32(at + field.sctpTagOriginal, settings.sctp.original);
      this.u32(at + field.sctpTagReply, settings.sctp.reply);
    }
    if (settings.dccp) {
      present |= Field.dccp;
      this.u8(at + field.dccpRole, settings.dccp.role === 'client' ? 0 : 1);
      this.view.setBigUint64(at + field.dccpHandshake, settings.dccp.handshakeSequence, true);
    }
    const { original, reply } = settings.sequenceAdjustment ?? {};
    if (original) {
      present |= Field.sequenceOriginal;
      this.#adjustment(at + field.sequenceOriginal, original);
    }
    if (reply) {
      present |= Field.sequenceReply;
      this.#adjustment(at + field.sequenceReply, reply);
    }
    if (settings.synproxy) {
      present |= Field.synproxy;
      this.u32(at + field.synproxy, settings.synproxy.initialSequence);
      this.u32(at + field.synproxy + 4, settings.synproxy.initialTimestamp);
      this.u32(at + field.synproxy + 8, settings.synproxy.timestampOffset);
    }
    return present;
  }

  #nat(at: number, nat: NatSettings): void {
    const field = layout.natRange;
    const family = familyOf(nat.address[0]) ?? 'ipv4';
    writeAddress(this.bytes, at + field.least, nat.address[0], family);
    writeAddress(this.bytes, at + field.most, nat.address[1], family);
    if (!nat.port) return;
    this.u16(at + field.portLeast, nat.port[0]);
    this.u16(at + field.portMost, nat.port[1]);
  }

  #adjustment(at: number, adjustment: SequenceAdjustment): void {
    this.u32(at, adjustment.position);
    this.u32(at + 4, adjustment.before);
    this.u32(at + 8, adjustment.after);
  }
}

export function writeFlowKeys(keys: readonly FlowKey[]): Uint8Array {
  const pen = new Pen(keys.length * layout.flow.size);
  keys.forEach((key, index) => {
    const at = index * layout.flow.size;
    pen.u32(at + layout.flow.present, pen.key(at, key));
  });
  return pen.bytes;
}

const verbs = { create: 0, update: 1, delete: 2 } as const;

export function writeFlowChanges(changes: readonly FlowChange[]): Uint8Array {
  const pen = new Pen(changes.length * layout.change.size);
  changes.forEach((change, index) => {
    const at = index * layout.change.size;
    const flow = at + layout.change.flow;
    pen.u32(at + layout.change.verb, verbs[change.verb]);
    let present = pen.key(flow, change.key);
    if (change.verb !== 'delete') present |= pen.settings(flow, at + layout.change.extension, change.settings);
    pen.u32(flow + layout.flow.present, present >>> 0);
  });
  return pen.bytes;
}

export function writeFilter(filter: FilterSettings): Uint8Array {
  const field = layout.filter;
  const pen = new Pen(field.size);
  let present = 0;
  const tuple = (at: number, wanted: TupleFilter): void => {
    let has = 0;
    const { source, destination, sourcePort, destinationPort } = wanted;
    if (source) {
      has |= TupleField.source;
      address(at + layout.tuple.source, source.address);
      pen.u8(at + layout.tupleFilter.sourcePrefix, source.prefix);
    }
    if (destination) {
      has |= TupleField.destination;
      address(at + layout.tuple.destination, destination.address);
      pen.u8(at + layout.tupleFilter.destinationPrefix, destination.prefix);
    }
    if (sourcePort !== undefined) {
      has |= TupleField.sourcePort;
      pen.u16(at + layout.tuple.sourcePort, sourcePort);
    }
    if (destinationPort !== undefined) {
      has |= TupleField.destinationPort;
      pen.u16(at + layout.tuple.destinationPort, destinationPort);
    }
    if (filter.protocol !== undefined) {
      has |= TupleField.protocol;
      pen.u8(at + layout.tuple.protocol, protocolNumber(filter.protocol));
    }
    pen.u8(at + layout.tuple.family, filter.family === undefined ? 0 : familyNumber(filter.family));
    pen.u8(at + layout.tuple.present, has);
  };
  const address = (at: number, text: string): void => {
    writeAddress(pen.bytes, at, text, familyOf(text) ?? 'ipv4');
  };
  tuple(field.original, filter.original);
  tuple(field.reply, filter.reply);
  if (filter.family !== undefined) {
    present |= Field.family;
    pen.u8(field.family, familyNumber(filter.family));
  }
  if (filter.mark) {
    present |= Field.mark;
    pen.u32(field.mark, filter.mark.value);
    pen.u32(field.markMask, filter.mark.mask);
  }
  if (filter.status) {
    present |= Field.status;
    pen.u32(field.status, filter.status.value);
    pen.u32(field.statusMask, filter.status.mask);
  }
  if (filter.zone !== undefined) {
    present |= Field.zone;
    pen.u16(field.zone, filter.zone);
  }
  if (filter.state !== undefined) {
    present |= Field.state;
    pen.u8(field.state, filter.state);
  }
  pen.u8(field.hereOnly, filter.hereOnly ? 1 : 0);
  pen.u32(field.present, present >>> 0);
  return pen.bytes;
}

/** Writes an expectation. A delete may add the id. */
export function writeExpectation(
  expectation: Partial<ExpectationSettings> & { tuple: Tuple; id?: number },
): Uint8Array {
  const field = layout.expectation;
  const pen = new Pen(field.size);
  pen.tuple(field.tuple, expectation.tuple);
  if (expectation.mask) pen.tuple(field.mask, expectation.mask);
  if (expectation.master) pen.tuple(field.master, expectation.master);
  pen.u32(field.timeout, expectation.timeout ?? 0);
  pen.u32(field.id, expectation.id ?? 0);
  pen.u32(field.flags, expectation.flags ?? 0);
  pen.u32(field.expectationClass, expectation.class ?? 0);
  pen.u16(field.zone, expectation.zone ?? 0);
  pen.text(field.helper, expectation.helper ?? '');
  pen.text(field.function, expectation.function ?? '');
  if (expectation.nat) {
    pen.u8(field.hasNat, 1);
    pen.u32(field.natDirection, expectation.nat.direction === 'original' ? 0 : 1);
    pen.tuple(field.nat, expectation.nat.tuple);
  }
  return pen.bytes;
}
