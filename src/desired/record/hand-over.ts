import { isSameSysctlValue } from '../../common/sysctl-values.js';
import { type Before, beforeOf, coversOthers, textsIn } from '../../items/before.js';
import type { ItemId } from '../../items/item-ids.js';
import type { Item, ItemOf } from '../../items/items.js';
import { isValueOf } from '../../items/sysctl.js';
import { knobOf, resetsOf } from '../../items/sysctl-knobs.js';

/** A claim on a sysctl: its id in the book, the state before the first owner, and what an owner wants. */
export interface OrderedClaim {
  readonly id: ItemId;
  readonly before: Before;
  readonly wanted: ItemOf<'sysctl'>;
}

/** Changes of the other claims when one claim ends. */
export interface HandOver {
  /** New states of `before`, by the ids of the claims. */
  readonly before: ReadonlyMap<ItemId, Before>;
  /** Settings that stay, by their paths, each with the text that a later claim has made of it; undefined: any text. */
  readonly kept: ReadonlyMap<string, string | undefined>;
}

/**
 * Returns the changes of the other claims when the claim `id` ends. Two claims overlap when a write of one setting
 * resets the other (`ip_forward` and `conf/eth0/forwarding`). The claim that was made later has remembered the value of
 * the earlier one as the original. When the earlier claim ends first, the later one inherits the original, and the
 * setting stays.
 * @param claims of sysctls, in the order in which they were made
 */
export function handOver(ending: Item, claims: readonly OrderedClaim[], id: ItemId): HandOver {
  const before = new Map<ItemId, Before>();
  const kept = new Map<string, string | undefined>();
  const start = claims.findIndex((claim) => claim.id === id);
  const own = claims[start];
  if (ending.kind !== 'sysctl' || own === undefined) return { before, kept };
  const { key, paths } = knobOf(ending.name);
  const leftBy = new Map(resetsOf(key, interfacesIn(own.before)).map(({ path, left }) => [path, left]));
  for (const [path, text] of textsIn(own.before))
    for (const later of claims.slice(start + 1)) {
      const { wanted } = later;
      // A claim on one setting alone covers no other.
      const knob = knobOf(wanted.name);
      if (!coversOthers(later.before, knob.key) && knob.key !== knobOf(path).key) continue;
      const remembered = textsIn(before.get(later.id) ?? later.before);
      const found = remembered.get(path);
      if (found === undefined) continue;
      const reset = resetsOf(knob.key, interfacesIn(later.before)).find((one) => one.path === path);
      kept.set(path, paths.includes(path) ? reset?.left(wanted.value) : undefined);
      const left = leftBy.get(path)?.(ending.value);
      const isOurs = left === undefined ? isValueOf(ending, found) : isSameSysctlValue(found, left);
      if (isOurs) before.set(later.id, beforeOf(remembered.set(path, text)));
      break; // the next claim has remembered what this one left
    }
  return { before, kept };
}

/** Returns the interfaces that the remembered paths name. */
function interfacesIn(before: Before): string[] {
  const names = [...textsIn(before).keys()].flatMap((path) => {
    const [, found] = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(path) ?? [];
    return found === undefined || found === 'all' || found === 'default' ? [] : [found];
  });
  return [...new Set(names)];
}
