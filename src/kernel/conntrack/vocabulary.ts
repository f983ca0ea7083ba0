import { protocolNumber } from '../../common/protocols.js';
import type { Flow, FlowProtocol, FlowStatus, GroupField } from './types.js';

/** The properties of a flow, in the order of its JSON. */
export const flowNames: readonly Exclude<keyof Flow, 'statusBits'>[] = [
  'family',
  'protocol',
  'original',
  'reply',
  'zone',
  'id',
  'status',
  'mark',
  'timeout',
  'state',
  'counters',
  'started',
  'stopped',
  'labels',
  'helper',
  'tcp',
  'sctp',
  'dccp',
  'master',
  'sequenceAdjustment',
  'synproxy',
  'securityContext',
  'use',
];

/** The fields by which flows can be grouped. */
export const groupFields: readonly GroupField[] = [
  'family',
  'protocol',
  'source',
  'destination',
  'sourcePort',
  'destinationPort',
  'replySource',
  'replySourcePort',
  'mark',
  'zone',
  'state',
];

/** Protocols of which a tuple has ports; of GRE the keys. */
export const protocolsWithPorts: readonly FlowProtocol[] = ['tcp', 'udp', 'udplite', 'sctp', 'dccp', 'gre'];

/** The bits of a flow's status, by their place (`enum ip_conntrack_status`). */
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
