import type { Family } from '../../common/address.js';

/** The action of a rule (FR_ACT_* in include/uapi/linux/fib_rules.h). */
export type RoutingRuleAction = 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';

/** A range of numbers, with both ends. */
export interface NumberRange {
  /** Lowest number of the range. */
  readonly first: number;
  /** Highest number of the range. */
  readonly last: number;
}

/** A rule of policy routing. */
export interface RoutingRule {
  /** Address family. The kernel has a list of rules for each. */
  readonly family: Family;
  /** Priority, 0 to 2^32-1. The kernel evaluates the lowest first. */
  readonly priority: number;
  /** Action for packets that match. */
  readonly action: RoutingRuleAction;
  /** Table of the action `lookup`. */
  readonly table?: number;
  /** Priority of the next rule, for the action `goto`. */
  readonly goto?: number;
  /** True if the rule is for packets that do not match the other conditions (`not` of `ip rule`). */
  readonly invert: boolean;
  /** Source prefix, for example `10.0.0.0/8`. Absent: every source. */
  readonly source?: string;
  /** Destination prefix. Absent: every destination. */
  readonly destination?: string;
  /** Mark of the packet, 0 to 2^32-1. Absent: every mark. */
  readonly mark?: number;
  /** Bits of the mark to compare. */
  readonly mask?: number;
  /** Interface by which the packet arrives (`iif`); `lo` for packets of this host. */
  readonly inputInterface?: string;
  /** Interface that the socket of a local packet is bound to (`oif`). */
  readonly outputInterface?: string;
  /** Type of service of the packet, 0 to 255. Absent: every one. */
  readonly tos?: number;
  /** Origin of the rule: 2 the kernel, 3 `ip`, 4 an administrator, ... (RTPROT_*). */
  readonly protocol?: number;
  /** Number of the IP protocol: 6 TCP, 17 UDP, ... */
  readonly ipProtocol?: number;
  /** Source ports. Absent: every port. */
  readonly sourcePorts?: NumberRange;
  /** Destination ports. Absent: every port. */
  readonly destinationPorts?: NumberRange;
  /** Bits of a single source port to compare, 1 to 0xffff. Requires Linux 6.15. Absent: all bits. */
  readonly sourcePortMask?: number;
  /** Bits of a single destination port to compare, 1 to 0xffff. Requires Linux 6.15. Absent: all bits. */
  readonly destinationPortMask?: number;
  /** Users (UIDs) that own the packet's socket. Absent: every user. */
  readonly users?: NumberRange;
  /** Prefix length up to which the rule ignores routes. */
  readonly suppressPrefixLength?: number;
  /** True if the rule has parts that this type does not support. Such a rule cannot be deleted with these fields. */
  readonly further: boolean;
  /** Names of these parts in `ip rule`: `l3mdev`, `realms`, `tun_id`, ... Present if `further` is true. */
  readonly unsupported?: readonly string[];
}

/** A rule to add or to delete. */
export type RoutingRuleSettings = Omit<RoutingRule, 'priority' | 'further' | 'unsupported'> & {
  /** Priority, 0 to 2^32-1. Default of an add: chosen by the kernel, one before all but the first rule. */
  readonly priority?: number | undefined;
};

/** The state of a neighbour (NUD_* in include/uapi/linux/neighbour.h). */
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

/** A neighbour that was read: the link-layer address of an IP address. */
export interface Neighbour {
  /** Interface that the neighbour is reached by. */
  readonly interface: string;
  /** Family of the IP address. */
  readonly family: Family;
  /** IP address of the neighbour. */
  readonly address: string;
  /** Link-layer address. Absent for a proxy entry, and in the states `incomplete` and `failed`. */
  readonly linkAddress?: string;
  /** State of the entry. */
  readonly state: NeighbourState;
  /** True if this host answers for the address. */
  readonly proxy: boolean;
  /** True if the neighbour is a router (IPv6). */
  readonly router: boolean;
  /** True if another program maintains the entry. */
  readonly externallyLearned: boolean;
}

/** A neighbour to set. */
export interface NeighbourSettings {
  /** Interface that the neighbour is reached by. */
  readonly interface: string;
  /** Family of the IP address. */
  readonly family: Family;
  /** IP address of the neighbour. */
  readonly address: string;
  /** Link-layer address, for example `02:42:0a:00:00:14`. Absent for a proxy entry. */
  readonly linkAddress?: string | undefined;
  /** State to give the entry. */
  readonly state: NeighbourState;
  /** True if this host answers for the address. */
  readonly proxy: boolean;
}

/** Selects one neighbour. */
export type NeighbourKey = Pick<NeighbourSettings, 'interface' | 'family' | 'address' | 'proxy'>;

/** The state of an entry. `permanent` and `static` do not expire; `permanent` belongs to the interface itself. */
export type ForwardingState = 'permanent' | 'static' | 'dynamic' | 'stale';

/** A forwarding entry that was read: the destination of a bridge or a vxlan for a link-layer address. */
export interface ForwardingEntry {
  /** Port of the bridge, or the vxlan (or another interface with its own table). */
  readonly interface: string;
  /** Link-layer address of the destination. All zeros: frames that no other entry matches (vxlan). */
  readonly linkAddress: string;
  /** State of the entry. */
  readonly state: ForwardingState;
  /** True if the entry is in the table of the interface itself. */
  readonly self: boolean;
  /** True if the entry is in the table of the bridge that the interface is a port of. */
  readonly master: boolean;
  /** Name of the bridge that the interface is a port of. */
  readonly bridge?: string;
  /** VLAN of the entry, 1 to 4094. Absent: none. */
  readonly vlan?: number;
  /** Address of the other end of a vxlan. */
  readonly destination?: string;
  /** UDP port. Absent: the port of the vxlan. */
  readonly port?: number;
  /** Number of the network. Absent: the number of the vxlan. */
  readonly vni?: number;
  /** Number of the source network, for an external vxlan. */
  readonly sourceVni?: number;
  /** Interface through which packets leave. */
  readonly via?: string;
  /** Id of a nexthop group (`ip nexthop`) that has the other ends. */
  readonly nexthopId?: number;
  /** True if another program maintains the entry (NTF_EXT_LEARNED). */
  readonly externallyLearned: boolean;
}

/** A forwarding entry to add or to delete. */
export interface ForwardingSettings {
  /** Port of a bridge, or a vxlan. */
  readonly interface: string;
  /** Link-layer address of the destination, for example `02:42:0a:00:00:14`. */
  readonly linkAddress: string;
  /** State to give the entry. */
  readonly state: ForwardingState;
  /** Table of the entry: that of the interface (`self`) or of its bridge (`master`). */
  readonly of: 'self' | 'master';
  /** VLAN, 1 to 4094. Absent: none. */
  readonly vlan?: number | undefined;
  /** Address of the other end, for a vxlan. */
  readonly destination?: string | undefined;
  /** UDP port of the other end, 1 to 65535. Absent: that of the vxlan. */
  readonly port?: number | undefined;
  /** Number of the network, 0 to 16 777 215. Absent: that of the vxlan. */
  readonly vni?: number | undefined;
  /** Source number of the network, 0 to 16 777 215, for an external vxlan. */
  readonly sourceVni?: number | undefined;
  /** Interface by which packets leave. */
  readonly via?: string | undefined;
  /** True to add a destination to an address that has one. The address is all zeros or a multicast address. */
  readonly append: boolean;
}
