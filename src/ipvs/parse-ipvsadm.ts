import { show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { describeServer, describeService } from '../kernel/ipvs/describe.js';
import type { ServiceKey, TunnelChecksum, TunnelType } from '../kernel/ipvs/types.js';
import type { SavedService } from './save.js';
import { heldServerSettings, type ServerOptions } from './server-options.js';
import { checkServiceKey, heldServiceSettings, type SchedulerFlag, type ServiceOptions } from './service-options.js';

/** The meanings of ipvsadm's options. A line has each meaning at most once, as ipvsadm requires. */
type Meaning =
  | 'service'
  | 'ipv6'
  | 'scheduler'
  | 'persistence'
  | 'netmask'
  | 'engine'
  | 'onePacket'
  | 'flags'
  | 'server'
  | 'forwarding'
  | 'weight'
  | 'upper'
  | 'lower'
  | 'tunnel'
  | 'tunnelPort'
  | 'checksum';

interface Option {
  readonly means: Meaning;
  /** Kind of lines that may have the option. Default: both kinds. */
  readonly of?: 'services' | 'servers';
  /** Value of an option without an argument. */
  readonly is?: string;
}

const optionTable: ReadonlyMap<string, Option> = new Map<string, Option>([
  ['-t', { means: 'service' }],
  ['-u', { means: 'service' }],
  ['--sctp-service', { means: 'service' }],
  ['-f', { means: 'service' }],
  ['-6', { means: 'ipv6', is: '' }],
  ['-s', { means: 'scheduler', of: 'services' }],
  ['-p', { means: 'persistence', of: 'services' }],
  ['-M', { means: 'netmask', of: 'services' }],
  ['--pe', { means: 'engine', of: 'services' }],
  ['-o', { means: 'onePacket', of: 'services', is: '' }],
  ['-b', { means: 'flags', of: 'services' }],
  ['-r', { means: 'server', of: 'servers' }],
  ['-m', { means: 'forwarding', of: 'servers', is: 'nat' }],
  ['-g', { means: 'forwarding', of: 'servers', is: 'direct' }],
  ['-i', { means: 'forwarding', of: 'servers', is: 'tunnel' }],
  ['-w', { means: 'weight', of: 'servers' }],
  ['-x', { means: 'upper', of: 'servers' }],
  ['-y', { means: 'lower', of: 'servers' }],
  ['--tun-type', { means: 'tunnel', of: 'servers' }],
  ['--tun-port', { means: 'tunnelPort', of: 'servers' }],
  ['--tun-nocsum', { means: 'checksum', of: 'servers', is: 'none' }],
  ['--tun-csum', { means: 'checksum', of: 'servers', is: 'checksum' }],
  ['--tun-remcsum', { means: 'checksum', of: 'servers', is: 'remote' }],
]);

const longNames: ReadonlyMap<string, string> = new Map([
  ['--add-service', '-A'],
  ['--add-server', '-a'],
  ['--tcp-service', '-t'],
  ['--udp-service', '-u'],
  ['--fwmark-service', '-f'],
  ['--ipv6', '-6'],
  ['--scheduler', '-s'],
  ['--persistent', '-p'],
  ['--netmask', '-M'],
  ['--ops', '-o'],
  ['--sched-flags', '-b'],
  ['--real-server', '-r'],
  ['--masquerading', '-m'],
  ['--gatewaying', '-g'],
  ['--ipip', '-i'],
  ['--weight', '-w'],
  ['--u-threshold', '-x'],
  ['--l-threshold', '-y'],
]);

/** The option of a line for one meaning, with its value. */
interface Given {
  /** Short name of the option. */
  readonly option: string;
  readonly value: string;
}

type Line = ReadonlyMap<Meaning, Given>;

interface ParsedService {
  readonly options: ServiceOptions;
  readonly servers: ServerOptions[];
  /** Number of its line. */
  readonly at: number;
  /** Numbers of the lines of its servers, by their names. */
  readonly known: Map<string, number>;
}

/**
 * Parses the output of `ipvsadm -Sn` (`ipvsadm-save -n`), in the order of the text. Accepts every row that ipvsadm
 * creates. Like ipvsadm, it rejects an option that is repeated, contradicts another one (`-t` and `-u`) or belongs to
 * the other kind of line; it also rejects a service or a server that an earlier line has.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` with the number of the line
 */
export function parseIpvsadm(text: string): SavedService[] {
  if (typeof text !== 'string') throw invalid(`the text of ipvsadm -Sn must be a string, not ${show(text)}`);
  if (text.length > limits.ipvsadmText)
    throw invalid(`the text of ipvsadm -Sn must have at most ${limits.ipvsadmText} characters, not ${text.length}`);
  const services = new Map<string, ParsedService>();
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#')) continue;
    try {
      readLine(services, words, index + 1);
    } catch (error) {
      throw error instanceof IpvsError ? invalid(`line ${index + 1}: ${error.message}`) : error;
    }
  }
  return [...services.values()].map(({ options, servers }) => ({ ...options, servers }));
}

