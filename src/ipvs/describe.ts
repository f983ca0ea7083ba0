import { formatEndpoint } from '../common/address.js';
import type { Protocol, ServerKey, ServiceKey } from '../kernel/ipvs/types.js';

/** Formats a service as ipvsadm does: `TCP 192.168.1.100:80`, `FWM 80`, `FWM 80 IPv6`. */
export function describeService(key: ServiceKey): string {
  return wordsOfService(key).join(' ');
}

/** Returns the words that identify a service: `TCP` and `192.168.1.100:80`, or `FWM`, `80` and, for IPv6, `IPv6`. */
export function wordsOfService(key: ServiceKey): [string, ...string[]] {
  if ('fwmark' in key) return ['FWM', String(key.fwmark), ...(key.family === 'ipv6' ? ['IPv6'] : [])];
  return [key.protocol.toUpperCase(), formatEndpoint(key.address, key.port)];
}

export function describeServer(key: ServerKey): string {
  return formatEndpoint(key.address, key.port);
}

/** Formats a server with its service, for messages: `10.0.0.1:80 of TCP 192.168.1.100:80`. */
export function describeServerOf(key: ServerKey, service: ServiceKey): string {
  return `${describeServer(key)} of ${describeService(service)}`;
}

/** Parses the output of {@link describeService}. */
export function parseService(text: string): ServiceKey {
  const [, mark, ipv6] = /^FWM (\d+)( IPv6)?$/.exec(text) ?? [];
  if (mark !== undefined) return { family: ipv6 ? 'ipv6' : 'ipv4', fwmark: Number(mark) };
  const [, protocol, address = '', port] = /^(TCP|UDP|SCTP) (.*):(\d+)$/.exec(text) ?? [];
  if (protocol === undefined) throw new TypeError(`not a service: ${text}`);
  const plain = address.replace(/^\[(.*)\]$/, '$1');
  return {
    family: plain.includes(':') ? 'ipv6' : 'ipv4',
    protocol: protocol.toLowerCase() as Protocol,
    address: plain,
    port: Number(port),
  };
}

/** Returns a string that is equal for equal services only. */
export function serviceId(key: ServiceKey): string {
  return `${describeService(key)} ${key.family}`;
}
