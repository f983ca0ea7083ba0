import type { Family } from '../address.js';

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
  /** Which bits of a single source port count, from 1 to 0xffff (Linux 6.15). Absent: all. */
  readonly sourcePortMask?: number;
  /** Which bits of a single destination port count, from 1 to 0xffff (Linux 6.15). Absent: all. */
  readonly destinationPortMask?: number;
  readonly users?: NumberRange;
  /** Routes of a shorter or of this prefix length are passed over. */
  readonly suppressPrefixLength?: number;
  /** True if it has parts that no field here stands for. It cannot be deleted as it was read. */
  readonly further: boolean;
  /** Those parts, as `ip rule` names them: `l3mdev`, `realms`, `tun_id`, ... Present if `further` is true. */
  readonly unsupported?: readonly string[];
}

export type RuleSettings = Omit<RoutingRule, 'priority' | 'further' | 'unsupported'> & {
  readonly priority?: number | undefined;
};

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
