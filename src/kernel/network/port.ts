import type { Family } from '../../common/address.js';
import type { CallOptions } from '../call.js';
import type {
  ForwardingEntry,
  InterfaceAddress,
  Link,
  NamespaceEntry,
  Neighbour,
  NetworkEvent,
  NetworkEventType,
  NetworkOperation,
  OperationOutcome,
  Route,
  RouteQuery,
  RoutingRule,
  UdpTunnel,
} from './types.js';

/** A stream of events, in batches. */
export interface NetworkEventPort {
  /** Waits for the next batch. One call at a time. */
  next(signal?: AbortSignal): Promise<readonly NetworkEvent[]>;
  /** Closes the stream. A `next()` that waits rejects with EBADF. */
  close(): void;
}

/**
 * Interfaces, addresses, routes, rules and neighbours of one network namespace. Any name of an interface
 * identifies it, and each request looks up the name again. Failures are `KernelFailure`s; ENODEV is an
 * interface that does not exist.
 */
export interface NetworkPort {
  /** Cookie of the namespace, unique until the machine is restarted. */
  readonly cookie: bigint;
  /** Lists the interfaces, in the order of their indexes. */
  links(options?: CallOptions): Promise<readonly Link[]>;
  /** Reads one interface, by any of its names. */
  link(name: string, options?: CallOptions): Promise<Link>;
  /** Lists the addresses that match. */
  addresses(
    filter: { readonly interface?: string | undefined; readonly family?: Family | undefined },
    options?: CallOptions,
  ): Promise<readonly InterfaceAddress[]>;
  /** Lists the routes of a table, or of all tables. Omits learned routes (path MTUs, redirects). */
  routes(
    filter: {
      readonly table?: number | undefined;
      readonly family?: Family | undefined;
      readonly protocol?: number | undefined;
    },
    options?: CallOptions,
  ): Promise<readonly Route[]>;
  /** Returns the route that the kernel would use for a packet (`ip route get`). */
  routeTo(query: RouteQuery, options?: CallOptions): Promise<Route>;
  /** Lists the rules in the order in which the kernel evaluates them. */
  rules(family: Family | undefined, options?: CallOptions): Promise<readonly RoutingRule[]>;
  /** Lists the neighbours that match: proxy entries, or all others. */
  neighbours(
    filter: {
      readonly interface?: string | undefined;
      readonly family?: Family | undefined;
      readonly proxy: boolean;
    },
    options?: CallOptions,
  ): Promise<readonly Neighbour[]>;
  /** Lists the forwarding entries of bridges and vxlans. */
  forwardingEntries(
    filter: { readonly interface?: string | undefined },
    options?: CallOptions,
  ): Promise<readonly ForwardingEntry[]>;
  /** Applies operations and returns one outcome for each, in order. A failure does not stop the later ones. */
  apply(operations: readonly NetworkOperation[], options?: CallOptions): Promise<readonly OperationOutcome[]>;
  /** Sends an Ethernet frame, complete except for its checksum. */
  sendFrame(interfaceName: string, frame: Uint8Array, options?: CallOptions): Promise<void>;
  /** Opens a stream of events. It contains all events from the moment the promise resolves. */
  watch(types: readonly NetworkEventType[], options?: CallOptions): Promise<NetworkEventPort>;
  /** Lists the UDP tunnels. EPROTONOSUPPORT if the kernel has no "fou", also for the next two methods. */
  udpTunnels(options?: CallOptions): Promise<readonly UdpTunnel[]>;
  /** Adds a UDP tunnel. EALREADY or EADDRINUSE if the port is in use. */
  addUdpTunnel(tunnel: UdpTunnel, options?: CallOptions): Promise<void>;
  /** Deletes a UDP tunnel. EINVAL if it does not exist. */
  deleteUdpTunnel(key: Pick<UdpTunnel, 'port' | 'family'>, options?: CallOptions): Promise<void>;
  /** Reads files of /proc and /sys in this namespace. Returns the text of each, or an errno. */
  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]>;
  /** Writes a file of /proc or /sys in this namespace. */
  writeFile(path: string, text: string, options?: CallOptions): Promise<void>;
  /** Closes the port. Requests under way fail with EBADF or ECANCELED. */
  close(): Promise<void>;
}

/** The named network namespaces, which `ip netns` lists. Failures are `KernelFailure`s. */
export interface NamespacePort {
  /** Creates a namespace. EEXIST if the name exists. */
  add(name: string, options?: CallOptions): Promise<void>;
  /** Deletes a namespace. ENOENT if it does not exist, EINVAL for a file that is no namespace. */
  delete(name: string, options?: CallOptions): Promise<void>;
  /** Lists the namespaces by name. Omits files that are no namespace. */
  list(options?: CallOptions): Promise<readonly NamespaceEntry[]>;
}
