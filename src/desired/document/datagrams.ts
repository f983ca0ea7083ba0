import type { Family } from '../../common/address.js';
import type { ServiceKey } from '../../kernel/ipvs/types.js';
import type { NftMatch, PortRange } from '../../kernel/netfilter/types.js';
import type { NetfilterState } from '../../netfilter/changes.js';
import { checkMark, type MarkSettings } from '../../netfilter/mark-options.js';

const ALL = 0xffffffff;

/**
 * UDP datagrams that a service takes, by the addresses and ports that clients use. An absent field matches everything.
 */
export interface Datagrams {
  /** Destination: an address, or a prefix such as `10.0.0.0/24`. */
  readonly address?: string | undefined;
  /** Destination port, from 1 to 65535, or a range. */
  readonly port?: number | PortRange | undefined;
  /** Source: an address or a prefix of clients. */
  readonly source?: string | undefined;
  /** Address family; present only if neither `address` nor `source` implies it. */
  readonly family?: Family | undefined;
  /**
   * True if the mark also matches something that a flow does not show, such as an interface: other datagrams may then
   * have the same tuple.
   */
  readonly partly?: true | undefined;
}

/** Returns the datagrams of a service by address. Returns none for a service by mark: its marks define them. */
export function datagramsOf(key: ServiceKey): Datagrams[] {
  if (!('address' in key) || key.protocol !== 'udp') return [];
  return [{ address: key.address, ...(key.port !== 0 && { port: key.port }) }];
}

/** Returns the datagrams that get the mark of a service. A mark without a protocol includes UDP. */
export function datagramsMarked(key: ServiceKey, marks: readonly MarkSettings[]): Datagrams[] {
  if (!('fwmark' in key)) return [];
  return marks.flatMap(({ mark, mask, match }) => {
    const isIts = mask === ALL && mark === key.fwmark;
    const isFamily = match.family === undefined || match.family === key.family;
    return isIts && isFamily && isUdp(match) ? [toDatagrams(match, key.family)] : [];
  });
}

/** Returns the marks of a table, checked. */
export function marksIn({ marks = [] }: NetfilterState): MarkSettings[] {
  return marks.map((mark) => checkMark(mark));
}

function isUdp({ protocol }: NftMatch): boolean {
  return protocol === undefined || protocol === 'udp';
}

function toDatagrams(match: NftMatch, family: Family): Datagrams {
  const { destination, source, port, inputInterface, outputInterface, packetMark, local } = match;
  const partly = [inputInterface, outputInterface, packetMark, local].some((part) => part !== undefined);
  return {
    ...(destination !== undefined && { address: destination }),
    ...(port !== undefined && { port }),
    ...(source !== undefined && { source }),
    ...(destination === undefined && source === undefined && { family }),
    ...(partly && { partly }),
  };
}

/** Returns the elements of both lists, without repetitions. */
export function unionOf(one: readonly Datagrams[], other: readonly Datagrams[]): Datagrams[] {
  return [...new Map([...one, ...other].map((each) => [JSON.stringify(each), each])).values()];
}
