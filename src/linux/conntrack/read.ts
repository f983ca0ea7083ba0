import { readAddress } from '../../common/address.js';
import { withJson } from '../../common/json.js';
import { protocolName } from '../../common/protocols.js';
import type { ProcessorCounters } from '../../kernel/conntrack/requests.js';
import type { ConntrackEvent, Expectation, Flow, FlowGroup, GroupField } from '../../kernel/conntrack/types.js';
import { statesOf } from '../../kernel/conntrack/vocabulary.js';
import { RecordReader } from '../records.js';
import { Batch } from './batch.js';
import { countersAt, FlowView, TupleView } from './flow-view.js';
import { eventNames, Field, groupBits, layout } from './layout.js';

export interface FlowPiece {
  readonly flows: readonly Flow[];
  /** True if more batches follow. */
  readonly more: boolean;
}

export function readFlows(buffer: ArrayBuffer): FlowPiece {
  const from = new Batch(buffer);
  const flows: Flow[] = new Array(from.flows);
  for (let i = 0; i < from.flows; i++) flows[i] = new FlowView(from, from.flowAt(i));
  return { flows, more: from.more };
}

function expectationAt(from: Batch, at: number): Expectation {
  const field = layout.expectation;
  const helper = from.text(at + field.helper, 16);
  const name = from.text(at + field.function, 32);
  const expectation: Expectation = {
    tuple: new TupleView(from, at + field.tuple),
    mask: new TupleView(from, at + field.mask),
    master: new TupleView(from, at + field.master),
    zone: from.u16(at + field.zone),
    id: from.u32(at + field.id),
    timeout: from.u32(at + field.timeout),
    flags: from.u32(at + field.flags),
    class: from.u32(at + field.expectationClass),
  };
  const direction = from.u32(at + field.natDirection) === 0 ? 'original' : 'reply';
  const nat = { direction, tuple: new TupleView(from, at + field.nat) } as const;
  return {
    ...expectation,
    ...(helper !== '' && { helper }),
    ...(name !== '' && { function: name }),
    ...(from.u8(at + field.hasNat) !== 0 && { nat }),
  };
}

export function readExpectations(buffer: ArrayBuffer): Expectation[] {
  const from = new Batch(buffer);
  return Array.from({ length: from.expectations }, (_, index) => expectationAt(from, from.expectationAt(index)));
}

/** Reads events of flows and of expectations, in the order of their arrival. */
export function readEvents(buffer: ArrayBuffer): ConntrackEvent[] {
  const from = new Batch(buffer);
  const events: ConntrackEvent[] = [];
  let expectation = 0;
  const expectationsBefore = (position: number): void => {
    for (; expectation < from.expectations; expectation++) {
      const at = from.expectationAt(expectation);
      if (from.u32(at + layout.expectation.position) > position) return;
      const type = from.u8(at + layout.expectation.event) === 3 ? 'expectation-destroy' : 'expectation-new';
      events.push({ type, expectation: expectationAt(from, at) });
    }
  };
  for (let index = 0; index < from.flows; index++) {
    if (from.expectations > 0) expectationsBefore(index);
    const at = from.flowAt(index);
    const type = eventNames[from.u8(at + layout.flow.event)];
    const number = Number(from.u64(at + layout.flow.counters));
    if (type === undefined) continue;
    if (type === 'overrun') events.push({ type, overruns: number });
    else if (type === 'resynchronised') events.push({ type, flows: number });
    else events.push(flowEvent(from, at, type));
  }
  expectationsBefore(from.flows);
  return events;
}

function flowEvent(from: Batch, at: number, type: 'new' | 'update' | 'destroy'): ConntrackEvent {
  const event = { type, flow: new FlowView(from, at), recovered: from.u8(at + layout.flow.recovered) !== 0 };
  const timed = (from.u32(at + layout.flow.present) & Field.eventTime) !== 0;
  return timed ? withJson({ ...event, time: from.u64(at + layout.flow.eventTime) }) : event;
}

