import { canonicalAddress, type Family, readAddress, writeAddress } from '../../common/address.js';
import {
  type ConnectionEntry,
  type Protocol,
  ServiceFlag,
  type ServiceKey,
  type Timeouts,
} from '../../kernel/ipvs/types.js';
import { Counter } from './counters.js';
import { schedule } from './schedulers.js';
import type { MemorySysctl } from './sysctls.js';
import type { MemoryServer, MemoryService, MemoryTable } from './table.js';

/** Time by which an expired template with connections is extended, in milliseconds (ip_vs_conn_expire). */
const TEMPLATE_WAIT = 60_000;
/** Timeouts of SCTP in milliseconds, which are not configurable (sctp_timeouts in ip_vs_proto_sctp.c). */
const SCTP_TIMEOUTS = { ESTABLISHED: 900_000, SHUTDOWN_SENT: 30_000 } as const;

/** A packet from a client. */
export interface Packet {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly client: string;
  readonly clientPort: number;
  readonly address: string;
  readonly port: number;
  readonly fwmark: number;
  readonly bytes: number;
}

/** The interface through which IPVS reports its connections to connection tracking. */
export interface Tracker {
  begin(packet: Packet, server: MemoryServer, serverPort: number): TrackedFlow | undefined;
}

export interface TrackedFlow {
  packet(direction: 'original' | 'reply', bytes: number): void;
  close(): void;
  /** Removes the flow, when its connection ends. */
  end(): void;
}

/** An entry of the connection table: a connection, or a template, which keeps a client on its server. */
export interface MemoryEntry {
  readonly protocol: Protocol | 'ip';
  readonly family: Family;
  readonly client: string;
  clientPort: number;
  readonly address: string;
  port: number;
  readonly server: MemoryServer;
  serverPort: number;
  state: string;
  /** Time of expiry, in milliseconds of the machine's clock. */
  expires: number;
  readonly isTemplate: boolean;
  /** The template of a persistent connection. */
  readonly template: MemoryEntry | undefined;
  /** Number of connections of a template. */
  members: number;
  /** Timeout of a template, in milliseconds. */
  readonly timeout: number;
  readonly flow: TrackedFlow | undefined;
  gone: boolean;
}

/** Applies a netmask to an address: a mask for IPv4, a prefix length for IPv6. A mask of 0 leaves no bits. */
function network(address: string, family: Family, netmask: number): string {
  const bytes = new Uint8Array(16);
  writeAddress(bytes, 0, address, family);
  const size = family === 'ipv4' ? 4 : 16;
  for (let i = 0; i < size; i++) {
    const bits = Math.max(0, Math.min(8, netmask - i * 8));
    const mask = family === 'ipv4' ? (netmask >>> (24 - i * 8)) & 0xff : (0xff00 >> bits) & 0xff;
    bytes[i] = (bytes[i] ?? 0) & mask;
  }
  return readAddress(bytes, 0, family);
}

/** Returns the mark as an address: templates of fwmark services have the mark in place of the virtual address. */
function fwmarkAddress(fwmark: number, family: Family): string {
  if (family === 'ipv6')
    return canonicalAddress(`${(fwmark >>> 16).toString(16)}:${(fwmark & 0xffff).toString(16)}::`, family);
  return [24, 16, 8, 0].map((shift) => (fwmark >>> shift) & 0xff).join('.');
}

type EntryName = Pick<MemoryEntry, 'protocol' | 'client' | 'clientPort' | 'address' | 'port' | 'isTemplate'>;

function nameOf({ protocol, client, clientPort, address, port, isTemplate }: EntryName): string {
  return `${isTemplate ? 'template ' : ''}${protocol} ${client} ${clientPort} ${address} ${port}`;
}

/** The connection table: assigns connections to servers, counts their packets, and ends them. */
export class MemoryConnections {
  /** Timeouts in seconds; initially the kernel's defaults. */
  timeouts: Timeouts = { tcp: 900, tcpFin: 120, udp: 300 };
  readonly #entries = new Set<MemoryEntry>();
  /** Entries that packets can find. */
  readonly #byName = new Map<string, MemoryEntry>();
  readonly #table: MemoryTable;
  readonly #sysctl: (name: MemorySysctl) => number;
  readonly #now: () => number;
  readonly #tracker: Tracker;

  constructor(table: MemoryTable, sysctl: (name: MemorySysctl) => number, now: () => number, tracker: Tracker) {
    this.#table = table;
    this.#sysctl = sysctl;
    this.#now = now;
    this.#tracker = tracker;
  }

  get size(): number {
    return this.#entries.size;
  }

