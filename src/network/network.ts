import { checkCallOptions } from '../common/check.js';
import { IpvsError } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { type Result, resultsOf } from '../common/result.js';
import type { Watch } from '../common/watch.js';
import type { CallOptions } from '../kernel/call.js';
import type { Kernel } from '../kernel/kernel.js';
import type { NetworkNamespace } from '../kernel/namespace.js';
import type { NetworkPort } from '../kernel/network/port.js';
import type {
  ForwardingEntry,
  InterfaceAddress,
  Link,
  Neighbour,
  NetworkEvent,
  Route,
  RoutingRule,
  UdpTunnel,
} from '../kernel/network/types.js';
import type { AddressOptions, AddressSelector } from './address-options.js';
import { type AnnounceOptions, announce } from './announce.js';
import { carryOut } from './carry-out.js';
import { type NetworkChange, toOperation, toOperations } from './changes.js';
import { Context } from './context.js';
import type { LinkChanges, LinkOptions } from './link-options.js';
import type {
  ForwardingEntryOptions,
  ForwardingEntrySelector,
  NeighbourOptions,
  NeighbourSelector,
} from './neighbour-options.js';
import { type NetworkOptions, openPort } from './open.js';
import {
  type AddressFilter,
  type ForwardingEntryFilter,
  findRoute,
  listAddresses,
  listForwardingEntries,
  listNeighbours,
  listRoutes,
  listRules,
  type NeighbourFilter,
  type RoutingRuleFilter,
} from './reads.js';
import type { RouteFilter, RouteOptions, RouteSelector, RouteToOptions } from './route-options.js';
import type { RoutingRuleOptions, RoutingRuleSelector } from './rule-options.js';
import { type NetworkSysctl, readSysctl, writeSysctl } from './sysctls.js';
import { addUdpTunnel, deleteUdpTunnel, type UdpTunnelOptions, type UdpTunnelSelector } from './udp-tunnels.js';
import { type NetworkWatchOptions, watchNetwork } from './watch.js';

/**
 * Interfaces, addresses, routes, rules, neighbours and settings of one network namespace, like `ip`, `bridge`, `sysctl`
 * and `arping`. Every method asks the kernel anew, in a separate thread, and rejects with an {@link IpvsError}. All can
 * fail with `ERR_IPVS_PERMISSION`, `ERR_IPVS_CLOSED` and `ERR_IPVS_TIMEOUT`, and those that name an interface with
 * `ERR_IPVS_NO_SUCH_INTERFACE`.
 *
 * An interface is named by its main name or by an alternative one. Results are plain data, and do not change. An object
 * that is added must not exist, and a delete removes exactly the named object.
 *
 * @example
 * ```ts
 * import { Network } from 'ipvs';
 *
 * const network = await Network.open({ namespace: '/run/netns/director' });
 * await network.updateLink('lo', { up: true });
 * await network.addAddress({ interface: 'lo', address: '198.51.100.1/32' });
 * for (const { name, up } of await network.links()) console.log(name, up);
 * await network.close();
 * ```
 */
export class Network {
  readonly #context: Context;
  readonly #kernel: Kernel;

  private constructor(port: NetworkPort, kernel: Kernel) {
    this.#kernel = kernel;
    this.#context = new Context(port, kernel.clock);
  }

  /**
   * Opens a handle; it keeps its namespace, even if the file that named it is deleted. An open handle does not keep the
   * process alive. Reading requires no privilege in the namespace of the process.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_PERMISSION` if entering the namespace requires
   * CAP_SYS_ADMIN, `ERR_IPVS_ADDON_NOT_LOADED`
   */
  static async open(options: NetworkOptions = {}): Promise<Network> {
    const { port, kernel } = await openPort(options);
    return new Network(port, kernel);
  }

  /** Returns all interfaces, in the order of their indexes. */
  async links(options?: CallOptions): Promise<readonly Link[]> {
    return this.#context.list('interfaces', options, () => this.#context.port.links(options));
  }

