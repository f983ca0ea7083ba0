import type { Family } from '../../common/address.js';
import { compact } from '../../common/compact.js';
import { Errno } from '../../common/errno.js';
import { bitsOf } from '../../common/prefix.js';
import { scopeNumber } from '../../kernel/network/scopes.js';
import type { Route, RouteSettings, RouteType, Scope } from '../../kernel/network/types.js';
import { cut, lastOf, numberAddress } from './prefix.js';
import type { LinkState } from './state.js';

export interface HopState {
  readonly via: string | undefined;
  readonly link: LinkState;
  readonly weight: number;
  readonly onlink: boolean;
  /** True while its interface is down. */
  dead: boolean;
}

/** A route that refers to its interfaces as objects. */
export interface RouteState {
  readonly family: Family;
  readonly table: number;
  readonly type: RouteType;
  readonly network: bigint;
  readonly length: number;
  /** Destination as text, for example `10.0.0.0/8`, or `default`. */
  readonly destination: string;
  readonly via: string | undefined;
  readonly link: LinkState | undefined;
  source: string | undefined;
  readonly scope: Scope;
  readonly protocol: number;
  readonly metric: number;
  readonly tos: number | undefined;
  readonly mtu: number | undefined;
  readonly onlink: boolean;
  readonly hops: readonly HopState[] | undefined;
}

/** The conditions of a search for a route. */
export interface Search {
  readonly family: Family;
  readonly tables: readonly number[];
  readonly destination: bigint;
  /** Widest scope of the routes to consider (IPv4 only). */
  readonly narrowest?: Scope | undefined;
  /** Interface of the routes to consider. */
  readonly link?: LinkState | undefined;
}

/** Errnos of the kernel for a packet whose route has this type. */
export const refusals: Partial<Record<RouteType, number>> = {
  blackhole: Errno.EINVAL,
  unreachable: Errno.EHOSTUNREACH,
  prohibit: Errno.EACCES,
};

/** The routes, by table and destination. */
export class RouteTable {
  readonly #byKey = new Map<string, RouteState[]>();
  readonly #byTable = new Map<string, Set<RouteState>>();
  /** Routes of type local for more than one address. */
  readonly #wide = new Set<RouteState>();

  /** Returns the routes for one destination in one table, the least metric first. */
  same(route: Pick<RouteState, 'family' | 'table' | 'network' | 'length'>): readonly RouteState[] {
    return this.#byKey.get(keyOf(route)) ?? [];
  }

