import type { Family } from '../address.js';

/** What an interface of a known kind has besides what all have. */
export type LinkData =
  | {
      readonly kind: 'veth';
      /** Of the other end, in the namespace that it is in. */
      readonly peerIndex: number;
      /** Its name, if it is in this namespace. */
      readonly peer?: string;
      /** What this namespace calls the other one ({@link NamespaceEntry.id}), if it is in another. */
      readonly peerNamespaceId?: number;
    }
  | {
      readonly kind: 'bridge';
      readonly stp: boolean;
      readonly vlanFiltering: boolean;
      readonly multicastSnooping?: boolean;
    }
  | {
      readonly kind: 'vxlan';
      /** The network's number, from 0 to 16 777 215. */
      readonly id: number;
      /** UDP. */
      readonly port: number;
      readonly local?: string;
      /** Where to what no forwarding entry knows is sent; a multicast group, perhaps. */
      readonly remote?: string;
      /** The interface that packets leave by. */
      readonly device?: string;
      readonly learning: boolean;
      /** Each packet's route or rule says the number and the other end (collect metadata). */
      readonly external: boolean;
    }
  | {
      readonly kind: 'ipip' | 'gre';
      readonly local?: string;
      readonly remote?: string;
      readonly ttl?: number;
      /** Of gre, if both directions have it. */
      readonly key?: number;
      readonly external: boolean;
    }
  | { readonly kind: 'macvlan'; readonly mode: MacvlanMode };

export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';

/** RFC 2863, as Documentation/networking/operstates.rst has it. */
export type OperationalState = 'unknown' | 'not-present' | 'down' | 'lower-layer-down' | 'testing' | 'dormant' | 'up';

/** A network interface, as it was read. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Other names that the kernel finds it by. */
  readonly alternativeNames: readonly string[];
  /**
   * `veth`, `vxlan`, `wireguard`, ...: what `ip link add type` takes; `loopback`; `device` for what a
   * driver makes and gives no kind, such as a network card.
   */
  readonly kind: string;
  /** Of `veth`, `bridge`, `vxlan`, `ipip`, `gre` and `macvlan`. */
  readonly data?: LinkData;
  /** Whether it is set to be up. */
  readonly up: boolean;
  /** Whether packets pass: it is up, and has a carrier. */
  readonly running: boolean;
  readonly operationalState: OperationalState;
  /** Bytes. */
  readonly mtu: number;
  /** Its link-layer (MAC) address, as `02:42:0a:00:00:14`; tunnels have none. */
  readonly address?: string;
  /** The bridge (or the like) that it is a port of. */
  readonly master?: string;
  /** The interface that it is made on; only if that is in this namespace. */
  readonly parent?: string;
}

/** A network interface that is to be. */
export interface LinkSettings {
  readonly name: string;
  readonly details: LinkDetails;
  readonly mtu?: number | undefined;
  readonly address?: string | undefined;
  readonly up: boolean;
  readonly master?: string | undefined;
  /** A path; without it, the namespace of the handle. */
  readonly namespace?: string | undefined;
}

export type LinkDetails =
  | { readonly kind: 'dummy' }
  | {
      readonly kind: 'veth';
      readonly peer: {
        readonly name: string;
        readonly namespace?: string | undefined;
        readonly mtu?: number | undefined;
        readonly address?: string | undefined;
        readonly up: boolean;
      };
    }
  | {
      readonly kind: 'bridge';
      readonly stp?: boolean | undefined;
      readonly vlanFiltering?: boolean | undefined;
      readonly multicastSnooping?: boolean | undefined;
    }
  | {
      readonly kind: 'vxlan';
      readonly id?: number | undefined;
      readonly port: number;
      readonly local?: string | undefined;
      readonly remote?: string | undefined;
      readonly device?: string | undefined;
      readonly learning?: boolean | undefined;
      readonly external: boolean;
    }
  | {
      readonly kind: 'ipip' | 'gre';
      readonly local?: string | undefined;
      readonly remote?: string | undefined;
      readonly device?: string | undefined;
      readonly ttl?: number | undefined;
      readonly key?: number | undefined;
      readonly external: boolean;
    }
  | { readonly kind: 'macvlan'; readonly parent: string; readonly mode: MacvlanMode };

/** What is to change of an interface; what is undefined stays. */
export interface LinkChange {
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly address?: string | undefined;
  /** null: of none. */
  readonly master?: string | null | undefined;
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
}

