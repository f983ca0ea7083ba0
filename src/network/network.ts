import type { Family } from '../kernel/address.js';
import { checkCallOptions, checkKernel, checkOptions, show, valueOr } from '../kernel/check.js';
import { IpvsError, invalid } from '../kernel/errors.js';
import type { CallOptions, Kernel, OpenOptions } from '../kernel/kernel.js';
import type { NetworkNamespace } from '../kernel/namespace.js';
import { nativeKernel } from '../kernel/native-kernel.js';
import type { NetworkPort } from '../kernel/network/port.js';
import type {
  ForwardingEntry,
  InterfaceAddress,
  Link,
  Neighbour,
  Route,
  RoutingRule,
  UdpTunnel,
} from '../kernel/network/types.js';
import type { AddressOptions, AddressSelector } from './address-options.js';
import { type AnnounceOptions, announce } from './announce.js';
import { carryOut } from './carry-out.js';
import { type NetworkChange, type NetworkResult, toOperation, toOperations } from './changes.js';
import { checkBoolean, checkFamily, checkInterface, optional } from './checks.js';
import { Context } from './context.js';
import { translate } from './errors.js';
import type { LinkChanges, LinkOptions } from './link-options.js';
import type {
  ForwardingEntryOptions,
  ForwardingEntrySelector,
  NeighbourFilter,
  NeighbourOptions,
  NeighbourSelector,
} from './neighbour-options.js';
import {
  checkRouteFilter,
  checkRouteQuery,
  type RouteFilter,
  type RouteOptions,
  type RouteSelector,
  type RouteToOptions,
  routeToNames,
} from './route-options.js';
import type { RoutingRuleOptions, RoutingRuleSelector } from './rule-options.js';
import { type NetworkSysctl, readSysctl, writeSysctl } from './sysctls.js';
import { checkUdpTunnel, checkUdpTunnelKey, type UdpTunnelOptions, type UdpTunnelSelector } from './udp-tunnels.js';
import { checkTypes, NetworkWatch, type NetworkWatchOptions } from './watch.js';

export interface NetworkOptions extends OpenOptions {
  /** Another kernel than this machine's, for tests. */
  readonly kernel?: Kernel | undefined;
}

/** What `addresses()` is asked for. */
export interface AddressFilter {
  readonly interface?: string | undefined;
  /** Default: both. */
  readonly family?: Family | undefined;
}

/**
 * Interfaces, addresses, routes, rules, neighbours and settings of one network namespace: what `ip`,
 * `bridge`, `sysctl` and `arping` do. Every method asks the kernel anew, in a thread of its own, and
 * rejects with an {@link IpvsError}; all can fail with `ERR_IPVS_PERMISSION`, `ERR_IPVS_CLOSED` and
 * `ERR_IPVS_TIMEOUT`, and what names an interface with `ERR_IPVS_NO_SUCH_INTERFACE`.
 *
 * An interface is named by its name or by an alternative one. What is read is plain data, and does
 * not change. What is added must not be there, and what is deleted is exactly what is named.
 */
export class Network {
  readonly #context: Context;
  readonly #port: NetworkPort;
  readonly #kernel: Kernel;

  private constructor(port: NetworkPort, kernel: Kernel) {
    this.#port = port;
    this.#kernel = kernel;
    this.#context = new Context(port, kernel.clock);
  }

  /**
   * Opens a handle; it keeps its namespace, even when the file that named it is gone. An open handle
   * does not keep the process alive. Reading takes no privilege in the namespace of the process.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_PERMISSION` where entering the
   * namespace takes CAP_SYS_ADMIN, `ERR_IPVS_ADDON_NOT_LOADED`
   */
  static async open(options: NetworkOptions = {}): Promise<Network> {
    if (typeof options !== 'object') throw invalid(`open takes options: Network.open({ namespace: ${show(options)} })`);
    checkOptions('a handle', options, ['namespace', 'kernel', 'signal', 'timeout']);
    const { namespace: _namespace, kernel = nativeKernel, ...call } = options;
    checkCallOptions(call);
    checkKernel(kernel, 'openNetwork');
    const object = options.namespace === undefined ? undefined : `namespace ${show(options.namespace)}`;
    const request = {
      command: 'OPEN',
      action: 'open the network',
      ...(object === undefined ? {} : { object }),
    } as const;
    try {
      return new Network(await kernel.openNetwork(options), kernel);
    } catch (error) {
      throw error instanceof IpvsError ? error : translate(request, error);
    }
  }

