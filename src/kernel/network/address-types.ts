import type { Family } from '../../common/address.js';

/** The scope of an address or a route (include/uapi/linux/rtnetlink.h). Other numbers are user-defined. */
export type Scope = 'global' | 'site' | 'link' | 'host' | 'nowhere' | number;

/** An address of an interface that was read. */
export interface InterfaceAddress {
  /** Name of the interface. */
  readonly interface: string;
  /** Address family. */
  readonly family: Family;
  /** Address with its prefix length: `192.168.1.100/32`. */
  readonly address: string;
  /** Address of the other end of a point-to-point link. The prefix length then belongs to this address. */
  readonly peer?: string;
  /** Broadcast address (IPv4). */
  readonly broadcast?: string;
  /** Scope in which the address is valid. */
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
  /** True if the address is not used for new connections: its preferred lifetime has ended (IPv6). */
  readonly deprecated: boolean;
  /** True if the address skips duplicate address detection (IPv6). */
  readonly noDad: boolean;
  /** True if the kernel adds no route to its network. */
  readonly noPrefixRoute: boolean;
  /** Remaining lifetime, in seconds. Absent: unlimited. */
  readonly validLifetime?: number;
  /** Time for which the address is used for new connections, in seconds. Absent: unlimited. */
  readonly preferredLifetime?: number;
}

/** An address to add. */
export interface AddressSettings {
  /** Name of the interface. */
  readonly interface: string;
  /** Address family. */
  readonly family: Family;
  /** Address without its prefix length. */
  readonly address: string;
  /** Prefix length, 0 to 32 (IPv4) or to 128 (IPv6). */
  readonly prefixLength: number;
  /** Scope. The kernel derives that of an IPv6 address from the address. */
  readonly scope: Scope;
  /** Label, 1 to 15 bytes (IPv4). Default: the name of the interface. */
  readonly label?: string | undefined;
  /** True to skip duplicate address detection (IFA_F_NODAD). */
  readonly noDad: boolean;
  /** Origin of the address, 1 to 255 (IFA_PROTO, Linux 5.18). */
  readonly protocol?: number | undefined;
}

/** Selects one address of an interface. */
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
  /** Address of the router. Absent: the destination is on the link. */
  readonly via?: string;
  /** Interface by which packets leave. */
  readonly interface?: string;
  /** Weight, 1 to 256. */
  readonly weight: number;
  /** True if the kernel takes the router as on the link, without a route to it. */
  readonly onlink: boolean;
  /** True if the kernel does not use it: its interface is down or deleted, or has no carrier. */
  readonly dead: boolean;
}

/** A route that was read. */
export interface Route {
  /** Address family. */
  readonly family: Family;
  /** Number of the routing table, 1 to 2^32-1: 254 is `main`, 255 `local`, 253 `default`. */
  readonly table: number;
  /** Handling of packets. */
  readonly type: RouteType;
  /** Destination: a prefix such as `10.0.0.0/8`, or `default`. */
  readonly destination: string;
  /** Source prefix of the packets that the route applies to (IPv6). */
  readonly from?: string;
  /** Address of the router. Absent: the destination is on the link. */
  readonly via?: string;
  /** Interface by which packets leave. */
  readonly interface?: string;
  /** Source address for packets of this host that have none. */
  readonly source?: string;
  /** Distance to the destination; `global` for a route through a router. */
  readonly scope: Scope;
  /** Origin of the route: 2 the kernel, 3 `ip` at boot, 4 an administrator, ... (RTPROT_*). */
  readonly protocol: number;
  /** Metric. The kernel uses the route with the lowest. 0 if the kernel reports none. */
  readonly metric: number;
  /** Type of service of the packets that the route applies to. */
  readonly tos?: number;
  /** MTU of packets on this route, in bytes. Absent: that of the interface. */
  readonly mtu?: number;
  /** True if the kernel takes the router as on the link, without a route to it. */
  readonly onlink: boolean;
  /** True if the kernel does not use it: its interface is down, or has no carrier. */
  readonly dead: boolean;
  /** Several next hops, instead of `via` and `interface`. */
  readonly nexthops?: readonly Nexthop[];
  /** Id of a nexthop object (`ip nexthop`). */
  readonly nexthopId?: number;
}

/** One of several next hops of a route to add. */
export interface NexthopSettings {
  /** Address of the router. Absent: the destination is on the link. */
  readonly via?: string | undefined;
  /** Interface by which packets leave. */
  readonly interface?: string | undefined;
  /** Weight, 1 to 256: share of the packets. */
  readonly weight: number;
  /** True to take the router as on the link, without a route to it. */
  readonly onlink: boolean;
}

/** A route to add, to set or to delete. */
export interface RouteSettings {
  /** Address family. */
  readonly family: Family;
  /** Number of the routing table, 1 to 2^32-1: 254 is `main`. */
  readonly table: number;
  /** Handling of packets. */
  readonly type: Exclude<RouteType, 'other'>;
  /** Destination without its prefix length. */
  readonly destination: string;
  /** Prefix length, 0 to 32 (IPv4) or to 128 (IPv6). 0: the default route. */
  readonly prefixLength: number;
  /** Address of the router. Absent: the destination is on the link. */
  readonly via?: string | undefined;
  /** Interface by which packets leave. */
  readonly interface?: string | undefined;
  /** Source address for packets of this host that have none. */
  readonly source?: string | undefined;
  /** Scope. A delete without one matches any scope. */
  readonly scope?: Scope | undefined;
  /** Origin of the route. A delete without one matches any origin. */
  readonly protocol?: number | undefined;
  /** Metric, 0 to 2^32-1; the lowest wins. Default: 0 (IPv4), 1024 (IPv6). */
  readonly metric?: number | undefined;
  /** Type of service of the packets, 0 to 255. */
  readonly tos?: number | undefined;
  /** MTU of packets on this route, in bytes. */
  readonly mtu?: number | undefined;
  /** True to take the router as on the link, without a route to it. */
  readonly onlink: boolean;
  /** Several next hops, instead of `via` and `interface`. */
  readonly nexthops?: readonly NexthopSettings[] | undefined;
  /** Id of a nexthop object (`ip nexthop`), for a delete. */
  readonly nexthopId?: number | undefined;
}

/** The packet of a query for its route (`ip route get`). */
export interface RouteQuery {
  /** Address family. */
  readonly family: Family;
  /** Destination address. */
  readonly address: string;
  /** Source address. Absent: chosen by the kernel. */
  readonly source?: string | undefined;
  /** Mark of the packet, 0 to 2^32-1. Absent: 0. */
  readonly mark?: number | undefined;
  /** Interface through which the packet leaves. */
  readonly interface?: string | undefined;
  /** Interface that receives the packet, if the packet is forwarded. */
  readonly inputInterface?: string | undefined;
}
