import { canonicalAddress, type Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { scopeNumber } from '../../kernel/network/scopes.js';
import type { AddressKey, AddressSettings, InterfaceAddress, Scope } from '../../kernel/network/types.js';
import { addressNumber, cut, isMulticast } from './prefix.js';
import { type AddressState, type LinkState, type NetworkState, refused } from './state.js';

/** IFAPROT_* (include/uapi/linux/if_addr.h): addresses that the kernel makes for `lo`, or from a link-layer address. */
const OF_LOOPBACK = 1;
const OF_LINK = 3;
const SMALLEST_MTU = { ipv4: 68, ipv6: 1280 } as const;

/** The addresses of interfaces, in the kernel's order. */
export class MemoryAddresses {
  readonly #core: NetworkState;
  /** IPv6 addresses of other hosts. */
  readonly #taken = new Set<string>();
  readonly #addresses: Readonly<Record<Family, Map<LinkState, AddressState[]>>> = { ipv4: new Map(), ipv6: new Map() };

  constructor(core: NetworkState) {
    this.#core = core;
  }

  of(link: LinkState, family: Family): readonly AddressState[] {
    return this.#addresses[family].get(link) ?? [];
  }

  list(filter: { readonly link?: LinkState | undefined; readonly family?: Family | undefined }): InterfaceAddress[] {
    const links = filter.link ? [filter.link] : this.#core.links.all();
    const families = (['ipv4', 'ipv6'] as const).filter((each) => (filter.family ?? each) === each);
    return families.flatMap((family) => links.flatMap((link) => this.of(link, family).map(toAddress)));
  }

  add(settings: AddressSettings): void {
    const link = this.#core.links.get(settings.interface);
    if (settings.family === 'ipv4') this.#add4(link, settings);
    else this.#add6(link, settings);
  }

  delete({ interface: name, family, address, prefixLength }: AddressKey): void {
    const link = this.#core.links.get(name);
    const found = this.of(link, family).find(
      (other) => other.address === address && other.prefixLength === prefixLength,
    );
    // Below the smallest MTU, the family is off and the kernel does not find the interface.
    if (link.mtu < SMALLEST_MTU[family]) refused(family === 'ipv4' ? Errno.ENODEV : Errno.ENXIO);
    if (!found) refused(Errno.EADDRNOTAVAIL);
    this.#deleteWithSecondaries(found);
  }

  /** Assigns an address to another host: duplicate address detection finds it from now on. */
  take(address: string): void {
    this.#taken.add(canonicalAddress(address, 'ipv6'));
  }

  /** Adds the addresses of `lo` when it is set up (inetdev_event, init_loopback). */
  linkUp(link: LinkState): void {
    if (link.kind !== 'loopback') return;
    const has = (address: string, family: Family): boolean =>
      this.of(link, family).some((other) => other.address === address);
    if (link.mtu >= SMALLEST_MTU.ipv4 && !has('127.0.0.1', 'ipv4'))
      this.#add4(link, { ...addressOf('127.0.0.1', 8, 'ipv4', link), scope: 'host' });
    if (this.#hasIPv6(link) && !has('::1', 'ipv6'))
      this.#add6(link, { ...addressOf('::1', 128, 'ipv6', link), scope: 'host', protocol: OF_LOOPBACK });
  }

  /** Removes the IPv6 addresses of an interface that is set down, except global ones with `keep_addr_on_down`. */
  linkDown(link: LinkState): void {
    const keeps = this.#core.sysctls.either('ipv6', link.name, 'keep_addr_on_down');
    for (const address of this.of(link, 'ipv6')) if (!keeps || address.scope !== 'global') this.#remove(address);
  }

  /** Adds the multicast route and the link-local address of an interface that has a carrier now. */
  carrierUp(link: LinkState): void {
    if (link.kind === 'loopback' || !this.#hasIPv6(link)) return;
    this.#core.routes.addMulticast(link);
    const address = linkLocal(link.address);
    if (address === undefined || this.of(link, 'ipv6').some((other) => other.address === address)) return;
    this.#add6(link, { ...addressOf(address, 64, 'ipv6', link), scope: 'link', protocol: OF_LINK });
  }

  /** Adds or removes IPv6 addresses after a write to `disable_ipv6`. */
  switchIPv6(link: LinkState, on: boolean): void {
    if (on && link.up) this.linkUp(link);
    if (on && link.running) this.carrierUp(link);
    if (!on) this.#flush(link, 'ipv6');
  }

  /** Removes the addresses and routes of a family whose smallest MTU is above the new MTU. */
  mtuChanged(link: LinkState): void {
    for (const family of ['ipv4', 'ipv6'] as const) {
      if (link.mtu >= SMALLEST_MTU[family]) continue;
      this.#flush(link, family);
      this.#core.routes.familyOff(link, family);
    }
  }

  flush(link: LinkState): void {
    this.#flush(link, 'ipv6');
    this.#flush(link, 'ipv4');
    for (const family of ['ipv4', 'ipv6'] as const) this.#addresses[family].delete(link);
  }

  #flush(link: LinkState, family: Family): void {
    for (const address of this.of(link, family).toReversed()) this.#remove(address);
  }

  #hasIPv6(link: LinkState): boolean {
    return link.mtu >= SMALLEST_MTU.ipv6 && this.#core.sysctls.get('ipv6', link.name, 'disable_ipv6') === 0;
  }

  /** Adds an IPv4 address (__inet_insert_ifa in net/ipv4/devinet.c). */
  #add4(link: LinkState, settings: AddressSettings): void {
    if (link.mtu < SMALLEST_MTU.ipv4) refused(Errno.ENOBUFS);
    const state = toState(link, settings, settings.label ?? link.name);
    const list = [...this.of(link, 'ipv4')];
    for (const other of list) {
      if (other.prefixLength !== state.prefixLength || other.network !== state.network) continue;
      if (other.address === state.address) refused(Errno.EEXIST, 'Address already assigned');
      if (other.scope !== state.scope) refused(Errno.EINVAL, 'Scope value mismatch');
      state.secondary = true;
    }
    const isSameOrNarrower = (other: AddressState): boolean =>
      !other.secondary && scopeNumber(state.scope) <= scopeNumber(other.scope);
    // Insert after the last primary address of the same or a narrower scope.
    const at = state.secondary ? list.length : list.findLastIndex(isSameOrNarrower) + 1;
    list.splice(at, 0, state);
    this.#addresses.ipv4.set(link, list);
    this.#core.sysctls.settle(link.name);
    this.#added(state);
  }

  #add6(link: LinkState, settings: AddressSettings): void {
    if (link.mtu < SMALLEST_MTU.ipv6) refused(Errno.EINVAL);
    if (!this.#hasIPv6(link)) refused(Errno.EACCES, 'IPv6 is disabled on this device');
    if (settings.address === '::' || isMulticast(settings.address)) refused(Errno.EADDRNOTAVAIL);
    if (settings.address === '::1' && link.kind !== 'loopback') refused(Errno.EADDRNOTAVAIL);
    const list = [...this.of(link, 'ipv6')];
    if (list.some(({ address }) => address === settings.address)) refused(Errno.EEXIST, 'address already assigned');
    const state = toState(link, { ...settings, scope: scopeOf6(settings.address) }, undefined);
    // A duplicate address stays but is not used (addrconf_dad_failure in net/ipv6/addrconf.c).
    state.duplicate = !state.noDad && this.#taken.has(state.address);
    // Insert before the first address of the same or a narrower scope (ipv6_link_dev_addr).
    const at = list.findIndex(({ scope }) => scopeNumber(scope) >= scopeNumber(state.scope));
    list.splice(at < 0 ? list.length : at, 0, state);
    this.#addresses.ipv6.set(link, list);
    this.#added(state);
  }

  #added(state: AddressState): void {
    this.#core.tell(() => ({ type: 'address-added', address: toAddress(state) }));
    this.#core.routes.addressAdded(state);
  }

  /** Deletes a primary address with its secondary ones; `promote_secondaries` keeps these (__inet_del_ifa). */
  #deleteWithSecondaries(state: AddressState): void {
    const { link } = state;
    const behind = this.of(link, 'ipv4').filter(
      (other) => other.secondary && other.prefixLength === state.prefixLength && other.network === state.network,
    );
    const alone = state.family === 'ipv6' || state.secondary;
    for (const other of alone ? [] : behind) this.#remove(other);
    this.#remove(state);
    if (alone || !this.#core.sysctls.either('ipv4', link.name, 'promote_secondaries')) return;
    for (const { address, prefixLength, scope, label, protocol, noDad } of behind) {
      const settings = { ...addressOf(address, prefixLength, 'ipv4', link), scope, label, protocol, noDad };
      this.#add4(link, settings);
    }
  }

  #remove(state: AddressState): void {
    const list = this.of(state.link, state.family).filter((other) => other !== state);
    this.#addresses[state.family].set(state.link, list);
    this.#core.tell(() => ({ type: 'address-removed', address: toAddress(state) }));
    this.#core.routes.addressRemoved(state, list);
  }
}

