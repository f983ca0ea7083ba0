import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { bitsOf } from '../../common/prefix.js';
import type { Route, RouteQuery, RouteSettings, RouteType } from '../../kernel/network/types.js';
import { RouteLookup } from './lookup.js';
import { Nexthops } from './nexthops.js';
import { addressNumber, lastOf } from './prefix.js';
import type { AddressState } from './state.js';
import { type LinkState, type NetworkState, refused } from './state.js';
import {
  type HopState,
  KERNEL,
  LOCAL,
  MAIN,
  madeRoute,
  type RouteState,
  RouteTable,
  toRoute,
  usualScope,
} from './table.js';

/** Default metrics of IPv6: IP6_RT_PRIO_USER, IP6_RT_PRIO_ADDRCONF. */
const METRIC6 = 1024;
const METRIC6_OF_ADDRESS = 256;
const leadNowhere: readonly RouteType[] = ['blackhole', 'unreachable', 'prohibit', 'throw'];

/** The routes of all tables: those that programs add, and those that the kernel makes for addresses. */
export class MemoryRoutes {
  readonly #core: NetworkState;
  readonly #table = new RouteTable();
  readonly #lookup: RouteLookup;
  readonly #nexthops: Nexthops;

  constructor(core: NetworkState) {
    this.#core = core;
    this.#lookup = new RouteLookup(core, this.#table);
    this.#nexthops = new Nexthops(this.#table, this.#lookup);
  }

  list(filter: Parameters<RouteTable['list']>[0]): Route[] {
    return this.#table.list(filter).map(toRoute);
  }

  /** Returns the route of a packet, like `ip route get`. */
  to(query: RouteQuery): Route {
    return this.#lookup.to(query);
  }

  isLocal(address: string, family: Family): boolean {
    return this.#table.isLocal(addressNumber(address, family), family);
  }

  add(settings: RouteSettings, replaces: boolean): void {
    const route = this.#build(settings);
    const there = this.#table
      .same(route)
      .find((other) => other.metric === route.metric && (other.tos ?? 0) === (route.tos ?? 0));
    if (!there) {
      this.#insert(route);
      return;
    }
    if (!replaces) refused(Errno.EEXIST);
    if (route.family === 'ipv4' && JSON.stringify(toRoute(there)) === JSON.stringify(toRoute(route))) return;
    this.#table.insert(route, there);
    this.#core.tell(() => ({ type: 'route-changed', route: toRoute(route) }));
  }

  /** Deletes the first route that matches all given fields. */
  delete(settings: RouteSettings): void {
    const { family, table, destination, prefixLength: length, type } = settings;
    const network = addressNumber(destination, family);
    const fits = <T>(named: T | undefined, value: T | undefined): boolean => named === undefined || named === value;
    const hops = settings.nexthops?.map(({ via, interface: name, weight }) => `${via} ${name} ${weight}`);
    const found = this.#table
      .same({ family, table, network, length })
      .find(
        (route) =>
          (family === 'ipv6' || route.type === type) &&
          (!settings.metric || settings.metric === route.metric) &&
          (family === 'ipv6' || fits(settings.scope, route.scope)) &&
          (!settings.protocol || settings.protocol === route.protocol) &&
          fits(settings.source, route.source) &&
          fits(settings.via, route.via) &&
          fits(settings.interface, route.link?.name) &&
          (settings.tos ?? 0) === (route.tos ?? 0) &&
          (hops === undefined ||
            hops.join() === route.hops?.map((hop) => `${hop.via} ${hop.link.name} ${hop.weight}`).join()),
      );
    if (!found) refused(Errno.ESRCH);
    this.#remove(found, true);
  }

  /** Adds the routes of a new address (fib_add_ifaddr; addrconf_prefix_route). */
  addressAdded(address: AddressState): void {
    for (const route of this.#of(address)) {
      const there = this.#table.same(route).some((other) => sameRoute(other, route));
      if (!there) this.#insert(route);
    }
  }