  *all(): Generator<RouteState, void, void> {
    for (const routes of this.#byTable.values()) yield* routes;
  }

  /** Inserts a route after those with the same metric, or in place of `instead`. */
  insert(route: RouteState, instead?: RouteState): void {
    const list = [...this.same(route)];
    const at = instead ? list.indexOf(instead) : list.findIndex((other) => comesBefore(route, other));
    list.splice(at < 0 ? list.length : at, instead ? 1 : 0, route);
    this.#byKey.set(keyOf(route), list);
    const table = tableOf(route);
    const set = this.#byTable.get(table) ?? new Set();
    this.#byTable.set(table, set.add(route));
    if (instead) this.#forget(instead);
    if (route.type === 'local' && route.table === LOCAL && route.length < bitsOf(route.family)) this.#wide.add(route);
  }

  remove(route: RouteState): void {
    const list = this.same(route).filter((other) => other !== route);
    if (list.length > 0) this.#byKey.set(keyOf(route), list);
    else this.#byKey.delete(keyOf(route));
    this.#forget(route);
  }

  /** Returns true if the address belongs to this host. */
  isLocal(value: bigint, family: Family): boolean {
    const own = this.same({ family, table: LOCAL, network: value, length: bitsOf(family) });
    if (own.some(({ type }) => type === 'local')) return true;
    for (const route of this.#wide)
      if (route.family === family && cut(value, route.length, family) === route.network) return true;
    return false;
  }

  /** Returns the route with the longest prefix; of several, the one with the least metric. */
  find(search: Search): RouteState | undefined {
    const { family, tables, destination } = search;
    let best: RouteState | undefined;
    for (const table of tables) {
      for (const route of this.#byTable.get(`${family} ${table}`) ?? []) {
        if (best && (route.length < best.length || (route.length === best.length && !isBetter(route, best)))) continue;
        if (cut(destination, route.length, family) === route.network && leads(route, search)) best = route;
      }
    }
    return best;
  }

  /** Lists routes in the kernel's order. */
  list(filter: {
    readonly table?: number | undefined;
    readonly family?: Family | undefined;
    readonly protocol?: number | undefined;
  }): RouteState[] {
    const { table, family, protocol } = filter;
    const found = [...this.all()].filter(
      (route) =>
        (table === undefined || route.table === table) &&
        (family === undefined || route.family === family) &&
        (protocol === undefined || route.protocol === protocol),
    );
    return found.sort(inOrder);
  }

  #forget(route: RouteState): void {
    this.#byTable.get(tableOf(route))?.delete(route);
    this.#wide.delete(route);
  }
}

export const LOCAL = 255;
/** Protocol of routes that the kernel makes (RTPROT_KERNEL). */
export const KERNEL = 2;
export const MAIN = 254;

function keyOf({
  family,
  table,
  network,
  length,
}: Pick<RouteState, 'family' | 'table' | 'network' | 'length'>): string {
  return `${family} ${table} ${network}/${length}`;
}

function tableOf({ family, table }: RouteState): string {
  return `${family} ${table}`;
}

function comesBefore(route: RouteState, other: RouteState): boolean {
  const [a, b] = [route.tos ?? 0, other.tos ?? 0];
  return a > b || (a === b && route.metric < other.metric);
}

/** Compares routes of the same length: if both tables are merged, the kernel prefers `local`. */
function isBetter(route: RouteState, best: RouteState): boolean {
  return route.table > best.table || (route.table === best.table && route.metric < best.metric);
}

function leads(route: RouteState, { link, narrowest, family }: Search): boolean {
  if (narrowest !== undefined && scopeNumber(route.scope) < scopeNumber(narrowest)) return false;
  if ((route.tos ?? 0) !== 0) return false;
  if (route.hops) return route.hops.some((hop) => !hop.dead && (link === undefined || hop.link === link));
  const own = route.link;
  if (own === undefined) return true; // the type of the route decides
  const { sysctls } = own.home;
  if (!own.running && own.up && sysctls.either(family, own.name, 'ignore_routes_with_linkdown')) return false;
  return link === undefined || own === link;
}

/** Compares routes by the hash of their tables; then IPv4 by address, and IPv6 with subnets before their network. */
function inOrder(a: RouteState, b: RouteState): number {
  if (a.family !== b.family) return a.family === 'ipv4' ? -1 : 1;
  if (a.table !== b.table) return (a.table & 255) - (b.table & 255) || b.table - a.table;
  const place = ({ network, length, family }: RouteState): bigint =>
    family === 'ipv4' ? network : lastOf(network, length, family);
  const [one, other] = [place(a), place(b)];
  if (one !== other) return one < other ? -1 : 1;
  return b.length - a.length || a.metric - b.metric;
}

/** Returns a route as the port shows it. */
export function toRoute(route: RouteState): Route {
  const { family, table, type, destination, via, link, source, scope, protocol, metric, tos, mtu, onlink } = route;
  const down = (of: LinkState): boolean => of.up && !of.running;
  const leadsOut = type !== 'local' && type !== 'anycast' && scope !== 'host';
  return compact<Route>({
    family,
    table,
    type,
    destination,
    from: undefined,
    via,
    interface: link?.name,
    source,
    scope,
    protocol,
    metric,
    tos: tos || undefined,
    mtu,
    onlink,
    dead: leadsOut && link !== undefined && down(link),
    nexthops: route.hops?.map((hop) => ({
      ...(hop.via !== undefined && { via: hop.via }),
      interface: hop.link.name,
      weight: hop.weight,
      onlink: hop.onlink,
      dead: hop.dead || down(hop.link),
    })),
    nexthopId: undefined,
  });
}

/** Returns the scope of a route; the default is that of `ip route`. */
export function usualScope({ family, type, via, nexthops, scope }: RouteSettings): Scope {
  if (family === 'ipv6') return 'global';
  if (scope !== undefined) return scope;
  if (type === 'local') return 'host';
  if (type === 'broadcast' || type === 'anycast' || type === 'multicast') return 'link';
  return type === 'unicast' && via === undefined && nexthops === undefined ? 'link' : 'global';
}

/** Returns a route with the defaults of the kernel's own routes. */
export function madeRoute(
  given: Pick<RouteState, 'family' | 'table' | 'type' | 'network' | 'length'> & Partial<RouteState>,
): RouteState {
  const { family, network, length } = given;
  return {
    destination: length === 0 ? 'default' : `${numberAddress(network, family)}/${length}`,
    via: undefined,
    link: undefined,
    source: undefined,
    scope: 'global',
    protocol: KERNEL,
    metric: 0,
    tos: undefined,
    mtu: undefined,
    onlink: false,
    hops: undefined,
    ...given,
  };
}
