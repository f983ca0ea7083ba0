import { readAddress } from '../../common/address.js';
import { protocolName } from '../../common/protocols.js';
import type {
  ConnectionEntry,
  Forwarding,
  IpvsStatistics,
  Protocol,
  ServerEntry,
  ServerKey,
  ServiceEntry,
  ServiceKey,
  TunnelChecksum,
  TunnelType,
} from '../../kernel/ipvs/types.js';
import { RecordReader } from '../records.js';
import { forwardings, layout, tunnelChecksums, tunnelTypes } from './layout.js';

const HAS_TUNNEL = 2;

function protocolOf(number: number): Protocol {
  const name = protocolName(number);
  return name === 'udp' || name === 'sctp' ? name : 'tcp';
}

class StatisticsView implements IpvsStatistics {
  readonly #from: RecordReader;
  readonly #at: number;

  constructor(from: RecordReader, at: number) {
    this.#from = from;
    this.#at = at;
  }

  // The fields have the order of IPVS_STATS_ATTR_*.
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
  readonly #from: RecordReader;
  readonly #at: number;

  constructor(from: RecordReader, at: number) {
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
      protocol: protocolOf(from.u16(this.#at + field.protocol)),
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
  get statistics(): IpvsStatistics {
    return new StatisticsView(this.#from, this.#at + layout.service.statistics);
  }
}

class ServerView implements ServerEntry {
  readonly #from: RecordReader;
  readonly #at: number;

  constructor(from: RecordReader, at: number) {
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
  get statistics(): IpvsStatistics {
    return new StatisticsView(this.#from, this.#at + layout.server.statistics);
  }
}

export function readServices(buffer: ArrayBuffer): ServiceEntry[] {
  const from = new RecordReader(buffer);
  const { size } = layout.service;
  const entries: ServiceEntry[] = [];
  for (let at = 0; at < buffer.byteLength; at += size) entries.push(new ServiceView(from, at));
  return entries;
}

export function readServers(buffer: ArrayBuffer): ServerEntry[] {
  const from = new RecordReader(buffer);
  const { size } = layout.server;
  const entries: ServerEntry[] = [];
  for (let at = 0; at < buffer.byteLength; at += size) entries.push(new ServerView(from, at));
  return entries;
}

/** Reads the servers of a whole table, grouped by the index of their service. */
export function readServersByService(buffer: ArrayBuffer, services: number): ServerEntry[][] {
  const from = new RecordReader(buffer);
  const { size, service } = layout.server;
  const rows: ServerEntry[][] = [];
  for (let index = 0; index < services; index++) rows.push([]);
  for (let at = 0; at < buffer.byteLength; at += size) rows[from.u32(at + service)]?.push(new ServerView(from, at));
  return rows;
}

/** Reads the output of `ConnectionFile::Next`: a count, the records, the data of the engines. */
export function* readConnections(buffer: ArrayBuffer): Generator<ConnectionEntry, void, void> {
  const from = new RecordReader(buffer);
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
