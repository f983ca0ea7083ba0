/** The numbers of the transport protocols that have a name in this library (IPPROTO_*, include/uapi/linux/in.h). */
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

/** The name of a transport protocol. */
export type ProtocolName = keyof typeof protocolNumbers;

const names = new Map<number, ProtocolName>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as ProtocolName]),
);

/** Returns the name of a protocol, or its number if it has none. */
export function protocolName(number: number): ProtocolName | number {
  return names.get(number) ?? number;
}

/** Returns the number of a protocol. */
export function protocolNumber(protocol: ProtocolName | number): number {
  return typeof protocol === 'number' ? protocol : protocolNumbers[protocol];
}

/** Returns true for the name of a protocol. */
export function isProtocolName(value: unknown): value is ProtocolName {
  return typeof value === 'string' && Object.hasOwn(protocolNumbers, value);
}
