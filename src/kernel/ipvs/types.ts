import type { Family } from '../address.js';

export type { Family } from '../address.js';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/**
 * How packets reach a real server (IP_VS_CONN_F_* in include/uapi/linux/ip_vs.h). To be asked for:
 * `nat`, `direct` (direct routing), `tunnel`. The kernel says `local` of a server whose address is
 * the director's own, and `bypass` of connections that go to their original destination.
 */
export type Forwarding = 'nat' | 'local' | 'tunnel' | 'direct' | 'bypass';

/** A virtual service by protocol, address and port. */
export interface AddressServiceKey {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/** A virtual service by the mark of its packets. The same mark may serve once in each family. */
export interface FwmarkServiceKey {
  readonly family: Family;
  readonly fwmark: number;
}

/** What makes a virtual service this one and no other. */
export type ServiceKey = AddressServiceKey | FwmarkServiceKey;

/** What makes a real server this one within its service. */
export interface ServerKey {
  readonly family: Family;
  readonly address: string;
  readonly port: number;
}

/** Bits of {@link ServiceSettings.flags}. */
export const ServiceFlag = {
  persistent: 0x1,
  /** The kernel's own: the service is in its table. */
  hashed: 0x2,
  onePacket: 0x4,
  scheduler1: 0x8,
  scheduler2: 0x10,
  scheduler3: 0x20,
} as const;

/** All of {@link ServiceFlag} but `hashed`. The kernel stores other bits, too, and never reads them. */
export const settableFlags = 0x3d;

/** The settings of a service as the kernel keeps them. */
export interface ServiceSettings {
  readonly key: ServiceKey;
  readonly scheduler: string;
  /** See {@link ServiceFlag}. */
  readonly flags: number;
  /** Of persistence, in seconds. */
  readonly timeout: number;
  /** IPv4: the mask as a number (0xffffff00); IPv6: the prefix length. */
  readonly netmask: number;
  /** Of persistence; empty for none. */
  readonly engine: string;
}

export type TunnelType = 'ipip' | 'gue' | 'gre';
/** What protects an encapsulated packet (IP_VS_TUNNEL_ENCAP_FLAG_*). */
export type TunnelChecksum = 'none' | 'checksum' | 'remote';

export interface ServerSettings {
  readonly key: ServerKey;
  readonly forwarding: Forwarding;
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly tunnelType: TunnelType;
  /** Of GUE; else 0. */
  readonly tunnelPort: number;
  readonly tunnelChecksum: TunnelChecksum;
}

/**
 * Counters since the object was made or zeroed, and rates per second averaged over about 8 s.
 * The kernel takes both from the packet path every 2 s (net/netfilter/ipvs/ip_vs_est.c).
 */
export interface Statistics {
  readonly connections: bigint;
  readonly incomingPackets: bigint;
  readonly outgoingPackets: bigint;
  readonly incomingBytes: bigint;
  readonly outgoingBytes: bigint;
  readonly connectionRate: bigint;
  readonly incomingPacketRate: bigint;
  readonly outgoingPacketRate: bigint;
  readonly incomingByteRate: bigint;
  readonly outgoingByteRate: bigint;
}

/** A service as it was read. */
export interface ServiceEntry extends ServiceSettings {
  readonly statistics: Statistics;
}

/** A server as it was read. */
export interface ServerEntry extends ServerSettings {
  /** Whether the kernel says anything of tunnel types (5.3 and later). */
  readonly knowsTunnels: boolean;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly statistics: Statistics;
}

/** A row of the table: a service and its servers. */
export interface TableEntry {
  readonly service: ServiceEntry;
  readonly servers: readonly ServerEntry[];
}

/** A line of /proc/net/ip_vs_conn. */
export interface ConnectionEntry {
  /** As the kernel names it: `TCP`, `UDP`, `SCTP`; `IP` for the template of a persistent fwmark service. */
  readonly protocol: string;
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly virtualAddress: string;
  readonly virtualPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** As the kernel names it: `ESTABLISHED`, `FIN_WAIT`, `UDP`, ... `NONE` for a template. */
  readonly state: string;
  /** Seconds until the entry ends if no packet comes. */
  readonly expires: number;
  /** The persistence engine and what it goes by (for `sip` the Call-ID), if there is one. */
  readonly engine?: string;
  readonly engineData?: string;
}

/** A change of the table, as one message to the kernel. SET replaces all settings. */
export type Change =
  | { readonly command: 'NEW_SERVICE' | 'SET_SERVICE'; readonly service: ServiceSettings }
  | { readonly command: 'DEL_SERVICE'; readonly service: ServiceKey }
  | { readonly command: 'NEW_DEST' | 'SET_DEST'; readonly service: ServiceKey; readonly server: ServerSettings }
  | { readonly command: 'DEL_DEST'; readonly service: ServiceKey; readonly server: ServerKey }
  /** The counters of one service and its servers, or of all. */
  | { readonly command: 'ZERO'; readonly service?: ServiceKey }
  | { readonly command: 'FLUSH' };

export interface Info {
  /** The version of IPVS, such as `1.2.1`. */
  readonly version: string;
  /** How many buckets the connection table has; from 7.2 it grows, and is 0 before the first service. */
  readonly connectionTableSize: number;
}

/** How long a connection lives without packets, in seconds. */
export interface Timeouts {
  readonly tcp: number;
  /** After a FIN. */
  readonly tcpFin: number;
  readonly udp: number;
}

export type DaemonRole = 'master' | 'backup';

/** A synchronisation daemon: the master multicasts its connections, the backup takes them in. */
export interface Daemon {
  readonly role: DaemonRole;
  readonly interface: string;
  /** The backup takes only what has its own id. 0 to 255. */
  readonly syncId: number;
  /** The most a message holds, in bytes. */
  readonly maxLength: number;
  readonly group: string;
  readonly port: number;
  readonly ttl: number;
}

/** What starts a daemon: what is left out is the kernel's choice. */
export interface DaemonSettings {
  readonly role: DaemonRole;
  readonly interface: string;
  readonly syncId: number;
  readonly maxLength?: number;
  readonly group?: string;
  readonly port?: number;
  readonly ttl?: number;
}
