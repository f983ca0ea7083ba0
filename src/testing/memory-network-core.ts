import { Errno } from '../kernel/errno.js';
import { KernelFailure } from '../kernel/errors.js';
import type { LinkDetails, LinkSettings, NetworkEvent, OperationalState, UdpTunnel } from '../kernel/network/types.js';
import type { MemoryFiles } from './memory-files.js';
import { Listeners } from './memory-listeners.js';
import { MemoryAddresses } from './memory-network-addresses.js';
import { MemoryForwarding } from './memory-network-forwarding.js';
import { MemoryLinks } from './memory-network-links.js';
import { MemoryNeighbours } from './memory-network-neighbours.js';
import { MemoryRoutes } from './memory-network-routes.js';
import { MemoryRules } from './memory-network-rules.js';
import { MemorySysctls } from './memory-network-sysctls.js';

/** An interface; it may move to another namespace. */
export interface LinkState {
  index: number;
  name: string;
  readonly alternativeNames: string[];
  readonly kind: LinkDetails['kind'] | 'loopback';
  readonly details: LinkDetails | undefined;
  up: boolean;
  mtu: number;
  /** Somebody changed it: that of a bridge is the least of its ports only if nobody did. */
  mtuGiven: boolean;
  address: string | undefined;
  /** Somebody said which: a bridge takes that of a port only if nobody did. */
  addressGiven: boolean;
  master: LinkState | undefined;
  /** What it is made on: of a macvlan, and of a tunnel with a device. */
  parent: LinkState | undefined;
  /** The other end of a veth. */
  peer: LinkState | undefined;
  /** The namespace that it is in. */
  home: NetworkCore;
  /** Of a bridge: before its first port it needs none to run. */
  hadPorts: boolean;
  running: boolean;
  operationalState: OperationalState;
}

export type VethPeer = Extract<LinkDetails, { kind: 'veth' }>['peer'];
export type CommonSettings = Pick<LinkSettings, 'name' | 'mtu' | 'address'>;

export function refused(errno: number, message = ''): never {
  throw new KernelFailure(errno, message);
}

/** A namespace that an operation names is not there. */
export class NoNamespace extends KernelFailure {
  constructor(path: string) {
    super(Errno.ENOENT, path);
  }
}

/** The network of one namespace: what there is, each in a room of its own. */
export class NetworkCore {
  readonly cookie: bigint;
  readonly find: (path: string) => NetworkCore | undefined;
  readonly events = new Listeners<NetworkEvent>(4096);
  readonly sysctls: MemorySysctls;
  readonly links: MemoryLinks;
  readonly addresses: MemoryAddresses;
  readonly routes: MemoryRoutes;
  readonly rules: MemoryRules;
  readonly neighbours: MemoryNeighbours;
  readonly forwarding: MemoryForwarding;
  readonly udpTunnels = new Map<string, UdpTunnel>();
  /** What this kernel has not: kinds of interfaces, and `fou`. */
  readonly missing = new Set<string>();

  constructor(cookie: bigint, find: (path: string) => NetworkCore | undefined, files: MemoryFiles) {
    this.cookie = cookie;
    this.find = find;
    this.sysctls = new MemorySysctls(this, files);
    this.addresses = new MemoryAddresses(this);
    this.routes = new MemoryRoutes(this);
    this.rules = new MemoryRules(this);
    this.neighbours = new MemoryNeighbours(this);
    this.forwarding = new MemoryForwarding(this);
    this.links = new MemoryLinks(this);
  }

  /** Tells what happened to who listens. */
  tell(event: () => NetworkEvent): void {
    if (this.events.some) this.events.push(event());
  }

  /** @throws NoNamespace */
  namespace(path: string | undefined): NetworkCore {
    if (path === undefined) return this;
    const found = this.find(path);
    if (!found) throw new NoNamespace(path);
    return found;
  }
}
