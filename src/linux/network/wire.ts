import { type Family, readAddress, writeAddress } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import { AF_INET, AF_INET6 } from '../../kernel/families.js';
import type { MessageWriter } from '../netlink/writer.js';

/** Message types of NETLINK_ROUTE (include/uapi/linux/rtnetlink.h). */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWRULE: 32,
  DELRULE: 33,
  GETRULE: 34,
  NEWNSID: 88,
  GETNSID: 90,
} as const;

export const AF_UNSPEC = 0;
export const AF_BRIDGE = 7;

/** Returns the index of the interface with a name. */
export type IndexOf = (name: string) => number;
/** Returns the name of the interface with an index, or `undefined` if it does not exist. */
export type NameOf = (index: number) => string | undefined;

export function familyOfNumber(number: number): Family | undefined {
  if (number === AF_INET) return 'ipv4';
  return number === AF_INET6 ? 'ipv6' : undefined;
}

export function addressSize(family: Family): number {
  return family === 'ipv4' ? 4 : 16;
}

export function addressBytes(address: string, family: Family): Uint8Array {
  const bytes = new Uint8Array(addressSize(family));
  writeAddress(bytes, 0, address, family);
  return bytes;
}

/** Returns an address, whose length determines its family. @throws KernelFailure EBADMSG */
export function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return readAddress(bytes, 0, 'ipv4');
  if (bytes.length === 16) return readAddress(bytes, 0, 'ipv6');
  throw malformed();
}

/** Returns an address, or `undefined` for all zeros. @throws KernelFailure EBADMSG */
export function addressUnlessZero(bytes: Uint8Array): string | undefined {
  return bytes.every((byte) => byte === 0) ? undefined : addressOf(bytes);
}

export function addressAttribute(writer: MessageWriter, type: number, address: string): void {
  writer.bytes(type, addressBytes(address, address.includes(':') ? 'ipv6' : 'ipv4'));
}

export function formatLinkAddress(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

export function linkAddressBytes(address: string): Uint8Array {
  return Uint8Array.from(address.split(':'), (byte) => Number.parseInt(byte, 16));
}

/** Returns a view that contains the fixed part of a message. @throws KernelFailure EBADMSG */
export function fixedPart(payload: Uint8Array, size: number): DataView {
  if (payload.length < size) throw malformed();
  return new DataView(payload.buffer, payload.byteOffset, payload.length);
}

export function malformed(): KernelFailure {
  return new KernelFailure(Errno.EBADMSG, 'malformed reply');
}

/** Returns the name of a number in a list of names, indexed by the numbers. */
export function nameAt<T extends string>(names: readonly T[], number: number): T | undefined {
  return names[number];
}
