import { moveBefore, parseBefore } from '../../items/sysctl-before.js';
import { interfaceOfSysctl, resolveInterface, sysctlOf } from '../../kernel/network/main-names.js';
import type { Link } from '../../kernel/network/types.js';
import type { Book, Claim } from './book.js';

const SYSCTL = 'sysctl ';

/** Returns the interface that the name of a claim has. */
export function interfaceOfName(name: string): string | undefined {
  return name.startsWith(SYSCTL) ? interfaceOfSysctl(name.slice(SYSCTL.length)) : undefined;
}

/** Returns the paths of the settings that a claim has texts of, and its own. */
function pathsOf(name: string, before: string): string[] {
  if (!name.startsWith(SYSCTL)) return [];
  const own = name.slice(SYSCTL.length);
  return [own, ...parseBefore(own, before).keys()];
}

/** Returns true if the book has settings of interfaces: only then it has to follow their names. */
export function hasInterfaces(book: Book): boolean {
  return [...book].some(([name, { interfaces }]) => interfaces.size > 0 || interfaceOfName(name) !== undefined);
}

/** Returns the indexes of the interfaces that a new claim names. */
export async function indexesIn(
  name: string,
  before: string,
  links: () => Promise<readonly Link[]>,
): Promise<ReadonlyMap<string, number>> {
  const names = new Set(pathsOf(name, before).flatMap((path) => interfaceOfSysctl(path) ?? []));
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
  const followed = new Map<string, Claim>();
  for (const [name, claim] of book) {
    const nameOf = (on: string): string | undefined => {
      const index = claim.interfaces.get(on);
      if (index === undefined) return resolveInterface(on, links);
      return byIndex.get(index)?.name ?? (names.has(on) ? undefined : on);
    };
    const moved = moveClaim(name, claim, nameOf);
    if (!moved) continue;
    const [now, { owners, ...rest }] = moved;
    // An earlier version claimed one setting under two names of its interface: the first has the original text.
    const known = followed.get(now);
    followed.set(now, { ...rest, ...known, owners: new Map([...owners, ...(known?.owners ?? [])]) });
  }
  return followed;
}

function moveClaim(
  name: string,
  claim: Claim,
  nameOf: (on: string) => string | undefined,
): readonly [string, Claim] | undefined {
  if (!name.startsWith(SYSCTL)) return [name, claim];
  const { before, owners, interfaces } = claim;
  const move = (path: string): string | undefined => {
    const on = interfaceOfSysctl(path);
    if (on === undefined) return path;
    const to = nameOf(on);
    return to === undefined ? undefined : sysctlOf(path, to);
  };
  const own = name.slice(SYSCTL.length);
  const now = move(own);
  if (now === undefined) return undefined;
  if (pathsOf(name, before).every((path) => move(path) === path)) return [name, claim];
  // An owner that wants the setting in another unit has the path in its value.
  const wanted = [...owners].map(([owner, value]) => {
    const [, path, text] = /^(net\/\S+) = (.*)$/.exec(value) ?? [];
    return [owner, path === undefined ? value : `${move(path) ?? path} = ${text}`] as const;
  });
  const indexes = [...interfaces].flatMap(([on, index]) => {
    const to = nameOf(on);
    return to === undefined ? [] : [[to, index] as const];
  });
  return [
    `${SYSCTL}${now}`,
    { before: moveBefore(own, before, move), owners: new Map(wanted), interfaces: new Map(indexes) },
  ];
}
