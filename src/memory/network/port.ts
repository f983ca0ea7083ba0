import { familyOf } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import type { NetworkEventPort, NetworkPort } from '../../kernel/network/port.js';
import type {
  ForwardingEntry,
  InterfaceAddress,
  Link,
  Neighbour,
  NetworkEvent,
  NetworkEventType,
  NetworkOperation,
  OperationOutcome,
  Route,
  RouteQuery,
  RoutingRule,
  UdpTunnel,
} from '../../kernel/network/types.js';
import { MemoryFiles } from '../files.js';
import { Handle, type Machine } from '../machine.js';
import { NetworkCore } from './core.js';
import { toLink } from './link-entry.js';
import { carryOut, operationText } from './operations.js';
import { NoNamespace } from './state.js';

/** A sent frame. */
export interface SentFrame {
  /** Main name of the interface. */
  readonly interface: string;
  /** Ethernet frame, without its checksum. */
  readonly frame: Uint8Array;
}

/**
 * The network of one namespace in memory: interfaces, addresses, routes, rules, neighbours, forwarding entries and the
 * settings of interfaces, including what the kernel adds and removes automatically. A new network has only `lo`, which
 * is down. IPv6 addresses are usable at once, because duplicate address detection takes no time.
 *
 * @example
 * ```ts
 * import { Network } from 'ipvs';
 * import { MemoryKernel } from 'ipvs/testing';
 *
 * const kernel = new MemoryKernel();
 * const network = await Network.open({ kernel });
 * await network.addAddress({ interface: 'lo', address: '198.51.100.1/32' });
 * console.log(kernel.namespace().network.hasAddress('198.51.100.1')); // true
 * ```
 */
export class MemoryNetwork {
  /** Frames sent by `announce`. */
  readonly frames: SentFrame[] = [];
  readonly #machine: Machine;
  readonly #core: NetworkCore;
  /** Files of /proc and /sys of this namespace. @internal */
  readonly files: MemoryFiles;

  /** @internal */
  constructor(
    machine: Machine,
    cookie: bigint,
    find: (path: string) => MemoryNetwork | undefined,
    files: MemoryFiles = new MemoryFiles(),
  ) {
    this.#machine = machine;
    this.files = files;
    this.#core = new NetworkCore(cookie, (path) => MemoryNetwork.#coreOf(find(path)), files);
  }

