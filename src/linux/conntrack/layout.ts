import type { FlowProtocol, FlowStatus, GroupField } from '../../kernel/conntrack/types.js';

/**
 * Offsets of the fields of native/conntrack/record.h (and aggregate.h, messages.h), in bytes. All
 * numbers are little-endian.
 * @internal
 */
export const layout = {
  tuple: {
    size: 48,
    source: 0,
    destination: 16,
    sourcePort: 32,
    destinationPort: 34,
    icmpId: 36,
    icmpType: 38,
    icmpCode: 39,
    zone: 40,
    protocol: 42,
    present: 43,
    family: 44,
  },
  flow: {
    size: 216,
    original: 0,
    reply: 48,
    present: 96,
    id: 100,
    status: 104,
    statusMask: 108,
    mark: 112,
    markMask: 116,
    timeout: 120,
    use: 124,
    counters: 128,
    start: 160,
    stop: 168,
    eventTime: 176,
    labels: 184,
    zone: 200,
    event: 202,
    recovered: 203,
    state: 204,
    labelsLength: 205,
    tcpScaleOriginal: 206,
    tcpScaleReply: 207,
    tcpFlagsOriginal: 208,
    tcpFlagsReply: 209,
    extension: 212,
  },
  extension: {
    size: 224,
    master: 0,
    natSource: 48,
    natDestination: 84,
    sequenceOriginal: 120,
    sequenceReply: 132,
    synproxy: 144,
    labelsMask: 156,
    sctpTagOriginal: 172,
    sctpTagReply: 176,
    text: 180,
    textLength: 184,
    dccpHandshake: 192,
    helper: 200,
    dccpRole: 216,
  },
  natRange: { size: 36, least: 0, most: 16, portLeast: 32, portMost: 34 },
  expectation: {
    size: 272,
    tuple: 0,
    mask: 48,
    master: 96,
    nat: 144,
    timeout: 192,
    id: 196,
    flags: 200,
    expectationClass: 204,
    natDirection: 208,
    zone: 212,
    hasNat: 214,
    event: 215,
    helper: 216,
    function: 232,
    position: 264,
  },
  tupleFilter: { size: 56, tuple: 0, sourcePrefix: 48, destinationPrefix: 49 },
  filter: {
    size: 144,
    original: 0,
    reply: 56,
    present: 112,
    mark: 116,
    markMask: 120,
    status: 124,
    statusMask: 128,
    zone: 132,
    family: 134,
    state: 135,
    hereOnly: 136,
  },
  change: { size: 448, verb: 0, flow: 8, extension: 224 },
  groupKey: {
    size: 64,
    source: 0,
    destination: 16,
    replySource: 32,
    mark: 48,
    sourcePort: 52,
    destinationPort: 54,
    replySourcePort: 56,
    zone: 58,
    protocol: 60,
    family: 61,
    state: 62,
    hasState: 63,
  },
  group: { size: 112, key: 0, flows: 64, counted: 72, counters: 80 },
  processor: { size: 72, processor: 0, present: 4, values: 8 },
} as const;

/** Size of the header of a batch, in bytes. It has four u32: flows, extensions, expectations, more. */
export const HEADER_SIZE = 16;

/** Bits of `TupleField` in native/conntrack/record.h. */
export const TupleField = {
  source: 1,
  destination: 2,
  protocol: 4,
  sourcePort: 8,
  destinationPort: 16,
  icmp: 32,
  zone: 64,
} as const;

/** Bits of `FlowField` in native/conntrack/record.h. */
export const Field = {
  original: 1 << 0,
  reply: 1 << 1,
  status: 1 << 2,
  statusMask: 1 << 3,
  mark: 1 << 4,
  markMask: 1 << 5,
  timeout: 1 << 6,
  use: 1 << 7,
  id: 1 << 8,
  zone: 1 << 9,
  countersOriginal: 1 << 10,
  countersReply: 1 << 11,
  start: 1 << 12,
  stop: 1 << 13,
  eventTime: 1 << 14,
  labels: 1 << 15,
  state: 1 << 16,
  tcp: 1 << 17,
  helper: 1 << 18,
  master: 1 << 19,
  natSource: 1 << 20,
  natDestination: 1 << 21,
  sequenceOriginal: 1 << 22,
  sequenceReply: 1 << 23,
  synproxy: 1 << 24,
  securityContext: 1 << 25,
  sctp: 1 << 26,
  dccp: 1 << 27,
  labelsMask: 1 << 28,
  family: 0x80000000,
} as const;

