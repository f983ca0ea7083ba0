// Names of IPVS that options, documents and decoders share.
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
