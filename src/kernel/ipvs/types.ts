import type { Family } from '../../common/address.js';

export type { Family } from '../../common/address.js';

/** Protocol of a virtual service. IPVS balances no others. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/**
 * The forwarding method of a real server (IP_VS_CONN_F_* in include/uapi/linux/ip_vs.h). A request can set
 * `nat`, `direct` (direct routing) and `tunnel`. The kernel may report `local` for a server whose address is
 * the director's own, and `bypass` for connections to their original destination.
 */
export type Forwarding = 'nat' | 'local' | 'tunnel' | 'direct' | 'bypass';

/** A virtual service by protocol, address and port. */
export interface AddressServiceKey {
  /** Family of the address: `ipv4` or `ipv6`. */
  readonly family: Family;
  /** Protocol of the packets. */
  readonly protocol: Protocol;
  /** Virtual address, in canonical form (RFC 5952 for IPv6), without a zone. */
  readonly address: string;
  /** Virtual port, 0 to 65535. 0 is every port, which requires persistence. */
  readonly port: number;
}

/** A virtual service by the mark of its packets. Each family may have one service with the same mark. */
export interface FwmarkServiceKey {
  /** Family of the packets: the kernel keeps a service for each family. */
  readonly family: Family;
  /** Mark of the packets (`SO_MARK`, `meta mark` of nf_tables), 1 to 4294967295. */
  readonly fwmark: number;
}

/** The identity of a virtual service. */
export type ServiceKey = AddressServiceKey | FwmarkServiceKey;

/** The identity of a real server within its service. */
export interface ServerKey {
  /** Family of the address. It may differ from the family of the service if the forwarding method is `tunnel`. */
  readonly family: Family;
  /** Address of the server, in canonical form, without a zone. */
  readonly address: string;
  /** Port of the server, 0 to 65535. 0 keeps the port of the packet. */
  readonly port: number;
}

/** Bits of {@link ServiceSettings.flags} (IP_VS_SVC_F_* in include/uapi/linux/ip_vs.h). */
export const ServiceFlag = {
  /** The service keeps clients on their servers (`ipvsadm -p`). */
  persistent: 0x1,
  /** Set by the kernel: the service is in its table. */
  hashed: 0x2,
  /** The service schedules each UDP packet individually (`ipvsadm -o`). */
  onePacket: 0x4,
  /** First flag of the scheduler: `sh-fallback`, `mh-fallback`. */
  scheduler1: 0x8,
  /** Second flag of the scheduler: `sh-port`, `mh-port`. */
  scheduler2: 0x10,
  /** Third flag of the scheduler. No scheduler of Linux 6.1 to 7.2 reads it. */
  scheduler3: 0x20,
} as const;

/** All bits of {@link ServiceFlag} except `hashed`. The kernel stores other bits, too, and never reads them. */
export const settableFlags = 0x3d;

