import { type Family, familyOf, withoutMapping } from '../common/address.js';
import {
  checkAddress,
  checkFlag,
  checkInteger,
  checkList,
  checkOneOf,
  checkOptions,
  namesOf,
  show,
  valueOr,
} from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { limits } from '../common/limits.js';
import { checkNetwork } from '../common/prefix.js';
import type { Nexthop, NexthopSettings, Route, RouteQuery, RouteSettings, Scope } from '../kernel/network/types.js';
import { checkAddressOf, checkFamily, checkScope, checkTable, optional, type RoutingTable, tables } from './checks.js';

/** Treatment of packets: `throw` ends the search in this table. */
export type NewRouteType = 'unicast' | 'local' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw';

/** A new route. */
export interface RouteOptions {
  /** Destination: a network such as `10.0.0.0/8`, one address, or `default`. */
  readonly destination: string;
  /**
   * Family of a `default` route, if nothing else implies it. Default: that of `destination`, `via` or `source`,
   * otherwise `ipv4`.
   */
  readonly family?: Family | undefined;
  /** Next router; an IPv4 route may have an IPv6 one. */
  readonly via?: string | undefined;
  /** Interface that packets leave by. */
  readonly interface?: string | undefined;
  /** Several next hops, instead of `via` and `interface`. */
  readonly nexthops?: readonly (Pick<Nexthop, 'via' | 'interface'> & Partial<Nexthop>)[] | undefined;
  /** Source address for packets of this host that have none. */
  readonly source?: string | undefined;
  /**
   * Routing table, like that of `ip route`: a number from 1 to 2^32-1, or a name. Default: `main`; `local` for type
   * `local`.
   */
  readonly table?: RoutingTable | undefined;
  /** Scope. Default: `host` for `local`, `link` without a `via`, otherwise `global`. IPv6 has only `global`. */
  readonly scope?: Scope | undefined;
  /** Type. Default: `unicast`. */
  readonly type?: NewRouteType | undefined;
  /**
   * Metric, from 0 to 2^32-1; the lowest is used. Default: the kernel's, 0 for IPv4, and 1024 for IPv6 (which replaces
   * 0, too).
   */
  readonly metric?: number | undefined;
  /** True if the nexthop is on the link, whatever the addresses of the interface are. Default: false. */
  readonly onlink?: boolean | undefined;
  /** MTU in bytes, from 68 to 65535. */
  readonly mtu?: number | undefined;
  /** Origin of the route (RTPROT_*), from 1 to 255. Default: 4, an administrator. */
  readonly protocol?: number | undefined;
}

/**
 * Selects one route by its destination, table, type and metric, with the same defaults as for a new one, and its `via`,
 * `interface` or `nexthops`. Other given fields must match, too. A route that was read is accepted, too.
 */
export type RouteSelector =
  | Pick<
      RouteOptions,
      | 'destination'
      | 'family'
      | 'via'
      | 'interface'
      | 'nexthops'
      | 'source'
      | 'table'
      | 'scope'
      | 'type'
      | 'metric'
      | 'protocol'
    >
  | Route;

const optionNames = namesOf<RouteOptions>({
  destination: true,
  family: true,
  via: true,
  interface: true,
  nexthops: true,
  source: true,
  table: true,
  scope: true,
  type: true,
  metric: true,
  onlink: true,
  mtu: true,
  protocol: true,
});
const readNames = [...optionNames, 'from', 'tos', 'dead', 'nexthopId'];
const newTypes: readonly NewRouteType[] = ['unicast', 'local', 'blackhole', 'unreachable', 'prohibit', 'throw'];
const readTypes = [...newTypes, 'broadcast', 'anycast', 'multicast'] as const;
/** Metric of IPv6 routes for which none, or 0, is given: IP6_RT_PRIO_USER (include/uapi/linux/ipv6_route.h). */
const IPV6_METRIC = 1024;

function familyOfRoute({
  destination,
  family,
  via,
  source,
}: Pick<RouteOptions, 'destination' | 'family' | 'via' | 'source'>): Family {
  if (destination !== 'default') {
    const checked = checkNetwork('destination', destination, family);
    if (family !== undefined && checkFamily(family) !== checked.family)
      throw invalid(`the destination ${show(destination)} is not of the family ${show(family)}`);
    return checked.family;
  }
  if (family !== undefined) return checkFamily(family);
  for (const address of [source, via]) {
    const known = typeof address === 'string' ? familyOf(withoutMapping(address)) : undefined;
    if (known) return known;
  }
  return 'ipv4';
}

