import { canonicalAddress, type Family, familyOf, readAddress, withoutMapping, writeAddress } from './address.js';
import { checkInteger, isText, show } from './check.js';
import { invalid } from './errors.js';

/** An address with a prefix length. The address is canonical, and may have bits after the prefix. */
export interface Prefix {
  readonly family: Family;
  readonly address: string;
  /** Number of leading bits: 0 to 32 (IPv4) or to 128 (IPv6). */
  readonly prefixLength: number;
}

/** Returns the number of bits of an address. */
export function bitsOf(family: Family): number {
  return family === 'ipv4' ? 32 : 128;
}

/** Returns the address with its length: `10.0.0.0/8`. */
export function formatPrefix({ address, prefixLength }: Prefix): string {
  return `${address}/${prefixLength}`;
}

/** Splits the text of a prefix that was checked or read. An address alone has no length. */
export function splitPrefix(text: string): { readonly address: string; readonly prefixLength: number | undefined } {
  const slash = text.indexOf('/');
  if (slash < 0) return { address: text, prefixLength: undefined };
  return { address: text.slice(0, slash), prefixLength: Number(text.slice(slash + 1)) };
}

/** Returns a mask of `length` bytes, whose first `prefixLength` bits are set. */
export function prefixMask(length: number, prefixLength: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (0xff00 >> Math.min(8, Math.max(0, prefixLength - i * 8))) & 0xff);
}

/** Returns the address with all bits after the prefix set to 0. */
export function cutPrefix(address: string, prefixLength: number, family: Family): string {
  const bytes = new Uint8Array(bitsOf(family) / 8);
  writeAddress(bytes, 0, address, family);
  const mask = prefixMask(bytes.length, prefixLength);
  return readAddress(
    bytes.map((byte, i) => byte & (mask[i] ?? 0)),
    0,
    family,
  );
}

/** Returns the test for addresses in a prefix, or for one address, in canonical form; undefined matches every address. */
export function inPrefix(text: string | undefined): (address: string) => boolean {
  if (text === undefined) return () => true;
  const { address: network, prefixLength } = splitPrefix(text);
  if (prefixLength === undefined) return (address) => address === network;
  const family = familyOf(network);
  if (family === undefined) return () => false;
  const first = cutPrefix(network, prefixLength, family);
  return (address) => familyOf(address) === family && cutPrefix(address, prefixLength, family) === first;
}

/**
 * Checks a prefix such as `10.0.0.1/8`. `bare`: an address without a length is accepted, and is a prefix of full
 * length. Replaces a prefix of an IPv4-mapped address by the IPv4 prefix that it stands for, unless the family is IPv6.
 */
export function checkPrefix(
  what: string,
  given: unknown,
  { bare = false, family: expected }: { readonly bare?: boolean; readonly family?: unknown } = {},
): Prefix {
  const value = typeof given === 'string' && expected !== 'ipv6' ? withoutMapping(given) : given;
  // Try a plain address first: bulk changes mostly have those.
  const alone = bare && typeof value === 'string' ? familyOf(value) : undefined;
  if (alone !== undefined)
    return { family: alone, address: canonicalAddress(value as string, alone), prefixLength: bitsOf(alone) };
  const [address = '', length, more] = isText(value, 64) ? value.split('/') : [];
  const family = familyOf(address);
  const known = length === undefined ? bare : /^\d{1,3}$/.test(length);
  if (family === undefined || more !== undefined || !known) {
    const form = bare ? 'an address or a prefix such as 10.0.0.0/24' : 'an address with its prefix length: 10.0.0.1/24';
    throw invalid(`${what} must be ${form} (IPv4 or IPv6), not ${show(given)}`);
  }
  const most = bitsOf(family);
  const prefixLength =
    length === undefined ? most : checkInteger(`the prefix length of ${what}`, Number(length), 0, most);
  if (expected !== 'ipv6' && withoutMapping(address) !== address)
    throw invalid(
      `${what} ${show(given)} is a prefix of IPv4-mapped addresses, whose length counts from 96. Write ${withoutMapping(address)} with a length from 0 to 32`,
    );
  return { family, address: canonicalAddress(address, family), prefixLength };
}

/** Checks a network like {@link checkPrefix}. Rejects bits after the prefix, which the kernel rejects or ignores. */
export function checkNetwork(what: string, value: unknown, family?: unknown): Prefix {
  const prefix = checkPrefix(what, value, { bare: true, family });
  if (prefix.prefixLength === bitsOf(prefix.family)) return prefix;
  const address = cutPrefix(prefix.address, prefix.prefixLength, prefix.family);
  if (address !== prefix.address)
    throw invalid(
      `${what} ${show(value)} has bits after its prefix. Write ${formatPrefix({ ...prefix, address })} for the network, or ${prefix.address} for one address`,
    );
  return prefix;
}
