import type { Family } from '../common/address.js';
import { checkCallOptions, checkFlag, checkOptions, namesOf, valueOr } from '../common/check.js';
import { checkInterfaceName } from '../common/interface-name.js';
import type { CallOptions } from '../kernel/call.js';
import type { ForwardingEntry, InterfaceAddress, Neighbour, Route, RoutingRule } from '../kernel/network/types.js';
import { checkFamily, optional } from './checks.js';
import type { Context } from './context.js';
import {
  checkRouteFilter,
  checkRouteQuery,
  type RouteFilter,
  type RouteToOptions,
  routeToNames,
} from './route-options.js';

const entryNames = namesOf<ForwardingEntryFilter>({ interface: true });

const neighbourNames = namesOf<NeighbourFilter>({ interface: true, family: true, proxy: true });

const ruleNames = namesOf<RoutingRuleFilter>({ family: true });

const routeNames = namesOf<RouteFilter>({ table: true, family: true, protocol: true });

const addressNames = namesOf<AddressFilter>({ interface: true, family: true });

/** Filter of `addresses()`. */
export interface AddressFilter {
  /** Name of the interface. Default: all interfaces. */
  readonly interface?: string | undefined;
  /** Address family. Default: both. */
  readonly family?: Family | undefined;
}

/** Filter of `rules()`. */
export interface RoutingRuleFilter {
  /** Address family. Default: both. */
  readonly family?: Family | undefined;
}

/** Filter of `neighbours()`. */
export interface NeighbourFilter {
  /** Name of the interface. Default: all interfaces. */
  readonly interface?: string | undefined;
  /** Address family. Default: both. */
  readonly family?: Family | undefined;
  /** True for the addresses that this host answers for, instead of all others. Default: false. */
  readonly proxy?: boolean | undefined;
}

/** Filter of `forwardingEntries()`. */
export interface ForwardingEntryFilter {
  /** Name of the interface. Default: all interfaces. */
  readonly interface?: string | undefined;
}

const checkedInterface = (value: unknown): string | undefined =>
  optional(value, (name) => checkInterfaceName('interface', name));

export async function listAddresses(
  context: Context,
  filter: AddressFilter,
  options: CallOptions | undefined,
): Promise<readonly InterfaceAddress[]> {
  checkOptions('a filter of addresses', filter, addressNames);
  const checked = { interface: checkedInterface(filter.interface), family: optional(filter.family, checkFamily) };
  return context.list('addresses', options, () => context.port.addresses(checked, options));
}

export async function listRoutes(
  context: Context,
  filter: RouteFilter,
  options: CallOptions | undefined,
): Promise<readonly Route[]> {
  checkOptions('a filter of routes', filter, routeNames);
  const checked = checkRouteFilter(filter);
  return context.list('routes', options, () => context.port.routes(checked, options));
}

export async function listRules(
  context: Context,
  filter: RoutingRuleFilter,
  options: CallOptions | undefined,
): Promise<readonly RoutingRule[]> {
  checkOptions('a filter of rules', filter, ruleNames);
  const family = optional(filter.family, checkFamily);
  return context.list('rules', options, () => context.port.rules(family, options));
}

export async function listNeighbours(
  context: Context,
  filter: NeighbourFilter,
  options: CallOptions | undefined,
): Promise<readonly Neighbour[]> {
  checkOptions('a filter of neighbours', filter, neighbourNames);
  const checked = {
    interface: checkedInterface(filter.interface),
    family: optional(filter.family, checkFamily),
    proxy: checkFlag('proxy', valueOr(filter.proxy, false)),
  };
  return context.list('neighbours', options, () => context.port.neighbours(checked, options));
}

export async function listForwardingEntries(
  context: Context,
  filter: ForwardingEntryFilter,
  options: CallOptions | undefined,
): Promise<readonly ForwardingEntry[]> {
  checkOptions('a filter of forwarding entries', filter, entryNames);
  const checked = { interface: checkedInterface(filter.interface) };
  return context.list('forwarding entries', options, () => context.port.forwardingEntries(checked, options));
}

export async function findRoute(
  context: Context,
  address: string,
  options: RouteToOptions & CallOptions,
): Promise<Route> {
  checkCallOptions(options, routeToNames);
  const query = checkRouteQuery(address, options);
  const { signal, timeout } = options;
  const request = { command: 'route-to', action: 'find the route to', object: query.address } as const;
  return context.ask({ ...request, options, names: routeToNames }, () =>
    context.port.routeTo(query, { signal, timeout }),
  );
}
