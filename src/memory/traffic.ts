import { checkAddress, checkInteger, checkOneOf, checkOptions, show, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import type { Tuple } from '../kernel/conntrack/types.js';
import type { Protocol } from '../kernel/ipvs/types.js';
import { type MemoryFlow, Status } from './conntrack/flow.js';
import type { MemoryConntrack } from './conntrack/port.js';
import type { MemoryEntry, Packet, TrackedFlow, Tracker } from './ipvs/connections.js';
import type { MemoryIpvs } from './ipvs/port.js';
import type { MemoryServer } from './ipvs/table.js';

/** A connection that a client opens. */
export interface TrafficOptions {
  /** Protocol. Default: `tcp`. */
  readonly protocol?: Protocol | undefined;
  /** Destination address of the client's packets. */
  readonly address: string;
  /** Destination port of the client's packets, 1 to 65535. */
  readonly port: number;
  /** Address of the client. Default: 198.51.100.1, or 2001:db8::1 for IPv6. */
  readonly client?: string | undefined;
  /** Port of the client. Default: a different one for each connection. */
  readonly clientPort?: number | undefined;
  /** Mark of the packets. Default: the mark that the nf_tables rules and maps of the namespace set. */
  readonly fwmark?: number | undefined;
  /** Size of the first packet, in bytes. Default: 60. */
  readonly bytes?: number | undefined;
}

/** A connection that IPVS has assigned to a server. */
export interface TrafficConnection {
  /** The real server that gets its packets. */
  readonly server: {
    /** Address of the server. */
    readonly address: string;
    /** Port of the server, 0 to 65535. */
    readonly port: number;
  };
  /** True if IPVS still has the connection and it is not closing. */
  readonly established: boolean;
  /**
   * Sends a further packet of the client; returns true if a server got it. No server gets it if the server was removed
   * or IPVS has forgotten the connection; in the latter case a UDP packet can start a new connection.
   */
  packet(bytes?: number): boolean;
  /** Sends a reply of the server, which the director sees only with NAT. */
  reply(bytes?: number): void;
  /** Closes the client's side: the entry becomes `FIN_WAIT` and ends after `tcpFin`. UDP ends only by its timeout. */
  close(): void;
}

/** Timeouts of connection tracking (nf_conntrack_tcp_timeout_* and its like), in milliseconds. */
const FLOW_TIMEOUTS = { tcp: 432_000_000, udp: 120_000, sctp: 210_000_000, begun: 120_000, closing: 120_000 } as const;
/** Numbers of the states ESTABLISHED, SYN_SENT and FIN_WAIT of TCP, and of the corresponding states of SCTP. */
const states = {
  tcp: { open: 3, begun: 1, closing: 4 },
  sctp: { open: 4, begun: 2, closing: 5 },
} as const;

/** Connection tracking of IPVS connections, used if the sysctl `conntrack` is on (net/netfilter/ipvs/ip_vs_nfct.c). */
export class FlowTracker implements Tracker {
  readonly #conntrack: MemoryConntrack;

  constructor(conntrack: MemoryConntrack) {
    this.#conntrack = conntrack;
  }

  begin(packet: Packet, { key, settings }: MemoryServer, serverPort: number): TrackedFlow | undefined {
    const { family, protocol, client, clientPort, address, port } = packet;
    const nat = settings.forwarding === 'nat' && key.family === family;
    const original: Tuple = {
      family,
      protocol,
      source: client,
      destination: address,
      sourcePort: clientPort,
      destinationPort: port,
    };
    const reply: Tuple = {
      family,
      protocol,
      source: nat ? key.address : address,
      destination: client,
      sourcePort: nat ? serverPort : port,
      destinationPort: clientPort,
    };
    const conntrack = this.#conntrack;
    const answered = nat && protocol !== 'udp';
    const state = protocol === 'udp' ? undefined : states[protocol][answered ? 'open' : 'begun'];
    const timeout = (answered ? FLOW_TIMEOUTS[protocol] : FLOW_TIMEOUTS.begun) / 1000;
    const statusBits = Status.confirmed | (answered ? Status.seenReply | Status.assured : 0);
    const errno = conntrack.flows.create({ original, reply }, { timeout, statusBits, ...(state && { state }) });
    const flow = errno === 0 ? conntrack.flows.find({ original }) : undefined;
    return flow && new TrafficFlow(conntrack, flow, protocol);
  }
}

class TrafficFlow implements TrackedFlow {
  readonly #conntrack: MemoryConntrack;
  readonly #flow: MemoryFlow;
  readonly #protocol: Protocol;

  constructor(conntrack: MemoryConntrack, flow: MemoryFlow, protocol: Protocol) {
    this.#conntrack = conntrack;
    this.#flow = flow;
    this.#protocol = protocol;
  }

  packet(direction: 'original' | 'reply', bytes: number): void {
    const flow = this.#flow;
    if (direction === 'reply') flow.statusBits |= Status.seenReply;
    const counters = flow.counters?.[direction];
    if (counters) {
      counters.packets++;
      counters.bytes += BigInt(bytes);
    }
    const open = this.#protocol === 'udp' || (flow.statusBits & Status.assured) !== 0;
    this.#restart(open ? FLOW_TIMEOUTS[this.#protocol] : FLOW_TIMEOUTS.begun);
  }

  close(): void {
    if (this.#protocol === 'udp' || (this.#flow.statusBits & Status.assured) === 0) return;
    this.#flow.state = states[this.#protocol].closing;
    this.#restart(FLOW_TIMEOUTS.closing);
  }

  end(): void {
    this.#conntrack.flows.remove(this.#flow);
  }

  #restart(milliseconds: number): void {
    this.#conntrack.flows.setExpiry(this.#flow, this.#conntrack.machine.now + milliseconds);
  }
}

/** Returns the mark of a client's packet when IPVS gets it. */
export type MarkOf = (packet: {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly port: number;
}) => number;

/** The traffic of clients in one namespace. */
export class MemoryTraffic {
  readonly #ipvs: MemoryIpvs;
  readonly #markOf: MarkOf;
  #lastPort = 32767;

  constructor(ipvs: MemoryIpvs, markOf: MarkOf) {
    this.#ipvs = ipvs;
    this.#markOf = markOf;
  }

  /** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` for invalid addresses, or addresses of two families */
  connect(options: TrafficOptions): TrafficConnection | undefined {
    const { protocol = 'tcp', port, bytes = 60, clientPort = this.#nextPort() } = checkTraffic(options);
    const { address: asked, family } = checkAddress('address', options.address);
    const client = valueOr(options.client, family === 'ipv6' ? '2001:db8::1' : '198.51.100.1');
    const { address: source, family: other } = checkAddress('client', client);
    if (other !== family) throw invalid(`client is of the family of address (${family}), unlike ${show(client)}`);
    const destination = asked;
    const packet: Packet = {
      family,
      protocol,
      client: source,
      clientPort,
      address: destination,
      port,
      fwmark: options.fwmark ?? this.#markOf({ source, destination, protocol, port }),
      bytes,
    };
    const entry = this.#ipvs.connect(packet);
    return entry && new Connection(this.#ipvs, packet, entry);
  }

  #nextPort(): number {
    this.#lastPort = this.#lastPort === 60999 ? 32768 : this.#lastPort + 1;
    return this.#lastPort;
  }
}

function checkTraffic(options: TrafficOptions): TrafficOptions {
  const names = ['protocol', 'address', 'port', 'client', 'clientPort', 'fwmark', 'bytes'];
  checkOptions('a connection', options, names);
  const { protocol, port, clientPort, fwmark, bytes } = options;
  if (protocol !== undefined) checkOneOf('protocol', protocol, ['tcp', 'udp', 'sctp']);
  checkInteger('port', port, 0, 65535);
  if (clientPort !== undefined) checkInteger('clientPort', clientPort, 0, 65535);
  if (fwmark !== undefined) checkInteger('fwmark', fwmark, 0, 0xffffffff);
  if (bytes !== undefined) checkInteger('bytes', bytes, 0, 0xffffffff);
  return options;
}

class Connection implements TrafficConnection {
  readonly #ipvs: MemoryIpvs;
  readonly #packet: Packet;
  #entry: MemoryEntry;

  constructor(ipvs: MemoryIpvs, packet: Packet, entry: MemoryEntry) {
    this.#ipvs = ipvs;
    this.#packet = packet;
    this.#entry = entry;
  }

  get server(): TrafficConnection['server'] {
    return { address: this.#entry.server.key.address, port: this.#entry.serverPort };
  }

  get established(): boolean {
    return !this.#entry.gone && (this.#entry.state === 'ESTABLISHED' || this.#entry.state === 'UDP');
  }

  packet(bytes = 100): boolean {
    const { connections } = this.#ipvs;
    if (connections.packet(this.#entry, bytes)) return true;
    if (!this.#entry.gone || !this.#ipvs.beginsAnywhere(this.#packet.protocol)) return false;
    const entry = connections.connect({ ...this.#packet, bytes });
    if (!entry) return false;
    this.#entry = entry;
    return true;
  }

  reply(bytes = 100): void {
    this.#ipvs.connections.reply(this.#entry, bytes);
  }

  close(): void {
    this.#ipvs.connections.close(this.#entry);
  }
}
