import type { Family } from '../../common/address.js';

/** The action of a rule (FR_ACT_* in include/uapi/linux/fib_rules.h). */
export type RoutingRuleAction = 'lookup' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';

export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** A rule of policy routing. */
export interface RoutingRule {
  readonly family: Family;
  readonly priority: number;
  readonly action: RoutingRuleAction;
  /** Table of the action `lookup`. */
  readonly table?: number;
  /** Priority of the next rule, for the action `goto`. */
  readonly goto?: number;
  readonly invert: boolean;
  readonly source?: string;
  readonly destination?: string;
  readonly mark?: number;
  /** Bits of the mark to compare. */
  readonly mask?: number;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  readonly tos?: number;
  /** Origin of the rule: 2 the kernel, 3 `ip`, 4 an administrator, ... (RTPROT_*). */
  readonly protocol?: number;
  /** Number of the IP protocol: 6 TCP, 17 UDP, ... */
  readonly ipProtocol?: number;
  readonly sourcePorts?: NumberRange;
  readonly destinationPorts?: NumberRange;
  /** Bits of a single source port to compare, 1 to 0xffff. Requires Linux 6.15. Absent: all bits. */
  readonly sourcePortMask?: number;
  /** Bits of a single destination port to compare, 1 to 0xffff. Requires Linux 6.15. Absent: all bits. */
  readonly destinationPortMask?: number;
  readonly users?: NumberRange;
  /** Prefix length up to which the rule ignores routes. */
  readonly suppressPrefixLength?: number;
  /** True if the rule has parts that this type does not support. Such a rule cannot be deleted with these fields. */
  readonly further: boolean;
  /** Names of these parts in `ip rule`: `l3mdev`, `realms`, `tun_id`, ... Present if `further` is true. */
  readonly unsupported?: readonly string[];
}

export type RoutingRuleSettings = Omit<RoutingRule, 'priority' | 'further' | 'unsupported'> & {
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
  readonly interface: string;
  readonly family: Family;
  readonly address: string;
  /** Link-layer address. Absent for a proxy entry, and in the states `incomplete` and `failed`. */
  readonly linkAddress?: string;
  readonly state: NeighbourState;
  /** True if this host answers for the address. */
  readonly proxy: boolean;
  /** True if the neighbour is a router (IPv6). */
  readonly router: boolean;
  /** True if another program maintains the entry. */
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

/** The state of an entry. `permanent` and `static` do not expire; `permanent` belongs to the interface itself. */
export type ForwardingState = 'permanent' | 'static' | 'dynamic' | 'stale';

/** A forwarding entry that was read: the destination of a bridge or a vxlan for a link-layer address. */
export interface ForwardingEntry {
  /** Port of the bridge, or the vxlan (or another interface with its own table). */
  readonly interface: string;
  readonly linkAddress: string;
  readonly state: ForwardingState;
  /** True if the entry is in the table of the interface itself. */
  readonly self: boolean;
  /** True if the entry is in the table of the bridge that the interface is a port of. */
  readonly master: boolean;
  /** Name of the bridge that the interface is a port of. */
  readonly bridge?: string;
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
  readonly nexthopId?: number;
  readonly externallyLearned: boolean;
}

export interface ForwardingSettings {
  readonly interface: string;
  readonly linkAddress: string;
  readonly state: ForwardingState;
  /** Table of the entry: that of the interface (`self`) or of its bridge (`master`). */
  readonly of: 'self' | 'master';
  readonly vlan?: number | undefined;
  readonly destination?: string | undefined;
  readonly port?: number | undefined;
  readonly vni?: number | undefined;
  readonly sourceVni?: number | undefined;
  readonly via?: string | undefined;
  /** True to add a destination to an address that has one. The address is all zeros or a multicast address. */
  readonly append: boolean;
}
