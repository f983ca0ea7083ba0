import { type Family, readAddress, writeAddress } from '../../common/address.js';
import { bitsOf, splitPrefix } from '../../common/prefix.js';

/** Converts an address to a number, for masks and comparisons. */
export function addressNumber(address: string, family: Family): bigint {
  if (family === 'ipv4') {
    let value = 0;
    for (const octet of address.split('.')) value = value * 256 + Number(octet);
    return BigInt(value);
  }
  const bytes = new Uint8Array(16);
  writeAddress(bytes, 0, address, family);
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

export function numberAddress(value: bigint, family: Family): string {
  const bytes = Buffer.from(value.toString(16).padStart(family === 'ipv4' ? 8 : 32, '0'), 'hex');
  return readAddress(bytes, 0, family);
}

/** Clears all bits after the prefix. */
export function cut(value: bigint, length: number, family: Family): bigint {
  const behind = BigInt(bitsOf(family) - length);
  return (value >> behind) << behind;
}

/** Returns the last address of a network. */
export function lastOf(value: bigint, length: number, family: Family): bigint {
  return cut(value, length, family) | ((1n << BigInt(bitsOf(family) - length)) - 1n);
}

/** Returns true if a prefix, for example `10.0.0.0/8`, contains an address. */
export function contains(prefix: string, value: bigint, family: Family): boolean {
  const { address, prefixLength = bitsOf(family) } = splitPrefix(prefix);
  return cut(value, prefixLength, family) === addressNumber(address, family);
}

export function isMulticast(address: string): boolean {
  if (address.includes(':')) return address.startsWith('ff');
  const first = Number(address.split('.', 1)[0]);
  return first >= 224 && first < 240;
}

/** Returns true for a unicast link-layer address (is_valid_ether_addr in include/linux/etherdevice.h). */
export function isUnicastLinkAddress(address: string): boolean {
  return (Number.parseInt(address.slice(0, 2), 16) & 1) === 0 && address !== '00:00:00:00:00:00';
}
