import type { Family } from '../common/address.js';
import { checkAddress, checkInteger, checkOneOf, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { Prefix } from '../common/prefix.js';
import type { Scope } from '../kernel/network/types.js';

export function checkLinkAddress(what: string, value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) return value.toLowerCase();
  throw invalid(`${what} must be a link-layer address such as 02:42:0a:00:00:14, not ${show(value)}`);
}

export function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : check(value);
}

export function checkFamily(value: unknown): Family {
  return checkOneOf('family', value, ['ipv4', 'ipv6']);
}

/** Checks an address of that family. */
export function checkAddressOf(what: string, value: unknown, family: Family): string {
  const checked = checkAddress(what, value, family);
  if (checked.family !== family)
    throw invalid(`${what} is ${family === 'ipv4' ? 'an IPv4' : 'an IPv6'} address here, not ${show(value)}`);
  return checked.address;
}

/**
 * Rejects an address that no interface can have: the kernel ignores a request to add 0.0.0.0 (__inet_insert_ifa in
 * net/ipv4/devinet.c), and refuses `::` and IPv6 multicast addresses (ipv6_add_addr in net/ipv6/addrconf.c). It accepts
 * IPv4 multicast addresses.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function checkInterfaceAddress<T extends Pick<Prefix, 'family' | 'address'>>(what: string, prefix: T): T {
  const { family, address } = prefix;
  if (address === '0.0.0.0' || address === '::')
    throw invalid(`${what} is ${address}, which stands for any address: an interface cannot have it`);
  if (family === 'ipv6' && /^ff[0-9a-f]{2}:/.test(address))
    throw invalid(`${what} is ${address}, a multicast address: an interface cannot have it`);
  return prefix;
}

/** Numbers of the kernel's routing tables: RT_TABLE_* (include/uapi/linux/rtnetlink.h). */
export const tables: Readonly<Record<'default' | 'main' | 'local', number>> = { default: 253, main: 254, local: 255 };

/** A routing table: by number, or one of those that the kernel has. */
export type RoutingTable = 'default' | 'main' | 'local' | number;

export function checkTable(value: unknown): number {
  if (typeof value === 'string' && Object.hasOwn(tables, value)) return tables[value as keyof typeof tables];
  if (typeof value === 'number') return checkInteger('table', value, 1, 0xffffffff);
  throw invalid(`table must be a number or one of ${Object.keys(tables).join(', ')}; not ${show(value)}`);
}

const scopes = ['global', 'site', 'link', 'host', 'nowhere'] as const;

export function checkScope(value: unknown): Scope {
  if (typeof value === 'number') return checkInteger('scope', value, 0, 255);
  return checkOneOf('scope', value, scopes);
}
