import { type Family, readAddress, writeAddress } from './address.js';
import type {
  Change,
  ConnectionEntry,
  Forwarding,
  Protocol,
  ServerEntry,
  ServerKey,
  ServerSettings,
  ServiceEntry,
  ServiceKey,
  ServiceSettings,
  Statistics,
  TunnelChecksum,
  TunnelType,
} from './types.js';

/**
 * Where the fields of native/ipvs/record.h lie, in bytes. All numbers are little-endian.
 * Many records cross the border in one ArrayBuffer and are read only where somebody looks.
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
  change: { size: 312, command: 0, service: 8, server: 168 },
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

const AF_INET = 2;
const AF_INET6 = 10;
const HAS_TUNNEL = 2;

/** HASHED is the kernel's own flag; all others are ours to set. */
const SETTABLE_FLAGS = 0x3d;

const protocolNumbers: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
const protocolNames = new Map(Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]));
const forwardings: readonly Forwarding[] = ['nat', 'local', 'tunnel', 'direct', 'bypass'];
const tunnelTypes: readonly TunnelType[] = ['ipip', 'gue', 'gre'];
const tunnelChecksums: readonly TunnelChecksum[] = ['none', 'checksum', 'remote'];

const commands = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DEL_SERVICE: 3,
  NEW_DEST: 5,
  SET_DEST: 6,
  DEL_DEST: 7,
  ZERO: 16,
  FLUSH: 17,
} as const;

/** A piece of a buffer with the readers that records need. */
class Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  u64(at: number): bigint {
    return this.view.getBigUint64(at, true);
  }

  family(at: number): Family {
    return this.u16(at) === AF_INET6 ? 'ipv6' : 'ipv4';
  }

  /** NUL-terminated, at most `size` bytes. */
  text(at: number, size: number): string {
    let text = '';
    for (let i = at; i < at + size && this.bytes[i]; i++) text += String.fromCharCode(this.bytes[i] ?? 0);
    return text;
  }
}

class StatisticsView implements Statistics {
  readonly #from: Cursor;
  readonly #at: number;

  constructor(from: Cursor, at: number) {
    this.#from = from;
    this.#at = at;
  }

  // In the order of IPVS_STATS_ATTR_*.
  get connections(): bigint {
    return this.#from.u64(this.#at);
  }
  get incomingPackets(): bigint {
    return this.#from.u64(this.#at + 8);
  }
  get outgoingPackets(): bigint {
    return this.#from.u64(this.#at + 16);
  }
  get incomingBytes(): bigint {
    return this.#from.u64(this.#at + 24);
  }
  get outgoingBytes(): bigint {
    return this.#from.u64(this.#at + 32);
  }
  get connectionRate(): bigint {
    return this.#from.u64(this.#at + 40);
  }
  get incomingPacketRate(): bigint {
    return this.#from.u64(this.#at + 48);
  }
  get outgoingPacketRate(): bigint {
    return this.#from.u64(this.#at + 56);
  }
  get incomingByteRate(): bigint {
    return this.#from.u64(this.#at + 64);
  }
  get outgoingByteRate(): bigint {
    return this.#from.u64(this.#at + 72);
  }
}

class ServiceView implements ServiceEntry {
  readonly #from: Cursor;
  readonly #at: number;

  constructor(from: Cursor, at: number) {
    this.#from = from;
    this.#at = at;
  }

