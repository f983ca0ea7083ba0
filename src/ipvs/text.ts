import { type Family, formatEndpoint } from '../common/address.js';
import { checkInteger, isText, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { describeServer, wordsOfService } from '../kernel/ipvs/describe.js';
import {
  type Forwarding,
  type Protocol,
  type ServerSettings,
  ServiceFlag,
  type ServiceKey,
  type ServiceSettings,
} from '../kernel/ipvs/types.js';
import { checkNetmask, netmaskText, wholeNetmask } from './netmask.js';
import { showSchedulerFlags } from './service-options.js';

// The text of ipvsadm: the table (`ipvsadm -Ln`), and the rules that make it (`ipvsadm -Sn`).

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
    throw invalid(`the version must be a string such as '1.2.1', not ${show(version)}`);
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
    const netmask = checkNetmask(persistence.netmask, service.family);
    if (netmask !== wholeNetmask(service.family)) words.push('mask', netmaskText(netmask, service.family));
    if (persistence.engine !== undefined) words.push('pe', persistence.engine);
  }
  if (service.onePacket) words.push('ops');
  return words.join(' ');
}

/** Formats a server as `ipvsadm -Ln` does. */
export function serverLine(server: ServerFields): string {
  const endpoint = formatEndpoint(server.address, server.port).padEnd(28);
  const forwarding = forwardingNames[server.forwarding].padEnd(7);
  const numbers = `${String(server.weight).padEnd(6)} ${String(server.activeConnections).padEnd(10)} ${server.inactiveConnections}`;
  return `  -> ${endpoint} ${forwarding} ${numbers}`;
}

const protocolOptions: Readonly<Record<Protocol, string>> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' };
const forwardingOptions = { nat: '-m', local: '-g', direct: '-g', tunnel: '-i', bypass: '-m' } as const;
const checksumOptions = { none: '--tun-nocsum', checksum: '--tun-csum', remote: '--tun-remcsum' } as const;

/** Formats a service as a rule of `ipvsadm -Sn`: `-A -t 192.168.1.100:80 -s wlc -p 300`. */
export function serviceRule(settings: ServiceSettings): string {
  const { key, scheduler, flags } = settings;
  const words = [`-A ${serviceOption(key)} -s ${scheduler}`, ...persistenceWords(settings)];
  if ((flags & ServiceFlag.onePacket) !== 0) words.push('-o');
  // ipvsadm does not write flag-3 of sh and mh, which do not read it.
  const isHash = scheduler === 'sh' || scheduler === 'mh';
  const schedulerFlags = showSchedulerFlags(flags, scheduler).filter((flag) => !isHash || flag !== 'flag-3');
  if (schedulerFlags.length > 0) words.push(`-b ${schedulerFlags.join(',')}`);
  return words.join(' ');
}

function serviceOption(key: ServiceKey): string {
  if ('fwmark' in key) return `-f ${key.fwmark}${key.family === 'ipv6' ? ' -6' : ''}`;
  return `${protocolOptions[key.protocol]} ${formatEndpoint(key.address, key.port)}`;
}

function persistenceWords({ key: { family }, flags, timeout, netmask, engine }: ServiceSettings): string[] {
  if ((flags & ServiceFlag.persistent) === 0) return [];
  const words = [`-p ${timeout}`];
  if (netmask !== wholeNetmask(family)) words.push(`-M ${netmaskText(netmask, family)}`);
  if (engine !== '') words.push(`--pe ${engine}`);
  return words;
}

/** Formats a server as a rule of `ipvsadm -Sn`, with its thresholds: `-a -t 192.168.1.100:80 -r 10.0.0.1:80 -m -w 1`. */
export function serverRule(service: ServiceKey, settings: ServerSettings): string {
  const { key, forwarding, weight, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum } = settings;
  const words = [
    `-a ${serviceOption(service)} -r ${describeServer(key)}`,
    forwardingOptions[forwarding],
    `-w ${weight}`,
  ];
  if (forwarding === 'tunnel') {
    words.push(`--tun-type ${tunnelType}`);
    if (tunnelType === 'gue') words.push(`--tun-port ${tunnelPort}`);
    if (tunnelType !== 'ipip') words.push(checksumOptions[tunnelChecksum]);
  }
  if (upperThreshold !== 0) words.push(`-x ${upperThreshold} -y ${lowerThreshold}`);
  return words.join(' ');
}
