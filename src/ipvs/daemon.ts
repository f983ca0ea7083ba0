import { checkAddress, checkOneOf, checkOptions, checkRange, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName, LONGEST_MAIN_NAME } from '../common/interface-name.js';
import { ranges } from '../common/ranges.js';
import type { DaemonRole, DaemonSettings } from '../kernel/ipvs/types.js';
import { daemonRoles } from '../kernel/ipvs/vocabulary.js';

/** A daemon to start. The kernel's defaults are group 224.0.0.81, port 8848 and ttl 1. */
export interface DaemonOptions {
  /** `master` sends the connections of this director, `backup` receives those of others. Both may run. */
  readonly role: DaemonRole;
  /** Interface that sends or receives the messages. */
  readonly interface: string;
  /** Identifier, 0 to 255. Default: 0, which means "any" for a backup. */
  readonly syncId?: number | undefined;
  /** Maximum length of a message, 1 to 65535 bytes. Default: the length that the MTU allows. */
  readonly maxLength?: number | undefined;
  /** Multicast group, IPv4 or IPv6. */
  readonly group?: string | undefined;
  /** UDP port, 1 to 65535. */
  readonly port?: number | undefined;
  /** Time to live of the messages, 1 to 255. */
  readonly ttl?: number | undefined;
}

const optionNames = Object.keys({
  role: true,
  interface: true,
  syncId: true,
  maxLength: true,
  group: true,
  port: true,
  ttl: true,
} satisfies Record<keyof DaemonOptions, true>);

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRole(role: unknown): DaemonRole {
  return checkOneOf('the role of a daemon', role, daemonRoles);
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function daemonSettings(options: DaemonOptions): DaemonSettings {
  checkOptions('a synchronisation daemon', options, optionNames);
  const { interface: name, maxLength, group, port, ttl } = options;
  return {
    role: checkRole(options.role),
    interface: checkInterfaceName('interface', name, LONGEST_MAIN_NAME),
    syncId: checkRange('syncId', valueOr(options.syncId, 0), ranges.syncId),
    ...(maxLength === undefined ? {} : { maxLength: checkRange('maxLength', maxLength, ranges.syncLength) }),
    ...(group === undefined ? {} : { group: checkGroup(group) }),
    ...(port === undefined ? {} : { port: checkRange('the port of a daemon', port, ranges.port) }),
    ...(ttl === undefined ? {} : { ttl: checkRange('ttl', ttl, ranges.ttl) }),
  };
}

function checkGroup(group: string): string {
  const { address, family } = checkAddress('the group of a daemon', group);
  const first = Number(address.split('.')[0]);
  const multicast = family === 'ipv4' ? first >= 224 && first <= 239 : address.startsWith('ff');
  if (!multicast) throw invalid(`the group of a daemon must be a multicast address, not ${address}`);
  return address;
}
