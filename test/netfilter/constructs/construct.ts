// What a construct is, and what they are written with: our options, the same by hand, and what becomes of packets.
import type { NetfilterState } from '../../../src/index.js';
import type { HostName } from '../world.js';

export interface Construct {
  readonly name: string;
  readonly state: NetfilterState;
  /** What stands in the table. */
  readonly text: string;
  /** Packets, and the mark that they have behind the hook `at`. */
  readonly packets?: readonly Packet[];
  /** Connections, and who answers. */
  readonly connections?: readonly Connection[];
}

export interface Packet {
  readonly from: HostName;
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'dccp' | 'udplite';
  readonly port: number;
  readonly at: 'prerouting' | 'input' | 'output';
  readonly mark: number;
}

export interface Connection {
  readonly from: HostName;
  readonly to: string;
  readonly port: number;
  /** Some of what the one who answers sees; null: nobody answers. */
  readonly seen: Partial<Record<'name' | 'remote' | 'local' | 'port' | 'segment', string | number>> | null;
}

const keyTypes = {
  port: 'inet_proto . inet_service',
  ip: 'ipv4_addr',
  ip_port: 'ipv4_addr . inet_proto . inet_service',
  ip6: 'ipv6_addr',
  ip6_port: 'ipv6_addr . inet_proto . inet_service',
} as const;
type Shape = keyof typeof keyTypes;
type MarkHook = Packet['at'];

export function map(hook: MarkHook, shape: Shape, elements: string): string {
  return `map ${hook}_${shape} { type ${keyTypes[shape]} : mark; counter; elements = { ${elements} }\n}\n`;
}

const lookups: Readonly<Record<Shape, string>> = {
  port: 'meta l4proto . th dport',
  ip: 'ip daddr',
  ip_port: 'ip daddr . meta l4proto . th dport',
  ip6: 'ip6 daddr',
  ip6_port: 'ip6 daddr . meta l4proto . th dport',
};

export function lookup(hook: MarkHook, shape: Shape): string {
  return `meta mark set ${lookups[shape]} map @${hook}_${shape}`;
}

export function chain(purpose: 'mark' | 'nat' | 'mss', hook: string, ...rules: string[]): string {
  const priorities = { mark: 'mangle', mss: 'mangle', nat: hook === 'prerouting' || hook === 'output' ? -100 : 100 };
  const type = purpose === 'nat' ? 'nat' : purpose === 'mark' && hook === 'output' ? 'route' : 'filter';
  const head = `type ${type} hook ${hook} priority ${priorities[purpose]}; policy accept;`;
  return `chain ${purpose}_${hook} { ${head}\n${rules.join('\n')}\n}\n`;
}

export const markMap = (hook: MarkHook, shape: Shape, elements: string): string =>
  `${map(hook, shape, elements)}\n${chain('mark', hook, lookup(hook, shape))}`;

export const from = (
  from: HostName,
  at: MarkHook,
  to: string,
  protocol: Packet['protocol'],
  port: number,
  mark: number,
) => ({ from, to, protocol, port, at, mark }) as const;
/** Of the client, as they come in. */
export const come = (to: string, protocol: Packet['protocol'], port: number, mark: number): Packet =>
  from('client', 'prerouting', to, protocol, port, mark);

export const sees = (from: HostName, to: string, port: number, seen: Connection['seen']): Connection => ({
  from,
  to,
  port,
  seen,
});
