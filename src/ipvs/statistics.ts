import type { IpvsStatistics } from '../kernel/ipvs/types.js';

export const counterNames = [
  'connections',
  'incomingPackets',
  'outgoingPackets',
  'incomingBytes',
  'outgoingBytes',
] as const;

export const rateNames = [
  'connectionRate',
  'incomingPacketRate',
  'outgoingPacketRate',
  'incomingByteRate',
  'outgoingByteRate',
] as const;

/** Returns the counters as strings, because JSON has no bigint. */
export function statisticsToJSON(statistics: IpvsStatistics): Record<keyof IpvsStatistics, string> {
  const names = [...counterNames, ...rateNames];
  return Object.fromEntries(names.map((name) => [name, String(statistics[name])])) as Record<
    keyof IpvsStatistics,
    string
  >;
}
