import type { NetworkEvent, UdpTunnel } from '../../kernel/network/types.js';
import type { MemoryFiles } from '../files.js';
import { Listeners } from '../listeners.js';
import { MemoryAddresses } from './addresses.js';
import { MemoryForwarding } from './forwarding.js';
import { MemoryLinks } from './links.js';
import { MemoryNeighbours } from './neighbours.js';
import { MemoryRoutes } from './routes.js';
import { MemoryRules } from './rules.js';
import { type NetworkState, NoNamespace } from './state.js';
import { MemorySysctls } from './sysctls.js';

/** The network of one namespace, with one class for each kind of object. */
export class NetworkCore implements NetworkState {
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
