import { type Family, readAddress, writeAddress } from '../common/address.js';

/** Returns the address with all bits beyond the prefix set to 0. */
export function cutPrefix(address: string, prefix: number, family: Family): string {
  const bytes = new Uint8Array(family === 'ipv4' ? 4 : 16);
  writeAddress(bytes, 0, address, family);
  const cut = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - i * 8))));
  return readAddress(cut, 0, family);
}
