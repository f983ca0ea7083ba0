import { recordOf } from '../../common/own.js';
import type { Item } from '../../items/items.js';
import type { NetfilterRuleOptions } from '../../netfilter/rule-options.js';
import type { Datagrams } from '../document/datagrams.js';
import type { DrainPolicy } from '../document/drain-policy.js';

/** An object that an owner made, with the state that is needed to take it back. */
export interface Entry {
  readonly name: string;
  readonly item: Item;
  /** State before the owner's change, if taking back needs it. */
  readonly before?: string | undefined;
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

/** Parts of a service that belong to the owner, by the names of ipvsadm. */
export interface OwnedService {
  readonly about?: About | undefined;
  /** True if the service itself belongs to the owner. */
  readonly service: boolean;
  readonly servers: ReadonlyMap<string, Draining | undefined>;
}

/** Names of servers by the name of their service; an empty name is the service itself. */
export type Rows = Readonly<Record<string, readonly string[]>>;

/** A change of a ledger: one line of the journal. */
export type Line =
  | { readonly put: Entry }
  | { readonly remove: string }
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
  /** Addresses that were not announced yet, by the names of their entries; null: they were. */
  | { readonly announce: Readonly<Record<string, true | null>> }
  | { readonly drain: { readonly service: string; readonly server: string; readonly draining: Draining | null } };

class Owned implements OwnedService {
  service = false;
  about: About | undefined;
  /** Names that are not in the map yet: the map of most services is never read. */
  #names: (readonly string[])[] = [];
  readonly #servers = new Map<string, Draining | undefined>();

  /** Adds names; an empty one is the service itself. */
  add(names: readonly string[]): void {
    this.#names.push(names);
    if (names.includes('')) this.service = true;
  }

  get servers(): Map<string, Draining | undefined> {
    for (const names of this.#names)
      for (const name of names) if (name !== '' && !this.#servers.has(name)) this.#servers.set(name, undefined);
    if (this.#names.length > 0) this.#names = [];
    return this.#servers;
  }
}

/** Everything that an owner has made. */
export class Ledger {
  readonly #items = new Map<string, Entry>();
  readonly #owned = new Map<string, Owned>();
  readonly #stale = new Map<string, readonly Datagrams[]>();
  readonly #translated = new Map<string, readonly NetfilterRuleOptions[]>();
  readonly #announcements = new Set<string>();

  /** Entries in the order in which they were first put. */
  get entries(): readonly Entry[] {
    return [...this.#items.values()];
  }

  find(name: string): Entry | undefined {
    return this.#items.get(name);
  }

  get owned(): ReadonlyMap<string, OwnedService> {
    return this.#owned;
  }

  get stale(): ReadonlyMap<string, readonly Datagrams[]> {
    return this.#stale;
  }

  get translated(): ReadonlyMap<string, readonly NetfilterRuleOptions[]> {
    return this.#translated;
  }

  /** Names of the entries whose addresses were not announced yet. */
  get announcements(): ReadonlySet<string> {
    return this.#announcements;
  }

  owns(service: string, server = ''): boolean {
    const owned = this.#owned.get(service);
    return owned !== undefined && (server === '' ? owned.service : owned.servers.has(server));
  }

  get size(): number {
    return this.#items.size + this.#owned.size + this.#stale.size + this.#translated.size + this.#announcements.size;
  }

  /** Lines that produce an equal ledger. */
  get lines(): Line[] {
    const lines: Line[] = this.entries.map((put) => ({ put }));
    const own: Record<string, string[]> = recordOf([]);
    for (const [service, owned] of this.#owned)
      own[service] = [...(owned.service ? [''] : []), ...owned.servers.keys()];
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
      lines.push({ announce: recordOf([...this.#announcements].map((name) => [name, true as const] as const)) });
    return lines;
  }

  copy(): Ledger {
    const copy = new Ledger();
    for (const line of this.lines) copy.change(line);
    return copy;
  }

  change(line: Line): void {
    if ('put' in line) this.#items.set(line.put.name, line.put);
    else if ('remove' in line) {
      this.#items.delete(line.remove);
      this.#announcements.delete(line.remove);
    } else if ('own' in line) for (const [service, names] of Object.entries(line.own)) this.#own(service, names);
    else if ('disown' in line) for (const [service, names] of Object.entries(line.disown)) this.#disown(service, names);
    else if ('about' in line) for (const [service, about] of Object.entries(line.about)) this.#tell(service, about);
    else if ('stale' in line) setAll(this.#stale, line.stale);
    else if ('translated' in line) setAll(this.#translated, line.translated);
    else if ('announce' in line) {
      for (const [name, owed] of Object.entries(line.announce)) {
        if (owed) this.#announcements.add(name);
        else this.#announcements.delete(name);
      }
    } else {
      const { service, server, draining } = line.drain;
      const servers = this.#owned.get(service)?.servers;
      if (servers?.has(server)) servers.set(server, draining ?? undefined);
    }
  }

  #own(service: string, names: readonly string[]): void {
    const owned = this.#owned.get(service) ?? new Owned();
    this.#owned.set(service, owned);
    owned.add(names);
  }

  #tell(service: string, about: About | null): void {
    const owned = this.#owned.get(service);
    if (!owned) return;
    owned.about = about ?? undefined;
  }

  #disown(service: string, names: readonly string[]): void {
    const owned = this.#owned.get(service);
    if (!owned) return;
    for (const name of names) {
      if (name === '') owned.service = false;
      else owned.servers.delete(name);
    }
    if (!owned.service && owned.servers.size === 0) this.#owned.delete(service);
  }
}

/** Sets the values; null deletes. */
function setAll<T>(map: Map<string, T>, changes: Readonly<Record<string, T | null>>): void {
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) map.delete(key);
    else map.set(key, value);
  }
}
