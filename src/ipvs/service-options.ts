import {
  checkAddress,
  checkFlag,
  checkList,
  checkName,
  checkOneOf,
  checkOptions,
  checkRange,
  show,
  valueOr,
} from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { type Range, ranges } from '../common/ranges.js';
import {
  type Family,
  type Protocol,
  ServiceFlag,
  type ServiceKey,
  type ServiceSettings,
} from '../kernel/ipvs/types.js';
import { protocols } from '../kernel/ipvs/vocabulary.js';
import { checkNetmask, wholeNetmask } from './netmask.js';

/** A scheduler of Linux 6.1 to 7.2, whose module is `ip_vs_NAME`, or any other name. */
export type SchedulerName =
  | 'rr'
  | 'wrr'
  | 'lc'
  | 'wlc'
  | 'fo'
  | 'ovf'
  | 'lblc'
  | 'lblcr'
  | 'dh'
  | 'sh'
  | 'mh'
  | 'sed'
  | 'nq'
  | 'twos'
  | (string & {});

/**
 * A flag of the scheduler: `sh-fallback` and `mh-fallback` (flag-1) take another server if the chosen
 * one has weight 0, `sh-port` and `mh-port` (flag-2) hash the source port, too. For other schedulers the
 * flags are `flag-1` to `flag-3`.
 */
export type SchedulerFlag = 'flag-1' | 'flag-2' | 'flag-3' | 'sh-fallback' | 'sh-port' | 'mh-fallback' | 'mh-port';

/** Options that keep a client, or a network of clients, on its first server. */
export interface PersistenceOptions {
  /** Seconds without a connection until the client may get another server, 1 to 2 678 400 (31 days). Default: 300. */
  readonly timeout?: number | undefined;
  /**
   * Netmask of the clients that share a server: a prefix length (IPv4 0 to 32, IPv6 1 to 128), or for IPv4
   * a mask such as `255.255.255.0`. With 0 (`0.0.0.0`) all clients share one server. Default: each client
   * has its own.
   */
  readonly netmask?: number | string | undefined;
  /**
   * Persistence engine, which groups clients by more than the address: `sip` uses the Call-ID (module
   * ip_vs_pe_sip; UDP). `null` for none.
   */
  readonly engine?: string | null | undefined;
}

/**
 * Selects a virtual service: its protocol, address and port, the mark of its packets, a `VirtualService`
 * that was read, or the `key` of one.
 */
export type ServiceSelector =
  | {
      /** Identity of the service. */
      readonly key: ServiceKey;
    }
  | ServiceKey
  | NewServiceKey;

/** The identity of a new virtual service. */
export type NewServiceKey =
  | {
      /** Protocol of the packets: `tcp`, `udp` or `sctp`. */
      readonly protocol: Protocol;
      /** IPv4 or IPv6 address that clients connect to, without a zone. */
      readonly address: string;
      /** Port, 1 to 65535. 0 is every port and requires persistence. */
      readonly port: number;
      /** Family of the address. */
      readonly family?: Family | undefined;
      /** Absent: a service has either an address or a mark. */
      readonly fwmark?: never;
    }
  | {
      /** Absent: a service by mark has every protocol. */
      readonly protocol?: never;
      /** Absent: a service by mark has every address. */
      readonly address?: never;
      /** Absent: a service by mark has every port. */
      readonly port?: never;
      /** Mark, 1 to 4294967295. (The kernel reads 0 as TCP 0.0.0.0:0.) */
      readonly fwmark: number;
      /** Family of the packets. Default: `ipv4`. */
      readonly family?: Family | undefined;
    };

/** The settings that an update can change. */
export interface ServiceChanges {
  /** Algorithm that chooses the server of a new connection, 1 to 15 characters (`ipvsadm -s`). Default: `wlc`. */
  readonly scheduler?: SchedulerName | undefined;
  /** Flags of the scheduler (`ipvsadm -b`); a list replaces all. Default: none. */
  readonly schedulerFlags?: readonly SchedulerFlag[] | undefined;
  /**
   * Persistence: `false` for none, `true` for the defaults, a number for a timeout in seconds. If the service has
   * persistence already, absent options keep their values.
   */
  readonly persistence?: boolean | number | PersistenceOptions | undefined;
  /** True if each packet is scheduled individually (UDP only). */
  readonly onePacket?: boolean | undefined;
}

