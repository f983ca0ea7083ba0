import type { Family } from '../../common/address.js';

/** The scope of an address or a route (include/uapi/linux/rtnetlink.h). Other numbers are user-defined. */
export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere' | number;

/** An address of an interface that was read. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly family: Family;
  /** Address with its prefix length: `192.168.1.100/32`. */
  readonly address: string;
  /** Address of the other end of a point-to-point link. The prefix length then belongs to this address. */
  readonly peer?: string;
  readonly broadcast?: string;
  readonly scope: Scope;
  /** Label (IPv4). */
  readonly label?: string;
  /** Origin of the address (IFA_PROTO); 1 to 3 is the kernel. */
  readonly protocol?: number;
  /** True if the address is not the first one of its network (IPv4), or if it is temporary (IPv6). */
  readonly secondary: boolean;
  /** True while duplicate address detection runs and the address cannot be used (IPv6). */
  readonly tentative: boolean;
  /** True if another host has the address (IPv6). */
  readonly duplicate: boolean;
  readonly deprecated: boolean;
  readonly noDad: boolean;
  /** True if the kernel adds no route to its network. */
  readonly noPrefixRoute: boolean;
  /** Remaining lifetime, in seconds. Absent: unlimited. */
  readonly validLifetime?: number;
  readonly preferredLifetime?: number;
}

export interface AddressSettings {
  readonly interface: string;
  readonly family: Family;
  /** Address without its prefix length. */
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: Scope;
  readonly label?: string | undefined;
  readonly noDad: boolean;
  readonly protocol?: number | undefined;
}

export type AddressKey = Pick<AddressSettings, 'interface' | 'family' | 'address' | 'prefixLength'>;

/** The type of a route, which determines the handling of packets (RTN_* in include/uapi/linux/rtnetlink.h). */
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

/** One of several next hops of a route. */
export interface Nexthop {
  readonly via?: string;
  readonly interface?: string;
  /** Weight, 1 to 256. */
  readonly weight: number;
  readonly onlink: boolean;
  /** True if the kernel does not use it: its interface is down or deleted, or has no carrier. */
  readonly dead: boolean;
}

/** A route that was read. */
export interface Route {
  readonly family: Family;
  readonly table: number;
  readonly type: RouteType;
  /** Destination: a prefix such as `10.0.0.0/8`, or `default`. */
  readonly destination: string;
  /** Source prefix of the packets that the route applies to (IPv6). */
  readonly from?: string;
  readonly via?: string;
  readonly interface?: string;
  /** Source address for packets of this host that have none. */
  readonly source?: string;
  readonly scope: Scope;
  /** Origin of the route: 2 the kernel, 3 `ip` at boot, 4 an administrator, ... (RTPROT_*). */
  readonly protocol: number;
  /** Metric. The kernel uses the route with the lowest. 0 if the kernel reports none. */
  readonly metric: number;
  /** Type of service of the packets that the route applies to. */
  readonly tos?: number;
  readonly mtu?: number;
  readonly onlink: boolean;
  /** True if the kernel does not use it: its interface is down, or has no carrier. */
  readonly dead: boolean;
  /** Several next hops, instead of `via` and `interface`. */
  readonly nexthops?: readonly Nexthop[];
  /** Id of a nexthop object (`ip nexthop`). */
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
  /** Destination without its prefix length. */
  readonly destination: string;
  readonly prefixLength: number;
  readonly via?: string | undefined;
  readonly interface?: string | undefined;
  readonly source?: string | undefined;
  /** Scope. A delete without one matches any scope. */
  readonly scope?: Scope | undefined;
  /** Origin of the route. A delete without one matches any origin. */
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
  /** Interface through which the packet leaves. */
  readonly interface?: string | undefined;
  /** Interface that receives the packet, if the packet is forwarded. */
  readonly inputInterface?: string | undefined;
}