  *list(): Generator<ConnectionEntry, void, void> {
    // Entries added during the iteration may be missed, as in the kernel's file.
    for (const entry of [...this.#entries]) {
      if (entry.gone) continue;
      yield {
        protocol: entry.protocol.toUpperCase(),
        clientAddress: entry.client,
        clientPort: entry.clientPort,
        virtualAddress: entry.address,
        virtualPort: entry.port,
        serverAddress: entry.server.key.address,
        serverPort: entry.serverPort,
        state: entry.state,
        expires: Math.max(0, Math.floor((entry.expires - this.#now()) / 1000)),
      };
    }
  }

  /** Handles the first packet of a connection; returns its entry, or `undefined` if no server accepts it. */
  connect(packet: Packet): MemoryEntry | undefined {
    const { protocol, client, clientPort, address, port } = packet;
    const known = this.#byName.get(nameOf({ protocol, client, clientPort, address, port, isTemplate: false }));
    if (known) {
      const again = this.#reuse(known, packet);
      if (again) return again === 'dropped' ? undefined : again;
    }
    const service = this.#serviceOf(packet);
    if (!service) return undefined;
    const entry = service.persistent ? this.#persistent(service, packet) : this.#scheduled(service, packet);
    if (!entry) return undefined;
    for (const counters of [entry.server.counters, service.counters, this.#table.totals])
      counters.add(Counter.connections, 1);
    this.#count(entry, 'in', packet.bytes);
    return entry;
  }

  /** Handles a further packet of the client; returns true if a server got it. */
  packet(entry: MemoryEntry, bytes: number): boolean {
    if (entry.gone) return false;
    if (!entry.server.available) {
      if (this.#sysctl('expire_nodest_conn') !== 0) this.remove(entry);
      return false;
    }
    this.#restart(entry);
    this.#count(entry, 'in', bytes);
    return true;
  }

  /** Handles a packet of the server, which the director sees only with NAT. */
  reply(entry: MemoryEntry, bytes: number): void {
    if (entry.gone || entry.server.settings.forwarding !== 'nat') return;
    this.#restart(entry);
    if (entry.template) entry.template.state = 'ASSURED';
    this.#count(entry, 'out', bytes);
  }

  /** Handles the client's FIN. */
  close(entry: MemoryEntry): void {
    if (entry.gone || entry.state !== 'ESTABLISHED' || !this.packet(entry, 0)) return;
    entry.state = entry.protocol === 'tcp' ? 'FIN_WAIT' : 'SHUTDOWN_SENT';
    entry.server.active--;
    entry.server.inactive++;
    this.#restart(entry);
    entry.flow?.close();
  }

  /** Handles the removal of servers: with expire_nodest_conn, removes their connections and templates. */
  serverRemoved(): void {
    if (this.#entries.size === 0 || this.#sysctl('expire_nodest_conn') === 0) return;
    for (const entry of [...this.#entries]) {
      if (entry.isTemplate || entry.gone || entry.server.available) continue;
      this.remove(entry);
      if (entry.template?.members === 0) this.remove(entry.template);
    }
  }

  /** Removes expired connections, then expired templates without connections. */
  expire(): void {
    const now = this.#now();
    for (const entry of [...this.#entries]) {
      if (!entry.isTemplate && entry.expires <= now) this.remove(entry);
    }
    for (const entry of [...this.#entries]) {
      if (!entry.isTemplate || entry.expires > now) continue;
      if (entry.members === 0) this.remove(entry);
      else entry.expires += Math.ceil((now - entry.expires + 1) / TEMPLATE_WAIT) * TEMPLATE_WAIT;
    }
  }

  remove(entry: MemoryEntry): void {
    if (entry.gone) return;
    entry.gone = true;
    this.#entries.delete(entry);
    if (this.#byName.get(nameOf(entry)) === entry) this.#byName.delete(nameOf(entry));
    const { server } = entry;
    if (entry.isTemplate) server.persistent--;
    else if (entry.state === 'ESTABLISHED') server.active--;
    else server.inactive--;
    server.checkLower();
    if (!server.available && !server.used) server.idleSince = this.#now();
    if (entry.template) entry.template.members--;
    entry.flow?.end();
  }

  /** Finds the service by mark, then by address and port, then by address with port 0 (ip_vs_service_find). */
  #serviceOf({ family, protocol, address, port, fwmark }: Packet): MemoryService | undefined {
    const find = (key: ServiceKey): MemoryService | undefined => this.#table.find(key);
    const marked = fwmark === 0 ? undefined : find({ family, fwmark });
    if (marked) return marked;
    return find({ family, protocol, address, port }) ?? find({ family, protocol, address, port: 0 });
  }

  #reuse(known: MemoryEntry, packet: Packet): MemoryEntry | 'dropped' | undefined {
    const closing = known.state !== 'ESTABLISHED' && known.protocol !== 'udp';
    if (!known.server.available && this.#sysctl('expire_nodest_conn') === 0) return 'dropped';
    if (!known.server.available || (closing && this.#sysctl('conn_reuse_mode') !== 0)) {
      this.remove(known);
      return undefined;
    }
    if (closing) {
      known.state = 'ESTABLISHED';
      known.server.inactive--;
      known.server.active++;
    }
    this.packet(known, packet.bytes);
    return known;
  }

  #scheduled(service: MemoryService, packet: Packet): MemoryEntry | undefined {
    const { key } = service.settings;
    // The kernel does not schedule for a service with port 0 without persistence.
    if ('port' in key && key.port !== packet.port) return undefined;
    const server = schedule(service, packet);
    return server && this.#add(service, packet, server, server.key.port || packet.port, undefined);
  }

  #persistent(service: MemoryService, packet: Packet): MemoryEntry | undefined {
    const template = this.#template(service, packet);
    if (!template) return undefined;
    const { server } = template;
    const { key } = service.settings;
    const port = 'port' in key && key.port === packet.port && server.key.port !== 0 ? server.key.port : packet.port;
    template.expires = this.#now() + template.timeout;
    // A UDP template becomes ASSURED only with a reply.
    if (packet.protocol !== 'udp') template.state = 'ASSURED';
    return this.#add(service, packet, server, port, template);
  }

  /** Finds or creates the template (ip_vs_sched_persist in net/netfilter/ipvs/ip_vs_core.c). */
  #template(service: MemoryService, packet: Packet): MemoryEntry | undefined {
    const { key, netmask, timeout } = service.settings;
    const { family } = packet;
    const own = 'port' in key && key.port === packet.port && key.port !== 21;
    const name = {
      protocol: 'fwmark' in key ? 'ip' : packet.protocol,
      client: network(packet.client, family, netmask),
      clientPort: 0,
      address: 'fwmark' in key ? fwmarkAddress(key.fwmark, family) : packet.address,
      port: own ? packet.port : 0,
      isTemplate: true,
    } as const;
    const known = this.#byName.get(nameOf(name));
    if (known) {
      const { server } = known;
      const quiescent = server.settings.weight === 0 && this.#sysctl('expire_quiescent_template') !== 0;
      if (server.available && !quiescent) return known;
      // The template stays until it expires, but packets no longer find it.
      this.#byName.delete(nameOf(known));
      known.port = 65535;
      known.serverPort = 65535;
    }
    const server = schedule(service, packet);
    if (!server) return undefined;
    const entry: MemoryEntry = {
      ...name,
      family,
      server,
      serverPort: own ? server.key.port : 0,
      state: 'NONE',
      expires: this.#now() + timeout * 1000,
      template: undefined,
      members: 0,
      timeout: timeout * 1000,
      flow: undefined,
      gone: false,
    };
    server.persistent++;
    this.#put(entry);
    return entry;
  }

  #add(
    service: MemoryService,
    packet: Packet,
    server: MemoryServer,
    serverPort: number,
    template: MemoryEntry | undefined,
  ): MemoryEntry {
    const { protocol, family, client, clientPort, address, port } = packet;
    const onePacket = protocol === 'udp' && (service.settings.flags & ServiceFlag.onePacket) !== 0;
    const entry: MemoryEntry = {
      protocol,
      family,
      client,
      clientPort,
      address,
      port,
      server,
      serverPort,
      state: protocol === 'udp' ? 'UDP' : 'ESTABLISHED',
      expires: 0,
      isTemplate: false,
      template,
      members: 0,
      timeout: 0,
      flow: onePacket ? undefined : this.#track(packet, server, serverPort),
      gone: onePacket,
    };
    if (onePacket) return entry;
    if (protocol === 'udp') server.inactive++;
    else server.active++;
    server.checkUpper();
    if (template) template.members++;
    this.#put(entry);
    this.#restart(entry);
    return entry;
  }

  /** Tracks the connection if the sysctl `conntrack` is on; otherwise the kernel does not track packets of IPVS. */
  #track(packet: Packet, server: MemoryServer, serverPort: number): TrackedFlow | undefined {
    return this.#sysctl('conntrack') === 0 ? undefined : this.#tracker.begin(packet, server, serverPort);
  }

  #put(entry: MemoryEntry): void {
    this.#entries.add(entry);
    this.#byName.set(nameOf(entry), entry);
  }

  #restart(entry: MemoryEntry): void {
    const { tcp, tcpFin, udp } = this.timeouts;
    const open = entry.state === 'ESTABLISHED';
    const sctp = open ? SCTP_TIMEOUTS.ESTABLISHED : SCTP_TIMEOUTS.SHUTDOWN_SENT;
    const timeouts = { udp: udp * 1000, tcp: (open ? tcp : tcpFin) * 1000, sctp, ip: 0 };
    entry.expires = this.#now() + timeouts[entry.protocol];
  }

  #count(entry: MemoryEntry, way: 'in' | 'out', bytes: number): void {
    const { server } = entry;
    const [packets, octets] =
      way === 'in' ? [Counter.packetsIn, Counter.bytesIn] : [Counter.packetsOut, Counter.bytesOut];
    for (const counters of [server.counters, server.service.counters, this.#table.totals]) {
      counters.add(packets, 1);
      counters.add(octets, bytes);
    }
    entry.flow?.packet(way === 'in' ? 'original' : 'reply', bytes);
  }
}