  get key(): ServiceKey {
    const from = this.#from;
    const field = layout.service;
    const family = from.family(this.#at + field.family);
    const fwmark = from.u32(this.#at + field.fwmark);
    if (fwmark !== 0) return { family, fwmark };
    return {
      family,
      protocol: protocolNames.get(from.u16(this.#at + field.protocol)) ?? 'tcp',
      address: readAddress(from.bytes, this.#at + field.address, family),
      port: from.u16(this.#at + field.port),
    };
  }
  get scheduler(): string {
    return this.#from.text(this.#at + layout.service.scheduler, 16);
  }
  get engine(): string {
    return this.#from.text(this.#at + layout.service.engine, 16);
  }
  get flags(): number {
    return this.#from.u32(this.#at + layout.service.flags);
  }
  get timeout(): number {
    return this.#from.u32(this.#at + layout.service.timeout);
  }
  get netmask(): number {
    return this.#from.u32(this.#at + layout.service.netmask);
  }
  get statistics(): Statistics {
    return new StatisticsView(this.#from, this.#at + layout.service.statistics);
  }
}

class ServerView implements ServerEntry {
  readonly #from: Cursor;
  readonly #at: number;

  constructor(from: Cursor, at: number) {
    this.#from = from;
    this.#at = at;
  }

  get key(): ServerKey {
    const family = this.#from.family(this.#at + layout.server.family);
    return {
      family,
      address: readAddress(this.#from.bytes, this.#at + layout.server.address, family),
      port: this.#from.u16(this.#at + layout.server.port),
    };
  }
  get forwarding(): Forwarding {
    return forwardings[this.#from.u32(this.#at + layout.server.forwarding)] ?? 'nat';
  }
  get weight(): number {
    return this.#from.view.getInt32(this.#at + layout.server.weight, true);
  }
  get upperThreshold(): number {
    return this.#from.u32(this.#at + layout.server.upperThreshold);
  }
  get lowerThreshold(): number {
    return this.#from.u32(this.#at + layout.server.lowerThreshold);
  }
  get tunnelType(): TunnelType {
    return tunnelTypes[this.#from.bytes[this.#at + layout.server.tunnelType] ?? 0] ?? 'ipip';
  }
  get tunnelPort(): number {
    return this.#from.u16(this.#at + layout.server.tunnelPort);
  }
  get tunnelChecksum(): TunnelChecksum {
    return tunnelChecksums[this.#from.u16(this.#at + layout.server.tunnelFlags)] ?? 'none';
  }
  get knowsTunnels(): boolean {
    return (this.#from.u32(this.#at + layout.server.present) & HAS_TUNNEL) !== 0;
  }
  get activeConnections(): number {
    return this.#from.u32(this.#at + layout.server.active);
  }
  get inactiveConnections(): number {
    return this.#from.u32(this.#at + layout.server.inactive);
  }
  get persistentConnections(): number {
    return this.#from.u32(this.#at + layout.server.persistent);
  }
  get statistics(): Statistics {
    return new StatisticsView(this.#from, this.#at + layout.server.statistics);
  }
}

export function readServices(buffer: ArrayBuffer): ServiceEntry[] {
  const from = new Cursor(buffer);
  return Array.from({ length: buffer.byteLength / layout.service.size }, (_, index) => {
    return new ServiceView(from, index * layout.service.size);
  });
}

export function readServers(buffer: ArrayBuffer): ServerEntry[] {
  const from = new Cursor(buffer);
  return Array.from({ length: buffer.byteLength / layout.server.size }, (_, index) => {
    return new ServerView(from, index * layout.server.size);
  });
}

/** The servers of a whole table, by the index of their service. */
export function readServersByService(buffer: ArrayBuffer, services: number): ServerEntry[][] {
  const view = new DataView(buffer);
  const rows: ServerEntry[][] = Array.from({ length: services }, () => []);
  readServers(buffer).forEach((server, index) => {
    rows[view.getUint32(index * layout.server.size + layout.server.service, true)]?.push(server);
  });
  return rows;
}

/** Reads what `ConnectionFile::Next` makes: a count, the records, the engines' data. */
export function* readConnections(buffer: ArrayBuffer): Generator<ConnectionEntry, void, void> {
  const from = new Cursor(buffer);
  const count = from.u32(0);
  const data = 8 + count * layout.connection.size;
  const field = layout.connection;
  for (let index = 0; index < count; index++) {
    const at = 8 + index * field.size;
    const family = from.family(at + field.family);
    const engine = from.text(at + field.engine, 16);
    const entry: ConnectionEntry = {
      protocol: from.text(at + field.protocol, 16),
      clientAddress: readAddress(from.bytes, at + field.client, family),
      clientPort: from.u16(at + field.clientPort),
      virtualAddress: readAddress(from.bytes, at + field.virtualAddress, family),
      virtualPort: from.u16(at + field.virtualPort),
      serverAddress: readAddress(from.bytes, at + field.server, from.family(at + field.serverFamily)),
      serverPort: from.u16(at + field.serverPort),
      state: from.text(at + field.state, 24),
      expires: from.u32(at + field.expires),
    };
    if (engine === '') {
      yield entry;
      continue;
    }
    const start = data + from.u32(at + field.engineDataOffset);
    yield { ...entry, engine, engineData: from.text(start, from.u32(at + field.engineDataLength)) };
  }
}

/** Writes records into a buffer that starts out as zeros. */
class Pen {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  serviceKey(at: number, key: ServiceKey): void {
    const field = layout.service;
    this.#view.setUint16(at + field.family, familyNumber(key.family), true);
    if ('fwmark' in key) {
      this.u32(at + field.fwmark, key.fwmark);
      return;
    }
    this.#view.setUint16(at + field.protocol, protocolNumbers[key.protocol], true);
    writeAddress(this.bytes, at + field.address, key.address, key.family);
    this.#view.setUint16(at + field.port, key.port, true);
  }

  service(at: number, settings: ServiceSettings): void {
    const field = layout.service;
    this.serviceKey(at, settings.key);
    this.#text(at + field.scheduler, settings.scheduler);
    this.#text(at + field.engine, settings.engine);
    this.u32(at + field.flags, settings.flags & SETTABLE_FLAGS);
    this.u32(at + field.flagsMask, SETTABLE_FLAGS);
    this.u32(at + field.timeout, settings.timeout);
    this.u32(at + field.netmask, settings.netmask);
  }

  serverKey(at: number, key: ServerKey): void {
    writeAddress(this.bytes, at + layout.server.address, key.address, key.family);
    this.#view.setUint16(at + layout.server.family, familyNumber(key.family), true);
    this.#view.setUint16(at + layout.server.port, key.port, true);
  }

  server(at: number, settings: ServerSettings): void {
    const field = layout.server;
    this.serverKey(at, settings.key);
    this.u32(at + field.forwarding, forwardings.indexOf(settings.forwarding));
    this.#view.setInt32(at + field.weight, settings.weight, true);
    this.u32(at + field.upperThreshold, settings.upperThreshold);
    this.u32(at + field.lowerThreshold, settings.lowerThreshold);
    this.bytes[at + field.tunnelType] = tunnelTypes.indexOf(settings.tunnelType);
    this.#view.setUint16(at + field.tunnelPort, settings.tunnelPort, true);
    this.#view.setUint16(at + field.tunnelFlags, tunnelChecksums.indexOf(settings.tunnelChecksum), true);
  }

  #text(at: number, text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }
}

function familyNumber(family: Family): number {
  return family === 'ipv6' ? AF_INET6 : AF_INET;
}

export function writeServiceKey(key: ServiceKey): Uint8Array {
  const pen = new Pen(layout.service.size);
  pen.serviceKey(0, key);
  return pen.bytes;
}

export function writeChanges(changes: readonly Change[]): Uint8Array {
  const pen = new Pen(changes.length * layout.change.size);
  changes.forEach((change, index) => {
    const at = index * layout.change.size;
    const service = at + layout.change.service;
    pen.u32(at + layout.change.command, commands[change.command]);
    switch (change.command) {
      case 'NEW_SERVICE':
      case 'SET_SERVICE':
        pen.service(service, change.service);
        break;
      case 'DEL_SERVICE':
        pen.serviceKey(service, change.service);
        break;
      case 'NEW_DEST':
      case 'SET_DEST':
        pen.serviceKey(service, change.service);
        pen.server(at + layout.change.server, change.server);
        break;
      case 'DEL_DEST':
        pen.serviceKey(service, change.service);
        pen.serverKey(at + layout.change.server, change.server);
        break;
      case 'ZERO':
        if (change.service) pen.serviceKey(service, change.service);
        break;
      case 'FLUSH':
        break;
    }
  });
  return pen.bytes;
}
