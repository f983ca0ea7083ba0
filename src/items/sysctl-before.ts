import { knobOf } from './sysctl-knobs.js';

/** Texts by paths below /proc/sys: a setting, and the settings that a write of it resets. */
export type Texts = ReadonlyMap<string, string>;

const REDIRECTS = 'net/ipv4/conf/all/accept_redirects';

/** Returns the text for the record of the earlier texts of a setting: the plain text, if it is the only one. */
export function formatBefore(key: string, texts: Texts): string {
  const plain = texts.get(key);
  if (texts.size === 1 && plain !== undefined && !plain.startsWith('{')) return plain;
  return JSON.stringify(Object.fromEntries(texts));
}

/**
 * Returns the text of {@link formatBefore} after interfaces were renamed. `move` returns the current path of a setting;
 * undefined if it no longer exists.
 */
export function moveBefore(name: string, before: string, move: (path: string) => string | undefined): string {
  const { key } = knobOf(name);
  const moved = [...parseBefore(name, before)].flatMap(([path, text]) => {
    const now = move(path);
    return now === undefined ? [] : [[now, text] as const];
  });
  return formatBefore(move(key) ?? key, new Map(moved));
}

/** Parses the text of {@link formatBefore}, and the two numbers of ip_forward that version 0.1 wrote. */
export function parseBefore(name: string, before: string): Texts {
  const { key } = knobOf(name);
  if (before.startsWith('{')) {
    const value: unknown = JSON.parse(before);
    const texts = new Map<string, string>();
    for (const [path, text] of Object.entries(value as object)) if (typeof text === 'string') texts.set(path, text);
    return texts;
  }
  const [, forward, redirects] = key === 'net/ipv4/ip_forward' ? (/^(\d+) (\d+)$/.exec(before) ?? []) : [];
  if (forward === undefined || redirects === undefined) return new Map([[key, before]]);
  return new Map([
    [key, forward],
    [REDIRECTS, redirects],
  ]);
}
