import { isSameSysctlValue } from '../../common/sysctl-values.js';
import type { Item, ItemOf } from '../../items/items.js';
import type { Wanted } from '../../items/snapshot.js';
import { knobOf } from '../../items/sysctl-knobs.js';

/** An item that has one value for all owners. */
export type SharedItem = ItemOf<'sysctl'> | ItemOf<'timeout'>;

/**
 * Returns true for settings, which have one value for all owners. The last owner that stops wanting one restores it.
 */
export function isShared(item: Item): item is SharedItem {
  return item.kind === 'sysctl' || item.kind === 'timeout';
}

/** Returns the value that an owner wants, under the canonical name of the setting if that takes the same text. */
export function wantedOf(item: SharedItem): Wanted {
  if (item.kind === 'timeout') return { kind: 'timeout', name: item.name, seconds: item.seconds };
  const { key, sameText } = knobOf(item.name);
  return { kind: 'sysctl', path: sameText ? key : item.name, value: item.value };
}

/** Returns the item of a value that an owner wants. */
export function itemOf(wanted: Wanted): SharedItem {
  if (wanted.kind === 'timeout') return wanted;
  return { kind: 'sysctl', name: wanted.path, value: wanted.value };
}

/** Returns true if two owners want the same value of a setting, however they write it. */
export function isSameWanted(one: Wanted, other: Wanted): boolean {
  if (one.kind === 'timeout') return other.kind === 'timeout' && one.seconds === other.seconds;
  return other.kind === 'sysctl' && one.path === other.path && isSameSysctlValue(one.value, other.value);
}
