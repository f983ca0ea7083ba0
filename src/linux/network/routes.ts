import { writeAddress } from '../../common/address.js';
import { compact } from '../../common/compact.js';
import { familyNumber } from '../../kernel/families.js';
import { scopeNumber, scopeOf } from '../../kernel/network/scopes.js';
import type {
  Nexthop,
  NexthopSettings,
  Route,
  RouteQuery,
  RouteSettings,
  RouteType,
} from '../../kernel/network/types.js';
import { type Attribute, readAttributes } from '../netlink/reader.js';
import { type MessageWriter, NLM_F } from '../netlink/writer.js';
import {
  addressAttribute,
  addressOf,
  addressSize,
  familyOfNumber,
  fixedPart,
  type IndexOf,
  malformed,
  type NameOf,
  nameAt,
  RTM,
} from './wire.js';

/** Attributes RTA_* (include/uapi/linux/rtnetlink.h). */
const RTA = {
  DST: 1,
  SRC: 2,
  IIF: 3,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  MARK: 16,
  VIA: 18,
  NH_ID: 30,
} as const;
const RTAX_MTU = 2;
const RTM_F_CLONED = 0x200;
const RTM_F_LOOKUP_TABLE = 0x1000;
const RTNH_F = { DEAD: 1, ONLINK: 4, LINKDOWN: 16 } as const;
const RT_SCOPE_NOWHERE = 255;
/** Matches any type in a delete. */
const RTN_UNSPEC = 0;

const HEADER = 12; // struct rtmsg
const NEXTHOP = 8; // struct rtnexthop

/** Names of RTN_*, in the order of their numbers. */
const types: readonly RouteType[] = [
  'other',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];

type RawNexthop = Omit<Nexthop, 'interface'> & { readonly index: number | undefined };

/** A route with the indexes of its interfaces. */
export interface RawRoute extends Omit<Route, 'interface' | 'nexthops'> {
  readonly index: number | undefined;
  readonly hops: readonly RawNexthop[] | undefined;
}

/** Decodes a route. Returns `undefined` for other families and for learned routes (a path MTU, a redirect). */
export function decodeRoute(payload: Uint8Array, learned = false): RawRoute | undefined {
  const view = fixedPart(payload, HEADER);
  const family = familyOfNumber(view.getUint8(0));
  const flags = view.getUint32(8, true);
  if (family === undefined || (!learned && (flags & RTM_F_CLONED) !== 0)) return undefined;
  const attributes = new Map<number, Attribute>();
  for (const attribute of readAttributes(payload, HEADER)) attributes.set(attribute.type, attribute);
  const prefix = (type: number, length: number): string | undefined => {
    const attribute = attributes.get(type);
    if (attribute && attribute.bytes.length !== addressSize(family)) throw malformed();
    return attribute && `${addressOf(attribute.bytes)}/${length}`;
  };
  const any = family === 'ipv4' ? '0.0.0.0' : '::';
  const [destinationLength, sourceLength] = [view.getUint8(1), view.getUint8(2)];
  const multipath = attributes.get(RTA.MULTIPATH);
  return compact<RawRoute>({
    family,
    table: attributes.get(RTA.TABLE)?.u32 ?? view.getUint8(4),
    type: nameAt(types, view.getUint8(7)) ?? 'other',
    destination:
      destinationLength === 0 ? 'default' : (prefix(RTA.DST, destinationLength) ?? `${any}/${destinationLength}`),
    from: sourceLength === 0 ? undefined : prefix(RTA.SRC, sourceLength),
    via: gateway(attributes),
    index: attributes.get(RTA.OIF)?.u32 || undefined,
    source: optionalAddress(attributes.get(RTA.PREFSRC)),
    scope: scopeOf(view.getUint8(6)),
    protocol: view.getUint8(5),
    metric: attributes.get(RTA.PRIORITY)?.u32 ?? 0,
    tos: view.getUint8(3) || undefined,
    mtu: mtuOf(attributes.get(RTA.METRICS)),
    onlink: (flags & RTNH_F.ONLINK) !== 0,
    dead: (flags & (RTNH_F.DEAD | RTNH_F.LINKDOWN)) !== 0,
    hops: multipath && decodeNexthops(multipath.bytes),
    nexthopId: attributes.get(RTA.NH_ID)?.u32,
  });
}

