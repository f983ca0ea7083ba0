import { type Family, writeAddress } from '../common/address.js';

const ETHERNET = 14;
const ARP = 28;
const IPV6 = 40;
const ADVERTISEMENT = 32; // with the option for the link-layer address

function ethernet(destination: readonly number[], source: Uint8Array, type: number, length: number): Uint8Array {
  const frame = new Uint8Array(ETHERNET + length);
  frame.set(destination, 0);
  frame.set(source, 6);
  new DataView(frame.buffer).setUint16(12, type);
  return frame;
}

/**
 * Returns an ARP request for the address by its holder, to all (RFC 5944, 4.6; `arping -U`): hosts that know the
 * address take the new link-layer address, and none answers.
 */
function gratuitousArp(linkAddress: Uint8Array, address: string): Uint8Array {
  const frame = ethernet([0xff, 0xff, 0xff, 0xff, 0xff, 0xff], linkAddress, 0x0806, ARP);
  // Ethernet, IPv4, their lengths, request.
  frame.set([0, 1, 8, 0, 6, 4, 0, 1], ETHERNET);
  frame.set(linkAddress, ETHERNET + 8);
  writeAddress(frame, ETHERNET + 14, address, 'ipv4');
  writeAddress(frame, ETHERNET + 24, address, 'ipv4');
  return frame;
}

/** Returns an unsolicited neighbour advertisement to all nodes, with the override flag (RFC 4861, 7.2.6). */
function advertisement(linkAddress: Uint8Array, address: string, router: boolean): Uint8Array {
  const frame = ethernet([0x33, 0x33, 0, 0, 0, 1], linkAddress, 0x86dd, IPV6 + ADVERTISEMENT);
  const view = new DataView(frame.buffer);
  frame[ETHERNET] = 0x60;
  view.setUint16(ETHERNET + 4, ADVERTISEMENT);
  frame.set([58, 255], ETHERNET + 6); // ICMPv6, the hop limit that receivers require
  writeAddress(frame, ETHERNET + 8, address, 'ipv6');
  writeAddress(frame, ETHERNET + 24, 'ff02::1', 'ipv6');
  const at = ETHERNET + IPV6;
  frame[at] = 136;
  frame[at + 4] = 0x20 | (router ? 0x80 : 0);
  writeAddress(frame, at + 8, address, 'ipv6');
  frame.set([2, 1], at + 24); // the target's link-layer address, of 8 bytes
  frame.set(linkAddress, at + 26);
  view.setUint16(at + 2, checksum(frame));
  return frame;
}

/** Returns the checksum of ICMPv6, with the pseudo-header (RFC 4443, 2.3). */
function checksum(frame: Uint8Array): number {
  const view = new DataView(frame.buffer);
  let sum = ADVERTISEMENT + 58;
  for (let at = ETHERNET + 8; at < frame.length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Returns the frame that announces the current place of an address to a link. `router`: this host forwards IPv6. */
export function announcement(family: Family, linkAddress: Uint8Array, address: string, router: boolean): Uint8Array {
  return family === 'ipv4' ? gratuitousArp(linkAddress, address) : advertisement(linkAddress, address, router);
}