  /** Returns one interface. @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE` */
  async link(name: string, options?: CallOptions): Promise<Link> {
    const checked = checkInterfaceName('name', name);
    return this.#context.ask({ command: 'get-link', action: 'read link', object: checked, options }, () =>
      this.#context.port.link(checked, options),
    );
  }

  /**
   * Makes an interface, and reads it (in its namespace). The kernel loads the module of its kind if it may.
   * @throws IpvsError `ERR_IPVS_LINK_EXISTS`; `ERR_IPVS_NOT_AVAILABLE` for a kind that this kernel lacks;
   * `ERR_IPVS_NO_SUCH_INTERFACE` for a master, parent or device, `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_REJECTED`
   */
  async addLink(link: LinkOptions, options?: CallOptions): Promise<Link> {
    await this.#change({ change: 'add-link', link }, options);
    if (link.namespace === undefined) return this.link(link.name, options);
    return this.#linkIn(link.namespace, link.name, options);
  }

  /**
   * Changes the given properties, in the kernel's order: namespace, address, MTU, name, master, up. If the kernel
   * rejects one, the earlier ones are already changed.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_LINK_EXISTS` for a name that is taken,
   * `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_REJECTED`
   */
  async updateLink(name: string, changes: LinkChanges, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'update-link', name, changes }, options);
  }

  /**
   * Deletes an interface, its addresses and its routes; of a veth, also the other end. For `tunl0` and `gre0` the
   * kernel reports success, and keeps them.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`; `ERR_IPVS_REJECTED` for an interface that a driver made
   */
  async deleteLink(name: string, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-link', name }, options);
  }

  /** Returns the addresses that match the filter. @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE` */
  async addresses(filter: AddressFilter = {}, options?: CallOptions): Promise<readonly InterfaceAddress[]> {
    return listAddresses(this.#context, filter, options);
  }

  /** Adds an address. @throws IpvsError `ERR_IPVS_ADDRESS_EXISTS`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` */
  async addAddress(address: AddressOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-address', address }, options);
  }

  /**
   * Deletes an address.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_ADDRESS`, `ERR_IPVS_NO_SUCH_INTERFACE`; `ERR_IPVS_AMBIGUOUS` if the kernel
   * would delete other addresses with it (of the same network, IPv4, without `promote_secondaries`)
   */
  async deleteAddress(address: AddressSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-address', address }, options);
  }

  /**
   * Returns the routes of the table `main`, unless another is named. Omits routes that the kernel has cached for single
   * destinations.
   */
  async routes(filter: RouteFilter = {}, options?: CallOptions): Promise<readonly Route[]> {
    return listRoutes(this.#context, filter, options);
  }

  /** Adds a route. @throws IpvsError `ERR_IPVS_ROUTE_EXISTS`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` */
  async addRoute(route: RouteOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-route', route }, options);
  }

  /**
   * Adds a route, or replaces the one with its destination, table and metric, even if another program made that.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED`
   */
  async setRoute(route: RouteOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'set-route', route }, options);
  }

  /**
   * Deletes a route. Reads the routes of its family first, because the kernel ignores what a delete does not name.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_ROUTE`; `ERR_IPVS_AMBIGUOUS` if the selector matches several
   */
  async deleteRoute(route: RouteSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-route', route }, options);
  }

  /**
   * Returns the route by which the kernel would send a packet, as `ip route get` does. Its `destination` is the
   * address. While a namespace has only the kernel's own rules, IPv4 routes of the table `local` are reported as of
   * `main`: the kernel keeps both as one table.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_ROUTE`
   */
  async routeTo(address: string, options: RouteToOptions & CallOptions = {}): Promise<Route> {
    return findRoute(this.#context, address, options);
  }

  /** Returns all rules, IPv4 before IPv6, in the order in which the kernel evaluates them. */
  async rules(filter: RoutingRuleFilter = {}, options?: CallOptions): Promise<readonly RoutingRule[]> {
    return listRules(this.#context, filter, options);
  }

  /** Adds a rule. @throws IpvsError `ERR_IPVS_RULE_EXISTS`, `ERR_IPVS_REJECTED` */
  async addRule(rule: RoutingRuleOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-rule', rule }, options);
  }

  /**
   * Deletes a rule. Reads the rules first, because the kernel ignores what a delete does not name.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_RULE`; `ERR_IPVS_AMBIGUOUS` if the selector matches several rules, or one that
   * the kernel cannot distinguish from another
   */
  async deleteRule(rule: RoutingRuleSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-rule', rule }, options);
  }

  /** Returns all known neighbours, also those that the kernel makes for itself (`noarp`). */
  async neighbours(filter: NeighbourFilter = {}, options?: CallOptions): Promise<readonly Neighbour[]> {
    return listNeighbours(this.#context, filter, options);
  }

  /**
   * Adds a neighbour, or changes the one with this address.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED`
   */
  async setNeighbour(neighbour: NeighbourOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'set-neighbour', neighbour }, options);
  }

  /** Deletes a neighbour. @throws IpvsError `ERR_IPVS_NO_SUCH_NEIGHBOUR`, `ERR_IPVS_NO_SUCH_INTERFACE` */
  async deleteNeighbour(neighbour: NeighbourSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-neighbour', neighbour }, options);
  }

  /** Returns the forwarding entries of bridges and vxlans, as `bridge fdb show` does. */
  async forwardingEntries(
    filter: ForwardingEntryFilter = {},
    options?: CallOptions,
  ): Promise<readonly ForwardingEntry[]> {
    return listForwardingEntries(this.#context, filter, options);
  }

  /**
   * Adds a forwarding entry.
   * @throws IpvsError `ERR_IPVS_FORWARDING_ENTRY_EXISTS`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED`
   */
  async addForwardingEntry(entry: ForwardingEntryOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-forwarding-entry', entry }, options);
  }

  /**
   * Deletes a forwarding entry. Reads the entries of the interface first, because a delete without a destination would
   * delete all entries of an address.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_FORWARDING_ENTRY`, `ERR_IPVS_NO_SUCH_INTERFACE`
   */
  async deleteForwardingEntry(entry: ForwardingEntrySelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-forwarding-entry', entry }, options);
  }

  /**
   * Makes many changes in as few calls as the kernel takes, each with its own result: a failure does not stop the
   * following changes, and nothing is undone. All are checked before any is sent. A change can name an interface that
   * an earlier one makes.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, with the place of the change in the list
   */
  async apply(changes: readonly NetworkChange[], options?: CallOptions): Promise<Result[]> {
    const operations = toOperations(changes);
    checkCallOptions(options);
    const errors = await carryOut(this.#context, operations, options);
    return resultsOf(errors);
  }

  /**
   * Announces the current place of an address on the link: by a gratuitous ARP request, or by an unsolicited neighbour
   * advertisement (which has the router flag if the interface forwards). A sent announcement may still be lost.
   * Requires CAP_NET_RAW.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` for an interface that is down, or without a
   * link-layer address
   */
  async announce(announcement: AnnounceOptions, options?: CallOptions): Promise<void> {
    await announce(this.#context, announcement, options);
  }

  /**
   * Returns a setting below `/proc/sys/net`, as text without the newline.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL`
   */
  async sysctl(name: NetworkSysctl, options?: CallOptions): Promise<string> {
    return readSysctl(this.#context, name, options);
  }

  /**
   * Writes a setting, and returns the value before. The setting of `all` may affect an interface, too: the higher of
   * both counts (`rp_filter`, `arp_ignore`, `arp_announce`), or either (Documentation/networking/ip-sysctl.rst).
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL`, `ERR_IPVS_REJECTED`, `ERR_IPVS_PERMISSION` if /proc/sys is mounted
   * read-only
   */
  async setSysctl(name: NetworkSysctl, value: string | number | boolean, options?: CallOptions): Promise<string> {
    return writeSysctl(this.#context, name, value, options);
  }

  /** Reports the events of the network. Misses none after the promise resolves. */
  async watch(options: NetworkWatchOptions = {}): Promise<Watch<NetworkEvent>> {
    return watchNetwork(this.#context, options);
  }

  /**
   * Returns the UDP ports whose packets the kernel unwraps.
   * @throws IpvsError `ERR_IPVS_NOT_AVAILABLE` without fou in the kernel
   */
  async udpTunnels(options?: CallOptions): Promise<readonly UdpTunnel[]> {
    return this.#context.list('UDP tunnels', options, () => this.#context.port.udpTunnels(options));
  }

  /**
   * Makes the kernel unwrap packets to a UDP port, as `ip fou add` does: it handles the inner packets as if they had
   * arrived without the UDP header, ipip at an ipip interface and gre at a gre interface.
   * @throws IpvsError `ERR_IPVS_UDP_TUNNEL_EXISTS`, `ERR_IPVS_NOT_AVAILABLE`
   */
  async addUdpTunnel(tunnel: UdpTunnelOptions, options?: CallOptions): Promise<void> {
    await addUdpTunnel(this.#context, tunnel, options);
  }

  /** Ends the unwrapping of a UDP port. @throws IpvsError `ERR_IPVS_NO_SUCH_UDP_TUNNEL`, `ERR_IPVS_NOT_AVAILABLE` */
  async deleteUdpTunnel(tunnel: UdpTunnelSelector, options?: CallOptions): Promise<void> {
    await deleteUdpTunnel(this.#context, tunnel, options);
  }

  /** Cookie of the namespace, unique until the machine is restarted (`SO_NETNS_COOKIE`). */
  get cookie(): bigint {
    return this.#context.port.cookie;
  }

  /**
   * Closes the handle and its watches. Pending requests fail with `ERR_IPVS_CLOSED`. Closing has no time limit, never
   * rejects, and does nothing when it is repeated.
   */
  async close(): Promise<void> {
    await this.#context.port.close();
  }

  /** Closes the handle: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #change(change: NetworkChange, options: CallOptions | undefined): Promise<void> {
    const operation = toOperation(change);
    checkCallOptions(options);
    const [error] = await carryOut(this.#context, [operation], options);
    if (error) throw error;
  }

  async #linkIn(namespace: NetworkNamespace, name: string, options: CallOptions | undefined): Promise<Link> {
    const there = await Network.open({ ...options, namespace, kernel: this.#kernel });
    try {
      return await there.link(name, options);
    } finally {
      await there.close();
    }
  }
}
