import { recordOf } from '../../common/own.js';
import type { Before } from '../../items/before.js';
import type { ItemId } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import type { Rows } from '../../items/snapshot.js';
import type { ServerId, ServiceId } from '../../kernel/ipvs/ids.js';
import type { NetfilterRuleOptions } from '../../netfilter/rule-options.js';
import type { Datagrams } from '../document/datagrams.js';
import type { DrainPolicy } from '../document/drain-policy.js';

/** An object that an owner made, with the state that is needed to take it back. */
export interface Entry {
  readonly id: ItemId;
  readonly item: Item;
  /** State before the owner's change, if taking back needs it. */
  readonly before?: Before | undefined;
  /**
   * Earlier versions that the owner made, until the change to `item` is known to be complete: the kernel may have any
   * of them.
   */
  readonly tried?: readonly Item[] | undefined;
  /** Index of the interface that the item is on, or that it is: the name may change. */
  readonly index?: number | undefined;
}

/** A server that is deleted when its connections are over. */
export interface Draining {
  /** Weight to restore if the server stays. */
  readonly weight: number;
  /** Time at which the server is deleted despite its connections, in milliseconds of the kernel's clock. */
  readonly until: number;
}

/** Facts about a service that are needed when no document declares it any more. */
export interface About {
  readonly drain?: DrainPolicy | undefined;
  /** Datagrams of a service by mark. */
  readonly datagrams?: readonly Datagrams[] | undefined;
  readonly udp?: boolean | undefined;
}

/** Parts of a service that belong to the owner. */
export interface OwnedService {
  readonly about?: About | undefined;
  /** True if the service itself belongs to the owner. */
  readonly service: boolean;
  readonly servers: ReadonlyMap<ServerId, Draining | undefined>;
}

/** A change of a ledger: one line of the journal. Records are by the ids of items and services. */
export type Line =
  | { readonly put: Entry }
  | { readonly remove: ItemId }
  | { readonly own: Rows }
  | { readonly disown: Rows }
  | { readonly about: Readonly<Record<string, About | null>> }
  /** Datagrams whose UDP flows may lead to removed servers, by service; null: the flows were deleted. */
  | { readonly stale: Readonly<Record<string, readonly Datagrams[] | null>> }
  /**
   * Rules that were added or removed while UDP flows may follow them, by the name of their table; null: the flows were
   * deleted.
   */
  | { readonly translated: Readonly<Record<string, readonly NetfilterRuleOptions[] | null>> }
  /** Addresses that were not announced yet, by the ids of their entries; null: they were. */
  | { readonly announce: Readonly<Record<string, true | null>> }
  | { readonly drain: { readonly service: ServiceId; readonly server: ServerId; readonly draining: Draining | null } };

class Owned implements OwnedService {
  service = false;
  about: About | undefined;
  /** Ids that are not in the map yet: the map of most services is never read. */
  #ids: (readonly (ServerId | '')[])[] = [];
  readonly #servers = new Map<ServerId, Draining | undefined>();

  /** Adds servers; an empty id is the service itself. */
  add(ids: readonly (ServerId | '')[]): void {
    this.#ids.push(ids);
    if (ids.includes('')) this.service = true;
  }

