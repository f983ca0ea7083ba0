import { checkAddress, checkInteger, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { Family } from '../kernel/ipvs/types.js';

/**
 * Netmasks of persistence, as the kernel keeps them: a mask as a number for IPv4 (0xffffff00), which need not be
 * contiguous; a prefix length for IPv6.
 */

/** Returns the netmask that separates all clients. */
export function wholeNetmask(family: Family): number {
  return family === 'ipv6' ? 128 : 0xffffffff;
}

/** Returns the netmask of an option: a prefix length, or for IPv4 the text of a mask. */
export function checkNetmask(value: number | string, family: Family): number {
  if (family === 'ipv6') return checkInteger('an IPv6 netmask (a prefix length)', value, 1, 128);
  if (typeof value === 'string') {
    const mask = checkAddress('an IPv4 netmask', value);
    if (mask.family === 'ipv4') return mask.address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
    throw invalid(`an IPv4 netmask must be a mask such as 255.255.255.0, not ${show(value)}`);
  }
  const length = checkInteger('an IPv4 netmask (a prefix length)', value, 0, 32);
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
}

/** Formats a netmask as an option: a prefix length if it is one, otherwise a mask. */
export function showNetmask(netmask: number, family: Family): number | string {
  if (family === 'ipv6') return netmask;
  const ones = Math.clz32(~netmask >>> 0);
  const contiguous = ones === 32 || (netmask << ones) >>> 0 === 0;
  return contiguous && netmask !== 0 ? ones : netmaskText(netmask, family);
}

/** Formats a netmask as ipvsadm does: `255.255.255.0`; a prefix length for IPv6. */
export function netmaskText(netmask: number, family: Family): string {
  if (family === 'ipv6') return String(netmask);
  return [24, 16, 8, 0].map((shift) => (netmask >>> shift) & 0xff).join('.');
}