/** A new virtual service. Default: scheduler `wlc`, no persistence, no flags, as `ipvsadm -A`. */
export type ServiceOptions = NewServiceKey & ServiceChanges;

const selectorNames = Object.keys({
  protocol: true,
  address: true,
  port: true,
  fwmark: true,
  family: true,
} satisfies Record<keyof NewServiceKey, true>);
const changeNames = Object.keys({
  scheduler: true,
  schedulerFlags: true,
  persistence: true,
  onePacket: true,
} satisfies Record<keyof ServiceChanges, true>);
const optionNames = [...selectorNames, ...changeNames];
const persistenceNames = Object.keys({
  timeout: true,
  netmask: true,
  engine: true,
} satisfies Record<keyof PersistenceOptions, true>);
const families = ['ipv4', 'ipv6'] as const satisfies readonly Family[];

const flagBits: Readonly<Record<SchedulerFlag, number>> = {
  'flag-1': ServiceFlag.scheduler1,
  'flag-2': ServiceFlag.scheduler2,
  'flag-3': ServiceFlag.scheduler3,
  'sh-fallback': ServiceFlag.scheduler1,
  'sh-port': ServiceFlag.scheduler2,
  'mh-fallback': ServiceFlag.scheduler1,
  'mh-port': ServiceFlag.scheduler2,
};
const schedulerFlagBits = ServiceFlag.scheduler1 | ServiceFlag.scheduler2 | ServiceFlag.scheduler3;

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkServiceKey(selector: ServiceSelector): ServiceKey {
  // An object with a key is a service that was read.
  const key = typeof selector === 'object' && selector !== null && 'key' in selector ? selector.key : selector;
  checkOptions('a virtual service', key, optionNames);
  return keyOf(key);
}

/** Returns the key of options whose names were checked. */
function keyOf(selector: ServiceKey | NewServiceKey): ServiceKey {
  if ('fwmark' in selector && selector.fwmark !== undefined) {
    const { protocol, address, port } = selector as { [Name in 'protocol' | 'address' | 'port']?: unknown };
    if (protocol !== undefined || address !== undefined || port !== undefined)
      throw invalid('a virtual service must have either a fwmark, or a protocol, address and port');
    return {
      family: checkOneOf('the family', selector.family === undefined ? 'ipv4' : selector.family, families),
      fwmark: checkRange('a fwmark', selector.fwmark, ranges.serviceMark),
    };
  }
  if (!('address' in selector)) throw invalid('a virtual service must have a fwmark, or a protocol, address and port');
  const given = (selector as { family?: unknown }).family;
  const known = given === 'ipv6' ? given : undefined;
  const { address, family } = checkAddress('the address of a virtual service', selector.address, known);
  if (given !== undefined && given !== family) throw invalid(`${address} is not an address of family ${show(given)}`);
  return {
    family,
    protocol: checkOneOf('the protocol', selector.protocol, protocols),
    address,
    port: checkRange('the port of a virtual service', selector.port, ranges.anyPort),
  };
}

/**
 * Returns the settings of a service that a user adds. Rejects settings that the kernel accepts and ignores.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function newServiceSettings(options: ServiceOptions): ServiceSettings {
  return changeService(defaultSettings(options), options, valueOr(options.persistence, false));
}

/**
 * Returns the settings of a service that a table has or had. Accepts every service that the kernel accepts: port 0
 * without persistence, one-packet scheduling of TCP, any timeout of persistence.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function heldServiceSettings(options: ServiceOptions): ServiceSettings {
  return withChanges(defaultSettings(options), options, valueOr(options.persistence, false), ranges.heldPersistence);
}

function defaultSettings(options: ServiceOptions): ServiceSettings {
  checkOptions('a virtual service', options, optionNames);
  const key = keyOf(options);
  return { key, scheduler: 'wlc', flags: 0, timeout: 0, netmask: wholeNetmask(key.family), engine: '' };
}

/** Checks the names of changes. Rejects those that identify the service, which cannot change. */
export function checkServiceChanges(changes: ServiceChanges): void {
  checkOptions('a virtual service', changes, optionNames);
  const name = selectorNames.find((name) => name in changes);
  if (name)
    throw invalid(`the ${name} of a virtual service cannot be changed; add another service and delete this one`);
}