function optionalAddress(attribute: Attribute | undefined): string | undefined {
  return attribute && addressOf(attribute.bytes);
}

/** Returns the gateway. An IPv4 route may have one of IPv6 (struct rtvia: a family and an address). */
function gateway(attributes: ReadonlyMap<number, Attribute>): string | undefined {
  const via = attributes.get(RTA.VIA);
  return via ? addressOf(via.bytes.subarray(2)) : optionalAddress(attributes.get(RTA.GATEWAY));
}

function mtuOf(metrics: Attribute | undefined): number | undefined {
  for (const metric of metrics?.nested ?? []) if (metric.type === RTAX_MTU) return metric.u32;
  return undefined;
}

function decodeNexthops(bytes: Uint8Array): RawNexthop[] {
  const hops: RawNexthop[] = [];
  for (let at = 0; at < bytes.length; ) {
    const view = fixedPart(bytes.subarray(at), NEXTHOP);
    const length = view.getUint16(0, true);
    if (length < NEXTHOP || length > bytes.length - at) throw malformed();
    const attributes = new Map<number, Attribute>();
    for (const attribute of readAttributes(bytes.subarray(at, at + length), NEXTHOP))
      attributes.set(attribute.type, attribute);
    const flags = view.getUint8(2);
    hops.push(
      compact<RawNexthop>({
        via: gateway(attributes),
        index: view.getInt32(4, true) || undefined,
        weight: view.getUint8(3) + 1,
        onlink: (flags & RTNH_F.ONLINK) !== 0,
        dead: (flags & (RTNH_F.DEAD | RTNH_F.LINKDOWN)) !== 0,
      }),
    );
    at += (length + 3) & ~3;
  }
  return hops;
}

/** Returns the indexes of the interfaces of a route. */
export function interfacesOf({ index, hops = [] }: RawRoute): number[] {
  return [index, ...hops.map((hop) => hop.index)].filter((number) => number !== undefined);
}

/** Adds the names of interfaces. Returns `undefined` if the interface, and with it the route, was deleted. */
export function toRoute({ index, hops, ...route }: RawRoute, nameOf: NameOf): Route | undefined {
  const name = index === undefined ? undefined : nameOf(index);
  if (index !== undefined && name === undefined) return undefined;
  const nexthops = hops?.map(({ index: of, ...hop }) =>
    compact<Nexthop>({ ...hop, interface: of === undefined ? undefined : nameOf(of) }),
  );
  return compact<Route>({ ...route, interface: name, nexthops });
}

/** Encodes a dump of one family. A dump of all families would include the routes of multicast routing. */
export function encodeListRoutes(writer: MessageWriter, family: Route['family']): void {
  writer.message(RTM.GETROUTE, NLM_F.REQUEST | NLM_F.DUMP, () => {
    const bytes = new Uint8Array(HEADER);
    bytes[0] = familyNumber(family);
    writer.fixed(bytes);
  });
}

export function encodeRouteTo(writer: MessageWriter, query: RouteQuery, indexOf: IndexOf): void {
  writer.message(RTM.GETROUTE, NLM_F.REQUEST | NLM_F.ACK, () => {
    const bytes = new Uint8Array(HEADER);
    const bits = addressSize(query.family) * 8;
    bytes[0] = familyNumber(query.family);
    bytes[1] = bits;
    if (query.source !== undefined) bytes[2] = bits;
    new DataView(bytes.buffer).setUint32(8, RTM_F_LOOKUP_TABLE, true);
    writer.fixed(bytes);
    addressAttribute(writer, RTA.DST, query.address);
    if (query.source !== undefined) addressAttribute(writer, RTA.SRC, query.source);
    if (query.mark !== undefined) writer.u32(RTA.MARK, query.mark);
    if (query.interface !== undefined) writer.u32(RTA.OIF, indexOf(query.interface));
    if (query.inputInterface !== undefined) writer.u32(RTA.IIF, indexOf(query.inputInterface));
  });
}

/** Returns the default scope of a route, the same as in `ip route` (iproute2, ip/iproute.c). */
function usualScope({ type, via, nexthops }: RouteSettings): number {
  if (type === 'local') return scopeNumber('host');
  if (type === 'broadcast' || type === 'anycast' || type === 'multicast') return scopeNumber('link');
  return type === 'unicast' && via === undefined && nexthops === undefined ? scopeNumber('link') : 0;
}

