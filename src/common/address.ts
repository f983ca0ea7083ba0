import ipaddr from 'ipaddr.js';

/** Address family: IPv4 or IPv6. */
export type Family = 'ipv4' | 'ipv6';

let net: typeof import('node:net') | undefined;

/** Loads `node:net` at the first use: with its streams it would be a tenth of the time to import this library. */
function isIPv6(address: string): boolean {
  net ??= process.getBuiltinModule('node:net');
  return net.isIPv6(address);
}

/** Returns the family of an address, or `undefined` for any other text. Rejects a zone, as in `fe80::1%eth0`. */
export function familyOf(address: string): Family | undefined {
  if (address.length > 45) return undefined; // the longest: eight groups, the last two as IPv4
  if (isIPv4(address)) return 'ipv4';
  if (isIPv6(address) && !address.includes('%')) return 'ipv6';
  return undefined;
}

/** Prefix length of ::ffff:0:0/96, the IPv4-mapped addresses (RFC 4291, 2.5.5.2). */
const MAPPED_BITS = 96;

/**
 * Replaces an IPv4-mapped IPv6 address by its IPv4 address: `::ffff:10.0.0.1`, as sockets of Node report
 * it, by `10.0.0.1`, and `::ffff:10.0.0.0/120` by `10.0.0.0/24`. Returns any other text unchanged.
 */
export function withoutMapping(text: string): string {
  // An IPv4 address has no colon: bulk changes have tens of thousands of them.
  if (!text.includes(':') || text.length > 64 || !/^[0:]*:ffff:/i.test(text)) return text;
  const [address = '', length, ...rest] = text.split('/');
  if (familyOf(address) !== 'ipv6' || rest.length > 0) return text;
  const bytes = parseIPv6(address).toByteArray();
  const mapped = bytes.every((byte, index) => index >= 12 || byte === (index < 10 ? 0 : 0xff));
  if (!mapped) return text;
  const plain = bytes.slice(12).join('.');
  if (length === undefined) return plain;
  const bits = /^\d{1,3}$/.test(length) ? Number(length) - MAPPED_BITS : -1;
  return bits >= 0 ? `${plain}/${bits}` : text;
}

/** Does the same as `isIPv4` of `node:net`, whose regular expression takes longer than all other checks of a change. */
function isIPv4(address: string): boolean {
  let octets = 1;
  let octet = -1; // no digit yet
  for (let i = 0; i < address.length; i++) {
    const digit = address.charCodeAt(i) - 48;
    if (digit === -2 && octet >= 0 && octets < 4) {
      octets++;
      octet = -1;
    } else if (digit >= 0 && digit <= 9 && octet !== 0) {
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return false;
    } else {
      return false;
    }
  }
  return octets === 4 && octet >= 0;
}

/** Returns the canonical form of an address (IPv6: RFC 5952). */
export function canonicalAddress(address: string, family: Family): string {
  return family === 'ipv4' ? address : parseIPv6(address).toRFC5952String();
}

/** Parses an address. Converts an IPv4 part to hexadecimal: ipaddr.js reads `::1.2.3.4` as `::ffff:1.2.3.4`. */
function parseIPv6(address: string): ipaddr.IPv6 {
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_quad, ...octets: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  return ipaddr.IPv6.parse(plain);
}

/** Writes an address that {@link familyOf} accepts into 4 or 16 bytes at `offset`. */
export function writeAddress(bytes: Uint8Array, offset: number, address: string, family: Family): void {
  if (family === 'ipv6') {
    bytes.set(parseIPv6(address).toByteArray(), offset);
    return;
  }
  // Without ipaddr.js for speed: bulk changes write tens of thousands of addresses.
  let at = offset;
  let octet = 0;
  for (let i = 0; i < address.length; i++) {
    const digit = address.charCodeAt(i) - 48;
    if (digit >= 0) {
      octet = octet * 10 + digit;
    } else {
      bytes[at++] = octet;
      octet = 0;
    }
  }
  bytes[at] = octet;
}

const octets = Array.from({ length: 256 }, (_, octet) => String(octet));
const dotted = octets.map((octet) => `${octet}.`);

export function readAddress(bytes: Uint8Array, offset: number, family: Family): string {
  // Without ipaddr.js for speed: a table has millions of addresses.
  if (family === 'ipv4') {
    const part = (index: number, of: readonly string[]): string => of[bytes[offset + index] ?? 0] ?? '';
    return part(0, dotted) + part(1, dotted) + part(2, dotted) + part(3, octets);
  }
  return new ipaddr.IPv6([...bytes.subarray(offset, offset + 16)]).toRFC5952String();
}

/** Compares two addresses of one family by their bytes. */
export function compareAddresses(a: string, b: string): number {
  const bytes = (text: string): Uint8Array => {
    const array = new Uint8Array(16);
    writeAddress(array, 0, text, familyOf(text) ?? 'ipv4');
    return array;
  };
  return Buffer.compare(bytes(a), bytes(b));
}

/** Formats `address:port` as the LVS tools do, with IPv6 in brackets. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
