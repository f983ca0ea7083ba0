import { formatEndpoint } from '../kernel/address.js';
import { IpvsError, invalid } from '../kernel/errors.js';
import type { Protocol } from '../kernel/ipvs/types.js';
import type { RealServer } from './real-server.js';
import { newServerSettings, type ServerOptions } from './server-options.js';
import { checkServiceKey, newServiceSettings, type SchedulerFlag, type ServiceOptions } from './service-options.js';
import type { TableRow } from './table.js';
import type { VirtualService } from './virtual-service.js';

/** A service with its servers, as it can be made again. */
export type SavedService = ServiceOptions & { readonly servers: readonly ServerOptions[] };

/** What was read, as it can be made again: settings alone, without counters, and in its order, the newest first. */
export function savedServices(rows: readonly TableRow[]): SavedService[] {
  return rows.map(({ service, servers }) => ({ ...savedService(service), servers: servers.map(savedServer) }));
}

function savedService(service: VirtualService): ServiceOptions {
  const { key, scheduler, schedulerFlags, persistence, onePacket } = service;
  const identity =
    'fwmark' in key
      ? { fwmark: key.fwmark, ...(key.family === 'ipv6' && { family: key.family }) }
      : { protocol: key.protocol, address: key.address, port: key.port };
  return {
    ...identity,
    scheduler,
    ...(schedulerFlags.length > 0 && { schedulerFlags }),
    ...(persistence && { persistence }),
    ...(onePacket && { onePacket }),
  };
}

function savedServer(server: RealServer): ServerOptions {
  const { address, port, tunnel, weight, upperThreshold, lowerThreshold } = server;
  // `local` can not be asked for: the kernel makes it of any where the address is its own.
  const forwarding = server.forwarding === 'direct' || server.forwarding === 'tunnel' ? server.forwarding : 'nat';
  const { type, checksum } = tunnel ?? {};
  return {
    address,
    port,
    forwarding,
    weight,
    ...(tunnel && { tunnel: { type, checksum, ...(type === 'gue' && { port: tunnel.port }) } }),
    ...(upperThreshold !== 0 && { upperThreshold }),
    ...(lowerThreshold !== 0 && { lowerThreshold }),
  };
}

const protocolOptions: Readonly<Record<Protocol, string>> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' };
const forwardingOptions = { nat: '-m', direct: '-g', tunnel: '-i' } as const;
const checksumOptions = { none: '--tun-nocsum', checksum: '--tun-csum', remote: '--tun-remcsum' } as const;

