import { type Family, familyOf } from '../../common/address.js';
import type { PortRange } from '../../kernel/netfilter/types.js';
import { cutPrefix } from '../../netfilter/prefix.js';

/** Returns the test for addresses in a prefix; undefined matches every address. */
export function inPrefix(text: string | undefined): (address: string) => boolean {
  if (text === undefined) return () => true;
  const [network = '', length] = text.split('/');
  if (length === undefined) return (address) => address === network;
  const family = familyOf(network);
  const prefix = Number(length);
  return (address) => familyOf(address) === family && cutPrefix(address, prefix, family as Family) === network;
}

/** Returns the test for ports; undefined matches every port. */
export function inPorts(ports: number | PortRange | undefined): (port: number | undefined) => boolean {
  if (ports === undefined) return () => true;
  if (typeof ports === 'number') return (port) => port === ports;
  return (port) => port !== undefined && port >= ports.from && port <= ports.to;
}

/** Returns the family of the first address or prefix that is given. */
export function familyOfAny(...texts: readonly (string | undefined)[]): Family | undefined {
  const first = texts.find((text) => text !== undefined);
  return first === undefined ? undefined : familyOf(first.split('/')[0] ?? '');
}
