import { type Family, readAddress, writeAddress } from '../kernel/address.js';

/** Addresses as numbers, to be cut and compared. */
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

export function bitsOf(family: Family): number {
  return family === 'ipv4' ? 32 : 128;
}

/** A number with all bits behind the prefix 0. */
export function cut(value: bigint, length: number, family: Family): bigint {
  const behind = BigInt(bitsOf(family) - length);
  return (value >> behind) << behind;
}

/** The last address of a network. */
export function lastOf(value: bigint, length: number, family: Family): bigint {
  return cut(value, length, family) | ((1n << BigInt(bitsOf(family) - length)) - 1n);
}

/** Whether `10.0.0.0/8` has an address. */
export function contains(prefix: string, value: bigint, family: Family): boolean {
  const [network = '', length = ''] = prefix.split('/');
  return cut(value, Number(length), family) === addressNumber(network, family);
}

export function isMulticast(address: string): boolean {
  if (address.includes(':')) return address.startsWith('ff');
  const first = Number(address.split('.', 1)[0]);
  return first >= 224 && first < 240;
}

/** Whether a link-layer address is of one interface (is_valid_ether_addr in include/linux/etherdevice.h). */
export function isUnicastLinkAddress(address: string): boolean {
  return (Number.parseInt(address.slice(0, 2), 16) & 1) === 0 && address !== '00:00:00:00:00:00';
}
