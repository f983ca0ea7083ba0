import { isSameSysctlValue } from '../../common/sysctl-values.js';
import type { Item } from '../../items/items.js';
import { isValueOf } from '../../items/sysctl.js';
import { formatBefore, parseBefore } from '../../items/sysctl-before.js';
import { knobOf, resetsOf } from '../../items/sysctl-knobs.js';

/** A claim on a setting: its name in the book, the text before the first owner, and a value that an owner wants. */
export interface OrderedClaim {
  readonly name: string;
  readonly before: string;
  readonly wanted: Item;
}

/** Changes of the other claims when one claim ends. */
export interface HandOver {
  /** New texts of `before`, by the names of the claims. */
  readonly before: ReadonlyMap<string, string>;
  /** Settings that stay, by their paths, each with the text that a later claim has made of it; undefined: any text. */
  readonly kept: ReadonlyMap<string, string | undefined>;
}

/**
 * Returns the changes of the other claims when the claim `name` ends. Two claims overlap when a write of one setting
 * resets the other (`ip_forward` and `conf/eth0/forwarding`). The claim that was made later has remembered the value of
 * the earlier one as the original. When the earlier claim ends first, the later one inherits the original, and the
 * setting stays.
 * @param claims of sysctls, in the order in which they were made
 */
export function handOver(ending: Item, claims: readonly OrderedClaim[], name: string): HandOver {
  const before = new Map<string, string>();
  const kept = new Map<string, string | undefined>();
  const start = claims.findIndex((claim) => claim.name === name);
  const own = claims[start];
  if (ending.kind !== 'sysctl' || own === undefined) return { before, kept };
  const { key, paths } = knobOf(ending.name);
  const leftBy = new Map(resetsOf(key, interfacesIn(own.before, ending.name)).map(({ path, left }) => [path, left]));
  for (const [path, text] of parseBefore(ending.name, own.before))
    for (const later of claims.slice(start + 1)) {
      const { wanted } = later;
      // A claim on one setting alone covers no other.
      if (!later.before.startsWith('{') && later.name !== `sysctl ${knobOf(path).key}`) continue;
      if (wanted.kind !== 'sysctl') continue;
      const remembered = new Map(parseBefore(wanted.name, before.get(later.name) ?? later.before));
      const found = remembered.get(path);
      if (found === undefined) continue;
      const knob = knobOf(wanted.name);
      const reset = resetsOf(knob.key, interfacesIn(later.before, wanted.name)).find((one) => one.path === path);
      kept.set(path, paths.includes(path) ? reset?.left(wanted.value) : undefined);
      const left = leftBy.get(path)?.(ending.value);
      const isOurs = left === undefined ? isValueOf(ending, found) : isSameSysctlValue(found, left);
      if (isOurs) before.set(later.name, formatBefore(knob.key, remembered.set(path, text)));
      break; // the next claim has remembered what this one left
    }
  return { before, kept };
}

/** Returns the interfaces that the remembered paths name. */
function interfacesIn(before: string, name: string): string[] {
  const names = [...parseBefore(name, before).keys()].flatMap((path) => {
    const [, found] = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(path) ?? [];
    return found === undefined || found === 'all' || found === 'default' ? [] : [found];
  });
  return [...new Set(names)];
}
