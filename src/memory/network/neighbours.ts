import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import type { Neighbour, NeighbourKey, NeighbourSettings } from '../../kernel/network/types.js';
import { type LinkState, type NetworkState, refused } from './state.js';

interface NeighbourEntry {
  readonly link: LinkState;
  readonly settings: NeighbourSettings;
}

/** The neighbours with their link-layer addresses, and the proxy entries, for which this host answers. */
export class MemoryNeighbours {
  readonly #core: NetworkState;
  readonly #entries = new Map<string, NeighbourEntry>();

  constructor(core: NetworkState) {
    this.#core = core;
  }

  list(filter: {
    readonly link?: LinkState | undefined;
    readonly family?: Family | undefined;
    readonly proxy: boolean;
  }) {
    const found: Neighbour[] = [];
    for (const entry of this.#entries.values()) {
      const { link, settings } = entry;
      if (settings.proxy !== filter.proxy || (filter.link !== undefined && filter.link !== link)) continue;
      if (filter.family === undefined || filter.family === settings.family) found.push(toNeighbour(entry));
    }
    return found;
  }

  set(settings: NeighbourSettings): void {
    const link = this.#core.links.get(settings.interface);
    const entry = { link, settings };
    this.#entries.set(keyOf(link, settings), entry);
    // The kernel reports no events for proxy entries.
    if (!settings.proxy) this.#core.tell(() => ({ type: 'neighbour-changed', neighbour: toNeighbour(entry) }));
  }

  delete(key: NeighbourKey): void {
    const text = keyOf(this.#core.links.get(key.interface), key);
    const entry = this.#entries.get(text);
    if (!entry) refused(Errno.ENOENT);
    // The kernel first changes the entry to `failed`, and reports that, too (neigh_delete).
    const failed: NeighbourEntry = {
      ...entry,
      settings: { ...entry.settings, linkAddress: undefined, state: 'failed' },
    };
    if (!key.proxy) this.#core.tell(() => ({ type: 'neighbour-changed', neighbour: toNeighbour(failed) }));
    this.#remove(text, failed);
  }

  /** Removes all entries of an interface that is set down (neigh_ifdown). */
  flush(link: LinkState): void {
    for (const [text, entry] of this.#entries) if (entry.link === link) this.#remove(text, entry);
  }

  #remove(text: string, entry: NeighbourEntry): void {
    this.#entries.delete(text);
    if (!entry.settings.proxy) this.#core.tell(() => ({ type: 'neighbour-removed', neighbour: toNeighbour(entry) }));
  }
}

function keyOf({ index }: LinkState, { address, proxy }: NeighbourKey): string {
  return `${index} ${address} ${proxy}`;
}

function toNeighbour({ link, settings }: NeighbourEntry): Neighbour {
  const { family, address, linkAddress, state, proxy } = settings;
  return {
    interface: link.name,
    family,
    address,
    ...(linkAddress !== undefined && { linkAddress }),
    state,
    proxy,
    router: false,
    externallyLearned: false,
  };
}
