import type { AddressKey, AddressSettings, InterfaceAddress, Route, RouteSettings } from './address-types.js';
import type { Link, LinkChange, LinkSettings } from './link-types.js';
import type {
  ForwardingEntry,
  ForwardingSettings,
  Neighbour,
  NeighbourKey,
  NeighbourSettings,
  RoutingRule,
  RuleSettings,
} from './rule-types.js';

/** One of many changes. Adds are exclusive: what is there already is EEXIST. */
export type NetworkOperation =
  | { readonly operation: 'add-link'; readonly link: LinkSettings }
  | { readonly operation: 'set-link'; readonly name: string; readonly changes: LinkChange }
  | { readonly operation: 'delete-link'; readonly name: string }
  | { readonly operation: 'add-address'; readonly address: AddressSettings }
  | { readonly operation: 'delete-address'; readonly address: AddressKey }
  | { readonly operation: 'add-route' | 'replace-route'; readonly route: RouteSettings }
  | { readonly operation: 'delete-route'; readonly route: RouteSettings }
  | { readonly operation: 'add-rule'; readonly rule: RuleSettings }
  | { readonly operation: 'delete-rule'; readonly rule: RuleSettings }
  | { readonly operation: 'set-neighbour'; readonly neighbour: NeighbourSettings }
  | { readonly operation: 'delete-neighbour'; readonly neighbour: NeighbourKey }
  | { readonly operation: 'add-forwarding-entry'; readonly entry: ForwardingSettings }
  | { readonly operation: 'delete-forwarding-entry'; readonly entry: ForwardingSettings };

/** How an operation ended; errno 0 is success. */
export interface OperationOutcome {
  readonly errno: number;
  /** What the kernel said besides. */
  readonly message: string;
  /** It is the namespace that the operation names which could not be opened. */
  readonly namespace?: boolean;
}

/**
 * What happened. Of neighbours and forwarding entries the kernel does not tell whether they are new.
 * IPv4 routes that vanish with an interface or an address vanish without an event.
 */
export type NetworkEvent =
  | { readonly type: 'link-added' | 'link-changed' | 'link-removed'; readonly link: Link }
  | { readonly type: 'address-added' | 'address-changed' | 'address-removed'; readonly address: InterfaceAddress }
  | { readonly type: 'route-added' | 'route-changed' | 'route-removed'; readonly route: Route }
  | { readonly type: 'rule-added' | 'rule-removed'; readonly rule: RoutingRule }
  | { readonly type: 'neighbour-changed' | 'neighbour-removed'; readonly neighbour: Neighbour }
  | { readonly type: 'forwarding-entry-changed' | 'forwarding-entry-removed'; readonly entry: ForwardingEntry }
  /** Some were lost: read again what matters. */
  | { readonly type: 'overrun' };

export type NetworkEventType = Exclude<NetworkEvent['type'], 'overrun'>;