  /** All interfaces, in the order of their indexes. */
  async links(options?: CallOptions): Promise<readonly Link[]> {
    return this.#list('interfaces', () => this.#port.links(options), options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE` */
  async link(name: string, options?: CallOptions): Promise<Link> {
    const checked = checkInterface('name', name);
    return this.#context.ask('get-link', 'read link', checked, () => this.#port.link(checked, options), options);
  }

  /**
   * Makes an interface, and reads it (where it was made). The kernel loads the module of its kind
   * where it may.
   * @throws IpvsError `ERR_IPVS_LINK_EXISTS`; `ERR_IPVS_NOT_AVAILABLE` for a kind that this kernel
   * has not; `ERR_IPVS_NO_SUCH_INTERFACE` for a master, parent or device, `ERR_IPVS_NO_SUCH_NAMESPACE`,
   * `ERR_IPVS_REJECTED`
   */
  async addLink(link: LinkOptions, options?: CallOptions): Promise<Link> {
    await this.#change({ change: 'add-link', link }, options);
    if (link.namespace === undefined) return this.link(link.name, options);
    return this.#linkIn(link.namespace, link.name, options);
  }

  /**
   * Changes what is named, in the kernel's order: namespace, address, MTU, name, master, up. What
   * comes before a part that is refused has been done.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_LINK_EXISTS` for a name that is taken,
   * `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_REJECTED`
   */
  async setLink(name: string, changes: LinkChanges, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'set-link', name, changes }, options);
  }

  /**
   * Its addresses and routes go with it; of a veth, so does the other end. Of `tunl0` and `gre0` the
   * kernel says that they are deleted, and keeps them.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`; `ERR_IPVS_REJECTED` for what a driver made
   */
  async deleteLink(name: string, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-link', name }, options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE` */
  async addresses(filter: AddressFilter = {}, options?: CallOptions): Promise<readonly InterfaceAddress[]> {
    checkOptions('a filter of addresses', filter, ['interface', 'family']);
    const checked = {
      interface: optional(filter.interface, (value) => checkInterface('interface', value)),
      family: optional(filter.family, checkFamily),
    };
    return this.#list('addresses', () => this.#port.addresses(checked, options), options);
  }

  /** @throws IpvsError `ERR_IPVS_ADDRESS_EXISTS`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` */
  async addAddress(address: AddressOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-address', address }, options);
  }

  /**
   * @throws IpvsError `ERR_IPVS_NO_SUCH_ADDRESS`, `ERR_IPVS_NO_SUCH_INTERFACE`;
   * `ERR_IPVS_AMBIGUOUS` where the kernel would delete other addresses with it (of the same network,
   * IPv4, without `promote_secondaries`)
   */
  async deleteAddress(address: AddressSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-address', address }, options);
  }

  /** Those of the table `main`, unless another is named; not what the kernel has learned of single destinations. */
  async routes(filter: RouteFilter = {}, options?: CallOptions): Promise<readonly Route[]> {
    checkOptions('a filter of routes', filter, ['table', 'family', 'protocol']);
    const checked = checkRouteFilter(filter);
    return this.#list('routes', () => this.#port.routes(checked, options), options);
  }

  /** @throws IpvsError `ERR_IPVS_ROUTE_EXISTS`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` */
  async addRoute(route: RouteOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-route', route }, options);
  }

  /**
   * Adds a route, or puts it in the place of the one with its destination, table and metric, whoever
   * made that.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED`
   */
  async replaceRoute(route: RouteOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'replace-route', route }, options);
  }

  /**
   * Reads the routes of its family first: the kernel passes over what a delete does not name.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_ROUTE`; `ERR_IPVS_AMBIGUOUS` if it names several
   */
  async deleteRoute(route: RouteSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-route', route }, options);
  }

  /**
   * The route that the kernel would send a packet by, as `ip route get` tells it. Its `destination`
   * is the address. As long as a namespace has only the kernel's own rules, IPv4 routes of the table
   * `local` are said to be of `main`: the kernel keeps both as one.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_ROUTE`
   */
  async routeTo(address: string, options: RouteToOptions & CallOptions = {}): Promise<Route> {
    checkCallOptions(options, routeToNames);
    const query = checkRouteQuery(address, options);
    const { signal, timeout } = options;
    const work = (): Promise<Route> => this.#port.routeTo(query, { signal, timeout: timeout ?? undefined });
    const call = options as CallOptions;
    return this.#context.ask('route-to', 'find the route to', query.address, work, call, routeToNames);
  }

  /** All rules, IPv4 before IPv6, in the order in which the kernel goes through them. */
  async rules(
    filter: { readonly family?: Family | undefined } = {},
    options?: CallOptions,
  ): Promise<readonly RoutingRule[]> {
    checkOptions('a filter of rules', filter, ['family']);
    const family = optional(filter.family, checkFamily);
    return this.#list('rules', () => this.#port.rules(family, options), options);
  }

  /** @throws IpvsError `ERR_IPVS_RULE_EXISTS`, `ERR_IPVS_REJECTED` */
  async addRule(rule: RoutingRuleOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-rule', rule }, options);
  }

  /**
   * Reads the rules first: the kernel passes over what a delete does not name.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_RULE`; `ERR_IPVS_AMBIGUOUS` if it names several, or one
   * that the kernel cannot tell from another
   */
  async deleteRule(rule: RoutingRuleSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-rule', rule }, options);
  }

  /** All that are known, also those that the kernel makes for itself (`noarp`). */
  async neighbours(filter: NeighbourFilter = {}, options?: CallOptions): Promise<readonly Neighbour[]> {
    checkOptions('a filter of neighbours', filter, ['interface', 'family', 'proxy']);
    const checked = {
      interface: optional(filter.interface, (value) => checkInterface('interface', value)),
      family: optional(filter.family, checkFamily),
      proxy: checkBoolean('proxy', valueOr(filter.proxy, false)),
    };
    return this.#list('neighbours', () => this.#port.neighbours(checked, options), options);
  }

  /**
   * Adds a neighbour, or changes the one with this address.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED`
   */
  async setNeighbour(neighbour: NeighbourOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'set-neighbour', neighbour }, options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_NEIGHBOUR`, `ERR_IPVS_NO_SUCH_INTERFACE` */
  async deleteNeighbour(neighbour: NeighbourSelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-neighbour', neighbour }, options);
  }

  /** Where bridges and vxlans send frames, as `bridge fdb show` tells it. */
  async forwardingEntries(
    filter: { readonly interface?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<readonly ForwardingEntry[]> {
    checkOptions('a filter of forwarding entries', filter, ['interface']);
    const checked = { interface: optional(filter.interface, (value) => checkInterface('interface', value)) };
    return this.#list('forwarding entries', () => this.#port.forwardingEntries(checked, options), options);
  }

  /** @throws IpvsError `ERR_IPVS_FORWARDING_ENTRY_EXISTS`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` */
  async addForwardingEntry(entry: ForwardingEntryOptions, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'add-forwarding-entry', entry }, options);
  }

  /**
   * Reads the entries of the interface first: a delete without a destination would take all that an
   * address has.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_FORWARDING_ENTRY`, `ERR_IPVS_NO_SUCH_INTERFACE`
   */
  async deleteForwardingEntry(entry: ForwardingEntrySelector, options?: CallOptions): Promise<void> {
    await this.#change({ change: 'delete-forwarding-entry', entry }, options);
  }

  /**
   * Many changes in as few calls as the kernel takes, each with its own result: one that fails does
   * not stop those behind it, and nothing is undone. All are checked before any is sent. An
   * interface that one of them makes can be named by those behind it.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, with the place of the change in the list
   */
  async apply(changes: readonly NetworkChange[], options?: CallOptions): Promise<NetworkResult[]> {
    const operations = toOperations(changes);
    checkCallOptions(options);
    const errors = await carryOut(this.#context, operations, options);
    return errors.map((error) => (error ? { ok: false, error } : { ok: true }));
  }

  /**
   * Tells the link where an address is now: by a gratuitous ARP request, or by an unsolicited
   * neighbour advertisement (which says that this host is a router if the interface forwards). That
   * it was sent does not mean that it was heard. It takes CAP_NET_RAW.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` for an interface that is
   * down, or without a link-layer address
   */
  async announce(announcement: AnnounceOptions, options?: CallOptions): Promise<void> {
    await announce(this.#context, announcement, options);
  }

  /**
   * A setting below `/proc/sys/net`, as text without the newline.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL`
   */
  async sysctl(name: NetworkSysctl, options?: CallOptions): Promise<string> {
    return readSysctl(this.#context, name, options);
  }

  /**
   * Sets it, and gives the value before. What an interface does may be told by that of `all`, too:
   * the higher of both (`rp_filter`, `arp_ignore`, `arp_announce`), or either
   * (Documentation/networking/ip-sysctl.rst).
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL`, `ERR_IPVS_REJECTED`, `ERR_IPVS_PERMISSION` where
   * /proc/sys is mounted read-only
   */
  async setSysctl(name: NetworkSysctl, value: string | number | boolean, options?: CallOptions): Promise<string> {
    return writeSysctl(this.#context, name, value, options);
  }

  /**
   * What happens from now on: nothing is missed once this resolves. A signal ends the watch, too.
   */
  async watch(options: NetworkWatchOptions & CallOptions = {}): Promise<NetworkWatch> {
    const types = checkTypes(options);
    const { types: _, ...call } = options;
    const work = async (): Promise<NetworkWatch> => new NetworkWatch(await this.#port.watch(types, call), call.signal);
    return this.#context.ask('watch', 'watch', 'the network', work, call);
  }

  /** UDP ports whose packets the kernel unwraps. @throws IpvsError `ERR_IPVS_NOT_AVAILABLE` without fou in the kernel */
  async udpTunnels(options?: CallOptions): Promise<readonly UdpTunnel[]> {
    return this.#context.ask('list', 'list', 'UDP tunnels', () => this.#port.udpTunnels(options), options);
  }

  /**
   * Makes the kernel unwrap what comes to a UDP port, as `ip fou add`: packets in them go on as if
   * they had come without it, ipip to an ipip interface and gre to a gre interface.
   * @throws IpvsError `ERR_IPVS_UDP_TUNNEL_EXISTS`, `ERR_IPVS_NOT_AVAILABLE`
   */
  async addUdpTunnel(tunnel: UdpTunnelOptions, options?: CallOptions): Promise<void> {
    const checked = checkUdpTunnel(tunnel);
    const work = (): Promise<void> => this.#port.addUdpTunnel(checked, options);
    await this.#context.ask('add-udp-tunnel', 'add', `${checked.type} on UDP port ${checked.port}`, work, options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_UDP_TUNNEL`, `ERR_IPVS_NOT_AVAILABLE` */
  async deleteUdpTunnel(tunnel: UdpTunnelSelector, options?: CallOptions): Promise<void> {
    const key = checkUdpTunnelKey(tunnel);
    const work = (): Promise<void> => this.#port.deleteUdpTunnel(key, options);
    await this.#context.ask('delete-udp-tunnel', 'delete', `the tunnel on UDP port ${key.port}`, work, options);
  }

  /** Of the namespace: no other has the same until the machine is started again (`SO_NETNS_COOKIE`). */
  get cookie(): bigint {
    return this.#port.cookie;
  }

  /**
   * Closes the handle and its watches. What is under way ends with `ERR_IPVS_CLOSED`. Closing has no time limit,
   * never rejects, and does nothing when it is repeated.
   */
  async close(): Promise<void> {
    await this.#port.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #list<T>(what: string, work: () => Promise<T>, options: CallOptions | undefined): Promise<T> {
    return this.#context.ask('list', 'list', what, work, options);
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
