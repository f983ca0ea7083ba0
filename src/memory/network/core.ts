import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type {
  LinkDetails,
  LinkSettings,
  NetworkEvent,
  OperationalState,
  UdpTunnel,
} from '../../kernel/network/types.js';
import type { MemoryFiles } from '../files.js';
import { Listeners } from '../listeners.js';
import { MemoryAddresses } from './addresses.js';
import { MemoryForwarding } from './forwarding.js';
import { MemoryLinks } from './links.js';
import { MemoryNeighbours } from './neighbours.js';
import { MemoryRoutes } from './routes.js';
import { MemoryRules } from './rules.js';
import { MemorySysctls } from './sysctls.js';

/** An interface; it may move to another namespace. */
export interface LinkState {
  index: number;
  name: string;
  readonly alternativeNames: string[];
  readonly kind: LinkDetails['kind'] | 'loopback';
  readonly details: LinkDetails | undefined;
  up: boolean;
  mtu: number;
  /** True if the MTU was set; otherwise a bridge takes the least MTU of its ports. */
  mtuGiven: boolean;
  address: string | undefined;
  /** True if the address was set; otherwise a bridge takes the address of a port. */
  addressGiven: boolean;
  master: LinkState | undefined;
  /** Lower interface of a macvlan, or of a tunnel with a device. */
  parent: LinkState | undefined;
  /** Other end of a veth. */
  peer: LinkState | undefined;
  /** Namespace of the interface. */
  home: NetworkCore;
  /** True once a bridge has had a port: from then on it runs only with a running port. */
  hadPorts: boolean;
  running: boolean;
  operationalState: OperationalState;
}

export type VethPeer = Extract<LinkDetails, { kind: 'veth' }>['peer'];
export type CommonSettings = Pick<LinkSettings, 'name' | 'mtu' | 'address'>;

export function refused(errno: number, message = ''): never {
  throw new KernelFailure(errno, message);
}

/** The failure of an operation that names a missing namespace. */
export class NoNamespace extends KernelFailure {
  constructor(path: string) {
    super(Errno.ENOENT, path);
  }
}

/** The network of one namespace, with one class for each kind of object. */
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
  /** Features that this kernel lacks: kinds of interfaces, and `fou`. */
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

  /** Sends an event to the listeners. */
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
