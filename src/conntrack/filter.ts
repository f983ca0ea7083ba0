import type { Family } from '../common/address.js';
import { checkInteger, checkList, checkOneOf, checkOptions, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { checkPrefix } from '../common/prefix.js';
import type { FilterSettings, TupleFilter } from '../kernel/conntrack/requests.js';
import type { FlowProtocol, FlowStatus } from '../kernel/conntrack/types.js';
import { stateName, statesOf, statusNames } from '../kernel/conntrack/vocabulary.js';
import { checkProtocol, checkZone } from './tuple.js';

/**
 * Selects flows. An absent condition matches all flows. The kernel filters by the conditions that it
 * supports correctly, and this process by the others: the result is the same.
 */
export interface FlowFilter {
  /** Family of the addresses. */
  readonly family?: Family | undefined;
  /** Protocol: a name, or a number from 0 to 255. */
  readonly protocol?: FlowProtocol | undefined;
  /** Source address of the original direction, or a prefix such as `10.0.0.0/8`. */
  readonly source?: string | undefined;
  /** Destination address of the original direction, or a prefix. */
  readonly destination?: string | undefined;
  /** Source port of the original direction, 0 to 65535. */
  readonly sourcePort?: number | undefined;
  /** Destination port of the original direction, 0 to 65535. */
  readonly destinationPort?: number | undefined;
  /** Source address or prefix of the reply direction: with destination NAT, the server that answers. */
  readonly replySource?: string | undefined;
  /** Destination address or prefix of the reply direction: with source NAT, the translated source. */
  readonly replyDestination?: string | undefined;
  /** Source port of the reply direction, 0 to 65535. */
  readonly replySourcePort?: number | undefined;
  /** Destination port of the reply direction, 0 to 65535. */
  readonly replyDestinationPort?: number | undefined;
  /** Mark, 0 to 4 294 967 295, similar to `conntrack -L --mark`. */
  readonly mark?: number | undefined;
  /** Bits of the mark to compare. Other bits of `mark` must be 0. Default: all bits. */
  readonly markMask?: number | undefined;
  /** Zone, 0 to 65535; 0 is the default zone. If it is absent, flows of all zones match. */
  readonly zone?: number | undefined;
  /** Bits that must all be set. */
  readonly status?: readonly FlowStatus[] | undefined;
  /** Bits that must all be clear. `['seen-reply']` selects the flows without an answer. */
  readonly notStatus?: readonly FlowStatus[] | undefined;
  /**
   * State, spelt as conntrack prints it, in upper or lower case: `ESTABLISHED`. Requires the protocol `tcp`, `sctp`
   * or `dccp`. `LISTEN` is `SYN_SENT2` of TCP.
   */
  readonly state?: string | undefined;
  /** Place of the filtering. `here`, this process, is slower and has the same result. Default: `kernel`. */
  readonly filterIn?: 'kernel' | 'here' | undefined;
}

export const filterNames = Object.keys({
  family: true,
  protocol: true,
  source: true,
  destination: true,
  sourcePort: true,
  destinationPort: true,
  replySource: true,
  replyDestination: true,
  replySourcePort: true,
  replyDestinationPort: true,
  mark: true,
  markMask: true,
  zone: true,
  status: true,
  notStatus: true,
  state: true,
  filterIn: true,
} satisfies Record<keyof FlowFilter, true>);

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkFilter(filter: FlowFilter): FilterSettings {
  checkOptions('a filter of flows', filter, filterNames);
  const { protocol, mark, markMask, zone, state, filterIn } = filter;
  const families = new Set<Family>();
  if (filter.family !== undefined) families.add(checkOneOf('family', filter.family, ['ipv4', 'ipv6']));
  const original = direction(families, filter, 'source', 'destination', 'sourcePort', 'destinationPort');
  const reply = direction(
    families,
    filter,
    'replySource',
    'replyDestination',
    'replySourcePort',
    'replyDestinationPort',
  );
  if (families.size > 1) throw invalid('the addresses and the family of a filter must be of one family');
  const [family] = families;
  const status = checkStatus(filter);
  return {
    original,
    reply,
    ...(family && { family }),
    ...(protocol !== undefined && { protocol: checkProtocol('protocol', protocol) }),
    ...((mark !== undefined || markMask !== undefined) && {
      mark: { value: checkMark(mark, markMask, 1), mask: valueOr(markMask, 0xffffffff) },
    }),
    ...(zone !== undefined && { zone: checkZone('zone', zone) }),
    ...(status && { status }),
    ...(state !== undefined && { state: checkState(protocol, state) }),
    ...(filterIn !== undefined && { hereOnly: checkOneOf('filterIn', filterIn, ['kernel', 'here']) === 'here' }),
  };
}

export function checkU32(what: string, value: unknown): number {
  return checkInteger(what, value, 0, 0xffffffff);
}

/**
 * Returns a mark. Rejects one with bits outside of its mask: in a filter no flow matches it, and in an update the
 * kernel, which computes `(old & ~mask) ^ mark`, flips them.
 */
export function checkMark(mark: unknown, markMask: unknown, leastMask: 0 | 1): number {
  if (mark === undefined) throw invalid('markMask requires mark');
  const value = checkU32('mark', mark);
  if (markMask === undefined) return value;
  const mask = checkInteger('markMask', markMask, leastMask, 0xffffffff);
  if ((value & ~mask) !== 0) throw invalid(`mark ${value} has bits outside of markMask ${mask}`);
  return value;
}

/** Returns true if the filter excludes any flow of a family. */
export function isSelective(filter: FilterSettings): boolean {
  const { hereOnly: _, original, reply, ...rest } = filter;
  const narrow = ({ source, destination, ...ports }: TupleFilter): boolean =>
    (source?.prefix ?? 0) > 0 || (destination?.prefix ?? 0) > 0 || Object.keys(ports).length > 0;
  if (narrow(original) || narrow(reply)) return true;
  // A family that follows only from a prefix of length 0 is not a condition.
  const addresses = [original.source, original.destination, reply.source, reply.destination];
  const { family, ...others } = rest;
  return Object.keys(others).length > 0 || (family !== undefined && addresses.every((address) => !address));
}

/** Returns the number of a state by its name, in upper or lower case. `LISTEN` is another name of `SYN_SENT2`. */
export function checkState(protocol: FlowProtocol | undefined, state: unknown): number {
  const states = protocol === undefined ? [] : statesOf(protocol);
  if (protocol === undefined || states.length === 0)
    throw invalid('state requires a protocol that has states: tcp, sctp or dccp');
  return states.indexOf(checkOneOf('state', typeof state === 'string' ? stateName(protocol, state) : state, states));
}

/** Returns the bits of a list of status names. */
export function statusBits(what: string, names: unknown): number {
  return checkList(what, names as readonly unknown[], limits.names).reduce(
    (bits: number, name) => bits | (1 << statusNames.indexOf(checkOneOf(what, name, statusNames))),
    0,
  );
}

function checkStatus(filter: FlowFilter): FilterSettings['status'] {
  const { status = [], notStatus = [] } = filter;
  const set = statusBits('status', status);
  const clear = statusBits('notStatus', notStatus);
  if ((set & clear) !== 0) throw invalid('a status cannot be both in status and in notStatus');
  return (set | clear) === 0 ? undefined : { value: set, mask: set | clear };
}

function direction(
  families: Set<Family>,
  filter: FlowFilter,
  source: 'source' | 'replySource',
  destination: 'destination' | 'replyDestination',
  sourcePort: 'sourcePort' | 'replySourcePort',
  destinationPort: 'destinationPort' | 'replyDestinationPort',
): TupleFilter {
  const port = (name: keyof FlowFilter): number => checkInteger(name, filter[name], 0, 65535);
  return {
    ...(filter[source] !== undefined && { source: prefix(families, source, filter[source], filter.family) }),
    ...(filter[destination] !== undefined && {
      destination: prefix(families, destination, filter[destination], filter.family),
    }),
    ...(filter[sourcePort] !== undefined && { sourcePort: port(sourcePort) }),
    ...(filter[destinationPort] !== undefined && { destinationPort: port(destinationPort) }),
  };
}

function prefix(
  families: Set<Family>,
  what: string,
  value: unknown,
  expected: Family | undefined,
): { address: string; prefix: number } {
  const { address, family, prefixLength } = checkPrefix(what, value, { bare: true, family: expected });
  families.add(family);
  return { address, prefix: prefixLength };
}
