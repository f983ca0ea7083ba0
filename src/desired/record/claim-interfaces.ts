import { type Before, moveBefore, textsIn } from '../../items/before.js';
import { decodeItem, encodeItem, type ItemId } from '../../items/item-ids.js';
import { interfaceOfSysctl, resolveInterface, sysctlOf } from '../../kernel/network/main-names.js';
import type { Link } from '../../kernel/network/types.js';
import type { Book, Claim } from './book.js';

/** Returns the interface that the setting of a claim belongs to. */
export function interfaceOfId(id: ItemId): string | undefined {
  const key = decodeItem(id);
  return key.kind === 'sysctl' ? interfaceOfSysctl(key.setting) : undefined;
}

/** Returns the paths of the settings that a claim has texts of, and its own. */
function pathsOf(id: ItemId, before: Before): string[] {
  const key = decodeItem(id);
  return key.kind === 'sysctl' ? [key.setting, ...textsIn(before).keys()] : [];
}

/** Returns true if the book has settings of interfaces: only then it has to follow their names. */
export function hasInterfaces(book: Book): boolean {
  return [...book].some(([id, { interfaces }]) => interfaces.size > 0 || interfaceOfId(id) !== undefined);
}

/** Returns the indexes of the interfaces that a new claim names. */
export async function indexesIn(
  id: ItemId,
  before: Before,
  links: () => Promise<readonly Link[]>,
): Promise<ReadonlyMap<string, number>> {
  const names = new Set(pathsOf(id, before).flatMap((path) => interfaceOfSysctl(path) ?? []));
  if (names.size === 0) return new Map();
  return new Map((await links()).flatMap((link) => (names.has(link.name) ? [[link.name, link.index] as const] : [])));
}

/**
 * Returns the book with the current main names of interfaces. An interface keeps its index when it is renamed. An
 * interface that has the name and another index is another one: a claim on its settings ends, and the texts of its
 * settings in other claims are dropped.
 */
export function followLinks(book: Book, links: readonly Link[]): Book {
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const names = new Set(links.flatMap(({ name, alternativeNames }) => [name, ...alternativeNames]));
  const followed = new Map<ItemId, Claim>();
  for (const [id, claim] of book) {
    const nameOf = (on: string): string | undefined => {
      const index = claim.interfaces.get(on);
      if (index === undefined) return resolveInterface(on, links);
      return byIndex.get(index)?.name ?? (names.has(on) ? undefined : on);
    };
    const moved = moveClaim(id, claim, nameOf);
    if (!moved) continue;
    const [now, { owners, ...rest }] = moved;
    // An earlier version claimed one setting under two names of its interface: the first has the original text.
    const known = followed.get(now);
    followed.set(now, { ...rest, ...known, owners: new Map([...owners, ...(known?.owners ?? [])]) });
  }
  return followed;
}

function moveClaim(
  id: ItemId,
  claim: Claim,
  nameOf: (on: string) => string | undefined,
): readonly [ItemId, Claim] | undefined {
  const key = decodeItem(id);
  if (key.kind !== 'sysctl') return [id, claim];
  const { before, owners, interfaces } = claim;
  const move = (path: string): string | undefined => {
    const on = interfaceOfSysctl(path);
    if (on === undefined) return path;
    const to = nameOf(on);
    return to === undefined ? undefined : sysctlOf(path, to);
  };
  const now = move(key.setting);
  if (now === undefined) return undefined;
  if (pathsOf(id, before).every((path) => move(path) === path)) return [id, claim];
  const wanted = [...owners].map(([owner, one]) => {
    return [owner, one.kind === 'sysctl' ? { ...one, path: move(one.path) ?? one.path } : one] as const;
  });
  const indexes = [...interfaces].flatMap(([on, index]) => {
    const to = nameOf(on);
    return to === undefined ? [] : [[to, index] as const];
  });
  return [
    encodeItem({ kind: 'sysctl', setting: now }),
    { before: moveBefore(before, move), owners: new Map(wanted), interfaces: new Map(indexes) },
  ];
}
