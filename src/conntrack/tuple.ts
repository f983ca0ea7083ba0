import { checkAddress, checkInteger, checkOneOf, checkOptions, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { isProtocolName, protocolName, protocolNumbers } from '../common/protocols.js';
import type { FlowKey } from '../kernel/conntrack/requests.js';
import type { FlowProtocol, IcmpTuple, Tuple } from '../kernel/conntrack/types.js';
import { flowNames, protocolsWithPorts } from '../kernel/conntrack/vocabulary.js';

/** One direction of a flow. */
export interface TupleOptions {
  /** Source address. */
  readonly source: string;
  /** Destination address, of the family of the source. */
  readonly destination: string;
  /** Protocol: a name, or a number from 0 to 255. */
  readonly protocol: FlowProtocol;
  /**
   * Port, 0 to 65535; for GRE the key. Required by TCP, UDP and SCTP; the default for GRE is 0. A kernel
   * that tracks UDPLite and DCCP requires their ports, too; one that does not ignores them, and its flows
   * have none.
   */
  readonly sourcePort?: number | undefined;
  /** Destination port, like `sourcePort`. */
  readonly destinationPort?: number | undefined;
  /** Type, code and id. Required by ICMP and ICMPv6. */
  readonly icmp?: IcmpTuple | undefined;
  /** Zone of this direction only, 0 to 65535. */
  readonly zone?: number | undefined;
  /** Family of the addresses. Accepted so that a tuple that was read can be passed. */
  readonly family?: string | undefined;
}

/**
 * Identifies a flow: a flow that was read, or one of its tuples. With an `id`, which a flow that was read
 * has, a delete ignores a flow with another id. The kernel may give a later flow the same id.
 */
export interface FlowSelector {
  /** Original tuple. */
  readonly original?: TupleOptions | undefined;
  /** Reply tuple, used if `original` is absent. */
  readonly reply?: TupleOptions | undefined;
  /** Zone, 0 to 65535. Default: 0, the default zone. */
  readonly zone?: number | undefined;
  /** Id of the flow that was read, 0 to 4 294 967 295. Default: a flow with any id. */
  readonly id?: number | undefined;
}

/** A type without `readonly`, for an object under construction. */
export type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

const tupleNames = Object.keys({
  source: true,
  destination: true,
  protocol: true,
  sourcePort: true,
  destinationPort: true,
  icmp: true,
  zone: true,
  family: true,
} satisfies Record<keyof TupleOptions, true>);
const selectorNames = Object.keys({
  original: true,
  reply: true,
  zone: true,
  id: true,
} satisfies Record<keyof FlowSelector, true>);
/** Protocols that some kernels do not track. Such a kernel keeps their flows without ports. */
const portsMayBeAbsent: readonly FlowProtocol[] = ['udplite', 'dccp'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkProtocol(what: string, value: unknown): FlowProtocol {
  if (isProtocolName(value)) return value;
  if (typeof value === 'number') return protocolName(checkInteger(what, value, 0, 255));
  const names = Object.keys(protocolNumbers).join(', ');
  throw invalid(`${what} must be one of ${names}, or a number from 0 to 255; not ${show(value)}`);
}

export function checkZone(what: string, value: unknown): number {
  return checkInteger(what, value, 0, 65535);
}

/**
 * Returns a tuple in canonical form. Rejects an incomplete tuple, because the kernel treats a request
 * with one as a request for all flows.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function checkTuple(what: string, options: TupleOptions): Tuple {
  const tuple = plainOptions(what, options);
  const known = 'family' in tuple && tuple.family === 'ipv6' ? tuple.family : undefined;
  const { address: source, family } = checkAddress(`the source of ${what}`, tuple.source, known);
  const { address: destination, family: other } = checkAddress(`the destination of ${what}`, tuple.destination, known);
  if (family !== other)
    throw invalid(`the source and the destination of ${what} must be of one family, not ${source}, ${destination}`);
  const protocol = checkProtocol(`the protocol of ${what}`, tuple.protocol);
  const zone = tuple.zone === undefined ? undefined : checkZone(`the zone of ${what}`, tuple.zone);
  const checked: Writable<Tuple> = { family, source, destination, protocol };
  Object.assign(checked, checkDetails(what, protocol, tuple));
  if (zone !== undefined) checked.zone = zone;
  return checked;
}

/** Checks the names of the options. Accepts a tuple that was read, which has getters instead of properties. */
function plainOptions(what: string, options: TupleOptions): TupleOptions {
  if (typeof options === 'object' && options !== null && 'toJSON' in options) return options;
  checkOptions(what, options, tupleNames);
  if (options.family !== undefined) checkOneOf(`the family of ${what}`, options.family, ['ipv4', 'ipv6']);
  return options;
}

function checkDetails(what: string, protocol: FlowProtocol, tuple: TupleOptions): Partial<Tuple> {
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    const { icmp } = tuple;
    if (!icmp) throw invalid(`${what} of ${protocol} requires icmp: { type, code, id }`);
    checkOptions('icmp', icmp, ['type', 'code', 'id']);
    return {
      icmp: {
        type: checkInteger('the ICMP type', icmp.type, 0, 255),
        code: checkInteger('the ICMP code', icmp.code, 0, 255),
        id: checkInteger('the ICMP id', icmp.id, 0, 65535),
      },
    };
  }
  if (!protocolsWithPorts.includes(protocol)) {
    if (tuple.sourcePort === undefined && tuple.destinationPort === undefined) return {};
    throw invalid(`${what} must have no ports: protocol ${protocol} has none`);
  }
  const none = tuple.sourcePort === undefined && tuple.destinationPort === undefined;
  if (none && portsMayBeAbsent.includes(protocol)) return {};
  const port = (name: 'sourcePort' | 'destinationPort'): number => {
    const value = tuple[name] ?? (protocol === 'gre' ? 0 : undefined);
    return checkInteger(`${name} of ${what}`, value, 0, 65535);
  };
  return { sourcePort: port('sourcePort'), destinationPort: port('destinationPort') };
}

/** Returns the tuple of an answer. Avoids object spreads because bulk changes create millions of tuples. */
export function inverse(tuple: Tuple): Tuple {
  const { family, protocol, source, destination, sourcePort, destinationPort, icmp } = tuple;
  const inverted: Writable<Tuple> = { family, source: destination, destination: source, protocol };
  if (destinationPort !== undefined) inverted.sourcePort = destinationPort;
  if (sourcePort !== undefined) inverted.destinationPort = sourcePort;
  if (icmp) inverted.icmp = inverseIcmp(family === 'ipv6', icmp);
  return inverted;
}

/** Types of requests and their answers, from net/netfilter/nf_conntrack_proto_icmp.c and _icmpv6.c. */
const icmpAnswers = new Map([
  [8, 0],
  [13, 14],
  [15, 16],
  [17, 18],
]);
const icmpv6Answers = new Map([
  [128, 129],
  [139, 140],
]);

function inverseIcmp(six: boolean, icmp: IcmpTuple): IcmpTuple {
  const answers = six ? icmpv6Answers : icmpAnswers;
  const back = [...answers].find(([, answer]) => answer === icmp.type)?.[0];
  const type = answers.get(icmp.type) ?? back;
  if (type === undefined) throw invalid(`ICMP type ${icmp.type} has no answer: the kernel creates no flow for it`);
  return { ...icmp, type };
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if it names no flow: the kernel would select all flows. */
export function checkFlowKey(selector: FlowSelector): FlowKey {
  if (typeof selector !== 'object' || selector === null)
    throw invalid(`a flow must be given as { original } or { reply }, not ${show(selector)}`);
  // The JSON of a flow has all properties of a flow. Any other object must have those of a key only, so
  // that no property is ignored silently.
  const whole = 'family' in selector && 'original' in selector && 'reply' in selector;
  if (!('toJSON' in selector)) checkOptions('a flow', selector, whole ? flowNames : selectorNames);
  const { original, reply, zone, id } = selector;
  if (original === undefined && reply === undefined)
    throw invalid('a flow requires its original or its reply tuple: without one the request would apply to all flows');
  return {
    ...(original !== undefined
      ? { original: checkTuple('the original tuple', original) }
      : { reply: checkTuple('the reply tuple', reply as TupleOptions) }),
    ...(zone !== undefined && { zone: checkZone('the zone', zone) }),
    ...(id !== undefined && { id: checkInteger('the id', id, 0, 0xffffffff) }),
  };
}
