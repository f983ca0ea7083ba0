import { IpvsError } from '../common/errors.js';
import { recordOf } from '../common/own.js';
import type { ServerId } from '../kernel/ipvs/ids.js';
import type { IpvsTableEntry, Timeouts } from '../kernel/ipvs/types.js';
import type { NftTableEntry as NetfilterTable } from '../kernel/netfilter/types.js';
import { interfaceOfSysctl } from '../kernel/network/main-names.js';
import type { InterfaceAddress, Link, Route, RoutingRule, UdpTunnel } from '../kernel/network/types.js';
import type { Item } from './items.js';
import { type Advertised, isForwardingDue, readAdvertised } from './router-routes.js';
import type { World } from './world.js';

/**
 * State of a kernel at one time: everything from which a plan is made. Plain data; a part that was not read is absent.
 */
export interface Snapshot {
  /** Time of the read, in milliseconds of the clock for deadlines. */
  readonly time: number;
  readonly table?: readonly IpvsTableEntry[] | undefined;
  readonly timeouts?: Timeouts | undefined;
  readonly links?: readonly Link[] | undefined;
  readonly addresses?: readonly InterfaceAddress[] | undefined;
  /** Routes of the tables that were asked for. */
  readonly routes?: readonly Route[] | undefined;
  readonly rules?: readonly RoutingRule[] | undefined;
  readonly udpTunnels?: readonly UdpTunnel[] | undefined;
  /** Values by their paths below /proc/sys; null: no such setting exists. */
  readonly sysctls: Readonly<Record<string, string | null>>;
  /**
   * Interfaces with a default route from a router advertisement: read only if IPv6 forwarding has to be switched on, or
   * if everything is read.
   */
  readonly advertised?: readonly Advertised[] | undefined;
  /** Tables of nf_tables by their names; null: it does not exist; `foreign`: another program made it. */
  readonly netfilter: Readonly<Record<string, NetfilterTable | null | 'foreign'>>;
  /** Settings that other owners want, too, by their ids, with these owners and their values. */
  readonly claims?: ClaimsOfOthers | undefined;
  /** Services and servers in the records of other owners. */
  readonly others?: readonly (readonly [owner: string, rows: Rows])[] | undefined;
}

/** Value that an owner wants of a setting that all owners share. */
export type Wanted =
  /** `path` below /proc/sys: two names of one setting may take different texts, such as seconds and milliseconds. */
  | { readonly kind: 'sysctl'; readonly path: string; readonly value: string }
  | { readonly kind: 'timeout'; readonly name: keyof Timeouts; readonly seconds: number };

/** Settings by their ids ({@link ItemId}), each with the other owners that want it. */
export type ClaimsOfOthers = Readonly<Record<string, readonly (readonly [owner: string, wanted: Wanted])[]>>;

/** Servers by the ids of their service ({@link ServiceId}); an empty id of a server is the service itself. */
export type Rows = Readonly<Record<string, readonly (ServerId | '')[]>>;

/** Parts that a snapshot must have. */
export interface Needs {
  readonly table: boolean;
  readonly items: readonly Item[];
  /** True if all kinds are read, whatever the items are: for plans that are not known yet. */
  readonly everything: boolean;
  /** Links that were read already. */
  readonly links?: readonly Link[] | undefined;
}

export async function readSnapshot(world: World, { items, everything, ...needs }: Needs): Promise<Snapshot> {
  const kinds = new Set(items.map(({ kind }) => kind));
  const has = (...wanted: Item['kind'][]): boolean => everything || wanted.some((kind) => kinds.has(kind));
  const sysctls = [...new Set(items.flatMap((item) => (item.kind === 'sysctl' ? [item.name] : [])))];
  const namesInterfaces = sysctls.some((name) => interfaceOfSysctl(name) !== undefined);
  // Settings of ip_vs exist only with its module, which opening loads.
  const needsIpvs = needs.table || kinds.has('timeout') || sysctls.some((name) => name.startsWith('net/ipv4/vs/'));
  const ipvs = needsIpvs ? await world.ipvs : everything ? await orNone(world.ipvs) : undefined;
  const table = needs.table || everything;
  const owners = [...new Set(items.flatMap((item) => (item.kind === 'netfilter' ? [item.owner] : [])))];
  const [entries, timeouts, links, addresses, routes, rules, udpTunnels, values, tables] = await Promise.all([
    table ? ipvs?.entries() : undefined,
    has('timeout') ? ipvs?.timeouts() : undefined,
    needs.links ??
      (namesInterfaces || has('link', 'up', 'address', 'route', 'netfilter')
        ? (await world.network).links()
        : undefined),
    has('address') ? (await world.network).addresses() : undefined,
    everything ? (await world.network).routes({ table: 'all' }) : has('route') ? readRoutes(world, items) : undefined,
    has('routing-rule') ? (await world.network).rules() : undefined,
    has('gue-port') ? orNone((await world.network).udpTunnels()) : undefined,
    Promise.all(sysctls.map((name) => readSysctl(world, name))),
    Promise.all(owners.map((owner) => readNetfilter(world, owner))),
  ]);
  const read = recordOf<string | null>(sysctls.map((name, index) => [name, values[index] ?? null]));
  const advertised = everything || isForwardingDue(items, read) ? await readAdvertised(world) : undefined;
  for (const { setting, value } of advertised ?? []) read[setting] ??= value;
  return {
    time: world.clock.now(),
    ...(entries && { table: entries }),
    ...(timeouts && { timeouts }),
    ...(links && { links }),
    ...(addresses && { addresses }),
    ...(routes && { routes }),
    ...(rules && { rules }),
    ...(udpTunnels && { udpTunnels }),
    sysctls: read,
    ...(advertised && { advertised }),
    netfilter: recordOf(owners.map((owner, index) => [owner, tables[index] ?? null])),
  };
}

async function readRoutes(world: World, items: readonly Item[]): Promise<Route[]> {
  const asked = items.flatMap((item) => (item.kind === 'route' ? [item.route] : []));
  const places = new Map(
    asked.map(({ table = 254, family = 'ipv4' }) => [`${table} ${family}`, { table, family }] as const),
  );
  const network = await world.network;
  return (await Promise.all([...places.values()].map((place) => network.routes(place)))).flat();
}

/** Returns undefined if the kernel lacks the feature: an attempt to make such an object reports what is missing. */
async function orNone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_NOT_AVAILABLE') return undefined;
    throw error;
  }
}

async function readSysctl(world: World, name: string): Promise<string | null> {
  try {
    return await (await world.network).sysctl(name);
  } catch (error) {
    // The interface of the setting may not exist yet.
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SUCH_SYSCTL') return null;
    throw error;
  }
}

async function readNetfilter(world: World, owner: string): Promise<NetfilterTable | null | 'foreign'> {
  try {
    return (await (await world.netfilter(owner)).entry()) ?? null;
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_FOREIGN') return 'foreign';
    throw error;
  }
}
