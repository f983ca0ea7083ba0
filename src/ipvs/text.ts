import { type Family, formatEndpoint } from '../common/address.js';
import { checkInteger, isText, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { Forwarding, ServiceKey } from '../kernel/ipvs/types.js';
import { wordsOfService } from './describe.js';

/** The fields of a service that its line shows. */
interface ServiceFields {
  readonly key: ServiceKey;
  readonly family: Family;
  readonly scheduler: string;
  readonly schedulerFlags: readonly string[];
  readonly persistence:
    | { readonly timeout: number; readonly netmask: number | string; readonly engine?: string | undefined }
    | undefined;
  readonly onePacket: boolean;
}

/** The fields of a server that its line shows. */
interface ServerFields {
  readonly address: string;
  readonly port: number;
  readonly forwarding: Forwarding;
  readonly weight: number;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
}

const forwardingNames = { nat: 'Masq', local: 'Local', tunnel: 'Tunnel', direct: 'Route', bypass: 'Bypass' } as const;

/** Returns the first three lines of `ipvsadm -Ln`. */
export function tableHeading(version: string, size: number): string[] {
  if (!isText(version, 64) || !/^[\x21-\x7e]+$/.test(version))
    throw invalid(`the version must be a text such as 1.2.1, not ${show(version)}`);
  checkInteger('the size', size, 0, 0xffffffff);
  return [
    `IP Virtual Server version ${version} (size=${size})`,
    'Prot LocalAddress:Port Scheduler Flags',
    '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
  ];
}

/** Formats a service as `ipvsadm -Ln` does: `TCP  192.168.1.100:80 wlc persistent 300`. */
export function serviceLine(service: ServiceFields): string {
  const [kind, ...rest] = wordsOfService(service.key);
  const words = [kind.padEnd(4), ...rest, service.scheduler];
  const flags = service.schedulerFlags.join(',');
  if (flags !== '') words.push(`(${flags})`);
  const { persistence } = service;
  if (persistence) {
    words.push('persistent', String(persistence.timeout));
    const whole = service.family === 'ipv6' ? 128 : 32;
    if (persistence.netmask !== whole) words.push('mask', maskText(persistence.netmask, service.family));
    if (persistence.engine !== undefined) words.push('pe', persistence.engine);
  }
  if (service.onePacket) words.push('ops');
  return words.join(' ');
}

function maskText(netmask: number | string, family: string): string {
  if (typeof netmask === 'string' || family === 'ipv6') return String(netmask);
  const mask = (0xffffffff << (32 - netmask)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join('.');
}

/** Formats a server as `ipvsadm -Ln` does. */
export function serverLine(server: ServerFields): string {
  const endpoint = formatEndpoint(server.address, server.port).padEnd(28);
  const forwarding = forwardingNames[server.forwarding].padEnd(7);
  const numbers = `${String(server.weight).padEnd(6)} ${String(server.activeConnections).padEnd(10)} ${server.inactiveConnections}`;
  return `  -> ${endpoint} ${forwarding} ${numbers}`;
}