/** Returns the settings after `changes`. A setting that they do not name keeps its value. */
export function changeService(
  current: ServiceSettings,
  changes: ServiceChanges,
  persist = changes.persistence,
): ServiceSettings {
  const settings = withChanges(current, changes, persist, ranges.persistence);
  const { key, flags } = settings;
  // Accepts settings of another program that this update does not change.
  if (changes.onePacket && 'protocol' in key && key.protocol !== 'udp') {
    throw invalid(`onePacket requires protocol 'udp', not '${key.protocol}': the kernel ignores it for others`);
  }
  if (persist !== undefined && 'port' in key && key.port === 0 && (flags & ServiceFlag.persistent) === 0) {
    throw invalid('port 0 (every port) requires persistence: without it the kernel schedules no connection');
  }
  return settings;
}

function withChanges(
  current: ServiceSettings,
  changes: ServiceChanges,
  persist: ServiceChanges['persistence'],
  timeouts: Range,
): ServiceSettings {
  const { key } = current;
  const scheduler = changes.scheduler === undefined ? current.scheduler : checkName('a scheduler', changes.scheduler);
  let { flags, timeout, netmask, engine } = current;
  if (changes.schedulerFlags !== undefined) {
    flags = (flags & ~schedulerFlagBits) | schedulerFlags(changes.schedulerFlags, scheduler);
  }
  if (changes.onePacket !== undefined)
    flags = withFlag(flags, ServiceFlag.onePacket, checkFlag('onePacket', changes.onePacket));
  if (persist === false) {
    flags &= ~ServiceFlag.persistent;
    timeout = 0;
    netmask = wholeNetmask(key.family);
    engine = '';
  } else if (persist !== undefined) {
    const persistence = persistenceOptions(persist);
    const had = (flags & ServiceFlag.persistent) !== 0;
    flags |= ServiceFlag.persistent;
    // Resets settings that had no effect so far: Docker creates services with netmask 0.
    if (!had) [timeout, netmask, engine] = [300, wholeNetmask(key.family), ''];
    if (persistence.timeout !== undefined)
      timeout = checkRange('the timeout of persistence', persistence.timeout, timeouts);
    if (persistence.netmask !== undefined) netmask = checkNetmask(persistence.netmask, key.family);
    if (persistence.engine === null) engine = '';
    else if (persistence.engine !== undefined) engine = checkName('a persistence engine', persistence.engine);
  }
  return { key, scheduler, flags, timeout, netmask, engine };
}

function withFlag(flags: number, flag: number, on: boolean): number {
  return on ? flags | flag : flags & ~flag;
}

function schedulerFlags(names: readonly SchedulerFlag[], scheduler: string): number {
  return checkList('schedulerFlags', names, limits.names).reduce((bits, name: SchedulerFlag) => {
    checkOneOf('a scheduler flag', name, Object.keys(flagBits) as SchedulerFlag[]);
    const owner = name.split('-')[0];
    if (owner !== 'flag' && owner !== scheduler) throw invalid(`${name} is not a flag of the scheduler ${scheduler}`);
    return bits | flagBits[name];
  }, 0);
}

function persistenceOptions(value: true | number | PersistenceOptions): PersistenceOptions {
  if (value === true) return {};
  if (typeof value === 'number') return { timeout: value };
  if (typeof value !== 'object' || value === null) {
    throw invalid(`persistence must be false (none), true, a timeout in seconds or an object, not ${show(value)}`);
  }
  checkOptions('persistence', value, persistenceNames);
  return value;
}

/** Returns the names of the scheduler flags of a service. */
export function showSchedulerFlags(flags: number, scheduler: string): SchedulerFlag[] {
  const own = scheduler === 'sh' || scheduler === 'mh' ? scheduler : undefined;
  const names: SchedulerFlag[] = own ? [`${own}-fallback`, `${own}-port`, 'flag-3'] : ['flag-1', 'flag-2', 'flag-3'];
  return names.filter((name) => (flags & flagBits[name]) !== 0);
}
