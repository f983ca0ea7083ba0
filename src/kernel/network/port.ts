import type { Family } from '../address.js';
import type { CallOptions } from '../kernel.js';
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

/** Events as they come, in batches. */
export interface NetworkEventPort {
  /** Waits for more. One call at a time. */
  next(signal?: AbortSignal): Promise<readonly NetworkEvent[]>;
  close(): void;
}

/**
 * Interfaces, addresses, routes, rules and neighbours of one network namespace. An interface is
 * named by any of its names, which are looked up anew for each request. Failures are
 * `KernelFailure`s; ENODEV is an interface that is not there.
 */
export interface NetworkPort {
  /** Of the namespace: no other has the same until the machine is started again. */
  readonly cookie: bigint;
  links(options?: CallOptions): Promise<readonly Link[]>;
  link(name: string, options?: CallOptions): Promise<Link>;
  addresses(
    filter: { readonly interface?: string | undefined; readonly family?: Family | undefined },
    options?: CallOptions,
  ): Promise<readonly InterfaceAddress[]>;
  /** Without a table: of all. Routes that the kernel has learned (of path MTUs, redirects) are not among them. */
  routes(
    filter: {
      readonly table?: number | undefined;
      readonly family?: Family | undefined;
      readonly protocol?: number | undefined;
    },
    options?: CallOptions,
  ): Promise<readonly Route[]>;
  /** As the kernel would send a packet. */
  routeTo(query: RouteQuery, options?: CallOptions): Promise<Route>;
  /** In the order in which the kernel goes through them. */
  rules(family: Family | undefined, options?: CallOptions): Promise<readonly RoutingRule[]>;
  neighbours(
    filter: {
      readonly interface?: string | undefined;
      readonly family?: Family | undefined;
      readonly proxy: boolean;
    },
    options?: CallOptions,
  ): Promise<readonly Neighbour[]>;
  forwardingEntries(
    filter: { readonly interface?: string | undefined },
    options?: CallOptions,
  ): Promise<readonly ForwardingEntry[]>;
  /** One outcome per operation, in order. One that fails does not stop those behind it. */
  apply(operations: readonly NetworkOperation[], options?: CallOptions): Promise<readonly OperationOutcome[]>;
  /** An Ethernet frame, whole but for its checksum. */
  sendFrame(interfaceName: string, frame: Uint8Array, options?: CallOptions): Promise<void>;
  /** Resolves once no event is missed any more. */
  watch(types: readonly NetworkEventType[], options?: CallOptions): Promise<NetworkEventPort>;
  /** EPROTONOSUPPORT where the kernel has no "fou"; so for the two below. */
  udpTunnels(options?: CallOptions): Promise<readonly UdpTunnel[]>;
  addUdpTunnel(tunnel: UdpTunnel, options?: CallOptions): Promise<void>;
  deleteUdpTunnel(key: Pick<UdpTunnel, 'port' | 'family'>, options?: CallOptions): Promise<void>;
  /** Files of /proc and /sys as this namespace sees them: the text, or an errno. */
  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]>;
  writeFile(path: string, text: string, options?: CallOptions): Promise<void>;
  /** Requests under way end with EBADF or ECANCELED. */
  close(): Promise<void>;
}

/** Network namespaces with names, those of `ip netns`. Failures are `KernelFailure`s. */
export interface NamespacePort {
  /** EEXIST if there is one. */
  create(name: string, options?: CallOptions): Promise<void>;
  /** ENOENT if there is none, EINVAL for a file that is none. */
  delete(name: string, options?: CallOptions): Promise<void>;
  list(options?: CallOptions): Promise<readonly NamespaceEntry[]>;
}