/**
 * As `ipvsadm -Sn` writes it, for `ipvsadm -R`; thresholds too, which that leaves out.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function formatIpvsadm(services: readonly SavedService[]): string {
  return services.flatMap(linesOf).join('');
}

function linesOf({ servers = [], ...options }: SavedService): string[] {
  const { key, scheduler } = newServiceSettings(options);
  const name =
    'fwmark' in key
      ? `-f ${key.fwmark}${key.family === 'ipv6' ? ' -6' : ''}`
      : `${protocolOptions[key.protocol]} ${formatEndpoint(key.address, key.port)}`;
  const words = [`-A ${name} -s ${scheduler}`];
  const { persistence, onePacket, schedulerFlags = [] } = options;
  if (persistence !== undefined && persistence !== false) {
    const {
      timeout = 300,
      netmask,
      engine,
    } = typeof persistence === 'object' ? persistence : { timeout: persistence === true ? 300 : persistence };
    words.push(`-p ${timeout}`);
    const whole = key.family === 'ipv6' ? 128 : 32;
    if (netmask !== undefined && netmask !== whole) words.push(`-M ${maskText(netmask, key.family)}`);
    if (engine) words.push(`--pe ${engine}`);
  }
  if (onePacket) words.push('-o');
  if (schedulerFlags.length > 0) words.push(`-b ${schedulerFlags.join(',')}`);
  return [`${words.join(' ')}\n`, ...servers.map((server) => serverLine(name, server, key))];
}

function serverLine(service: string, options: ServerOptions, key: Parameters<typeof newServerSettings>[1]): string {
  const settings = newServerSettings(options, key);
  const { forwarding, weight, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum } = settings;
  const words = [
    `-a ${service} -r ${formatEndpoint(settings.key.address, settings.key.port)}`,
    forwardingOptions[forwarding as keyof typeof forwardingOptions],
    `-w ${weight}`,
  ];
  if (forwarding === 'tunnel') {
    words.push(`--tun-type ${tunnelType}`);
    if (tunnelType === 'gue') words.push(`--tun-port ${tunnelPort}`);
    if (tunnelType !== 'ipip') words.push(checksumOptions[tunnelChecksum]);
  }
  if (upperThreshold !== 0) words.push(`-x ${upperThreshold} -y ${lowerThreshold}`);
  return `${words.join(' ')}\n`;
}

function maskText(netmask: number | string, family: string): string {
  if (typeof netmask === 'string' || family === 'ipv6') return String(netmask);
  const mask = netmask === 0 ? 0 : (0xffffffff << (32 - netmask)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join('.');
}

/** Options that take no value. */
const switches: Readonly<Record<string, Parsed>> = {
  '-6': { ipv6: true },
  '--ipv6': { ipv6: true },
  '-o': { onePacket: true },
  '--ops': { onePacket: true },
  '-m': { forwarding: 'nat' },
  '--masquerading': { forwarding: 'nat' },
  '-g': { forwarding: 'direct' },
  '--gatewaying': { forwarding: 'direct' },
  '-i': { forwarding: 'tunnel' },
  '--ipip': { forwarding: 'tunnel' },
  '--tun-nocsum': { checksum: 'none' },
  '--tun-csum': { checksum: 'checksum' },
  '--tun-remcsum': { checksum: 'remote' },
};

/** Options with a value, by what it is. */
const values: Readonly<Record<string, keyof Values>> = {
  '-t': 'tcp',
  '--tcp-service': 'tcp',
  '-u': 'udp',
  '--udp-service': 'udp',
  '--sctp-service': 'sctp',
  '-f': 'fwmark',
  '--fwmark-service': 'fwmark',
  '-s': 'scheduler',
  '--scheduler': 'scheduler',
  '-M': 'netmask',
  '--netmask': 'netmask',
  '--pe': 'engine',
  '-b': 'flags',
  '--sched-flags': 'flags',
  '-r': 'server',
  '--real-server': 'server',
  '-w': 'weight',
  '--weight': 'weight',
  '-x': 'upper',
  '--u-threshold': 'upper',
  '-y': 'lower',
  '--l-threshold': 'lower',
  '--tun-type': 'tunnel',
  '--tun-port': 'tunnelPort',
};

interface Values {
  tcp?: string;
  udp?: string;
  sctp?: string;
  fwmark?: string;
  scheduler?: string;
  netmask?: string;
  engine?: string;
  flags?: string;
  server?: string;
  weight?: string;
  upper?: string;
  lower?: string;
  tunnel?: string;
  tunnelPort?: string;
}

interface Parsed extends Values {
  ipv6?: boolean;
  onePacket?: boolean;
  persistent?: number;
  forwarding?: 'nat' | 'direct' | 'tunnel';
  checksum?: 'none' | 'checksum' | 'remote';
}

/**
 * What `ipvsadm -Sn` (or `ipvsadm-save -n`) wrote, in the order in which it stands there.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` with the number of the line
 */
export function parseIpvsadm(text: string): SavedService[] {
  if (typeof text !== 'string') throw invalid('the text of ipvsadm -Sn is expected');
  const services = new Map<string, ServiceOptions & { servers: ServerOptions[] }>();
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#')) continue;
    try {
      readLine(services, words);
    } catch (error) {
      throw error instanceof IpvsError ? invalid(`line ${index + 1}: ${error.message}`) : error;
    }
  }
  return [...services.values()];
}

