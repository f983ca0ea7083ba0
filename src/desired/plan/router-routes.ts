import { ownValue } from '../../common/own.js';
import { isSameSysctlValue } from '../../common/sysctl-values.js';
import { decodeItem } from '../../items/item-ids.js';
import type { Item, ItemOf } from '../../items/items.js';
import { isAcceptSetting, isForwardingDue, keepsRoute, switchesForwardingOn } from '../../items/router-routes.js';
import type { ClaimsOfOthers, Snapshot, Wanted } from '../../items/snapshot.js';
import type { Ledger } from '../record/ledger.js';

/**
 * Returns settings that other owners need for a route of a router, and that this owner needs, too, if it forwards IPv6.
 */
export function claimedForRoutes(items: readonly Item[], claims: ClaimsOfOthers): ItemOf<'sysctl'>[] {
  if (!items.some(switchesForwardingOn)) return [];
  const isTwo = (wanted: Wanted): boolean => wanted.kind === 'sysctl' && isSameSysctlValue(wanted.value, '2');
  return Object.entries(claims).flatMap(([id, owners]) => {
    const key = decodeItem(id);
    const isKept = key.kind === 'sysctl' && isAcceptSetting(key.setting) && owners.some(([, wanted]) => isTwo(wanted));
    return isKept ? [keepsRoute(key.setting)] : [];
  });
}

/**
 * Returns the settings `accept_ra` that keep default routes from router advertisements: IPv6 forwarding deletes these,
 * and accepts no new ones, except on interfaces whose `accept_ra` is 2. Includes the interfaces that have such a route
 * now, and those that this owner or another one has set for it. A setting that the document declares stays as declared.
 */
export function settingsForRoutes(items: readonly Item[], snapshot: Snapshot, ledger: Ledger): Item[] {
  if (!items.some(switchesForwardingOn)) return [];
  const declared = new Set(items.flatMap((item) => (item.kind === 'sysctl' ? [item.name] : [])));
  const { sysctls, claims = {}, advertised = [] } = snapshot;
  const recorded = ledger.entries.flatMap(({ item }) => (item.kind === 'sysctl' && item.keepsRoute ? [item.name] : []));
  const claimed = claimedForRoutes(items, claims).map(({ name }) => name);
  // An interface that does not accept advertisements has its route from a program, which the kernel does not delete.
  const found = isForwardingDue(items, sysctls)
    ? advertised.filter(({ value }) => isSameSysctlValue(value, '1')).map(({ setting }) => setting)
    : [];
  return [...new Set([...recorded, ...claimed, ...found])]
    .filter((name) => !declared.has(name) && ownValue(sysctls, name) !== null)
    .map(keepsRoute);
}
