import { Errno } from '../../common/errno.js';
import { scopeNumber } from '../../kernel/network/scopes.js';
import type { RouteSettings } from '../../kernel/network/types.js';
import type { RouteLookup } from './lookup.js';
import { addressNumber } from './prefix.js';
import type { Flow } from './state.js';
import { type LinkState, refused } from './state.js';
import { MAIN, type RouteState, type RouteTable, refusals, usualScope } from './table.js';

const SMALLEST_MTU6 = 1280;

/** Finds the interfaces of the nexthops of new routes. */
export class Nexthops {
  readonly #table: RouteTable;
  readonly #lookup: RouteLookup;

  constructor(table: RouteTable, lookup: RouteLookup) {
    this.#table = table;
    this.#lookup = lookup;
  }

  /** Returns the interface through which a nexthop is reachable (fib_check_nh, ip6_route_info_create). */
  way(
    { family, type, table, ...settings }: RouteSettings,
    { via, onlink, link }: { via?: string | undefined; onlink: boolean; link: LinkState | undefined },
  ): LinkState {
    const scope = usualScope({ family, type, table, ...settings });
    if (family === 'ipv4' && type === 'local' && scopeNumber(scope) < scopeNumber('host'))
      refused(Errno.EINVAL, 'Invalid scope');
    const host = scope === 'host' || type === 'local';
    if (via === undefined) {
      if (!link) refused(Errno.ENODEV);
      if (!link.up && !host) refused(Errno.ENETDOWN);
      if (family === 'ipv6') checkIPv6(link);
      return link;
    }
    if (host && family === 'ipv4') refused(Errno.EINVAL, 'Route with host scope can not have a gateway');
    if (onlink) {
      if (!link) refused(Errno.ENODEV);
      if (!link.up) refused(Errno.ENETDOWN);
      return link;
    }
    if (family === 'ipv4' && !via.includes(':')) return this.#gateway4(via, scope, table, link);
    return this.#gateway6(via, link);
  }

  #gateway4(via: string, scope: RouteState['scope'], table: number, link: LinkState | undefined): LinkState {
    if (scopeNumber(scope) >= scopeNumber('link')) refused(Errno.EINVAL, 'Nexthop has invalid scope');
    const destination = addressNumber(via, 'ipv4');
    const search = { family: 'ipv4', destination, link, narrowest: 'link' } as const;
    // The kernel first searches the table of the route.
    const near = table === MAIN ? undefined : this.#table.find({ ...search, tables: [table] });
    const flow: Flow = {
      family: 'ipv4',
      destination,
      mark: 0,
      inputInterface: 'lo',
      outputInterface: link?.name,
    };
    const found = near && near.type !== 'throw' ? near : this.#lookup.resolve(flow, search);
    if (typeof found === 'number') refused(found, 'Nexthop has invalid gateway');
    const route = 'route' in found ? found.route : found;
    if (route.type !== 'unicast' && route.type !== 'local') refused(refusals[route.type] ?? Errno.EINVAL);
    const way = route.link ?? route.hops?.[0]?.link;
    if (!way) refused(Errno.EINVAL);
    if (!way.up) refused(Errno.ENETDOWN);
    return way;
  }

  #gateway6(via: string, link: LinkState | undefined): LinkState {
    if (this.#table.isLocal(addressNumber(via, 'ipv6'), 'ipv6'))
      refused(Errno.EINVAL, 'Gateway can not be a local address');
    if (/^fe[89ab]/.test(via)) {
      if (!link) refused(Errno.EINVAL);
      if (!link.up) refused(Errno.ENETDOWN);
      return link;
    }
    const flow: Flow = {
      family: 'ipv6',
      destination: addressNumber(via, 'ipv6'),
      mark: 0,
      inputInterface: 'lo',
      outputInterface: link?.name,
    };
    const found = this.#lookup.resolve(flow, { link });
    const direct = typeof found !== 'number' && found.route.via === undefined && found.route.type === 'unicast';
    const way = direct ? found.route.link : undefined;
    // A gateway is not reachable through lo.
    return way && way.kind !== 'loopback' ? way : refused(Errno.EHOSTUNREACH);
  }
}

/** Rejects an interface on which IPv6 is off. */
function checkIPv6({ home, name, mtu }: LinkState): void {
  if (mtu < SMALLEST_MTU6) refused(Errno.ENODEV);
  if (home.sysctls.get('ipv6', name, 'disable_ipv6') !== 0) refused(Errno.EACCES, 'IPv6 is disabled on nexthop device');
}