function readLine(
  services: Map<string, ServiceOptions & { servers: ServerOptions[] }>,
  [command, ...words]: readonly string[],
): void {
  const line = readOptions(words);
  const identity = identityOf(line);
  const key = checkServiceKey(identity);
  const name = JSON.stringify(key);
  if (command === '-A' || command === '--add-service') {
    if (services.has(name)) throw invalid('this service stands there already');
    const service = { ...identity, ...serviceChanges(line) };
    newServiceSettings(service);
    services.set(name, { ...service, servers: [] });
  } else if (command === '-a' || command === '--add-server') {
    const service = services.get(name);
    if (!service) throw invalid('its service does not stand above it');
    const server = serverOf(line);
    newServerSettings(server, key);
    service.servers.push(server);
  } else throw invalid(`it begins with -A or -a, not with ${command}`);
}

function readOptions(words: readonly string[]): Parsed {
  const line: Parsed = {};
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const next = words[at + 1];
    const name = Object.hasOwn(values, word) ? values[word] : undefined;
    if (Object.hasOwn(switches, word)) Object.assign(line, switches[word]);
    else if (word === '-p' || word === '--persistent') {
      // The time may be left out.
      const given = next !== undefined && /^\d+$/.test(next);
      line.persistent = given ? Number(next) : 300;
      if (given) at++;
    } else if (name !== undefined && next !== undefined) {
      line[name] = next;
      at++;
    } else if (word.startsWith('-')) throw invalid(`${word} is not known here, or has no value`);
    else throw invalid(`${word} is not an option: this reads what ipvsadm -Sn writes`);
  }
  return line;
}

function identityOf(line: Parsed): ServiceOptions {
  if (line.fwmark !== undefined) {
    // ipvsadm writes marks from 2^31 on as negative numbers.
    const fwmark = numberOf('the mark', line.fwmark) >>> 0;
    return line.ipv6 ? { fwmark, family: 'ipv6' } : { fwmark };
  }
  for (const protocol of ['tcp', 'udp', 'sctp'] as const) {
    const endpoint = line[protocol];
    if (endpoint !== undefined) return { protocol, port: 0, ...endpointOf(endpoint) };
  }
  throw invalid('it names no service');
}

function serviceChanges({ scheduler, flags, persistent, netmask, engine, onePacket }: Parsed) {
  if (persistent === undefined && (netmask ?? engine) !== undefined) throw invalid('-M and --pe take -p');
  const persistence =
    persistent === undefined
      ? undefined
      : {
          timeout: persistent,
          ...(netmask !== undefined && { netmask: /^\d+$/.test(netmask) ? Number(netmask) : netmask }),
          ...(engine !== undefined && { engine }),
        };
  return {
    ...(scheduler !== undefined && { scheduler }),
    ...(flags !== undefined && { schedulerFlags: flags.split(',') as SchedulerFlag[] }),
    ...(persistence && { persistence }),
    ...(onePacket && { onePacket }),
  };
}

function serverOf(line: Parsed): ServerOptions {
  if (line.server === undefined) throw invalid('it names no server');
  // Without a method ipvsadm takes direct routing.
  const { forwarding = 'direct', weight, upper, lower, tunnel, tunnelPort, checksum } = line;
  const type = tunnel as 'ipip' | 'gue' | 'gre' | undefined;
  return {
    ...endpointOf(line.server),
    forwarding,
    ...(weight !== undefined && { weight: numberOf('the weight', weight) }),
    ...(upper !== undefined && { upperThreshold: numberOf('-x', upper) }),
    ...(lower !== undefined && { lowerThreshold: numberOf('-y', lower) }),
    ...(type !== undefined && {
      tunnel: {
        type,
        ...(tunnelPort !== undefined && { port: numberOf('--tun-port', tunnelPort) }),
        ...(checksum !== undefined && { checksum }),
      },
    }),
  };
}

function endpointOf(text: string): { address: string; port?: number } {
  const [, ipv6, ipv4, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\w+))?$/.exec(text) ?? [];
  const address = ipv6 ?? ipv4;
  if (address === undefined || (port !== undefined && !/^\d+$/.test(port)) || !/^[\d.]+$|:/.test(address))
    throw invalid(`${text} is no address with a port; names are not looked up: save them with ipvsadm -Sn`);
  return { address, ...(port !== undefined && { port: Number(port) }) };
}

function numberOf(what: string, text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text);
  throw invalid(`${what} is a number, not ${text}`);
}