/** How far an address or a route reaches (include/uapi/linux/rtnetlink.h); other numbers are the user's. */
export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere' | number;

/** An address of an interface, as it was read. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly family: Family;
  /** With its prefix length: `192.168.1.100/32`. */
  readonly address: string;
  /** The other end of a point-to-point link; the prefix length is then that of this. */
  readonly peer?: string;
  readonly broadcast?: string;
  readonly scope: Scope;
  /** IPv4. */
  readonly label?: string;
  /** Who made it (IFA_PROTO); 1 to 3 is the kernel. */
  readonly protocol?: number;
  /** IPv4: another address of the same network came first. IPv6: it is temporary. */
  readonly secondary: boolean;
  /** IPv6: duplicate address detection is not over, and the address can not be used. */
  readonly tentative: boolean;
  /** IPv6: another host has it. */
  readonly duplicate: boolean;
  readonly deprecated: boolean;
  readonly noDad: boolean;
  /** Without a route to its network. */
  readonly noPrefixRoute: boolean;
  /** Seconds; undefined: for ever. */
  readonly validLifetime?: number;
  readonly preferredLifetime?: number;
}

export interface AddressSettings {
  readonly interface: string;
  readonly family: Family;
  /** Without its prefix length. */
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: Scope;
  readonly label?: string | undefined;
  readonly noDad: boolean;
  readonly protocol?: number | undefined;
}

export type AddressKey = Pick<AddressSettings, 'interface' | 'family' | 'address' | 'prefixLength'>;

/** What becomes of packets (RTN_* in include/uapi/linux/rtnetlink.h). */
export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'other';

/** One of several ways of a route. */
export interface Nexthop {
  readonly via?: string;
  readonly interface?: string;
  /** From 1 to 256. */
  readonly weight: number;
  readonly onlink: boolean;
  /** Not used: its interface is down or gone, or has no carrier. */
  readonly dead: boolean;
}

/** A route, as it was read. */
export interface Route {
  readonly family: Family;
  readonly table: number;
  readonly type: RouteType;
  /** `10.0.0.0/8`, or `default`. */
  readonly destination: string;
  /** Only for packets from there (IPv6). */
  readonly from?: string;
  readonly via?: string;
  readonly interface?: string;
  /** The address that packets of this host get, where they have none. */
  readonly source?: string;
  readonly scope: Scope;
  /** Who made it: 2 the kernel, 3 `ip` at boot, 4 an administrator, ... (RTPROT_*). */
  readonly protocol: number;
  /** The lowest is used. 0 where the kernel tells none. */
  readonly metric: number;
  /** Only for packets of this type of service. */
  readonly tos?: number;
  readonly mtu?: number;
  readonly onlink: boolean;
  /** Not used: its interface is down, or has no carrier. */
  readonly dead: boolean;
  /** Several ways, instead of `via` and `interface`. */
  readonly nexthops?: readonly Nexthop[];
  /** A nexthop object (`ip nexthop`). */
  readonly nexthopId?: number;
}

export interface NexthopSettings {
  readonly via?: string | undefined;
  readonly interface?: string | undefined;
  readonly weight: number;
  readonly onlink: boolean;
}

export interface RouteSettings {
  readonly family: Family;
  readonly table: number;
  readonly type: Exclude<RouteType, 'other'>;
  /** Without its prefix length. */
  readonly destination: string;
  readonly prefixLength: number;
  readonly via?: string | undefined;
  readonly interface?: string | undefined;
  readonly source?: string | undefined;
  /** undefined in a delete: any. */
  readonly scope?: Scope | undefined;
  /** undefined in a delete: any. */
  readonly protocol?: number | undefined;
  readonly metric?: number | undefined;
  readonly tos?: number | undefined;
  readonly mtu?: number | undefined;
  readonly onlink: boolean;
  readonly nexthops?: readonly NexthopSettings[] | undefined;
  readonly nexthopId?: number | undefined;
}

export interface RouteQuery {
  readonly family: Family;
  readonly address: string;
  readonly source?: string | undefined;
  readonly mark?: number | undefined;
  /** The interface that it leaves by. */
  readonly interface?: string | undefined;
  /** The interface that it came in by: a packet that is forwarded. */
  readonly inputInterface?: string | undefined;
}

/** What a rule does (FR_ACT_* in include/uapi/linux/fib_rules.h). */
export type RuleAction = 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';

