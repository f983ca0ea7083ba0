import { Errno } from '../../common/errno.js';
import type { Link, LinkChange, LinkDetails, LinkSettings } from '../../kernel/network/types.js';
import { toLink } from './link-entry.js';
import { enslave, release, setAddress, setMtu, switchLink, tellChanged } from './link-states.js';
import { checkDouble, checkValues, drawnAddress, parentOf, usualMtu } from './link-values.js';
import { type LinkState, type NetworkState, refused, type VethPeer } from './state.js';

/** The interfaces, and their relations. */
export class MemoryLinks {
  readonly #core: NetworkState;
  readonly #links = new Map<number, LinkState>();
  readonly #names = new Map<string, LinkState>();
  #last = 0;

  constructor(core: NetworkState) {
    this.#core = core;
    this.make('lo', 'loopback', undefined, { mtu: 65_536, address: '00:00:00:00:00:00' });
  }

  /** Returns all interfaces, sorted by index. */
  all(): LinkState[] {
    return [...this.#links.values()].sort((a, b) => a.index - b.index);
  }

  list(): Link[] {
    return this.all().map(toLink);
  }

  /** Finds an interface by its name or an alternative name. */
  named(name: string): LinkState | undefined {
    return this.#names.get(name);
  }

  /** @throws KernelFailure ENODEV */
  get(name: string): LinkState {
    return this.#names.get(name) ?? refused(Errno.ENODEV, name);
  }

  add(settings: LinkSettings): void {
    const { details, master, up } = settings;
    if (master !== undefined) this.get(master);
    const parent = parentOf(details);
    const below = parent === undefined ? undefined : this.get(parent);
    const home = this.#core.namespace(settings.namespace);
    const peerHome = this.#core.namespace(details.kind === 'veth' ? details.peer.namespace : undefined);
    if (home.links.named(settings.name)) refused(Errno.EEXIST);
    if (this.#core.missing.has(details.kind)) refused(Errno.EOPNOTSUPP, 'Unknown device type');
    checkValues(details.kind, settings);
    checkDouble(details, home.links.all());
    const peer = details.kind === 'veth' ? peerHome.links.addPeer(details.peer, home, settings.name) : undefined;
    const link = home.links.make(settings.name, details.kind, details, settings, below);
    if (peer) [peer.peer, link.peer] = [link, peer];
    try {
      if (master !== undefined) enslave(link, this.get(master));
      if (up) switchLink(link, true);
    } catch (error) {
      home.links.remove(link);
      throw error;
    }
    // Set the other end up only now, because both ends must exist.
    if (peer && details.kind === 'veth' && details.peer.up) switchLink(peer, true);
  }

  /** Makes changes in the kernel's order; those before a rejected one stay (do_setlink in net/core/rtnetlink.c). */
  set(name: string, changes: LinkChange): void {
    const master = typeof changes.master === 'string' ? this.get(changes.master) : undefined;
    if (changes.name !== undefined) this.get(name);
    const target = this.#core.namespace(changes.namespace);
    const link = this.get(name);
    const before = JSON.stringify(toLink(link));
    try {
      if (target !== this.#core) this.#move(link, target, changes.name ?? link.name);
      if (changes.address !== undefined) setAddress(link, changes.address);
      if (changes.mtu !== undefined) setMtu(link, changes.mtu);
      if (changes.name !== undefined) link.home.links.rename(link, changes.name);
      if (master) enslave(link, master);
      if (changes.master === null) release(link);
    } finally {
      if (target === this.#core && JSON.stringify(toLink(link)) !== before) tellChanged(link);
    }
    if (changes.up !== undefined) switchLink(link, changes.up);
  }

  delete(name: string): void {
    const link = this.get(name);
    if (link.kind === 'loopback') refused(Errno.EOPNOTSUPP);
    this.remove(link);
  }

  /** Adds an alternative name, like `ip link property add altname`. */
  addAlternativeName(name: string, other: string): void {
    if (this.#names.has(other)) refused(Errno.EEXIST);
    const link = this.get(name);
    link.alternativeNames.push(other);
    this.#names.set(other, link);
    tellChanged(link);
  }

  addPeer(peer: VethPeer, otherHome: NetworkState, otherName: string): LinkState {
    checkValues('veth', peer);
    const same = otherHome === this.#core && otherName === peer.name;
    if (same || this.#names.has(peer.name)) refused(Errno.EEXIST);
    return this.make(peer.name, 'veth', { kind: 'veth', peer }, peer);
  }

  make(
    name: string,
    kind: LinkState['kind'],
    details: LinkDetails | undefined,
    given: { readonly mtu?: number | undefined; readonly address?: string | undefined },
    parent?: LinkState,
  ): LinkState {
    const index = ++this.#last;
    const ethernet = kind !== 'ipip' && kind !== 'gre';
    const link: LinkState = {
      index,
      name,
      alternativeNames: [],
      kind,
      details,
      up: false,
      mtu: given.mtu ?? usualMtu(kind, details, parent),
      mtuGiven: false,
      address: given.address ?? (ethernet ? drawnAddress(this.#core.cookie, index) : undefined),
      addressGiven: given.address !== undefined,
      master: undefined,
      parent,
      peer: undefined,
      home: this.#core,
      hadPorts: false,
      running: false,
      operationalState: 'down',
    };
    this.#links.set(index, link);
    this.#names.set(name, link);
    this.#core.sysctls.add(name);
    this.#core.tell(() => ({ type: 'link-added', link: toLink(link) }));
    this.#core.forwarding.linkAdded(link);
    return link;
  }

  #move(link: LinkState, target: NetworkState, name: string): void {
    if (link.kind === 'loopback' || link.kind === 'bridge') refused(Errno.EINVAL, 'The interface netns is immutable');
    if (target.links.named(name)) refused(Errno.EEXIST);
    this.#clear(link);
    this.#forget(link);
    this.#core.tell(() => ({ type: 'link-removed', link: toLink(link) }));
    target.links.take(link, name);
  }

  take(link: LinkState, name: string): void {
    link.home = this.#core;
    link.name = name;
    if (this.#links.has(link.index)) link.index = this.#last + 1;
    this.#last = Math.max(this.#last, link.index);
    this.#links.set(link.index, link);
    for (const each of [name, ...link.alternativeNames]) this.#names.set(each, link);
    this.#core.sysctls.add(name);
    this.#core.tell(() => ({ type: 'link-added', link: toLink(link) }));
    this.#core.forwarding.linkAdded(link);
  }

  rename(link: LinkState, name: string): void {
    if (name === link.name) return;
    if (this.#names.has(name)) refused(Errno.EEXIST);
    this.#names.delete(link.name);
    this.#core.sysctls.rename(link.name, name);
    link.name = name;
    this.#names.set(name, link);
  }

  /** Releases an interface from its master, sets it down, and removes its addresses, routes and entries. */
  #clear(link: LinkState): void {
    release(link);
    switchLink(link, false);
    this.#core.addresses.flush(link);
    this.#core.routes.linkGone(link);
    this.#core.neighbours.flush(link);
    this.#core.forwarding.flush(link);
  }

  #forget(link: LinkState): void {
    this.#links.delete(link.index);
    for (const each of [link.name, ...link.alternativeNames]) this.#names.delete(each);
    this.#core.sysctls.delete(link.name);
  }

  /** Removes an interface, its other end, and the interfaces on top of it. */
  remove(link: LinkState): void {
    const { peer } = link;
    link.peer = undefined;
    if (this.#links.get(link.index) !== link) return;
    for (const other of this.all()) {
      if (other.parent === link) this.remove(other);
      if (other.master === link) {
        release(other);
        tellChanged(other);
      }
    }
    this.#clear(link);
    this.#forget(link);
    this.#core.tell(() => ({ type: 'link-removed', link: toLink(link) }));
    if (!peer) return;
    peer.peer = undefined;
    peer.home.links.remove(peer);
  }
}
