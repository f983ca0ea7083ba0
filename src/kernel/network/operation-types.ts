import type { AddressKey, AddressSettings, InterfaceAddress, Route, RouteSettings } from './address-types.js';
import type { Link, LinkChange, LinkSettings } from './link-types.js';
import type {
  ForwardingEntry,
  ForwardingSettings,
  Neighbour,
  NeighbourKey,
  NeighbourSettings,
  RoutingRule,
  RoutingRuleSettings,
} from './rule-types.js';

/** One of many changes. Adding an object that exists already fails with EEXIST. */
export type NetworkOperation =
  | { readonly operation: 'add-link'; readonly link: LinkSettings }
  | { readonly operation: 'update-link'; readonly name: string; readonly changes: LinkChange }
  | { readonly operation: 'delete-link'; readonly name: string }
  | { readonly operation: 'add-address'; readonly address: AddressSettings }
  | { readonly operation: 'delete-address'; readonly address: AddressKey }
  | { readonly operation: 'add-route' | 'set-route'; readonly route: RouteSettings }
  | { readonly operation: 'delete-route'; readonly route: RouteSettings }
  | { readonly operation: 'add-rule'; readonly rule: RoutingRuleSettings }
  | { readonly operation: 'delete-rule'; readonly rule: RoutingRuleSettings }
  | { readonly operation: 'set-neighbour'; readonly neighbour: NeighbourSettings }
  | { readonly operation: 'delete-neighbour'; readonly neighbour: NeighbourKey }
  | { readonly operation: 'add-forwarding-entry'; readonly entry: ForwardingSettings }
  | { readonly operation: 'delete-forwarding-entry'; readonly entry: ForwardingSettings };

/** The result of an operation. Errno 0 is success. */
export interface OperationOutcome {
  readonly errno: number;
  /** Text of the kernel's extended ack, or the name of the failed call or interface. */
  readonly message: string;
  /** True if the namespace of the operation could not be opened. */
  readonly namespace?: boolean;
}

/**
 * An event of the network. The kernel does not report if a neighbour or a forwarding entry is new. IPv4 routes
 * that it deletes with an interface or an address cause no event.
 */
export type NetworkEvent =
  | { readonly type: 'link-added' | 'link-changed' | 'link-removed'; readonly link: Link }
  | { readonly type: 'address-added' | 'address-changed' | 'address-removed'; readonly address: InterfaceAddress }
  | { readonly type: 'route-added' | 'route-changed' | 'route-removed'; readonly route: Route }
  | { readonly type: 'rule-added' | 'rule-removed'; readonly rule: RoutingRule }
  | { readonly type: 'neighbour-changed' | 'neighbour-removed'; readonly neighbour: Neighbour }
  | { readonly type: 'forwarding-entry-changed' | 'forwarding-entry-removed'; readonly entry: ForwardingEntry }
  /** Events were lost: read the state again. */
  | { readonly type: 'overrun' };

export type NetworkEventType = Exclude<NetworkEvent['type'], 'overrun'>;
