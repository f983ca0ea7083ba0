import { IpvsError } from '../common/errors.js';
import { ownValue } from '../common/own.js';
import { isSameSysctlValue } from '../common/sysctl-values.js';
import type { Item, ItemOf } from './items.js';
import type { World } from './world.js';

/** Protocol of routes from router advertisements: RTPROT_RA of linux/rtnetlink.h. */
const ROUTER_ADVERTISEMENT = 9;
const FORWARDING = /^net\/ipv6\/conf\/([^/]+)\/forwarding$/;
const ACCEPT = /^net\/ipv6\/conf\/[^/]+\/accept_ra$/;

/** An interface with a default route from a router advertisement. */
export interface Advertised {
  /** Path of its `accept_ra` below /proc/sys. */
  readonly setting: string;
  readonly value: string;
}

/** Returns the setting with which an interface keeps its default route from a router advertisement when it forwards. */
export function keepsRoute(setting: string): ItemOf<'sysctl'> {
  return { kind: 'sysctl', name: setting, value: '2', keepsRoute: true };
}

/** Returns true if a path below /proc/sys is the `accept_ra` of an interface. */
export function isAcceptSetting(path: string): boolean {
  return ACCEPT.test(path);
}

/**
 * Returns true if an item switches IPv6 forwarding on. Each such write deletes the default routes that router
 * advertisements left on any interface whose `accept_ra` is not 2, also a write of the same value, and one to a single
 * interface (addrconf_fixup_forwarding and rt6_purge_dflt_routers in net/ipv6). `default` is the exception.
 */
export function switchesForwardingOn(item: Item): item is ItemOf<'sysctl'> {
  if (item.kind !== 'sysctl') return false;
  const [, place] = FORWARDING.exec(item.name) ?? [];
  return place !== undefined && place !== 'default' && !isSameSysctlValue(item.value, '0');
}

/** Returns true if IPv6 forwarding is wanted, and needs a write. */
export function isForwardingDue(items: readonly Item[], sysctls: Readonly<Record<string, string | null>>): boolean {
  return items.some((item) => {
    if (!switchesForwardingOn(item)) return false;
    const is = ownValue(sysctls, item.name) ?? undefined;
    return is === undefined || !isSameSysctlValue(is, item.value);
  });
}

/** Reads the interfaces with a default route from a router advertisement, with their `accept_ra`. */
export async function readAdvertised(world: World): Promise<Advertised[]> {
  const network = await world.network;
  const routes = await network.routes({ table: 'all', family: 'ipv6', protocol: ROUTER_ADVERTISEMENT });
  const interfaces = new Set(
    routes.flatMap((route) =>
      route.destination === 'default' && route.interface !== undefined ? [route.interface] : [],
    ),
  );
  const read = async (name: string): Promise<Advertised[]> => {
    const setting = `net/ipv6/conf/${name}/accept_ra`;
    try {
      return [{ setting, value: await network.sysctl(setting) }];
    } catch (error) {
      if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SUCH_SYSCTL') return [];
      throw error;
    }
  };
  return (await Promise.all([...interfaces].map(read))).flat();
}
