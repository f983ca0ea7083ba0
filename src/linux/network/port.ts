import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type { CallOptions } from '../../kernel/call.js';
import type { NetworkEventPort, NetworkPort } from '../../kernel/network/port.js';
import type {
  ForwardingEntry,
  InterfaceAddress,
  Link,
  Neighbour,
  NetworkEventType,
  NetworkOperation,
  OperationOutcome,
  Route,
  RouteQuery,
  RoutingRule,
  UdpTunnel,
} from '../../kernel/network/types.js';
import { NETLINK_ROUTE, NetlinkSession, type Outcome } from '../netlink/session.js';
import { MessageWriter } from '../netlink/writer.js';
import { decodeAddress, encodeListAddresses, toAddress } from './addresses.js';
import { NativeNetworkEvents } from './events.js';
import { decodeForwardingEntry, encodeListForwardingEntries, toForwardingEntry } from './forwarding.js';
import { Interfaces } from './interfaces.js';
import { encodeSetLink, relatives, toLink } from './links.js';
import { OpenNamespaces } from './namespace-files.js';
import { decodeNeighbour, encodeListNeighbours, toNeighbour } from './neighbours.js';
import { changesNames, encodeOperation, interfaceNames, namespacePaths } from './operations.js';
import { decodeRoute, encodeListRoutes, encodeRouteTo, interfacesOf, toRoute } from './routes.js';
import { decodeRule, encodeListRules } from './rules.js';
import { UdpTunnels } from './udp-tunnels.js';
import type { NameOf } from './wire.js';

const families: readonly Family[] = ['ipv4', 'ipv6'];

/** The network of a namespace through the addon. */
export class NativeNetworkPort implements NetworkPort {
  readonly #session: NetlinkSession;
  readonly #interfaces: Interfaces;

  readonly #openGeneric: () => Promise<NetlinkSession>;
  #udpTunnels: Promise<UdpTunnels> | undefined;

  /** `openGeneric` opens a session of generic netlink in the same namespace. */
  constructor(session: NetlinkSession, openGeneric: () => Promise<NetlinkSession>) {
    this.#session = session;
    this.#interfaces = new Interfaces(session);
    this.#openGeneric = openGeneric;
  }

  get cookie(): bigint {
    return this.#session.cookie;
  }

  async udpTunnels(options: CallOptions = {}): Promise<readonly UdpTunnel[]> {
    return (await this.#fou()).list(options);
  }

  async addUdpTunnel(tunnel: UdpTunnel, options: CallOptions = {}): Promise<void> {
    await (await this.#fou()).add(tunnel, options);
  }

  async deleteUdpTunnel(key: Pick<UdpTunnel, 'port' | 'family'>, options: CallOptions = {}): Promise<void> {
    await (await this.#fou()).delete(key, options);
  }

  /** Returns the UDP tunnels. Opens their socket at the first use, because few programs need them. */
  #fou(): Promise<UdpTunnels> {
    const open = async (): Promise<UdpTunnels> => {
      const session = await this.#openGeneric();
      if (session.cookie === this.cookie) return new UdpTunnels(session);
      await session.close();
      throw new KernelFailure(Errno.ENOENT, 'the namespace has been replaced by another of that name');
    };
    this.#udpTunnels ??= open().catch((error: unknown) => {
      this.#udpTunnels = undefined;
      throw error;
    });
    return this.#udpTunnels;
  }

  async links(options: CallOptions = {}): Promise<readonly Link[]> {
    const links = await this.#interfaces.all(options);
    const names = new Map(links.map(({ index, name }) => [index, name]));
    return links.map((link) => toLink(link, (index) => names.get(index)));
  }

  async link(name: string, options: CallOptions = {}): Promise<Link> {
    const [found] = await this.#interfaces.find([name], options);
    if (!found || 'errno' in found) throw failureOf(name, found);
    return toLink(found, await this.#interfaces.names(relatives(found), options));
  }

  async addresses(
    filter: { readonly interface?: string | undefined; readonly family?: Family | undefined },
    options: CallOptions = {},
  ): Promise<readonly InterfaceAddress[]> {
    const index = await this.#indexOf(filter.interface, options);
    const raw = (await this.#dump(encodeListAddresses, decodeAddress, options)).filter(
      (address) => matches(filter.family, address.family) && matches(index, address.index),
    );
    return this.#named(
      raw,
      raw.map((address) => address.index),
      toAddress,
      options,
    );
  }

  async routes(
    filter: {
      readonly table?: number | undefined;
      readonly family?: Family | undefined;
      readonly protocol?: number | undefined;
    },
    options: CallOptions = {},
  ): Promise<readonly Route[]> {
    const lists = [];
    for (const family of families.filter((each) => matches(filter.family, each))) {
      // A kernel without IPv6 returns the routes of all families for IPv6.
      const all = await this.#dump((writer) => encodeListRoutes(writer, family), decodeRoute, options);
      lists.push(all.filter((route) => route.family === family));
    }
    const raw = lists
      .flat()
      .filter((route) => matches(filter.table, route.table) && matches(filter.protocol, route.protocol));
    return this.#named(raw, raw.flatMap(interfacesOf), toRoute, options);
  }

