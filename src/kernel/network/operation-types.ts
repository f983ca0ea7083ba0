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
  | {
      /** Name of the operation. */
      readonly operation: 'add-link';
      /** The interface. */
      readonly link: LinkSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'update-link';
      /** Any name of the interface. */
      readonly name: string;
      /** Settings to change. */
      readonly changes: LinkChange;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'delete-link';
      /** Any name of the interface. */
      readonly name: string;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'add-address';
      /** The address. */
      readonly address: AddressSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'delete-address';
      /** The address. */
      readonly address: AddressKey;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'add-route' | 'set-route';
      /** The route. */
      readonly route: RouteSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'delete-route';
      /** The route. */
      readonly route: RouteSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'add-rule';
      /** The rule. */
      readonly rule: RoutingRuleSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'delete-rule';
      /** The rule. */
      readonly rule: RoutingRuleSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'set-neighbour';
      /** The neighbour. */
      readonly neighbour: NeighbourSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'delete-neighbour';
      /** The neighbour. */
      readonly neighbour: NeighbourKey;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'add-forwarding-entry';
      /** The forwarding entry. */
      readonly entry: ForwardingSettings;
    }
  | {
      /** Name of the operation. */
      readonly operation: 'delete-forwarding-entry';
      /** The forwarding entry. */
      readonly entry: ForwardingSettings;
    };

/** The result of an operation. Errno 0 is success. */
export interface OperationOutcome {
  /** Errno of the kernel, or 0. */
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
  | {
      /** Type of the event. */
      readonly type: 'link-added' | 'link-changed' | 'link-removed';
      /** The interface. */
      readonly link: Link;
    }
  | {
      /** Type of the event. */
      readonly type: 'address-added' | 'address-changed' | 'address-removed';
      /** The address. */
      readonly address: InterfaceAddress;
    }
  | {
      /** Type of the event. */
      readonly type: 'route-added' | 'route-changed' | 'route-removed';
      /** The route. */
      readonly route: Route;
    }
  | {
      /** Type of the event. */
      readonly type: 'rule-added' | 'rule-removed';
      /** The rule. */
      readonly rule: RoutingRule;
    }
  | {
      /** Type of the event. */
      readonly type: 'neighbour-changed' | 'neighbour-removed';
      /** The neighbour. */
      readonly neighbour: Neighbour;
    }
  | {
      /** Type of the event. */
      readonly type: 'forwarding-entry-changed' | 'forwarding-entry-removed';
      /** The forwarding entry. */
      readonly entry: ForwardingEntry;
    }
  /** Events were lost: read the state again. */
  | {
      /** Type of the event. */
      readonly type: 'overrun';
    };

/** The type of an event that a watch can select. `overrun` is always reported. */
export type NetworkEventType = Exclude<NetworkEvent['type'], 'overrun'>;
