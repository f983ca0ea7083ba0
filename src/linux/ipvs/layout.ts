import type { Forwarding, TunnelChecksum, TunnelType } from '../../kernel/ipvs/types.js';

/**
 * Offsets of the fields of native/ipvs/record.h, in bytes. All numbers are little-endian.
 * One ArrayBuffer carries many records, and each field is read on demand.
 * @internal
 */
export const layout = {
  service: {
    size: 160,
    address: 0,
    fwmark: 16,
    family: 20,
    protocol: 22,
    port: 24,
    scheduler: 26,
    engine: 42,
    flags: 60,
    flagsMask: 64,
    timeout: 68,
    netmask: 72,
    present: 76,
    statistics: 80,
  },
  server: {
    size: 144,
    address: 0,
    family: 16,
    port: 18,
    forwarding: 20,
    weight: 24,
    upperThreshold: 28,
    lowerThreshold: 32,
    active: 36,
    inactive: 40,
    persistent: 44,
    tunnelType: 48,
    tunnelPort: 50,
    tunnelFlags: 52,
    present: 56,
    service: 60,
    statistics: 64,
  },
  /** Both records without their statistics. */
  change: { size: 152, command: 0, service: 8, server: 88 },
  connection: {
    size: 128,
    client: 0,
    virtualAddress: 16,
    server: 32,
    family: 48,
    serverFamily: 50,
    clientPort: 52,
    virtualPort: 54,
    serverPort: 56,
    expires: 60,
    protocol: 64,
    state: 80,
    engine: 104,
    engineDataOffset: 120,
    engineDataLength: 124,
  },
} as const;

export const forwardings: readonly Forwarding[] = ['nat', 'local', 'tunnel', 'direct', 'bypass'];
export const tunnelTypes: readonly TunnelType[] = ['ipip', 'gue', 'gre'];
export const tunnelChecksums: readonly TunnelChecksum[] = ['none', 'checksum', 'remote'];