function common(options: Omit<RouteOptions, 'type'>): {
  readonly family: Family;
  readonly destination: string;
  readonly prefixLength: number;
  readonly via: string | undefined;
  readonly interface: string | undefined;
  readonly nexthops: NexthopSettings[] | undefined;
  readonly source: string | undefined;
  readonly scope: Scope | undefined;
  readonly metric: number | undefined;
  readonly mtu: number | undefined;
  readonly onlink: boolean;
} {
  const family = familyOfRoute(options);
  const any = { destination: family === 'ipv4' ? '0.0.0.0' : '::', prefixLength: 0 };
  const network =
    options.destination === 'default' ? undefined : checkNetwork('destination', options.destination, family);
  const nexthops = optional(options.nexthops, (value) => checkNexthops(value, family));
  if (nexthops && (options.via !== undefined || options.interface !== undefined))
    throw invalid('a route has either nexthops, or a via and an interface');
  return {
    family,
    ...(network ? { destination: network.address, prefixLength: network.prefixLength } : any),
    via: optional(options.via, (value) => checkVia(value, family)),
    interface: optional(options.interface, (value) => checkInterfaceName('interface', value)),
    nexthops,
    source: optional(options.source, (value) => checkAddressOf('source', value, family)),
    scope: optional(options.scope, checkScope),
    metric: optional(options.metric, (value) => checkInteger('metric', value, 0, 0xffffffff)),
    mtu: optional(options.mtu, (value) => checkInteger('mtu', value, 68, 0xffff)),
    onlink: checkFlag('onlink', valueOr(options.onlink, false)),
  };
}

function checkVia(value: unknown, family: Family): string {
  const via = checkAddress('via', value, family);
  if (family === 'ipv6' && via.family === 'ipv4') throw invalid(`an IPv6 route has no IPv4 nexthop: ${show(value)}`);
  return via.address;
}

function checkNexthops(value: unknown, family: Family): NexthopSettings[] {
  const hops = checkList('nexthops', value as readonly Partial<Nexthop>[], limits.names);
  if (hops.length === 0) throw invalid('nexthops is a list of at least one');
  return hops.map((hop) => {
    checkOptions('a nexthop', hop, ['via', 'interface', 'weight', 'onlink', 'dead']);
    if (hop.via === undefined && hop.interface === undefined)
      throw invalid('a nexthop has a via, an interface, or both');
    return {
      via: optional(hop.via, (via) => checkVia(via, family)),
      interface: optional(hop.interface, (name) => checkInterfaceName('interface', name)),
      weight: checkInteger('weight', valueOr(hop.weight, 1), 1, 256),
      onlink: checkFlag('onlink', valueOr(hop.onlink, false)),
    };
  });
}

