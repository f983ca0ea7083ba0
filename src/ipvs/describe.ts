import { formatEndpoint } from '../kernel/address.js';
import type { ServerKey, ServiceKey } from '../kernel/ipvs/types.js';

/** A service as ipvsadm names it: `TCP 192.168.1.100:80`, `FWM 80`, `FWM 80 IPv6`. */
export function describeService(key: ServiceKey): string {
  if ('fwmark' in key) return key.family === 'ipv6' ? `FWM ${key.fwmark} IPv6` : `FWM ${key.fwmark}`;
  return `${key.protocol.toUpperCase()} ${formatEndpoint(key.address, key.port)}`;
}

export function describeServer(key: ServerKey): string {
  return formatEndpoint(key.address, key.port);
}

/** One string per service, equal for equal services. */
export function serviceId(key: ServiceKey): string {
  return `${describeService(key)} ${key.family}`;
}
