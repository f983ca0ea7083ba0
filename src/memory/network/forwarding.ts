import { Errno } from '../../common/errno.js';
import type { ForwardingEntry, ForwardingSettings } from '../../kernel/network/types.js';
import { isUnicastLinkAddress } from './prefix.js';
import { type LinkState, type NetworkState, refused } from './state.js';

type Vxlan = Extract<NonNullable<LinkState['details']>, { kind: 'vxlan' }>;

interface EntryState {
  readonly link: LinkState;
  readonly bridge: LinkState | undefined;
  readonly settings: Omit<ForwardingSettings, 'append' | 'interface'>;
}

const ZEROS = '00:00:00:00:00:00';
const DEFAULT_VLAN = 1;
const parts = ['vlan', 'destination', 'port', 'vni', 'sourceVni', 'via'] as const;

/** The forwarding tables of bridges and vxlans. */
export class MemoryForwarding {
  readonly #core: NetworkState;
  #entries: EntryState[] = [];

  constructor(core: NetworkState) {
    this.#core = core;
  }

  list(link: LinkState | undefined): ForwardingEntry[] {
    return this.#entries.filter((entry) => link === undefined || entry.link === link).map(toEntry);
  }

  add({ interface: name, append, ...settings }: ForwardingSettings): void {
    const link = this.#core.links.get(name);
    if (settings.via !== undefined) this.#core.links.get(settings.via);
    const { bridge, vlans } = this.#tableOf(link, settings);
    if (link.details?.kind === 'vxlan' && settings.of === 'self') {
      this.#addToVxlan(link, link.details, settings, append);
      return;
    }
    for (const vlan of vlans) {
      const entry: EntryState = { link, bridge, settings: { ...settings, vlan } };
      if (this.#entries.some((other) => sameTable(other, entry) && sameKey(other, entry))) refused(Errno.EEXIST);
      this.#put(entry);
    }
  }

  delete({ interface: name, append: _, ...settings }: ForwardingSettings): void {
    const link = this.#core.links.get(name);
    const { bridge, vlans } = this.#tableOf(link, settings);
    const named = parts.filter((part) => part !== 'vlan' && settings[part] !== undefined);
    const found = this.#entries.filter(
      (entry) =>
        sameTable(entry, { link, bridge, settings }) &&
        entry.link === link &&
        entry.settings.linkAddress === settings.linkAddress &&
        named.every((part) => entry.settings[part] === settings[part]) &&
        vlans.includes(entry.settings.vlan),
    );
    if (found.length === 0) refused(Errno.ENOENT);
    for (const entry of found) this.#remove(entry);
  }

  /** Adds the default entry of a vxlan with a remote: the link-layer address of all zeros. */
  linkAdded(link: LinkState): void {
    const { details } = link;
    if (details?.kind !== 'vxlan' || details.remote === undefined) return;
    const settings = { linkAddress: ZEROS, state: 'permanent', of: 'self', destination: details.remote } as const;
    this.#put({ link, bridge: undefined, settings });
  }

  /** Adds the address of a new port to the table of its bridge. */
  portAdded(link: LinkState): void {
    if (link.address === undefined) return;
    const settings = { linkAddress: link.address, state: 'permanent', of: 'master' } as const;
    this.#put({ link, bridge: link.master, settings });
  }

  portRemoved(link: LinkState): void {
    for (const entry of this.#entries) if (entry.link === link && entry.bridge) this.#remove(entry);
  }

  /** Removes all entries of an interface. */
  flush(link: LinkState): void {
    for (const entry of this.#entries) if (entry.link === link || entry.bridge === link) this.#remove(entry);
  }

  #addToVxlan(link: LinkState, vxlan: Vxlan, settings: EntryState['settings'], append: boolean): void {
    const { destination, linkAddress } = settings;
    if (destination === undefined) refused(Errno.EINVAL);
    const own = (vxlan.local ?? vxlan.remote)?.includes(':') ?? false;
    if (destination.includes(':') !== own) refused(Errno.EAFNOSUPPORT);
    // The kernel does not show values that equal those of the vxlan.
    const port = settings.port === vxlan.port ? undefined : settings.port;
    const vni = settings.vni === vxlan.id ? undefined : settings.vni;
    const entry: EntryState = { link, bridge: undefined, settings: { ...settings, port, vni } };
    const others = this.#entries.filter((other) => sameTable(other, entry) && sameKey(other, entry));
    if (others.length > 0 && !append) refused(Errno.EEXIST);
    // A unicast entry has one destination: the kernel ignores another one without an error (vxlan_fdb_update_existing).
    const several = linkAddress === ZEROS || !isUnicastLinkAddress(linkAddress);
    const there = others.some((other) => parts.every((part) => other.settings[part] === entry.settings[part]));
    if (others.length === 0 || (several && !there)) this.#put(entry);
  }

  /** Returns the table and VLANs of an entry. @throws KernelFailure if the interface has no such table or rejects it */
  #tableOf(
    link: LinkState,
    { of, vlan, state }: Pick<ForwardingSettings, 'of' | 'vlan' | 'state'>,
  ): { readonly bridge: LinkState | undefined; readonly vlans: readonly (number | undefined)[] } {
    const bridge = of === 'self' && link.kind === 'bridge' ? link : of === 'master' ? link.master : undefined;
    if (of === 'master' && !bridge) refused(Errno.EOPNOTSUPP);
    if (bridge) {
      const filters = bridge.details?.kind === 'bridge' && bridge.details.vlanFiltering === true;
      if (vlan !== undefined && !(filters && vlan === DEFAULT_VLAN)) refused(Errno.EINVAL);
      return { bridge, vlans: vlan !== undefined ? [vlan] : filters ? [undefined, DEFAULT_VLAN] : [undefined] };
    }
    if (link.kind !== 'vxlan') {
      const ethernet = link.address !== undefined && link.kind !== 'loopback';
      if (!ethernet || vlan !== undefined || state === 'dynamic') refused(Errno.EINVAL);
    }
    return { bridge, vlans: [vlan] };
  }

  #put(entry: EntryState): void {
    this.#entries.push(entry);
    this.#core.tell(() => ({ type: 'forwarding-entry-changed', entry: toEntry(entry) }));
  }

  #remove(entry: EntryState): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#core.tell(() => ({ type: 'forwarding-entry-removed', entry: toEntry(entry) }));
  }
}

/** Returns true if both entries are in the same table: a bridge has one table for all of its ports. */
function sameTable(a: EntryState, b: EntryState): boolean {
  return a.bridge === b.bridge && (a.bridge !== undefined || a.link === b.link);
}

function sameKey({ settings: a }: EntryState, { settings: b }: EntryState): boolean {
  return a.linkAddress === b.linkAddress && a.vlan === b.vlan && a.sourceVni === b.sourceVni;
}

function toEntry({ link, bridge, settings }: EntryState): ForwardingEntry {
  const { linkAddress, state, vlan, destination, port, vni, sourceVni, via } = settings;
  return {
    interface: link.name,
    linkAddress,
    state,
    self: bridge === undefined,
    master: bridge !== undefined,
    ...(bridge && { bridge: bridge.name }),
    ...(vlan !== undefined && { vlan }),
    ...(destination !== undefined && { destination }),
    ...(port !== undefined && { port }),
    ...(vni !== undefined && { vni }),
    ...(sourceVni !== undefined && { sourceVni }),
    ...(via !== undefined && { via }),
    externallyLearned: false,
  };
}