function usualTable(type: string): number {
  return type === 'local' ? tables.local : tables.main;
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRoute(options: RouteOptions): RouteSettings {
  checkOptions('a route', options, optionNames);
  const type = checkOneOf('type', valueOr(options.type, 'unicast'), newTypes);
  const { via, interface: name, nexthops } = options;
  const named = via !== undefined || name !== undefined || nexthops !== undefined;
  if (type === 'unicast' && !named) throw invalid('a route has a via, an interface, or nexthops');
  if (type === 'local' && name === undefined) throw invalid('a local route has an interface: lo');
  if (type !== 'unicast' && type !== 'local' && named) throw invalid(`a route of type ${type} leads nowhere`);
  return {
    ...common(options),
    type,
    table: checkTable(valueOr(options.table, usualTable(type))),
    protocol: checkInteger('protocol', valueOr(options.protocol, 4), 1, 255),
  };
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRouteSelector(selector: RouteSelector): RouteSettings {
  checkOptions('a route', selector, readNames);
  if ('from' in selector && selector.from !== undefined)
    throw invalid('a route for packets from somewhere cannot be deleted here');
  const type = checkOneOf('type', valueOr(selector.type, 'unicast'), readTypes);
  const { via, interface: name, nexthops } = selector;
  const named = via !== undefined || name !== undefined || nexthops !== undefined || 'nexthopId' in selector;
  const leads = !['blackhole', 'unreachable', 'prohibit', 'throw'].includes(type);
  if (leads && !named)
    throw invalid('a route to delete is named with its via, its interface or its nexthops: others may lead there, too');
  const { metric, ...route } = common(selector);
  const usual = route.family === 'ipv6' ? IPV6_METRIC : 0;
  return {
    ...route,
    type,
    table: checkTable(valueOr(selector.table, usualTable(type))),
    protocol: optional(selector.protocol, (value) => checkInteger('protocol', value, 0, 255)),
    metric: metric ?? usual,
    tos: 'tos' in selector ? selector.tos : undefined,
    nexthopId: 'nexthopId' in selector ? selector.nexthopId : undefined,
  };
}

/** Returns true if a route is the one that a selector names. */
export function isRoute(route: Route, { destination, prefixLength, ...wanted }: RouteSettings): boolean {
  const same = <T>(value: T, named: T | undefined): boolean => named === undefined || value === named;
  const network = prefixLength === 0 ? 'default' : `${destination}/${prefixLength}`;
  return (
    route.family === wanted.family &&
    route.destination === network &&
    route.from === undefined &&
    route.table === wanted.table &&
    route.type === wanted.type &&
    route.metric === wanted.metric &&
    same(route.tos ?? 0, wanted.tos) &&
    same(route.via, wanted.via) &&
    same(route.interface, wanted.interface) &&
    same(route.source, wanted.source) &&
    same(route.scope, wanted.scope) &&
    same(route.protocol, wanted.protocol) &&
    same(route.nexthopId, wanted.nexthopId) &&
    sameNexthops(route.nexthops, wanted.nexthops)
  );
}

function sameNexthops(hops: Route['nexthops'], wanted: RouteSettings['nexthops']): boolean {
  if (wanted === undefined) return hops === undefined;
  const text = (
    list: readonly { via?: string | undefined; interface?: string | undefined; weight: number }[],
  ): string => JSON.stringify(list.map(({ via, interface: name, weight }) => [via, name, weight]).toSorted());
  return hops !== undefined && text(hops) === text(wanted);
}

/** Returns all fields of a route that was read, so that the kernel finds no other one. */
export function exactly(route: Route, named: RouteSettings): RouteSettings {
  const [destination = named.destination] = route.destination.split('/');
  // The kernel accepts a nexthop object, or the next hops that it stands for, not both.
  const way = route.nexthopId === undefined;
  return {
    family: route.family,
    table: route.table,
    type: named.type,
    destination: named.prefixLength === 0 ? named.destination : destination,
    prefixLength: named.prefixLength,
    via: way ? route.via : undefined,
    interface: way ? route.interface : undefined,
    source: route.source,
    scope: route.scope,
    protocol: route.protocol,
    metric: route.metric,
    tos: route.tos,
    onlink: route.onlink,
    nexthops: way ? route.nexthops : undefined,
    nexthopId: route.nexthopId,
  };
}

/** The packet of `routeTo()`, besides its destination. */
export interface RouteToOptions {
  /** Source address, of the same family. Default: the kernel chooses one. */
  readonly source?: string | undefined;
  /** Mark of the packet, from 0 to 2^32-1. */
  readonly mark?: number | undefined;
  /** Interface that the packet has to leave by. */
  readonly interface?: string | undefined;
  /** Interface by which a forwarded packet arrived. Requires a `source`. */
  readonly inputInterface?: string | undefined;
}

export const routeToNames = namesOf<RouteToOptions>({
  source: true,
  mark: true,
  interface: true,
  inputInterface: true,
});

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRouteQuery(address: string, options: RouteToOptions): RouteQuery {
  const { address: destination, family } = checkAddress('address', address);
  const { source, mark, interface: name, inputInterface } = options;
  if (inputInterface !== undefined && source === undefined)
    throw invalid('a packet that came in has a source: the kernel takes no inputInterface without one');
  return {
    family,
    address: destination,
    /** Source address, of the same family. Default: the kernel chooses one. */
    source: optional(source, (value) => checkAddressOf('source', value, family)),
    mark: optional(mark, (value) => checkInteger('mark', value, 0, 0xffffffff)),
    interface: optional(name, (value) => checkInterfaceName('interface', value)),
    inputInterface: optional(inputInterface, (value) => checkInterfaceName('inputInterface', value)),
  };
}

/** Filter of `routes()`. */
export interface RouteFilter {
  /** Routing table. Default: `main`. `all`: all tables. */
  readonly table?: RoutingTable | 'all' | undefined;
  /** Address family. Default: both. */
  readonly family?: Family | undefined;
  /** Origin of the routes, from 0 to 255. Default: every origin. */
  readonly protocol?: number | undefined;
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRouteFilter({ table = 'main', family, protocol }: RouteFilter): {
  table?: number | undefined;
  family?: Family | undefined;
  protocol?: number | undefined;
} {
  return {
    table: table === 'all' ? undefined : checkTable(table),
    family: optional(family, checkFamily),
    protocol: optional(protocol, (value) => checkInteger('protocol', value, 0, 255)),
  };
}
