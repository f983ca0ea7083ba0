import type { Family } from '../address.js';

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
  /** IPv6: duplicate address detection is not over, and the address cannot be used. */
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
