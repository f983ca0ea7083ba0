import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { bitsOf } from '../../common/prefix.js';
import type { Route, RouteQuery } from '../../kernel/network/types.js';
import { addressNumber, cut } from './prefix.js';
import type { AddressState, Flow } from './state.js';
import { type LinkState, type NetworkState, refused } from './state.js';
import { LOCAL, MAIN, madeRoute, type RouteState, type RouteTable, refusals, type Search } from './table.js';

const DEFAULT = 253;

/** Finds the route of a packet in the tables that the rules name. */
export class RouteLookup {
  readonly #core: NetworkState;
  readonly #table: RouteTable;

  constructor(core: NetworkState, table: RouteTable) {
    this.#core = core;
    this.#table = table;
  }

  /** Returns the route of a packet, like `ip route get`. */
  to(query: RouteQuery): Route {
    const { family, address, source, mark = 0 } = query;
    const { links, sysctls } = this.#core;
    const out = query.interface === undefined ? undefined : links.get(query.interface);
    const from = query.inputInterface === undefined ? undefined : links.get(query.inputInterface);
    if (out?.up === false) refused(Errno.ENETUNREACH);
    const own = source !== undefined && this.#table.isLocal(addressNumber(source, family), family);
    // Rejects a received packet with a source address of this host, and a sent packet with a foreign one.
    if (source !== undefined && family === 'ipv4' && own === (from !== undefined))
      refused(own ? Errno.EINVAL : Errno.ENETUNREACH);
    const flow: Flow = {
      family,
      destination: addressNumber(address, family),
      source: source === undefined ? undefined : addressNumber(source, family),
      mark,
      inputInterface: from?.name ?? 'lo',
      outputInterface: out?.name,
    };
    const found = this.resolve(flow, { link: out });
    const stays = from !== undefined && family === 'ipv4' && sysctls.get('ipv4', from.name, 'forwarding') === 0;
    if (typeof found === 'number') {
      if (stays) refused(Errno.EHOSTUNREACH);
      // Without a route, the kernel sends IPv4 packets out of a named interface.
      if (family === 'ipv6' || !out || found !== Errno.ENETUNREACH) refused(found);
      return this.#answer(query, madeRoute({ family, table: 0, type: 'unicast', network: 0n, length: 0, link: out }));
    }
    const refusal = refusals[found.route.type];
    if (refusal !== undefined) refused(refusal);
    if (stays && found.route.type === 'unicast') refused(Errno.EHOSTUNREACH);
    return this.#answer(query, found.route, found.table);
  }

  /** Returns the route and the table that the kernel reports for it, or an errno. */
  resolve(
    flow: Flow,
    search: Pick<Search, 'link' | 'narrowest'>,
  ): { readonly route: RouteState; readonly table: number } | number {
    const { family, destination } = flow;
    const find = (...tables: number[]): RouteState | undefined => {
      const route = this.#table.find({ ...search, family, destination, tables });
      return route?.type === 'throw' ? undefined : route;
    };
    if (family === 'ipv4' && this.#core.rules.merged) {
      const route = find(LOCAL, MAIN);
      if (route) return { route, table: MAIN };
      const last = find(DEFAULT);
      return last ? { route: last, table: DEFAULT } : Errno.ENETUNREACH;
    }
    for (const rule of this.#core.rules.for(flow)) {
      if (rule.action === 'blackhole') return Errno.EINVAL;
      if (rule.action === 'unreachable') return Errno.ENETUNREACH;
      if (rule.action === 'prohibit') return Errno.EACCES;
      const route = rule.action === 'lookup' ? find(rule.table ?? 0) : undefined;
      const suppressed = route && rule.suppressPrefixLength !== undefined && route.length <= rule.suppressPrefixLength;
      if (route && !suppressed) return { route, table: route.table };
    }
    return Errno.ENETUNREACH;
  }

  #answer(query: RouteQuery, route: RouteState, table = route.table): Route {
    const { family, address, source } = query;
    const [hop] = route.hops?.filter(({ dead }) => !dead) ?? [];
    const { link = hop?.link, type, mtu } = route;
    const local = type === 'local';
    const gateway = route.via ?? hop?.via;
    // If the gateway is an address of this host, the kernel treats the destination as on-link.
    const own =
      gateway !== undefined &&
      !gateway.includes(':') &&
      family === 'ipv4' &&
      this.#table.isLocal(addressNumber(gateway, family), family);
    const via = own ? undefined : gateway;
    const usual = local && family === 'ipv4' ? address : this.#sourceFor(family, link, via ?? address);
    const chosen = route.source ?? usual;
    const tells = source === undefined && query.inputInterface === undefined && chosen !== undefined;
    return {
      family,
      table,
      type,
      destination: `${address}/${bitsOf(family)}`,
      ...(source !== undefined && { from: `${source}/${bitsOf(family)}` }),
      ...(via !== undefined && { via }),
      interface: local ? 'lo' : (link?.name ?? 'lo'),
      ...(tells && { source: chosen }),
      scope: 'global',
      protocol: family === 'ipv6' ? route.protocol : 0,
      metric: family === 'ipv6' ? route.metric : 0,
      ...(mtu !== undefined && { mtu }),
      onlink: false,
      dead: false,
    };
  }

  /** Returns an address of the interface, preferably in the same network; otherwise of another (inet_select_addr). */
  #sourceFor(family: Family, link: LinkState | undefined, next: string): string | undefined {
    if (link === undefined) return undefined;
    const other = next.includes(':') ? 'ipv6' : 'ipv4';
    const value = other === family ? addressNumber(next, family) : undefined;
    const usable = (of: LinkState): readonly AddressState[] =>
      this.#core.addresses.of(of, family).filter(({ secondary, scope }) => !secondary && scope !== 'host');
    const own = usable(link);
    const near = own.find(
      ({ network, prefixLength }) => value !== undefined && cut(value, prefixLength, family) === network,
    );
    const elsewhere = (): AddressState | undefined =>
      this.#core.links
        .all()
        .flatMap(usable)
        .find(({ scope }) => scope !== 'link');
    return (near ?? own[0] ?? elsewhere())?.address;
  }
}
