// Names and ranges of IPVS that options, documents and decoders share. Ranges are inclusive.
import type { DaemonRole, Forwarding, Protocol, TunnelChecksum, TunnelType } from './types.js';

/** Returns the members of a union, which the compiler compares with the union. */
function members<T extends string>(all: Readonly<Record<T, true>>): readonly T[] {
  return Object.keys(all) as T[];
}

export const protocols = members<Protocol>({ tcp: true, udp: true, sctp: true });
/** Forwarding methods that a request can set; the kernel also reports `local` and `bypass`. */
export const settableForwardings = members<Exclude<Forwarding, 'local' | 'bypass'>>({
  nat: true,
  direct: true,
  tunnel: true,
});
export const tunnelTypes = members<TunnelType>({ ipip: true, gue: true, gre: true });
export const tunnelChecksums = members<TunnelChecksum>({ none: true, checksum: true, remote: true });
export const daemonRoles = members<DaemonRole>({ master: true, backup: true });

type Range = readonly [least: number, most: number];

export const ranges = {
  /** The kernel reads mark 0 as TCP 0.0.0.0:0. */
  fwmark: [1, 0xffffffff],
  /** Port of a service or a server. 0 is every port of a service, and keeps the packet's port for a server. */
  port: [0, 65535],
  /** Port that a tunnel or a daemon uses. */
  udpPort: [1, 65535],
  /** Signed in the kernel, which rejects values below 0 (ERANGE). */
  weight: [0, 0x7fffffff],
  /** Unsigned in the kernel; Linux 7.2 rejects values above INT_MAX. */
  threshold: [0, 0x7fffffff],
  /** Persistence timeout of a new service, in seconds, as in ipvsadm: up to 31 days. */
  persistence: [1, 31 * 24 * 3600],
  /** Persistence timeout of an existing service. The kernel stores seconds times HZ in 32 bits; HZ is at least 100. */
  heldPersistence: [0, 42_949_672],
  /** Connection timeouts, in seconds: INT_MAX / HZ for the largest HZ (1000). The kernel reads 0 as "unchanged". */
  timeout: [1, 2_147_483],
  syncId: [0, 255],
  /** Length of a synchronisation message, in bytes. */
  syncLength: [1, 65535],
  ttl: [1, 255],
} as const satisfies Readonly<Record<string, Range>>;