function addressOf(address: string, prefixLength: number, family: Family, link: LinkState): AddressSettings {
  return { interface: link.name, family, address, prefixLength, scope: 'global', noDad: false };
}

function toState(link: LinkState, settings: AddressSettings, label: string | undefined): AddressState {
  const { family, address, prefixLength, scope, protocol, noDad } = settings;
  const network = cut(addressNumber(address, family), prefixLength, family);
  return {
    link,
    family,
    address,
    prefixLength,
    network,
    scope,
    label,
    protocol,
    noDad,
    secondary: false,
    duplicate: false,
  };
}

function scopeOf6(address: string): Scope {
  if (address === '::1') return 'host';
  if (/^fe[89ab]/.test(address)) return 'link';
  return /^fe[cdef]/.test(address) ? 'site' : 'global';
}

/** Returns the link-local address for a link-layer address (EUI-64). */
function linkLocal(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = address.split(':').map((byte) => Number.parseInt(byte, 16));
  const groups = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f];
  return canonicalAddress(`fe80::${groups.map((group) => group.toString(16)).join(':')}`, 'ipv6');
}

function toAddress(state: AddressState): InterfaceAddress {
  const { link, family, address, prefixLength, scope, label, protocol, secondary, noDad, duplicate } = state;
  return {
    interface: link.name,
    family,
    address: `${address}/${prefixLength}`,
    scope,
    ...(label !== undefined && { label }),
    ...(protocol !== undefined && { protocol }),
    secondary,
    tentative: duplicate,
    duplicate,
    deprecated: false,
    noDad: family === 'ipv6' && noDad,
    noPrefixRoute: false,
  };
}
