import type { Family } from '../../common/address.js';
import type { daemonRoles, protocols, tunnelChecksums, tunnelTypes } from './vocabulary.js';

export type { Family } from '../../common/address.js';

/** Protocol of a virtual service. IPVS balances no others. */
export type Protocol = (typeof protocols)[number];

/**
 * The forwarding method of a real server (IP_VS_CONN_F_* in include/uapi/linux/ip_vs.h). A request can set
 * `nat`, `direct` (direct routing) and `tunnel`. The kernel may report `local` for a server whose address is
 * the director's own, and `bypass` for connections to their original destination.
 */
export type Forwarding = 'nat' | 'local' | 'tunnel' | 'direct' | 'bypass';

/** A virtual service by protocol, address and port. */
export interface AddressServiceKey {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/** A virtual service by the mark of its packets. Each family may have one service with the same mark. */
export interface FwmarkServiceKey {
  readonly family: Family;
  readonly fwmark: number;
}

/** The identity of a virtual service. */
export type ServiceKey = AddressServiceKey | FwmarkServiceKey;

/** The identity of a real server within its service. */
export interface ServerKey {
  readonly family: Family;
  readonly address: string;
  readonly port: number;
}

/** Bits of {@link ServiceSettings.flags}. */
export const ServiceFlag = {
  persistent: 0x1,
  /** Set by the kernel: the service is in its table. */
  hashed: 0x2,
  onePacket: 0x4,
  scheduler1: 0x8,
  scheduler2: 0x10,
  scheduler3: 0x20,
} as const;

/** All bits of {@link ServiceFlag} except `hashed`. The kernel stores other bits, too, and never reads them. */
export const settableFlags = 0x3d;

/** The settings of a service as the kernel keeps them. */
export interface ServiceSettings {
  readonly key: ServiceKey;
  readonly scheduler: string;
  /** Bits of {@link ServiceFlag}. */
  readonly flags: number;
  /** Timeout of persistence, in seconds. */
  readonly timeout: number;
  /** Netmask of persistence. IPv4: the mask as a number (0xffffff00); IPv6: the prefix length. */
  readonly netmask: number;
  /** Persistence engine; empty for none. */
  readonly engine: string;
}

/** Encapsulation of a tunnel (IP_VS_CONN_F_TUNNEL_TYPE_*): IP in IP, generic UDP encapsulation, or GRE. */
export type TunnelType = (typeof tunnelTypes)[number];
/** The checksum of an encapsulated packet (IP_VS_TUNNEL_ENCAP_FLAG_*). */
export type TunnelChecksum = (typeof tunnelChecksums)[number];

export interface ServerSettings {
  readonly key: ServerKey;
  readonly forwarding: Forwarding;
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly tunnelType: TunnelType;
  /** UDP port of GUE; 0 for other types. */
  readonly tunnelPort: number;
  readonly tunnelChecksum: TunnelChecksum;
}

/**
 * Counters since the object was created or its counters were reset, and rates per second averaged over
 * about 8 s. The kernel updates both every 2 s (net/netfilter/ipvs/ip_vs_est.c).
 */
export interface IpvsStatistics {
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

/** A service that was read. */
export interface ServiceEntry extends ServiceSettings {
  readonly statistics: IpvsStatistics;
}

/** A server that was read. */
export interface ServerEntry extends ServerSettings {
  /** True if the kernel reports tunnel types (Linux 5.3 and later). */
  readonly knowsTunnels: boolean;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly statistics: IpvsStatistics;
}

/** A row of the table: a service and its servers. */
export interface IpvsTableEntry {
  readonly service: ServiceEntry;
  readonly servers: readonly ServerEntry[];
}

/** A line of /proc/net/ip_vs_conn. */
export interface ConnectionEntry {
  /** The kernel's name of the protocol: `TCP`, `UDP`, `SCTP`; `IP` for the template of a persistent fwmark service. */
  readonly protocol: string;
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly virtualAddress: string;
  readonly virtualPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** The kernel's name of the state: `ESTABLISHED`, `FIN_WAIT`, `UDP`, ...; `NONE` for a template. */
  readonly state: string;
  /** Seconds until the entry expires without packets. */
  readonly expires: number;
  /** Persistence engine; absent without one. */
  readonly engine?: string;
  /** Data that the engine groups connections by; for `sip` the Call-ID. */
  readonly engineData?: string;
}

/** A change of the table, which is one message to the kernel. SET replaces all settings. */
export type IpvsChange =
  | { readonly command: 'NEW_SERVICE' | 'SET_SERVICE'; readonly service: ServiceSettings }
  | { readonly command: 'DEL_SERVICE'; readonly service: ServiceKey }
  | { readonly command: 'NEW_DEST' | 'SET_DEST'; readonly service: ServiceKey; readonly server: ServerSettings }
  | { readonly command: 'DEL_DEST'; readonly service: ServiceKey; readonly server: ServerKey }
  /** Resets the counters of one service and its servers, or of all services. */
  | { readonly command: 'ZERO'; readonly service?: ServiceKey }
  | { readonly command: 'FLUSH' };

export interface Info {
  /** Version of IPVS, such as `1.2.1`. */
  readonly version: string;
  /** Number of buckets of the connection table. From Linux 7.2 it grows, and is 0 before the first service. */
  readonly connectionTableSize: number;
}

/** The lifetimes of connections without packets, in seconds. */
export interface Timeouts {
  readonly tcp: number;
  /** Lifetime of a TCP connection after a FIN. */
  readonly tcpFin: number;
  readonly udp: number;
}

/** Role of a synchronisation daemon: `master` sends connections, `backup` receives them. */
export type DaemonRole = (typeof daemonRoles)[number];

/** A synchronisation daemon: the master sends its connections by multicast, the backup receives them. */
export interface Daemon {
  readonly role: DaemonRole;
  readonly interface: string;
  /** Identifier, 0 to 255. A backup accepts only messages with its own id. */
  readonly syncId: number;
  /** Maximum length of a message, in bytes. */
  readonly maxLength: number;
  readonly group: string;
  readonly port: number;
  readonly ttl: number;
}

/** The settings of a daemon to start. The kernel chooses absent ones. */
export interface DaemonSettings {
  readonly role: DaemonRole;
  readonly interface: string;
  readonly syncId: number;
  readonly maxLength?: number;
  readonly group?: string;
  readonly port?: number;
  readonly ttl?: number;
}
