import { handlerOf } from '../../items/handlers.js';
import type { Item } from '../../items/items.js';
import type { Link } from '../../kernel/network/types.js';
import type { Entry, Ledger, Line } from '../record/ledger.js';

/** Returns the interface that an item is on; a link is on itself. */
export function interfaceOf(item: Item): string | undefined {
  switch (item.kind) {
    case 'address':
    case 'up':
      return item.interface;
    case 'route':
      return item.route.interface;
    case 'link':
      return item.link.namespace === undefined ? item.link.name : undefined;
    default:
      return undefined;
  }
}

/**
 * Returns the lines that make a ledger follow renamed interfaces: an interface keeps its index when it is renamed, and
 * its addresses and routes stay on it. An interface that has the name and another index is another program's, with
 * everything on it.
 */
export function renameLines(ledger: Ledger, links: readonly Link[] | undefined): Line[] {
  if (!links) return [];
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const names = new Set(links.flatMap(namesOf));
  const gone: Line[] = [];
  const moved: Line[] = [];
  for (const entry of ledger.entries) {
    const { name, item, index } = entry;
    const on = interfaceOf(item);
    if (index === undefined || on === undefined) continue;
    const link = byIndex.get(index);
    if (!link) {
      if (names.has(on)) gone.push({ remove: name });
      continue;
    }
    // A link keeps the name that its owner wants.
    if (item.kind === 'link' || namesOf(link).includes(on)) continue;
    const now = onInterface(item, link.name);
    const handler = handlerOf(now);
    const put = { ...entry, name: handler.key?.(now) ?? handler.name(now), item: now };
    if (put.name !== name) gone.push({ remove: name });
    moved.push({ put });
    if (ledger.announcements.has(name)) moved.push({ announce: { [put.name]: true } });
  }
  return [...gone, ...moved];
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
    case 'link':
      return { ...item, link: { ...item.link, name } };
    default:
      return item;
  }
}
