import type { SettingDifference, SettingValue } from '../../ipvs/differences.js';
import { showNetmask } from '../../ipvs/netmask.js';
import { showSchedulerFlags } from '../../ipvs/service-options.js';
import type { ServerSettings, ServiceSettings } from '../../kernel/ipvs/types.js';
import { ServiceFlag } from '../../kernel/ipvs/types.js';

/** Returns the settings of a service in words, without the defaults. */
export function serviceWords({ key, scheduler, flags, timeout, netmask, engine }: ServiceSettings): string {
  const words = [scheduler];
  const own = showSchedulerFlags(flags, scheduler);
  if (own.length > 0) words.push(own.join(' '));
  if ((flags & ServiceFlag.persistent) !== 0) {
    words.push(`persistent ${timeout}`);
    const whole = key.family === 'ipv6' ? 128 : 0xffffffff;
    if (netmask !== whole) words.push(`mask ${showNetmask(netmask, key.family)}`);
    if (engine !== '') words.push(`engine ${engine}`);
  }
  if ((flags & ServiceFlag.onePacket) !== 0) words.push('one packet');
  return words.join(', ');
}

/** Returns the settings of a server in words, without the defaults. */
export function serverWords(settings: ServerSettings): string {
  const { forwarding, weight, upperThreshold, lowerThreshold, tunnelType, tunnelPort, tunnelChecksum } = settings;
  let words = `${forwarding}, weight ${weight}`;
  if (forwarding === 'tunnel') {
    if (tunnelType !== 'ipip') words += `, ${tunnelType === 'gue' ? `gue port ${tunnelPort}` : tunnelType}`;
    if (tunnelChecksum !== 'none') words += `, checksum ${tunnelChecksum}`;
  }
  if (upperThreshold !== 0) words += `, thresholds ${lowerThreshold} to ${upperThreshold}`;
  return words;
}

/** Names of settings that are not the last part of their path. */
const names: Readonly<Record<string, string>> = {
  schedulerFlags: 'scheduler flags',
  'persistence.timeout': 'persistence',
  'persistence.netmask': 'netmask',
  'persistence.engine': 'persistence engine',
  onePacket: 'one-packet scheduling',
  upperThreshold: 'upper threshold',
  lowerThreshold: 'lower threshold',
  'tunnel.type': 'tunnel',
  'tunnel.port': 'tunnel port',
  'tunnel.checksum': 'tunnel checksum',
};

/** Returns differences in words: `netmask 0.0.0.0 instead of 255.255.255.255, scheduler rr instead of wlc`. */
export function differenceWords(differences: readonly SettingDifference[]): string {
  return differences
    .map(
      ({ path, is, wanted }) => `${names[path] ?? path} ${valueWords(path, is)} instead of ${valueWords(path, wanted)}`,
    )
    .join(', ');
}

function valueWords(path: string, value: SettingValue): string {
  if (path === 'onePacket') return value === true ? 'on' : 'off';
  if (value === null || value === false) return 'none';
  if (typeof value === 'object') return value.length === 0 ? 'none' : value.join(' ');
  return path === 'persistence' || path === 'persistence.timeout' ? `${value} s` : String(value);
}

/** Returns the maker of an object: `owner swarm`, `another program`. */
export function ownerWords(owner: string | null): string {
  return owner === null ? 'another program' : `owner ${owner}`;
}

/** Returns the state of an object in words, with its owner if it is a conflict. */
export function stateWords({
  is,
  owner,
}: {
  readonly is?: string | undefined;
  readonly owner?: string | null | undefined;
}): string | undefined {
  return owner === undefined ? is : `${is}, of ${ownerWords(owner)}`;
}