const verbs = {
  'add-route': [RTM.NEWROUTE, NLM_F.CREATE | NLM_F.EXCL],
  'set-route': [RTM.NEWROUTE, NLM_F.CREATE | NLM_F.REPLACE],
  'delete-route': [RTM.DELROUTE, 0],
} as const;

export function encodeRoute(
  writer: MessageWriter,
  verb: keyof typeof verbs,
  route: RouteSettings,
  indexOf: IndexOf,
): void {
  const [message, flags] = verbs[verb];
  // The kernel stores an IPv4 route through a blackhole nexthop object as unicast and reports a
  // blackhole (fib_dump_info in net/ipv4/fib_semantics.c): the object identifies the route instead.
  const anyType = verb === 'delete-route' && route.nexthopId !== undefined;
  writer.message(message, NLM_F.REQUEST | NLM_F.ACK | flags, () => {
    const bytes = new Uint8Array(HEADER);
    bytes[0] = familyNumber(route.family);
    bytes[1] = route.prefixLength;
    bytes[3] = route.tos ?? 0;
    bytes[4] = route.table < 256 ? route.table : 0; // RT_TABLE_UNSPEC; RTA_TABLE has the number
    bytes[5] = route.protocol ?? 0;
    const unnamed = verb === 'delete-route' ? RT_SCOPE_NOWHERE : usualScope(route);
    bytes[6] = route.scope === undefined ? unnamed : scopeNumber(route.scope);
    bytes[7] = anyType ? RTN_UNSPEC : types.indexOf(route.type);
    new DataView(bytes.buffer).setUint32(8, route.onlink ? RTNH_F.ONLINK : 0, true);
    writer.fixed(bytes);
    if (route.prefixLength > 0) addressAttribute(writer, RTA.DST, route.destination);
    writer.u32(RTA.TABLE, route.table);
    if (route.via !== undefined) writer.bytes(...viaAttribute(route.family, route.via));
    if (route.interface !== undefined) writer.u32(RTA.OIF, indexOf(route.interface));
    if (route.source !== undefined) addressAttribute(writer, RTA.PREFSRC, route.source);
    if (route.metric !== undefined) writer.u32(RTA.PRIORITY, route.metric);
    if (route.nexthopId !== undefined) writer.u32(RTA.NH_ID, route.nexthopId);
    const { mtu, nexthops } = route;
    if (mtu !== undefined) writer.nest(RTA.METRICS, () => writer.u32(RTAX_MTU, mtu));
    if (nexthops) {
      const all = nexthops.map((hop) => encodeNexthop(route.family, hop, indexOf));
      writer.bytes(RTA.MULTIPATH, Buffer.concat(all));
    }
  });
}

function viaAttribute(family: Route['family'], via: string): [number, Uint8Array] {
  const viaFamily = via.includes(':') ? 'ipv6' : 'ipv4';
  const start = viaFamily === family ? 0 : 2;
  const bytes = new Uint8Array(start + addressSize(viaFamily));
  if (start === 2) new DataView(bytes.buffer).setUint16(0, familyNumber(viaFamily), true);
  writeAddress(bytes, start, via, viaFamily);
  return [start === 0 ? RTA.GATEWAY : RTA.VIA, bytes];
}

/** Encodes a struct rtnexthop and its attribute. */
function encodeNexthop(family: Route['family'], hop: NexthopSettings, indexOf: IndexOf): Uint8Array {
  const [type, value] = hop.via === undefined ? [0, new Uint8Array()] : viaAttribute(family, hop.via);
  const length = NEXTHOP + (type === 0 ? 0 : 4 + value.length);
  const bytes = new Uint8Array((length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  view.setUint8(2, hop.onlink ? RTNH_F.ONLINK : 0);
  view.setUint8(3, hop.weight - 1);
  view.setInt32(4, hop.interface === undefined ? 0 : indexOf(hop.interface), true);
  if (type === 0) return bytes;
  view.setUint16(NEXTHOP, 4 + value.length, true);
  view.setUint16(NEXTHOP + 2, type, true);
  bytes.set(value, NEXTHOP + 4);
  return bytes;
}