  get servers(): Map<ServerId, Draining | undefined> {
    for (const ids of this.#ids)
      for (const id of ids) if (id !== '' && !this.#servers.has(id)) this.#servers.set(id, undefined);
    if (this.#ids.length > 0) this.#ids = [];
    return this.#servers;
  }
}

/** Everything that an owner has made. */
export class Ledger {
  readonly #items = new Map<ItemId, Entry>();
  readonly #owned = new Map<ServiceId, Owned>();
  readonly #stale = new Map<ServiceId, readonly Datagrams[]>();
  readonly #translated = new Map<string, readonly NetfilterRuleOptions[]>();
  readonly #announcements = new Set<ItemId>();

  /** Entries in the order in which they were first put. */
  get entries(): readonly Entry[] {
    return [...this.#items.values()];
  }

  find(id: ItemId): Entry | undefined {
    return this.#items.get(id);
  }

  get owned(): ReadonlyMap<ServiceId, OwnedService> {
    return this.#owned;
  }

  get stale(): ReadonlyMap<ServiceId, readonly Datagrams[]> {
    return this.#stale;
  }

  /** Rules by the name of their table. */
  get translated(): ReadonlyMap<string, readonly NetfilterRuleOptions[]> {
    return this.#translated;
  }

  /** Ids of the entries whose addresses were not announced yet. */
  get announcements(): ReadonlySet<ItemId> {
    return this.#announcements;
  }

  owns(service: ServiceId, server: ServerId | '' = ''): boolean {
    const owned = this.#owned.get(service);
    return owned !== undefined && (server === '' ? owned.service : owned.servers.has(server));
  }

  get size(): number {
    return this.#items.size + this.#owned.size + this.#stale.size + this.#translated.size + this.#announcements.size;
  }

  /** Lines that produce an equal ledger. */
  get lines(): Line[] {
    const lines: Line[] = this.entries.map((put) => ({ put }));
    const own: Record<string, (ServerId | '')[]> = recordOf([]);
    for (const [service, owned] of this.#owned)
      own[service] = [...(owned.service ? ['' as const] : []), ...owned.servers.keys()];
    if (this.#owned.size > 0) lines.push({ own });
    for (const [service, { servers }] of this.#owned)
      for (const [server, draining] of servers) if (draining) lines.push({ drain: { service, server, draining } });
    const about = [...this.#owned].flatMap(([service, owned]) =>
      owned.about ? [[service, owned.about] as const] : [],
    );
    if (about.length > 0) lines.push({ about: recordOf(about) });
    if (this.#stale.size > 0) lines.push({ stale: recordOf(this.#stale) });
    if (this.#translated.size > 0) lines.push({ translated: recordOf(this.#translated) });
    if (this.#announcements.size > 0)
      lines.push({ announce: recordOf([...this.#announcements].map((id) => [id, true as const] as const)) });
    return lines;
  }

  copy(): Ledger {
    const copy = new Ledger();
    for (const line of this.lines) copy.change(line);
    return copy;
  }

  change(line: Line): void {
    if ('put' in line) this.#items.set(line.put.id, line.put);
    else if ('remove' in line) {
      this.#items.delete(line.remove);
      this.#announcements.delete(line.remove);
    } else if ('own' in line) for (const [service, ids] of entriesOf(line.own)) this.#own(service, ids);
    else if ('disown' in line) for (const [service, ids] of entriesOf(line.disown)) this.#disown(service, ids);
    else if ('about' in line) for (const [service, about] of entriesOf(line.about)) this.#tell(service, about);
    else if ('stale' in line) setAll(this.#stale, line.stale);
    else if ('translated' in line) setAll(this.#translated, line.translated);
    else if ('announce' in line) {
      for (const [id, owed] of Object.entries(line.announce) as [ItemId, true | null][]) {
        if (owed) this.#announcements.add(id);
        else this.#announcements.delete(id);
      }
    } else {
      const { service, server, draining } = line.drain;
      const servers = this.#owned.get(service)?.servers;
      if (servers?.has(server)) servers.set(server, draining ?? undefined);
    }
  }

  #own(service: ServiceId, ids: readonly (ServerId | '')[]): void {
    const owned = this.#owned.get(service) ?? new Owned();
    this.#owned.set(service, owned);
    owned.add(ids);
  }

  #tell(service: ServiceId, about: About | null): void {
    const owned = this.#owned.get(service);
    if (!owned) return;
    owned.about = about ?? undefined;
  }

  #disown(service: ServiceId, ids: readonly (ServerId | '')[]): void {
    const owned = this.#owned.get(service);
    if (!owned) return;
    for (const id of ids) {
      if (id === '') owned.service = false;
      else owned.servers.delete(id);
    }
    if (!owned.service && owned.servers.size === 0) this.#owned.delete(service);
  }
}

/** Returns the values by the ids of services. */
function entriesOf<T>(record: Readonly<Record<string, T>>): [ServiceId, T][] {
  return Object.entries(record) as [ServiceId, T][];
}

/** Sets the values; null deletes. */
function setAll<Key extends string, T>(map: Map<Key, T>, changes: Readonly<Record<string, T | null>>): void {
  for (const [key, value] of Object.entries(changes) as [Key, T | null][]) {
    if (value === null) map.delete(key);
    else map.set(key, value);
  }
}