function readLine(services: Map<string, ParsedService>, [first = '', ...words]: readonly string[], at: number): void {
  const command = shortName(first);
  if (command !== '-A' && command !== '-a')
    throw invalid(`a line must begin with -A or -a, as ipvsadm -Sn writes it, not with ${first}`);
  const line = readOptions(words, command === '-A' ? 'services' : 'servers');
  const identity = identityOf(line);
  const key = checkServiceKey(identity);
  const name = describeService(key);
  const known = services.get(name);
  if (command === '-A') {
    if (known) throw invalid(`service ${name} repeats line ${known.at}`);
    const options = { ...identity, ...serviceChanges(line, key) };
    heldServiceSettings(options);
    services.set(name, { options, servers: [], at, known: new Map() });
    return;
  }
  if (!known) throw invalid(`service ${name} has no -A line above this line`);
  const server = serverOf(line);
  const serverName = describeServer(heldServerSettings(server, key).key);
  const before = known.known.get(serverName);
  if (before !== undefined) throw invalid(`server ${serverName} of ${name} repeats line ${before}`);
  known.known.set(serverName, at);
  known.servers.push(server);
}

/** Defaults of optional values. ipvsadm writes `-b` without one for a service with sh or mh and only flag-3. */
const defaults: ReadonlyMap<Meaning, string> = new Map([
  ['persistence', '300'],
  ['flags', ''],
]);

function readOptions(words: readonly string[], kind: 'services' | 'servers'): Line {
  const line = new Map<Meaning, Given>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const option = shortName(word);
    const { means, of = kind, is } = optionTable.get(option) ?? unknownWord(word);
    if (of !== kind) throw invalid(`${word} is an option of ${of}, and this line is one of ${kind}`);
    const before = line.get(means);
    if (before)
      throw invalid(
        before.option === option
          ? `${word} is repeated`
          : `${word} contradicts ${before.option}: a line may have only one of them`,
      );
    if (is !== undefined) line.set(means, { option, value: is });
    else {
      const next = words[at + 1];
      const isValue =
        next !== undefined && (means === 'persistence' ? /^\d+$/.test(next) : !optionTable.has(shortName(next)));
      const value = isValue ? next : defaults.get(means);
      if (value === undefined) throw invalid(`${word} requires a value`);
      line.set(means, { option, value });
      if (isValue) at++;
    }
  }
  return line;
}

function shortName(word: string): string {
  return longNames.get(word) ?? word;
}

function unknownWord(word: string): never {
  if (word.startsWith('-')) throw invalid(`${word} is not an option that ipvsadm -Sn writes`);
  throw invalid(`${word} is neither an option nor the value of one`);
}

