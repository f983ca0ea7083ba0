import { formatEndpoint } from '../../common/address.js';
import type { IpvsChange, ServerKey, ServiceKey } from './types.js';

/** Formats a service as ipvsadm does: `TCP 192.168.1.100:80`, `FWM 80`, `FWM 80 IPv6`. Equal for equal keys only. */
export function describeService(key: ServiceKey): string {
  return wordsOfService(key).join(' ');
}

/** Returns the words that identify a service: `TCP` and `192.168.1.100:80`, or `FWM`, `80` and, for IPv6, `IPv6`. */
export function wordsOfService(key: ServiceKey): [string, ...string[]] {
  if ('fwmark' in key) return ['FWM', String(key.fwmark), ...(key.family === 'ipv6' ? ['IPv6'] : [])];
  return [key.protocol.toUpperCase(), formatEndpoint(key.address, key.port)];
}

/** Formats a server as ipvsadm does: `10.0.0.1:80`, `[fd00::1]:80`. */
export function describeServer(key: ServerKey): string {
  return formatEndpoint(key.address, key.port);
}

/** Formats a server with its service, for messages: `10.0.0.1:80 of TCP 192.168.1.100:80`. */
export function describeServerOf(key: ServerKey, service: ServiceKey): string {
  return `${describeServer(key)} of ${describeService(service)}`;
}

/** Formats the object of a change, for messages and records. */
export function describeObject(change: IpvsChange): string {
  switch (change.command) {
    case 'NEW_SERVICE':
    case 'SET_SERVICE':
      return describeService(change.service.key);
    case 'DEL_SERVICE':
      return describeService(change.service);
    case 'NEW_DEST':
    case 'SET_DEST':
      return describeServerOf(change.server.key, change.service);
    case 'DEL_DEST':
      return describeServerOf(change.server, change.service);
    case 'ZERO':
      return change.service ? describeService(change.service) : 'all services';
    case 'FLUSH':
      return 'the table';
  }
}
