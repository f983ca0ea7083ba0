import { familyOf } from '../../common/address.js';
import { invalid } from '../../common/errors.js';
import { isSameSysctlValue } from '../../common/sysctl-values.js';
import type { Item } from '../../items/items.js';

/**
 * Rejects IPv6 addresses on interfaces for which the items disable IPv6: the kernel deletes and refuses such addresses
 * (addrconf_disable_ipv6 and inet6_addr_add in net/ipv6/addrconf.c).
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function checkDisabledIPv6(items: readonly Item[]): void {
  const switches = new Map(
    items.flatMap((item) => {
      const [, place] =
        item.kind === 'sysctl' ? (/^net\/ipv6\/conf\/([^/]+)\/disable_ipv6$/.exec(item.name) ?? []) : [];
      return place !== undefined && item.kind === 'sysctl' ? [[place, item] as const] : [];
    }),
  );
  if (switches.size === 0) return;
  const made = new Set(items.flatMap((item) => (item.kind === 'link' ? [item.link.name] : [])));
  for (const item of items) {
    if (item.kind !== 'address' || familyOf(item.address.split('/')[0] ?? '') !== 'ipv6') continue;
    const { interface: name, address } = item;
    // A write of `all` sets the interfaces that exist, and `default`; new interfaces follow `default`.
    const initial = made.has(name) ? switches.get('default') : undefined;
    const setting = switches.get(name) ?? initial ?? switches.get('all');
    if (setting === undefined || isSameSysctlValue(setting.value, '0')) continue;
    throw invalid(
      `${address} cannot be added to ${name}: ${setting.name} is ${setting.value}, which disables IPv6 there. ` +
        `Remove the address, or declare net/ipv6/conf/${name}/disable_ipv6 as 0`,
    );
  }
}