/** The settings of a service as the kernel keeps them. */
export interface ServiceSettings {
  /** Identity of the service, which no request can change. */
  readonly key: ServiceKey;
  /** Name of the scheduler, 1 to 15 characters, such as `wlc`; `none` schedules no connection. */
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
export type TunnelType = 'ipip' | 'gue' | 'gre';
/** The checksum of an encapsulated packet (IP_VS_TUNNEL_ENCAP_FLAG_*); `remote` is remote checksum offload. */
export type TunnelChecksum = 'none' | 'checksum' | 'remote';

/** The settings of a server as the kernel keeps them. */
export interface ServerSettings {
  /** Identity of the server in its service, which no request can change. */
  readonly key: ServerKey;
  /** Forwarding method (IPVS_DEST_ATTR_FWD_METHOD). */
  readonly forwarding: Forwarding;
  /** Share of new connections, 0 to 2147483647. 0 gives the server no new connections. */
  readonly weight: number;
  /** Number of connections at which the server gets no new ones, 0 to 2147483647; 0 for no limit. */
  readonly upperThreshold: number;
  /** Number of connections below which it gets new ones again; 0 for three quarters of the upper threshold. */
  readonly lowerThreshold: number;
  /** Encapsulation; `ipip` without tunnel forwarding. Requires Linux 5.3 for other types. */
  readonly tunnelType: TunnelType;
  /** UDP port of GUE, in host byte order; 0 for other types. */
  readonly tunnelPort: number;
  /** Checksum of GUE and GRE; `none` for `ipip`. */
  readonly tunnelChecksum: TunnelChecksum;
}

/**
 * Counters since the object was created or its counters were reset, and rates per second averaged over
 * about 8 s. The kernel updates both every 2 s (net/netfilter/ipvs/ip_vs_est.c).
 */
export interface IpvsStatistics {
  /** Number of connections that were scheduled. */
  readonly connections: bigint;
  /** Number of packets from clients. */
  readonly incomingPackets: bigint;
  /** Number of packets from servers. Stays 0 with direct routing and tunnels: replies bypass the director. */
  readonly outgoingPackets: bigint;
  /** Number of bytes from clients, with IP headers. */
  readonly incomingBytes: bigint;
  /** Number of bytes from servers, with IP headers. Stays 0 with direct routing and tunnels. */
  readonly outgoingBytes: bigint;
  /** Connections per second. */
  readonly connectionRate: bigint;
  /** Packets from clients per second. */
  readonly incomingPacketRate: bigint;
  /** Packets from servers per second. */
  readonly outgoingPacketRate: bigint;
  /** Bytes from clients per second. */
  readonly incomingByteRate: bigint;
  /** Bytes from servers per second. */
  readonly outgoingByteRate: bigint;
}

/** A service that was read. */
export interface ServiceEntry extends ServiceSettings {
  /** Counters of the service, as sampled by the kernel. */
  readonly statistics: IpvsStatistics;
}

/** A server that was read. */
export interface ServerEntry extends ServerSettings {
  /** True if the kernel reports tunnel types (Linux 5.3 and later). */
  readonly knowsTunnels: boolean;
  /** Number of connections in an active state (TCP and SCTP: established). */
  readonly activeConnections: number;
  /** Number of other connections, for example in TIME_WAIT. UDP connections are always inactive. */
  readonly inactiveConnections: number;
  /** Number of persistence templates: clients, or networks of clients, that are bound to the server. */
  readonly persistentConnections: number;
  /** Counters of the server, as sampled by the kernel. */
  readonly statistics: IpvsStatistics;
}

/** A row of the table: a service and its servers. */
export interface IpvsTableEntry {
  /** Settings and counters of the service. */
  readonly service: ServiceEntry;
  /** Its servers, in the kernel's order: the newest first. */
  readonly servers: readonly ServerEntry[];
}

/** A line of /proc/net/ip_vs_conn. */
export interface ConnectionEntry {
  /** The kernel's name of the protocol: `TCP`, `UDP`, `SCTP`; `IP` for the template of a persistent fwmark service. */
  readonly protocol: string;
  /** Address of the client; for a template its network: the address under the netmask of persistence. */
  readonly clientAddress: string;
  /** Port of the client; 0 for a template. */
  readonly clientPort: number;
  /** Address that the client connected to. For the template of a fwmark service the mark as an address. */
  readonly virtualAddress: string;
  /** Port that the client connected to; 0 for a template of all ports. */
  readonly virtualPort: number;
  /** Address of the server. */
  readonly serverAddress: string;
  /** Port of the server. */
  readonly serverPort: number;
  /** The kernel's name of the state: `ESTABLISHED`, `FIN_WAIT`, `UDP`, ...; `NONE` or `ASSURED` for a template. */
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
  | {
      /** Adds a service (EEXIST if it exists), or replaces its settings (ESRCH if it does not). */
      readonly command: 'NEW_SERVICE' | 'SET_SERVICE';
      /** All settings of the service: the kernel has no partial update. */
      readonly service: ServiceSettings;
    }
  | {
      /** Deletes a service with its servers. */
      readonly command: 'DEL_SERVICE';
      /** Identity of the service. */
      readonly service: ServiceKey;
    }
  | {
      /** Adds a server (EEXIST if it exists), or replaces its settings (ENOENT if it does not). */
      readonly command: 'NEW_DEST' | 'SET_DEST';
      /** Identity of its service. */
      readonly service: ServiceKey;
      /** All settings of the server. */
      readonly server: ServerSettings;
    }
  | {
      /** Deletes a server. */
      readonly command: 'DEL_DEST';
      /** Identity of its service. */
      readonly service: ServiceKey;
      /** Identity of the server. */
      readonly server: ServerKey;
    }
  | {
      /** Resets the counters of one service and its servers, or of all services. */
      readonly command: 'ZERO';
      /** Identity of the service; absent for all services and the totals. */
      readonly service?: ServiceKey;
    }
  | {
      /** Deletes all services. */
      readonly command: 'FLUSH';
    };

/** The IPVS of the kernel (IPVS_CMD_GET_INFO). */
export interface Info {
  /** Version of IPVS, such as `1.2.1`. */
  readonly version: string;
  /** Number of buckets of the connection table. From Linux 7.2 it grows, and is 0 before the first service. */
  readonly connectionTableSize: number;
}

/** The lifetimes of connections without packets, in seconds. */
export interface Timeouts {
  /** Lifetime of an established TCP connection. The kernel's default is 900. */
  readonly tcp: number;
  /** Lifetime of a TCP connection after a FIN. The kernel's default is 120. */
  readonly tcpFin: number;
  /** Lifetime of a UDP connection. The kernel's default is 300. */
  readonly udp: number;
}

/** Role of a synchronisation daemon: `master` sends connections, `backup` receives them. */
export type DaemonRole = 'master' | 'backup';

/** A synchronisation daemon: the master sends its connections by multicast, the backup receives them. */
export interface Daemon {
  /** Role: sends or receives connections. */
  readonly role: DaemonRole;
  /** Name of the interface that sends or receives the messages. */
  readonly interface: string;
  /** Identifier, 0 to 255. A backup accepts only messages with its own id; a backup with 0 accepts all. */
  readonly syncId: number;
  /** Maximum length of a message, in bytes. */
  readonly maxLength: number;
  /** Multicast group, IPv4 or IPv6. */
  readonly group: string;
  /** UDP port, 1 to 65535. */
  readonly port: number;
  /** Time to live of the messages, 1 to 255. */
  readonly ttl: number;
}

/** The settings of a daemon to start. The kernel chooses absent ones. */
export interface DaemonSettings {
  /** Role: each may run once in a namespace. */
  readonly role: DaemonRole;
  /** Name of the interface that sends or receives the messages. */
  readonly interface: string;
  /** Identifier, 0 to 255; 0 of a backup accepts messages with any. */
  readonly syncId: number;
  /** Maximum length of a message, in bytes. Absent: the length that the MTU of the interface allows. */
  readonly maxLength?: number;
  /** Multicast group. Absent: 224.0.0.81. */
  readonly group?: string;
  /** UDP port, in host byte order. Absent: 8848. */
  readonly port?: number;
  /** Time to live of the messages. Absent: 1. */
  readonly ttl?: number;
}