/** Returns the indexes of all groups in the output of native/conntrack/aggregate.h. */
export function allGroups(buffer: ArrayBuffer): number[] {
  return Array.from({ length: buffer.byteLength / layout.group.size }, (_, index) => index);
}

/** Returns the indexes of the largest groups, the largest first. Creates no object for the others. */
export function largestGroups(buffer: ArrayBuffer, count: number, order: 'bytes' | 'packets' | 'flows'): number[] {
  const from = new RecordReader(buffer);
  const { size, flows, counters } = layout.group;
  // Exact up to 2^53; larger sizes are rounded, which suffices for comparing.
  const number = (at: number): number => from.u32(at) + from.u32(at + 4) * 2 ** 32;
  const sizeOf = (index: number): number => {
    const at = index * size;
    if (order === 'flows') return number(at + flows);
    const first = at + counters + (order === 'bytes' ? 8 : 0);
    return number(first) + number(first + 16);
  };
  const sizes = Float64Array.from(allGroups(buffer), sizeOf);
  const least = sizes.toSorted()[Math.max(0, sizes.length - count)] ?? 0;
  const large = allGroups(buffer).filter((index) => (sizes[index] ?? 0) >= least);
  return large.sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0)).slice(0, count);
}

/** Reads the groups at some indexes, with the requested fields. */
export function readGroups(buffer: ArrayBuffer, by: readonly GroupField[], places: readonly number[]): FlowGroup[] {
  const from = new RecordReader(buffer);
  const bits = by.reduce((all, field) => all | groupBits[field], 0);
  return places.map((index) => groupAt(from, index * layout.group.size, bits));
}

function groupAt(from: RecordReader, at: number, bits: number): FlowGroup {
  const key = layout.groupKey;
  const has = (field: GroupField): boolean => (bits & groupBits[field]) !== 0;
  const family = from.family(at + key.family);
  const protocol = protocolName(from.u8(at + key.protocol));
  const address = (offset: number): string => readAddress(from.bytes, at + offset, family);
  const state = from.u8(at + key.state);
  return withJson({
    ...(has('family') && { family }),
    ...((has('protocol') || has('state')) && { protocol }),
    ...(has('source') && { source: address(key.source) }),
    ...(has('destination') && { destination: address(key.destination) }),
    ...(has('sourcePort') && { sourcePort: from.u16(at + key.sourcePort) }),
    ...(has('destinationPort') && { destinationPort: from.u16(at + key.destinationPort) }),
    ...(has('replySource') && { replySource: address(key.replySource) }),
    ...(has('replySourcePort') && { replySourcePort: from.u16(at + key.replySourcePort) }),
    ...(has('mark') && { mark: from.u32(at + key.mark) }),
    ...(has('zone') && { zone: from.u16(at + key.zone) }),
    ...(has('state') && from.u8(at + key.hasState) !== 0 && { state: statesOf(protocol)[state] ?? String(state) }),
    flows: Number(from.u64(at + layout.group.flows)),
    counted: Number(from.u64(at + layout.group.counted)),
    counters: countersAt(from, at + layout.group.counters),
  });
}

/** Reads the counters of each processor, by the number of their attribute. Omits counters that were not sent. */
export function readProcessorCounters(buffer: ArrayBuffer): ProcessorCounters[] {
  const view = new DataView(buffer);
  const field = layout.processor;
  return Array.from({ length: buffer.byteLength / field.size }, (_, index) => {
    const at = index * field.size;
    const present = view.getUint32(at + field.present, true);
    const values: Record<number, number> = {};
    for (let i = 0; i < 16; i++) {
      if ((present & (1 << i)) !== 0) values[i] = view.getUint32(at + field.values + i * 4, true);
    }
    return { processor: view.getUint32(at + field.processor, true), values };
  });
}
