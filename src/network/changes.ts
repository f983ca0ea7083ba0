import { checkList, checkOneOf, checkOptions, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import type { NetworkOperation } from '../kernel/network/types.js';
import {
  type AddressOptions,
  type AddressSelector,
  checkAddressOptions,
  checkAddressSelector,
} from './address-options.js';
import { checkLink, checkLinkChanges, type LinkChanges, type LinkOptions } from './link-options.js';
import {
  checkForwardingEntry,
  checkForwardingSelector,
  checkNeighbour,
  checkNeighbourSelector,
  type ForwardingEntryOptions,
  type ForwardingEntrySelector,
  type NeighbourOptions,
  type NeighbourSelector,
} from './neighbour-options.js';
import { checkRoute, checkRouteSelector, type RouteOptions, type RouteSelector } from './route-options.js';
import { checkRule, checkRuleSelector, type RoutingRuleOptions, type RoutingRuleSelector } from './rule-options.js';

/** One change of a list for {@link Network.apply}. */
export type NetworkChange =
  | {
      /** Name of the change. */
      readonly change: 'add-link';
      /** The new interface, as for `addLink()`. */
      readonly link: LinkOptions;
    }
  | {
      /** Name of the change. */
      readonly change: 'update-link';
      /** Main or alternative name of the interface. */
      readonly name: string;
      /** Properties to change, as for `updateLink()`. */
      readonly changes: LinkChanges;
    }
  | {
      /** Name of the change. */
      readonly change: 'delete-link';
      /** Main or alternative name of the interface. */
      readonly name: string;
    }
  | {
      /** Name of the change. */
      readonly change: 'add-address';
      /** The address, as for the method of this name. */
      readonly address: AddressOptions;
    }
  | {
      /** Name of the change. */
      readonly change: 'delete-address';
      /** The address, as for the method of this name. */
      readonly address: AddressSelector;
    }
  | {
      /** Name of the change. */
      readonly change: 'add-route' | 'set-route';
      /** The route, as for the method of this name. */
      readonly route: RouteOptions;
    }
  | {
      /** Name of the change. */
      readonly change: 'delete-route';
      /** The route, as for the method of this name. */
      readonly route: RouteSelector;
    }
  | {
      /** Name of the change. */
      readonly change: 'add-rule';
      /** The rule, as for the method of this name. */
      readonly rule: RoutingRuleOptions;
    }
  | {
      /** Name of the change. */
      readonly change: 'delete-rule';
      /** The rule, as for the method of this name. */
      readonly rule: RoutingRuleSelector;
    }
  | {
      /** Name of the change. */
      readonly change: 'set-neighbour';
      /** The neighbour, as for the method of this name. */
      readonly neighbour: NeighbourOptions;
    }
  | {
      /** Name of the change. */
      readonly change: 'delete-neighbour';
      /** The neighbour, as for the method of this name. */
      readonly neighbour: NeighbourSelector;
    }
  | {
      /** Name of the change. */
      readonly change: 'add-forwarding-entry';
      /** The forwarding entry, as for the method of this name. */
      readonly entry: ForwardingEntryOptions;
    }
  | {
      /** Name of the change. */
      readonly change: 'delete-forwarding-entry';
      /** The forwarding entry, as for the method of this name. */
      readonly entry: ForwardingEntrySelector;
    };

/** Fields of each change besides its name. */
const fields: Readonly<Record<NetworkChange['change'], readonly string[]>> = {
  'add-link': ['link'],
  'update-link': ['name', 'changes'],
  'delete-link': ['name'],
  'add-address': ['address'],
  'delete-address': ['address'],
  'add-route': ['route'],
  'set-route': ['route'],
  'delete-route': ['route'],
  'add-rule': ['rule'],
  'delete-rule': ['rule'],
  'set-neighbour': ['neighbour'],
  'delete-neighbour': ['neighbour'],
  'add-forwarding-entry': ['entry'],
  'delete-forwarding-entry': ['entry'],
};

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function toOperation(change: NetworkChange): NetworkOperation {
  if (typeof change !== 'object' || change === null) throw invalid(`a change must be an object, not ${show(change)}`);
  checkOneOf('a change', change.change, Object.keys(fields) as NetworkChange['change'][]);
  checkOptions('a change', change, ['change', ...fields[change.change]]);
  switch (change.change) {
    case 'add-link':
      return { operation: 'add-link', link: checkLink(change.link) };
    case 'update-link': {
      const name = checkInterfaceName('name', change.name);
      return { operation: 'update-link', name, changes: checkLinkChanges(change.changes) };
    }
    case 'delete-link':
      return { operation: 'delete-link', name: checkInterfaceName('name', change.name) };
    case 'add-address':
      return { operation: 'add-address', address: checkAddressOptions(change.address) };
    case 'delete-address':
      return { operation: 'delete-address', address: checkAddressSelector(change.address) };
    case 'add-route':
    case 'set-route':
      return { operation: change.change, route: checkRoute(change.route) };
    case 'delete-route':
      return { operation: 'delete-route', route: checkRouteSelector(change.route) };
    case 'add-rule':
      return { operation: 'add-rule', rule: checkRule(change.rule) };
    case 'delete-rule':
      return { operation: 'delete-rule', rule: checkRuleSelector(change.rule) };
    case 'set-neighbour':
      return { operation: 'set-neighbour', neighbour: checkNeighbour(change.neighbour) };
    case 'delete-neighbour':
      return { operation: 'delete-neighbour', neighbour: checkNeighbourSelector(change.neighbour) };
    case 'add-forwarding-entry':
      return { operation: 'add-forwarding-entry', entry: checkForwardingEntry(change.entry) };
    case 'delete-forwarding-entry':
      return { operation: 'delete-forwarding-entry', entry: checkForwardingSelector(change.entry) };
  }
}

/** Checks all changes of a list. @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, with the place in the list */
export function toOperations(changes: readonly NetworkChange[]): NetworkOperation[] {
  return checkList('changes', changes).map((change, index) => {
    try {
      return toOperation(change);
    } catch (error) {
      throw error instanceof IpvsError ? invalid(`change ${index}: ${error.message}`) : error;
    }
  });
}
