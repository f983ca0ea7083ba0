import { isIPv4 } from 'node:net';
import { checkAddress, checkInteger, checkOneOf, checkOptions, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName, LONGEST_MAIN_NAME } from '../common/interface-name.js';
import type { DaemonRole, DaemonSettings } from '../kernel/ipvs/types.js';

/** A daemon to start. The kernel's defaults are group 224.0.0.81, port 8848 and ttl 1. */
export interface DaemonOptions {
  readonly role: DaemonRole;
  /** Interface that sends or receives the messages. */
  readonly interface: string;
  /** Identifier, 0 to 255. Default: 0, which means "any" for a backup. */
  readonly syncId?: number | undefined;
  /** Maximum length of a message, 1 to 65535 bytes. Default: the length that the MTU allows. */
  readonly maxLength?: number | undefined;
  /** Multicast address. */
  readonly group?: string | undefined;
  /** UDP port, 1 to 65535. */
  readonly port?: number | undefined;
  /** Time to live of the messages, 1 to 255. */
  readonly ttl?: number | undefined;
}

export function checkRole(role: unknown): DaemonRole {
  return checkOneOf('the role of a daemon', role, ['master', 'backup']);
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function daemonSettings(options: DaemonOptions): DaemonSettings {
  const names = ['role', 'interface', 'syncId', 'maxLength', 'group', 'port', 'ttl'];
  checkOptions('a synchronisation daemon', options, names);
  const { interface: name, maxLength, group, port, ttl } = options;
  return {
    role: checkRole(options.role),
    interface: checkInterfaceName('interface', name, LONGEST_MAIN_NAME),
    syncId: checkInteger('syncId', valueOr(options.syncId, 0), 0, 255),
    ...(maxLength === undefined ? {} : { maxLength: checkInteger('maxLength', maxLength, 1, 65535) }),
    ...(group === undefined ? {} : { group: checkGroup(group) }),
    ...(port === undefined ? {} : { port: checkInteger('the port of a daemon', port, 1, 65535) }),
    ...(ttl === undefined ? {} : { ttl: checkInteger('ttl', ttl, 1, 255) }),
  };
}

function checkGroup(group: string): string {
  const { address } = checkAddress('a multicast group', group);
  const first = Number(address.split('.')[0]);
  const multicast = isIPv4(address) ? first >= 224 && first <= 239 : address.startsWith('ff');
  if (!multicast) throw invalid(`${address} is not a multicast address`);
  return address;
}