export const eventNames = [undefined, 'new', 'update', 'destroy', 'overrun', 'resynchronised'] as const;

export const protocolNumbers = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
} as const;

const protocolNames = new Map<number, FlowProtocol>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as FlowProtocol]),
);

export function protocolName(number: number): FlowProtocol {
  return protocolNames.get(number) ?? number;
}

export function protocolNumber(protocol: FlowProtocol): number {
  return typeof protocol === 'number' ? protocol : protocolNumbers[protocol];
}

export const statusNames: readonly FlowStatus[] = [
  'expected',
  'seen-reply',
  'assured',
  'confirmed',
  'source-nat',
  'destination-nat',
  'sequence-adjust',
  'source-nat-done',
  'destination-nat-done',
  'dying',
  'fixed-timeout',
  'template',
  'untracked',
  'helper',
  'offload',
  'hardware-offload',
];

/** Names of states in the spelling of conntrack, in the kernel's order (`enum tcp_conntrack` and similar). */
const states: Readonly<Record<number, readonly string[]>> = {
  6: [
    'NONE',
    'SYN_SENT',
    'SYN_RECV',
    'ESTABLISHED',
    'FIN_WAIT',
    'CLOSE_WAIT',
    'LAST_ACK',
    'TIME_WAIT',
    'CLOSE',
    'SYN_SENT2',
  ],
  33: ['NONE', 'REQUEST', 'RESPOND', 'PARTOPEN', 'OPEN', 'CLOSEREQ', 'CLOSING', 'TIMEWAIT', 'IGNORE', 'INVALID'],
  132: [
    'NONE',
    'CLOSED',
    'COOKIE_WAIT',
    'COOKIE_ECHOED',
    'ESTABLISHED',
    'SHUTDOWN_SENT',
    'SHUTDOWN_RECD',
    'SHUTDOWN_ACK_SENT',
    'HEARTBEAT_SENT',
    'HEARTBEAT_ACKED',
  ],
};

/** Returns the states of a protocol, or an empty list. */
export function statesOf(protocol: FlowProtocol): readonly string[] {
  return states[protocolNumber(protocol)] ?? [];
}

/** Returns the number of a state that was read. A state without a name is a number in text form. */
export function stateNumber(protocol: FlowProtocol, state: string): number {
  const number = statesOf(protocol).indexOf(state);
  return number === -1 ? Number(state) : number;
}

/** Other names of states that the conntrack tool accepts. Old versions of it print SYN_SENT2 as LISTEN. */
const otherStates: Readonly<Record<number, Readonly<Record<string, string>>>> = { 6: { LISTEN: 'SYN_SENT2' } };

/** Returns the state for a name in upper or lower case, or the name in upper case if it is no other name. */
export function stateName(protocol: FlowProtocol, name: string): string {
  const upper = name.toUpperCase();
  const others = otherStates[protocolNumber(protocol)] ?? {};
  return Object.hasOwn(others, upper) ? (others[upper] ?? upper) : upper;
}

/** Bits of `GroupField` in native/conntrack/aggregate.h. */
export const groupBits: Readonly<Record<GroupField, number>> = {
  protocol: 1 << 0,
  source: 1 << 1,
  destination: 1 << 2,
  sourcePort: 1 << 3,
  destinationPort: 1 << 4,
  replySource: 1 << 5,
  replySourcePort: 1 << 6,
  mark: 1 << 7,
  zone: 1 << 8,
  state: 1 << 9,
  family: 1 << 10,
};
