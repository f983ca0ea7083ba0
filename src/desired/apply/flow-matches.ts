import { type Family, familyOf } from '../../common/address.js';
import { splitPrefix } from '../../common/prefix.js';
import type { PortRange } from '../../kernel/netfilter/types.js';

/** Returns the test for ports; undefined matches every port. */
export function inPorts(ports: number | PortRange | undefined): (port: number | undefined) => boolean {
  if (ports === undefined) return () => true;
  if (typeof ports === 'number') return (port) => port === ports;
  return (port) => port !== undefined && port >= ports.from && port <= ports.to;
}

/** Returns the family of the first address or prefix that is given. */
export function familyOfAny(...texts: readonly (string | undefined)[]): Family | undefined {
  const first = texts.find((text) => text !== undefined);
  return first === undefined ? undefined : familyOf(splitPrefix(first).address);
}