  addressRemoved(address: AddressState, left: readonly AddressState[]): void {
    const { family, link } = address;
    const kept = new Set(left.flatMap((other) => this.#of(other)).map(wayText));
    const [own, ...rest] = this.#of(address);
    for (const route of own ? [...rest, own] : []) {
      if (kept.has(wayText(route))) continue;
      for (const other of this.#table.same(route))
        if (other.type === route.type && other.link === link && other.protocol === KERNEL) this.#remove(other, true);
    }
    const gone = !this.isLocal(address.address, family);
    if (family === 'ipv6' && !gone) return;
    for (const route of [...this.#table.all()]) {
      if (route.family !== family) continue;
      const from = gone && route.source === address.address;
      // IPv4 is off on an interface without an address (fib_disable_ip).
      if (family === 'ipv4' && (from || (left.length === 0 && route.link === link))) this.#remove(route, false);
      else if (from) route.source = undefined;
    }
  }

  linkUp(link: LinkState): void {
    for (const family of ['ipv4', 'ipv6'] as const)
      for (const address of this.#core.addresses.of(link, family)) this.addressAdded(address);
    for (const route of this.#table.all()) for (const hop of route.hops ?? []) if (hop.link === link) hop.dead = false;
  }

  /** Removes the routes of an interface, silently for IPv4; IPv4 routes of scope host stay (fib_sync_down_dev). */
  linkDown(link: LinkState): void {
    this.#flush(link, (route) => route.family === 'ipv6' || route.scope !== 'host');
  }

  /** Removes the routes of a family that is off on the interface now. */
  familyOff(link: LinkState, family: Family): void {
    this.#flush(link, (route) => route.family === family);
  }

  linkGone(link: LinkState): void {
    this.#flush(link, () => true);
  }

  /** Adds the route for ff00::/8 through an interface. */
  addMulticast(link: LinkState): void {
    const network = addressNumber('ff00::', 'ipv6');
    const route = madeRoute({ family: 'ipv6', table: LOCAL, type: 'multicast', network, length: 8, link, metric: 256 });
    if (!this.#table.same(route).some((other) => other.link === link)) this.#insert(route);
  }

  #build(settings: RouteSettings): RouteState {
    const { family, table, type, destination, prefixLength: length, nexthops, source } = settings;
    const scope = usualScope(settings);
    if (settings.nexthopId !== undefined) refused(Errno.EINVAL, 'Nexthop id does not exist');
    const { links } = this.#core;
    const named = settings.interface === undefined ? undefined : links.get(settings.interface);
    // The kernel looks up all names first.
    const ways = nexthops?.map((hop) => ({
      ...hop,
      link: hop.interface === undefined ? undefined : links.get(hop.interface),
    }));
    const hops = ways?.map(
      (hop): HopState => ({ ...hop, via: hop.via, link: this.#nexthops.way(settings, hop), dead: false }),
    );
    const single = hops?.length === 1 ? hops[0] : undefined;
    const nowhere = leadNowhere.includes(type);
    const { via, onlink } = single ?? settings;
    const link = nowhere
      ? links.named('lo')
      : (single?.link ?? (hops ? undefined : this.#nexthops.way(settings, { via, onlink, link: named })));
    if (source !== undefined && !this.isLocal(source, family) && !(type === 'local' && source === destination))
      refused(Errno.EINVAL, 'Invalid prefsrc address');
    return {
      ...madeRoute({ family, table, type, network: addressNumber(destination, family), length }),
      via,
      // For IPv6, routes of these types lead to lo.
      link: nowhere && family === 'ipv4' ? undefined : link,
      source,
      scope,
      protocol: settings.protocol ?? 0,
      metric: settings.metric || (family === 'ipv6' ? METRIC6 : 0),
      tos: settings.tos,
      mtu: settings.mtu,
      onlink,
      hops: single ? undefined : hops,
    };
  }

  /** Returns the routes that the kernel makes for an address, in the current state of its interface. */
  #of({ link, family, address, prefixLength, network, secondary }: AddressState): RouteState[] {
    const bits = bitsOf(family);
    const one = { family, link, network: addressNumber(address, family), length: bits };
    if (family === 'ipv6') {
      const own = madeRoute({ ...one, table: LOCAL, type: 'local' });
      if (!link.up || (address === '::1' && prefixLength === bits)) return [own];
      const net = { family, link, network, length: prefixLength, metric: METRIC6_OF_ADDRESS };
      return [own, madeRoute({ ...net, table: MAIN, type: 'unicast' })];
    }
    const primary = this.#core.addresses
      .of(link, family)
      .find((other) => !other.secondary && other.prefixLength === prefixLength && other.network === network);
    const source = primary?.address ?? address;
    const routes = [madeRoute({ ...one, table: LOCAL, type: 'local', scope: 'host', source })];
    if (!link.up || secondary || prefixLength === bits) return routes;
    const net = { family, link, network, length: prefixLength, source };
    if (link.kind === 'loopback') routes.push(madeRoute({ ...net, table: LOCAL, type: 'local', scope: 'host' }));
    else routes.push(madeRoute({ ...net, table: MAIN, type: 'unicast', scope: 'link' }));
    if (prefixLength >= bits - 1) return routes;
    const last = { ...one, network: lastOf(network, prefixLength, family) };
    return [...routes, madeRoute({ ...last, table: LOCAL, type: 'broadcast', scope: 'link', source })];
  }

  #flush(link: LinkState, which: (route: RouteState) => boolean): void {
    for (const route of [...this.#table.all()]) {
      if (route.link === link && which(route)) this.#remove(route, route.family === 'ipv6');
      const own = route.hops?.filter((hop) => hop.link === link) ?? [];
      for (const hop of own) hop.dead = true;
      if (own.length > 0 && route.hops?.every(({ dead }) => dead)) this.#remove(route, route.family === 'ipv6');
    }
  }

  #insert(route: RouteState): void {
    this.#table.insert(route);
    this.#core.tell(() => ({ type: 'route-added', route: toRoute(route) }));
  }

  #remove(route: RouteState, told: boolean): void {
    this.#table.remove(route);
    if (told) this.#core.tell(() => ({ type: 'route-removed', route: toRoute(route) }));
  }
}

/** Returns true if the routes are equal: the kernel stores such a route only once (fib_find_info). */
function sameRoute(a: RouteState, b: RouteState): boolean {
  const parts = ['type', 'link', 'via', 'source', 'scope', 'protocol', 'metric', 'mtu'] as const;
  return a.hops === undefined && parts.every((part) => a[part] === b[part]);
}

function wayText({ table, type, destination }: RouteState): string {
  return `${table} ${type} ${destination}`;
}
