import { canonicalAddress, type Family, familyOf, withoutMapping, writeAddress } from '../common/address.js';
import { checkAddress, checkInteger, checkOneOf, isText, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { Scope } from '../kernel/network/types.js';

/** Checks the name of an interface: its main name, or an alternative one (dev_valid_name in net/core/dev.c). */
export function checkInterface(what: string, value: unknown, longest = 127): string {
  if (
    isText(value, longest) &&
    /^[^\s/\0]+$/.test(value) &&
    value !== '.' &&
    value !== '..' &&
    Buffer.byteLength(value) <= longest
  )
    return value;
  throw invalid(
    `${what} must be the name of an interface, of 1 to ${longest} bytes without spaces and slashes, not ${show(value)}`,
  );
}

/** Checks the name of a new interface. Rejects `%`, which the kernel expands to a number. */
export function checkNewInterface(what: string, value: unknown): string {
  const name = checkInterface(what, value, 15);
  if (/[:%]/.test(name)) throw invalid(`${what} cannot have a colon or a percent sign in it: ${show(value)}`);
  return name;
}

export function checkLinkAddress(what: string, value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) return value.toLowerCase();
  throw invalid(`${what} must be a link-layer address such as 02:42:0a:00:00:14, not ${show(value)}`);
}

export function checkBoolean(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw invalid(`${what} must be true or false, not ${show(value)}`);
}

export function optional<T>(value: unknown, check: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : check(value);
}

export function checkFamily(value: unknown): Family {
  return checkOneOf('family', value, ['ipv4', 'ipv6']);
}

export interface Prefix {
  readonly family: Family;
  readonly address: string;
  readonly prefixLength: number;
}

export function bitsOf(family: Family): number {
  return family === 'ipv4' ? 32 : 128;
}

/**
 * Checks a prefix such as `10.0.0.1/8`. `bare`: a length may be absent, which stands for one address. A prefix of an
 * IPv4-mapped address becomes the IPv4 prefix that it stands for, unless the family is IPv6.
 */
export function checkPrefix(
  what: string,
  given: unknown,
  { bare = false, family: expected }: { readonly bare?: boolean; readonly family?: unknown } = {},
): Prefix {
  const value = typeof given === 'string' && expected !== 'ipv6' ? withoutMapping(given) : given;
  const [address = '', length, more] = isText(value, 64) ? value.split('/') : [];
  const family = familyOf(address);
  const known = length === undefined ? bare : /^\d{1,3}$/.test(length) && Number(length) <= bitsOf(family ?? 'ipv4');
  if (family === undefined || more !== undefined || !known) {
    const form = bare
      ? 'an address, or addresses such as 10.0.0.0/8'
      : 'an address with its prefix length: 10.0.0.1/24';
    throw invalid(`${what} is ${form} (IPv4 or IPv6), not ${show(value)}`);
  }
  if (expected !== 'ipv6' && withoutMapping(address) !== address)
    throw invalid(
      `${what} ${show(value)} stands for an IPv4 address, and its prefix length counts from 96: ${withoutMapping(address)} with a length from 0 to 32, perhaps`,
    );
  return {
    family,
    address: canonicalAddress(address, family),
    prefixLength: length === undefined ? bitsOf(family) : Number(length),
  };
}

/** Checks a network like {@link checkPrefix}. Rejects bits behind the prefix, which the kernel rejects or ignores. */
export function checkNetwork(what: string, value: unknown, family?: unknown): Prefix {
  const prefix = checkPrefix(what, value, { bare: true, family });
  const bytes = new Uint8Array(16);
  writeAddress(bytes, 0, prefix.address, prefix.family);
  for (let bit = prefix.prefixLength; bit < bitsOf(prefix.family); bit++) {
    if ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7)))
      throw invalid(`${what} is a network: ${show(value)} has bits behind its prefix`);
  }
  return prefix;
}

export function formatPrefix({ address, prefixLength }: Prefix): string {
  return `${address}/${prefixLength}`;
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
export const tables = { default: 253, main: 254, local: 255 } as const;

/** A routing table: by number, or one of those that the kernel has. */
export type RoutingTable = keyof typeof tables | number;

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