export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** A rule of policy routing. */
export interface RoutingRule {
  readonly family: Family;
  readonly priority: number;
  readonly action: RuleAction;
  /** Of `lookup`. */
  readonly table?: number;
  /** The priority of the rule to go on with, of `goto`. */
  readonly goto?: number;
  readonly invert: boolean;
  readonly source?: string;
  readonly destination?: string;
  readonly mark?: number;
  /** Which bits of the mark count. */
  readonly mask?: number;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  readonly tos?: number;
  /** Who made it: 2 the kernel, 3 `ip`, 4 an administrator, ... (RTPROT_*). */
  readonly protocol?: number;
  /** Of IP: 6 TCP, 17 UDP, ... */
  readonly ipProtocol?: number;
  readonly sourcePorts?: NumberRange;
  readonly destinationPorts?: NumberRange;
  readonly users?: NumberRange;
  /** Routes of a shorter or of this prefix length are passed over. */
  readonly suppressPrefixLength?: number;
  /** It has more that is not told here: a tunnel's number, a device of layer 3, ... */
  readonly further: boolean;
}

export type RuleSettings = Omit<RoutingRule, 'priority' | 'further'> & { readonly priority?: number | undefined };

/** NUD_* in include/uapi/linux/neighbour.h. */
export type NeighbourState =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent';

/** Which link-layer address a neighbour has, as it was read. */
export interface Neighbour {
  readonly interface: string;
  readonly family: Family;
  readonly address: string;
  /** Not known while it is incomplete or failed; a proxy entry has none. */
  readonly linkAddress?: string;
  readonly state: NeighbourState;
  /** This host answers for the address. */
  readonly proxy: boolean;
  /** IPv6: it is a router. */
  readonly router: boolean;
  /** Another program keeps it up to date. */
  readonly externallyLearned: boolean;
}

export interface NeighbourSettings {
  readonly interface: string;
  readonly family: Family;
  readonly address: string;
  readonly linkAddress?: string | undefined;
  readonly state: NeighbourState;
  readonly proxy: boolean;
}

export type NeighbourKey = Pick<NeighbourSettings, 'interface' | 'family' | 'address' | 'proxy'>;

/** `permanent`: of the interface itself, never forgotten. `static`: never forgotten. */
export type ForwardingState = 'permanent' | 'static' | 'dynamic' | 'stale';

/** Where a bridge or a vxlan sends frames to a link-layer address, as it was read. */
export interface ForwardingEntry {
  /** The port of the bridge, or the vxlan (or another interface with a table of its own). */
  readonly interface: string;
  readonly linkAddress: string;
  readonly state: ForwardingState;
  /** In the table of the interface itself. */
  readonly self: boolean;
  /** In the table of the bridge that the interface is a port of. */
  readonly master: boolean;
  /** That bridge. */
  readonly bridge?: string;
  readonly vlan?: number;
  /** The other end, of a vxlan. */
  readonly destination?: string;
  /** UDP; undefined: that of the vxlan. */
  readonly port?: number;
  /** The network's number; undefined: that of the vxlan. */
  readonly vni?: number;
  /** Of a vxlan that is external. */
  readonly sourceVni?: number;
  /** The interface that packets leave by. */
  readonly via?: string;
  readonly nexthopId?: number;
  readonly externallyLearned: boolean;
}

export interface ForwardingSettings {
  readonly interface: string;
  readonly linkAddress: string;
  readonly state: ForwardingState;
  /** Which table: the interface's own, or that of its bridge. */
  readonly of: 'self' | 'master';
  readonly vlan?: number | undefined;
  readonly destination?: string | undefined;
  readonly port?: number | undefined;
  readonly vni?: number | undefined;
  readonly sourceVni?: number | undefined;
  readonly via?: string | undefined;
  /** One more destination for an address that has one: all zeros, or a multicast address. */
  readonly append: boolean;
}

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

/** A network namespace with a name. */
export interface NamespaceEntry {
  readonly name: string;
  /** What the namespace of this process calls it, if it has been given a number. */
  readonly id?: number;
}

/** A UDP port whose packets the kernel unwraps (fou). */
export interface UdpTunnel {
  readonly type: 'fou' | 'gue';
  readonly port: number;
  readonly family: Family;
  /** Of `fou`: the IP protocol that they hold. */
  readonly protocol?: number;
}
