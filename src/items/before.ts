import { recordOf } from '../common/own.js';
import type { NetfilterState } from '../netfilter/changes.js';
import { knobOf } from './sysctl-knobs.js';

/** State of an object before an owner changed it, as far as taking the change back needs it. Records keep it. */
export type Before =
  /** Texts by paths below /proc/sys: the setting, and the settings that a write of it resets. */
  | { readonly kind: 'sysctl'; readonly texts: Readonly<Record<string, string>> }
  | { readonly kind: 'timeout'; readonly seconds: number }
  | { readonly kind: 'netfilter'; readonly state: NetfilterState };

/** Texts by paths below /proc/sys. */
export type Texts = ReadonlyMap<string, string>;

export function beforeOf(texts: Texts): Before {
  return { kind: 'sysctl', texts: recordOf(texts) };
}

/** Returns the recorded texts of a setting; none for another kind. */
export function textsIn(before: Before | undefined): Map<string, string> {
  return new Map(before?.kind === 'sysctl' ? Object.entries(before.texts) : []);
}

/** Returns true if the state of other settings than the one of this canonical path was recorded. */
export function coversOthers(before: Before, key: string): boolean {
  return before.kind === 'sysctl' && Object.keys(before.texts).some((path) => path !== key);
}

/**
 * Returns the state after interfaces were renamed. `move` returns the current path of a setting; undefined if it no
 * longer exists.
 */
export function moveBefore(before: Before, move: (path: string) => string | undefined): Before {
  if (before.kind !== 'sysctl') return before;
  const moved = [...textsIn(before)].flatMap(([path, text]) => {
    const now = move(path);
    return now === undefined ? [] : [[now, text] as const];
  });
  return beforeOf(new Map(moved));
}

/** Returns the canonical paths of the settings whose texts were recorded. */
export function settingsIn(before: Before): string[] {
  return [...textsIn(before).keys()].map((path) => knobOf(path).key);
}