function identityOf(line: Line): ServiceOptions {
  const service = line.get('service');
  if (!service) throw invalid('it has no service (-t, -u, --sctp-service or -f)');
  const { option, value } = service;
  const ipv6 = line.has('ipv6');
  if (option === '-f') return { fwmark: markOf(value), ...(ipv6 && { family: 'ipv6' }) };
  if (ipv6) throw invalid(`-6 requires a mark (-f), not ${option}`);
  const protocol = option === '-t' ? 'tcp' : option === '-u' ? 'udp' : 'sctp';
  return { protocol, port: 0, ...endpointOf(value) };
}

/** Parses a mark. ipvsadm writes marks from 2^31 as negative numbers. */
function markOf(text: string): number {
  const mark = numberOf('the mark', text);
  if (mark >= -0x80000000 && mark <= 0xffffffff && mark !== 0) return mark >>> 0;
  throw invalid(`the mark must be an integer from 1 to 4294967295, not ${text}`);
}

function serviceChanges(line: Line, { family }: ServiceKey) {
  const [scheduler, flags, timeout, netmask, engine] = (
    ['scheduler', 'flags', 'persistence', 'netmask', 'engine'] as const
  ).map((name) => line.get(name)?.value);
  if (timeout === undefined && (netmask ?? engine) !== undefined)
    throw invalid(`${netmask === undefined ? '--pe' : '-M'} requires -p: without persistence it has no effect`);
  const persistence = timeout !== undefined && {
    timeout: Number(timeout),
    ...(netmask !== undefined && { netmask: netmaskOf(netmask, family) }),
    ...(engine !== undefined && { engine }),
  };
  return {
    ...(scheduler !== undefined && { scheduler }),
    ...(flags && { schedulerFlags: flags.split(',') as SchedulerFlag[] }),
    ...(persistence && { persistence }),
    ...(line.has('onePacket') && { onePacket: true }),
  };
}

/** Parses a netmask. Rejects a lone number for IPv4, which ipvsadm reads as the last octet of the mask. */
function netmaskOf(text: string, family: 'ipv4' | 'ipv6'): number | string {
  if (family === 'ipv6') return numberOf('the netmask of IPv6', text);
  if (text.includes('.')) return text;
  throw invalid(`the netmask of IPv4 must be a mask such as 255.255.255.0, not ${text}`);
}

function serverOf(line: Line): ServerOptions {
  const value = (name: Meaning): string | undefined => line.get(name)?.value;
  const number = (name: Meaning): number | undefined => {
    const given = line.get(name);
    return given && numberOf(given.option, given.value);
  };
  const endpoint = value('server');
  if (endpoint === undefined) throw invalid('it has no server (-r)');
  const [weight, upperThreshold, lowerThreshold, port] = (['weight', 'upper', 'lower', 'tunnelPort'] as const).map(
    number,
  );
  const type = (value('tunnel') ?? 'ipip') as TunnelType;
  const checksum = value('checksum') as TunnelChecksum | undefined;
  const hasTunnel = (['tunnel', 'tunnelPort', 'checksum'] as const).some((name) => line.has(name));
  return {
    ...endpointOf(endpoint),
    // The default of ipvsadm is direct routing.
    forwarding: (value('forwarding') ?? 'direct') as 'nat' | 'direct' | 'tunnel',
    ...(weight !== undefined && { weight }),
    ...(upperThreshold !== undefined && { upperThreshold }),
    ...(lowerThreshold !== undefined && { lowerThreshold }),
    ...(hasTunnel && {
      tunnel: { type, ...(port !== undefined && { port }), ...(checksum !== undefined && { checksum }) },
    }),
  };
}

function endpointOf(text: string): { address: string; port?: number } {
  const [, ipv6, ipv4, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\w+))?$/.exec(text) ?? [];
  const address = ipv6 ?? ipv4;
  if (address === undefined || (port !== undefined && !/^\d+$/.test(port)) || !/^[\d.]+$|:/.test(address))
    throw invalid(`${text} is not an address with a port. Host names are not resolved: save with ipvsadm -Sn`);
  return { address, ...(port !== undefined && { port: Number(port) }) };
}

function numberOf(what: string, text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text);
  throw invalid(`${what} must be a number, not ${text}`);
}
