import { describeService } from '../kernel/ipvs/describe.js';
import type { Protocol, ServiceKey } from '../kernel/ipvs/types.js';

export { describeServer, describeServerOf, describeService, wordsOfService } from '../kernel/ipvs/describe.js';

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
