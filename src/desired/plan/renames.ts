import { ownValue } from '../../common/own.js';
import { moveBefore } from '../../items/before.js';
import { type ItemId, idOf } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import type { Snapshot } from '../../items/snapshot.js';
import { interfaceOfSysctl, resolveInterface, sysctlOf } from '../../kernel/network/main-names.js';
import type { Link } from '../../kernel/network/types.js';
import { distinct, type Target } from '../document/target.js';
import type { Entry, Ledger, Line } from '../record/ledger.js';

/** Returns the interface that an item is on; a link is on itself. */
export function interfaceOf(item: Item): string | undefined {
  switch (item.kind) {
    case 'address':
    case 'up':
      return item.interface;
    case 'route':
      return item.route.interface;
    case 'sysctl':
      return interfaceOfSysctl(item.name);
    case 'link':
      return item.link.namespace === undefined ? item.link.name : undefined;
    default:
      return undefined;
  }
}

/**
 * Returns the lines that make a ledger follow the kernel: the names of its interfaces, and its table of nf_tables. A
 * table that another program made since under the same name shows that the owner's table no longer exists.
 */
export function followLines(ledger: Ledger, { links, netfilter }: Pick<Snapshot, 'links' | 'netfilter'>): Line[] {
  const lost = ledger.entries.filter(
    ({ item }) => item.kind === 'netfilter' && ownValue(netfilter, item.owner) === 'foreign',
  );
  return [...renameLines(ledger, links), ...lost.map(({ id }) => ({ remove: id }))];
}

/** Returns the ledger as it is after {@link followLines}. */
export function following(recorded: Ledger, snapshot: Pick<Snapshot, 'links' | 'netfilter'>): Ledger {
  const lines = followLines(recorded, snapshot);
  if (lines.length === 0) return recorded;
  const ledger = recorded.copy();
  for (const line of lines) ledger.change(line);
  return ledger;
}

/**
 * Returns the lines that make a ledger follow renamed interfaces: an interface keeps its index when it is renamed, and
 * its settings, addresses and routes stay on it. An interface that has the name and another index is another program's,
 * with everything on it. An entry under an alternative name gets the main name.
 */
export function renameLines(ledger: Ledger, links: readonly Link[] | undefined): Line[] {
  if (!links) return [];
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const byName = new Map(links.flatMap((link) => namesOf(link).map((name) => [name, link] as const)));
  const gone = new Set<ItemId>();
  const moved = new Map<ItemId, { readonly put: Entry; readonly from: ItemId }>();
  for (const entry of ledger.entries) {
    const { id, item, index } = entry;
    const on = interfaceOf(item);
    if (on === undefined) continue;
    const link = index === undefined ? byName.get(on) : byIndex.get(index);
    if (!link) {
      if (byName.has(on)) gone.add(id);
      continue;
    }
    // A link keeps the name that its owner wants.
    if (item.kind === 'link' || link.name === on) continue;
    const put = entryOn(entry, link.name);
    if (put.id !== id) gone.add(id);
    if (!moved.has(put.id)) moved.set(put.id, { put, from: id });
  }
  // An earlier version recorded one object under two names of its interface: one entry stays.
  const isTaken = (id: ItemId): boolean => ledger.find(id) !== undefined && !gone.has(id);
  const puts = [...moved.values()].filter(({ put, from }) => put.id === from || !isTaken(put.id));
  return [
    ...[...gone].map((remove) => ({ remove })),
    ...puts.map(({ put }) => ({ put })),
    ...puts.flatMap(({ put, from }) =>
      ledger.announcements.has(from) ? [{ announce: { [put.id]: true as const } }] : [],
    ),
  ];
}

/** Returns the entry on another interface, with everything that names the interface. */
function entryOn(entry: Entry, to: string): Entry {
  const { item, before, tried } = entry;
  const now = onInterface(item, to);
  const on = interfaceOf(item);
  const move = (path: string): string => (interfaceOfSysctl(path) === on ? sysctlOf(path, to) : path);
  return {
    ...entry,
    id: idOf(now),
    item: now,
    ...(before !== undefined && { before: moveBefore(before, move) }),
    ...(tried && { tried: tried.map((one) => onInterface(one, to)) }),
  };
}

/**
 * Returns the target with the main names of interfaces: an object under two names of its interface is one object.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if a setting has two values under two names
 */
export function withMainNames(target: Target, links: readonly Link[] = []): Target {
  const mainOf = (item: Item): Item => {
    const on = item.kind === 'link' ? undefined : interfaceOf(item);
    const name = on === undefined ? undefined : resolveInterface(on, links);
    return name === undefined || name === on ? item : onInterface(item, name);
  };
  if (target.items.every((item) => mainOf(item) === item)) return target;
  return { ...target, items: distinct(target.items, mainOf) };
}

/** Returns the current name of the link of an entry, if it is not the one that its owner wants. */
export function otherNameOf(entry: Entry | undefined, links: readonly Link[] | undefined): string | undefined {
  if (entry?.index === undefined || entry.item.kind !== 'link') return undefined;
  const link = links?.find(({ index }) => index === entry.index);
  return link && !namesOf(link).includes(entry.item.link.name) ? link.name : undefined;
}

function namesOf({ name, alternativeNames }: Link): string[] {
  return [name, ...alternativeNames];
}

/** Returns the same item on another interface. */
export function onInterface(item: Item, name: string): Item {
  switch (item.kind) {
    case 'address':
    case 'up':
      return { ...item, interface: name };
    case 'route':
      return { ...item, route: { ...item.route, interface: name } };
    case 'sysctl':
      return { ...item, name: sysctlOf(item.name, name) };
    case 'link':
      return { ...item, link: { ...item.link, name } };
    default:
      return item;
  }
}