  async routeTo(query: RouteQuery, options: CallOptions = {}): Promise<Route> {
    const wanted = [query.interface, query.inputInterface].filter((name) => name !== undefined);
    const indexes = new Map<string, number>();
    for (const name of wanted) indexes.set(name, (await this.#indexOf(name, options)) ?? 0);
    const writer = new MessageWriter();
    encodeRouteTo(writer, query, (name) => indexes.get(name) ?? 0);
    const { outcomes, replies } = await this.#session.request(writer.take(), options);
    const [outcome] = outcomes;
    if (outcome && outcome.errno !== 0) throw new KernelFailure(outcome.errno, outcome.message);
    const raw = replies[0] && decodeRoute(replies[0].payload, true);
    const route = raw && toRoute(raw, await this.#interfaces.names(interfacesOf(raw), options));
    if (!route) throw new KernelFailure(Errno.EBADMSG, 'no route in the reply');
    return route;
  }

  async rules(family: Family | undefined, options: CallOptions = {}): Promise<readonly RoutingRule[]> {
    const lists: RoutingRule[] = [];
    for (const each of families.filter((one) => matches(family, one))) {
      try {
        const rules = await this.#dump((writer) => encodeListRules(writer, each), decodeRule, options);
        lists.push(...rules.filter((rule) => rule.family === each));
      } catch (error) {
        const absent = error instanceof KernelFailure && error.errno === Errno.EAFNOSUPPORT && family === undefined;
        if (!absent) throw error;
      }
    }
    return lists;
  }

  async neighbours(
    filter: {
      readonly interface?: string | undefined;
      readonly family?: Family | undefined;
      readonly proxy: boolean;
    },
    options: CallOptions = {},
  ): Promise<readonly Neighbour[]> {
    const index = await this.#indexOf(filter.interface, options);
    const all = await this.#dump((writer) => encodeListNeighbours(writer, filter.proxy), decodeNeighbour, options);
    const raw = all.filter((entry) => matches(filter.family, entry.family) && matches(index, entry.index));
    return this.#named(
      raw,
      raw.map((entry) => entry.index),
      toNeighbour,
      options,
    );
  }

  async forwardingEntries(
    filter: { readonly interface?: string | undefined },
    options: CallOptions = {},
  ): Promise<readonly ForwardingEntry[]> {
    const index = await this.#indexOf(filter.interface, options);
    const encode = (writer: MessageWriter): void => encodeListForwardingEntries(writer, index ?? 0);
    const all = await this.#dump(encode, decodeForwardingEntry, options);
    const raw = all.filter((entry) => matches(index, entry.index));
    const indexes = raw.flatMap((entry) => [entry.index, entry.bridgeIndex, entry.viaIndex]);
    return this.#named(
      raw,
      indexes.filter((each) => each !== undefined),
      toForwardingEntry,
      options,
    );
  }

  async apply(
    operations: readonly NetworkOperation[],
    options: CallOptions = {},
  ): Promise<readonly OperationOutcome[]> {
    const outcomes: OperationOutcome[] = [];
    let some: NetworkOperation[] = [];
    let renamed = false;
    for (const operation of operations) {
      // Applies earlier operations that change names before it looks up the indexes for this one.
      if (renamed && interfaceNames(operation).length > 0) {
        outcomes.push(...(await this.#applySome(some, options)));
        [some, renamed] = [[], false];
      }
      some.push(operation);
      renamed ||= changesNames(operation);
      if (peerToRaise(operation)) {
        outcomes.push(...(await this.#applySome(some, options)));
        [some, renamed] = [[], false];
      }
    }
    outcomes.push(...(await this.#applySome(some, options)));
    return outcomes;
  }

  async sendFrame(interfaceName: string, frame: Uint8Array, options: CallOptions = {}): Promise<void> {
    const index = await this.#indexOf(interfaceName, options);
    await this.#session.sendFrame(index ?? 0, frame, options);
  }

  watch(types: readonly NetworkEventType[], options: CallOptions = {}): Promise<NetworkEventPort> {
    return NativeNetworkEvents.open(this.#session, types, options);
  }

  readFiles(paths: readonly string[], options: CallOptions = {}): Promise<readonly (string | number)[]> {
    return this.#session.readFiles(paths, options);
  }

  writeFile(path: string, text: string, options: CallOptions = {}): Promise<void> {
    return this.#session.writeFile(path, text, options);
  }

  async close(): Promise<void> {
    const tunnels = this.#udpTunnels;
    this.#udpTunnels = undefined;
    await this.#session.close();
    await tunnels?.then(
      (opened) => opened.close(),
      () => {}, // it failed to open
    );
  }

  async #applySome(operations: readonly NetworkOperation[], options: CallOptions): Promise<OperationOutcome[]> {
    if (operations.length === 0) return [];
    const names = [...new Set(operations.flatMap(interfaceNames))];
    const found = await this.#interfaces.find(names, options);
    const links = new Map(names.map((name, place) => [name, found[place]]));
    const namespaces = await OpenNamespaces.open(operations.flatMap(namespacePaths));
    try {
      const writer = new MessageWriter();
      const unsent = operations.map((operation): OperationOutcome | undefined => {
        for (const name of interfaceNames(operation)) {
          const link = links.get(name);
          if (!link || 'errno' in link) return outcomeOf(name, link);
        }
        for (const path of namespacePaths(operation)) {
          const failure = namespaces.failure(path);
          if (failure) return failure;
        }
        const indexOf = (name: string): number => {
          const link = links.get(name);
          return link && 'index' in link ? link.index : 0;
        };
        encodeOperation(writer, operation, indexOf, (path) => namespaces.fd(path));
        return undefined;
      });
      const { outcomes } = writer.count > 0 ? await this.#session.request(writer.take(), options) : { outcomes: [] };
      let next = 0;
      const ended = unsent.map((outcome) => outcome ?? outcomes[next++] ?? { errno: Errno.EBADMSG, message: '' });
      // Only the last operation can have such a peer. If it failed, the name of the peer may be another interface's.
      const peer = peerToRaise(operations.at(-1));
      if (peer && ended.at(-1)?.errno === 0) ended[ended.length - 1] = await this.#raise(peer, namespaces, options);
      await namespaces.close();
      return ended;
    } catch (error) {
      // A cancelled request may still be in the queue of its strand, with the numbers of the descriptors. An empty
      // request after it shows that it has been sent.
      const behind = namespaces.size > 0 ? this.#session.readFiles([], { timeout: Infinity }) : Promise.resolve();
      behind.catch(() => {}).then(() => namespaces.close());
      throw error;
    }
  }

  async #raise(
    { name, namespace }: { readonly name: string; readonly namespace?: string | undefined },
    namespaces: OpenNamespaces,
    options: CallOptions,
  ): Promise<Outcome> {
    const own = namespace === undefined;
    const path = own ? undefined : `/proc/self/fd/${namespaces.fd(namespace)}`;
    const session = own ? this.#session : await NetlinkSession.open(NETLINK_ROUTE, { ...options, namespace: path });
    try {
      const writer = new MessageWriter();
      const none = (): number => 0;
      encodeSetLink(writer, name, { up: true }, none, none);
      const { outcomes } = await session.request(writer.take(), options);
      return outcomes[0] ?? { errno: Errno.EBADMSG, message: '' };
    } finally {
      if (!own) await session.close();
    }
  }

  async #dump<T>(
    encode: (writer: MessageWriter) => void,
    decode: (payload: Uint8Array) => T | undefined,
    options: CallOptions,
  ): Promise<T[]> {
    const writer = new MessageWriter();
    encode(writer);
    const messages = await this.#session.dump(writer.take(), options);
    return messages.map(({ payload }) => decode(payload)).filter((item) => item !== undefined);
  }

  /** Adds the names of interfaces. Omits an item whose interface has been deleted meanwhile. */
  async #named<R, T>(
    raw: readonly R[],
    indexes: readonly number[],
    name: (item: R, nameOf: NameOf) => T | undefined,
    options: CallOptions,
  ): Promise<T[]> {
    const nameOf = await this.#interfaces.names(indexes, options);
    return raw.map((item) => name(item, nameOf)).filter((item) => item !== undefined);
  }

  async #indexOf(name: string | undefined, options: CallOptions): Promise<number | undefined> {
    if (name === undefined) return undefined;
    const [link] = await this.#interfaces.find([name], options);
    if (!link || 'errno' in link) throw failureOf(name, link);
    return link.index;
  }
}

/** Returns the peer of a new veth if the operation sets it up. It can be set up only after both ends exist. */
function peerToRaise(operation: NetworkOperation | undefined) {
  if (operation?.operation !== 'add-link' || operation.link.details.kind !== 'veth') return undefined;
  const { peer } = operation.link.details;
  return peer.up ? peer : undefined;
}

function matches<T>(wanted: T | undefined, value: T): boolean {
  return wanted === undefined || wanted === value;
}

function outcomeOf(name: string, outcome: { errno: number; message: string } | undefined): OperationOutcome {
  const { errno, message } = outcome ?? { errno: Errno.EBADMSG, message: '' };
  return { errno, message: errno === Errno.ENODEV ? name : message };
}

function failureOf(name: string, outcome: { errno: number; message: string } | undefined): KernelFailure {
  const { errno, message } = outcomeOf(name, outcome);
  return new KernelFailure(errno, message);
}
