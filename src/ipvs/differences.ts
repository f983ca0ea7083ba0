import { type ServerSettings, ServiceFlag, type ServiceSettings, settableFlags } from '../kernel/ipvs/types.js';
import { netmaskText } from './netmask.js';
import { showSchedulerFlags } from './service-options.js';

/** A setting that differs from the wanted one. Settings without effect are not compared. */
export interface SettingDifference {
  /** Option that sets it: `scheduler`, `persistence.netmask`, `weight`, `tunnel.port`. */
  readonly path: string;
  /** Value in the kernel; `false` or `null` for none. An IPv4 netmask is a text such as `255.255.255.0`. */
  readonly is: SettingValue;
  /** Value of the option, in the same form. */
  readonly wanted: SettingValue;
}

/** Value of a setting: a name, a number, a switch, or the names of flags; `null` for none. */
export type SettingValue = string | number | boolean | null | readonly string[];

type Settings = Omit<ServiceSettings, 'key'> & Partial<Pick<ServiceSettings, 'key'>>;

/** Schedulers of the kernel that read no flags (net/netfilter/ipvs/ip_vs_*.c). */
const withoutFlags: ReadonlySet<string> = new Set([
  'none',
  'rr',
  'wrr',
  'lc',
  'wlc',
  'fo',
  'ovf',
  'lblc',
  'lblcr',
  'dh',
  'sed',
  'nq',
  'twos',
]);
const hashing: ReadonlySet<string> = new Set(['sh', 'mh']);

/** Returns the flags that have an effect. `hashed` belongs to the kernel; one-packet scheduling is for UDP. */
function flagsOf({ flags, scheduler }: Settings, key: ServiceSettings['key']): number {
  const { onePacket, scheduler1, scheduler2, scheduler3 } = ServiceFlag;
  let idle = ~(settableFlags & ~ServiceFlag.hashed);
  if ('protocol' in key && key.protocol !== 'udp') idle |= onePacket;
  if (withoutFlags.has(scheduler)) idle |= scheduler1 | scheduler2 | scheduler3;
  else if (hashing.has(scheduler)) idle |= scheduler3;
  return flags & ~idle;
}

/**
 * Returns true if a service behaves as wanted. These settings have no effect: the timeout, the netmask and the engine
 * of a service without persistence, one-packet scheduling of TCP and SCTP, flags of schedulers that read none, and
 * bits of the flags that the kernel does not define.
 */
export function serviceAgrees(wanted: ServiceSettings, is: Settings): boolean {
  const flags = flagsOf(wanted, wanted.key);
  return (
    wanted.scheduler === is.scheduler &&
    flags === flagsOf(is, wanted.key) &&
    ((flags & ServiceFlag.persistent) === 0 ||
      (wanted.timeout === is.timeout && wanted.netmask === is.netmask && wanted.engine === is.engine))
  );
}

/** Returns the differences that have an effect; see {@link serviceAgrees}. */
export function serviceDifferences(wanted: ServiceSettings, is: Settings): SettingDifference[] {
  const { family } = wanted.key;
  const [now, then] = [flagsOf(is, wanted.key), flagsOf(wanted, wanted.key)];
  const has = (flags: number, flag: number): boolean => (flags & flag) !== 0;
  const [persists, persisted] = [has(then, ServiceFlag.persistent), has(now, ServiceFlag.persistent)];
  const engine = (name: string): string | null => (name === '' ? null : name);
  const list = new DifferenceList();
  list.compare('scheduler', is.scheduler, wanted.scheduler);
  if (((now ^ then) & ~(ServiceFlag.persistent | ServiceFlag.onePacket)) !== 0)
    list.add('schedulerFlags', showSchedulerFlags(now, is.scheduler), showSchedulerFlags(then, wanted.scheduler));
  if (persists !== persisted) list.add('persistence', persisted && is.timeout, persists && wanted.timeout);
  else if (persists) {
    list.compare('persistence.timeout', is.timeout, wanted.timeout);
    list.compare('persistence.netmask', netmaskText(is.netmask, family), netmaskText(wanted.netmask, family));
    list.compare('persistence.engine', engine(is.engine), engine(wanted.engine));
  }
  list.compare('onePacket', has(now, ServiceFlag.onePacket), has(then, ServiceFlag.onePacket));
  return list.differences;
}

/**
 * Returns true if a server behaves as wanted. These settings have no effect: the tunnel without tunnel forwarding, its
 * port without GUE, its checksum with ipip, the remote checksum with GRE. It does not compare the key.
 */
export function serverAgrees(wanted: ServerSettings, is: ServerSettings): boolean {
  const { forwarding, tunnelType: type } = is;
  return (
    // The kernel may report `local` for an address of the director, whatever method was requested.
    (forwarding === wanted.forwarding || forwarding === 'local') &&
    wanted.weight === is.weight &&
    wanted.upperThreshold === is.upperThreshold &&
    wanted.lowerThreshold === is.lowerThreshold &&
    (forwarding !== 'tunnel' ||
      (wanted.tunnelType === type &&
        (type !== 'gue' || wanted.tunnelPort === is.tunnelPort) &&
        checksumOf(wanted) === checksumOf(is)))
  );
}

function checksumOf({ tunnelType, tunnelChecksum }: ServerSettings): ServerSettings['tunnelChecksum'] {
  if (tunnelType === 'ipip') return 'none';
  return tunnelType === 'gre' && tunnelChecksum === 'remote' ? 'none' : tunnelChecksum;
}

/** Returns the differences that have an effect; see {@link serverAgrees}. */
export function serverDifferences(wanted: ServerSettings, is: ServerSettings): SettingDifference[] {
  const list = new DifferenceList();
  if (is.forwarding !== 'local') list.compare('forwarding', is.forwarding, wanted.forwarding);
  list.compare('weight', is.weight, wanted.weight);
  list.compare('upperThreshold', is.upperThreshold, wanted.upperThreshold);
  list.compare('lowerThreshold', is.lowerThreshold, wanted.lowerThreshold);
  if (is.forwarding === 'tunnel' && wanted.forwarding === 'tunnel') {
    list.compare('tunnel.type', is.tunnelType, wanted.tunnelType);
    if (is.tunnelType === wanted.tunnelType && is.tunnelType === 'gue')
      list.compare('tunnel.port', is.tunnelPort, wanted.tunnelPort);
    list.compare('tunnel.checksum', checksumOf(is), checksumOf(wanted));
  }
  return list.differences;
}

class DifferenceList {
  readonly differences: SettingDifference[] = [];

  add(path: string, is: SettingValue, wanted: SettingValue): void {
    this.differences.push({ path, is, wanted });
  }

  compare(path: string, is: SettingValue, wanted: SettingValue): void {
    if (is !== wanted) this.add(path, is, wanted);
  }
}