  static #coreOf(network: MemoryNetwork | undefined): NetworkCore | undefined {
    if (network === undefined) return undefined;
    return network.#core;
  }

  /** Cookie of the namespace, unique on its machine. */
  get cookie(): bigint {
    return this.#core.cookie;
  }

  /** @internal */
  open(): NetworkPort {
    return new MemoryNetworkPort(new Handle(this.#machine, 'network'), this.#core, this.files, this.frames);
  }

  /** Returns true if the address belongs to the namespace: to one of its interfaces, or to a route of type local. */
  hasAddress(address: string): boolean {
    const family = familyOf(address);
    return family !== undefined && this.#core.routes.isLocal(address, family);
  }

  /**
   * Makes a change at once, as another program.
   * @throws KernelFailure if the kernel would reject it
   */
  change(operation: NetworkOperation): void {
    carryOut(this.#core, operation);
  }

  /** Returns the main name of the interface that has this name. @internal */
  mainName(name: string): string | undefined {
    return this.#core.links.named(name)?.name;
  }

  /**
   * Assigns an IPv6 address to another host: if the address is then added without `noDad`, it is a duplicate, which
   * exists but is not used.
   */
  takeAddress(address: string): void {
    this.#core.addresses.take(address);
  }

  /** Adds an alternative name to an interface, like `ip link property add altname`. */
  addAlternativeName(name: string, other: string): void {
    this.#core.links.addAlternativeName(name, other);
  }

  /** Removes support for a kind of interface from this kernel; for `fou`, support for UDP decapsulation. */
  remove(kind: 'dummy' | 'veth' | 'bridge' | 'vxlan' | 'ipip' | 'gre' | 'macvlan' | 'fou'): void {
    this.#core.missing.add(kind);
  }

  /** Makes all watches lose events, as if their buffers were full. */
  overrun(): void {
    this.#core.events.overrun();
  }

  /** Maximum number of pending events per watch, for watches opened from now on; further events are lost. */
  set eventCapacity(number: number) {
    this.#core.events.capacity = number;
  }
}

class MemoryNetworkPort implements NetworkPort {
  readonly cookie: bigint;
  readonly #handle: Handle;
  readonly #core: NetworkCore;
  readonly #files: MemoryFiles;
  readonly #frames: SentFrame[];
  readonly #watches = new Set<NetworkEventPort>();

  constructor(handle: Handle, core: NetworkCore, files: MemoryFiles, frames: SentFrame[]) {
    this.cookie = core.cookie;
    this.#handle = handle;
    this.#core = core;
    this.#files = files;
    this.#frames = frames;
  }

  links(options?: CallOptions): Promise<readonly Link[]> {
    return this.#handle.ask('links', '', () => this.#core.links.list(), options);
  }

  link(name: string, options?: CallOptions): Promise<Link> {
    return this.#handle.ask('link', name, () => toLink(this.#core.links.get(name)), options);
  }

  addresses(
    { interface: name, family }: Parameters<NetworkPort['addresses']>[0],
    options?: CallOptions,
  ): Promise<readonly InterfaceAddress[]> {
    const work = (): InterfaceAddress[] => this.#core.addresses.list({ link: this.#link(name), family });
    return this.#handle.ask('addresses', name ?? '', work, options);
  }

  routes(filter: Parameters<NetworkPort['routes']>[0], options?: CallOptions): Promise<readonly Route[]> {
    return this.#handle.ask('routes', '', () => this.#core.routes.list(filter), options);
  }

  routeTo(query: RouteQuery, options?: CallOptions): Promise<Route> {
    return this.#handle.ask('routeTo', query.address, () => this.#core.routes.to(query), options);
  }

  rules(family: RoutingRule['family'] | undefined, options?: CallOptions): Promise<readonly RoutingRule[]> {
    return this.#handle.ask('rules', family ?? '', () => this.#core.rules.list(family), options);
  }

  neighbours(
    { interface: name, family, proxy }: Parameters<NetworkPort['neighbours']>[0],
    options?: CallOptions,
  ): Promise<readonly Neighbour[]> {
    const work = (): Neighbour[] => this.#core.neighbours.list({ link: this.#link(name), family, proxy });
    return this.#handle.ask('neighbours', name ?? '', work, options);
  }

  forwardingEntries(
    { interface: name }: Parameters<NetworkPort['forwardingEntries']>[0],
    options?: CallOptions,
  ): Promise<readonly ForwardingEntry[]> {
    const work = (): ForwardingEntry[] => this.#core.forwarding.list(this.#link(name));
    return this.#handle.ask('forwardingEntries', name ?? '', work, options);
  }

  apply(operations: readonly NetworkOperation[], options?: CallOptions): Promise<readonly OperationOutcome[]> {
    const [first] = operations;
    const what = operations.length === 1 && first ? operationText(first) : `${operations.length} changes`;
    const work = (): OperationOutcome[] => operations.map((operation) => this.#carryOut(operation));
    return this.#handle.ask('apply', what, work, options);
  }

  async sendFrame(interfaceName: string, frame: Uint8Array, options?: CallOptions): Promise<void> {
    const work = (): void => {
      const link = this.#core.links.get(interfaceName);
      if (!link.up) throw new KernelFailure(Errno.ENETDOWN, interfaceName);
      this.#frames.push({ interface: link.name, frame: frame.slice() });
    };
    await this.#handle.ask('sendFrame', interfaceName, work, options);
  }

  async watch(types: readonly NetworkEventType[], options?: CallOptions): Promise<NetworkEventPort> {
    const wanted = new Set<NetworkEvent['type']>(types);
    const work = () => this.#core.events.open(this.#handle, ({ type }) => wanted.has(type));
    const queue = await this.#handle.ask('watch', types.join(' '), work, options);
    const port: NetworkEventPort = {
      next: async (signal) => {
        const { events, overrun } = await queue.take(signal);
        return overrun ? [{ type: 'overrun' }, ...events] : events;
      },
      close: () => {
        this.#watches.delete(port);
        queue.close();
      },
    };
    this.#watches.add(port);
    return port;
  }

  udpTunnels(options?: CallOptions): Promise<readonly UdpTunnel[]> {
    return this.#fou('udpTunnels', '', (tunnels) => [...tunnels.values()], options);
  }

  addUdpTunnel(tunnel: UdpTunnel, options?: CallOptions): Promise<void> {
    const key = `${tunnel.family} ${tunnel.port}`;
    const work = (tunnels: Map<string, UdpTunnel>): void => {
      if (tunnels.has(key)) throw new KernelFailure(Errno.EADDRINUSE, '');
      tunnels.set(key, tunnel);
    };
    return this.#fou('addUdpTunnel', key, work, options);
  }

  deleteUdpTunnel({ port, family }: Pick<UdpTunnel, 'port' | 'family'>, options?: CallOptions): Promise<void> {
    const key = `${family} ${port}`;
    const work = (tunnels: Map<string, UdpTunnel>): void => {
      if (!tunnels.delete(key)) throw new KernelFailure(Errno.EINVAL, '');
    };
    return this.#fou('deleteUdpTunnel', key, work, options);
  }

  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]> {
    return this.#handle.ask('readFiles', paths.join(' '), () => this.#files.read(paths), options);
  }

  writeFile(path: string, text: string, options?: CallOptions): Promise<void> {
    const work = (): void => {
      const errno = this.#files.write(path, text);
      if (errno !== 0) throw new KernelFailure(errno, path);
    };
    return this.#handle.ask('writeFile', path, work, options);
  }

  async close(): Promise<void> {
    this.#handle.close();
    for (const watch of this.#watches) watch.close();
  }

  #link(name: string | undefined) {
    return name === undefined ? undefined : this.#core.links.get(name);
  }

  #carryOut(operation: NetworkOperation): OperationOutcome {
    let said = '';
    let namespace = false;
    const errno = this.#handle.change(operation.operation, operationText(operation), () => {
      try {
        carryOut(this.#core, operation);
        return 0;
      } catch (error) {
        if (!(error instanceof KernelFailure)) throw error;
        said = error.message;
        namespace = error instanceof NoNamespace;
        return error.errno;
      }
    });
    return { errno, message: said, ...(namespace ? { namespace: true } : {}) };
  }

  #fou<T>(
    command: string,
    object: string,
    work: (tunnels: Map<string, UdpTunnel>) => T,
    options: CallOptions | undefined,
  ): Promise<T> {
    const checked = (): T => {
      if (this.#core.missing.has('fou')) throw new KernelFailure(Errno.EPROTONOSUPPORT, 'this kernel has no fou');
      return work(this.#core.udpTunnels);
    };
    return this.#handle.ask(command, object, checked, options);
  }
}
