import { Errno } from '../../common/errno.js';
import { IpvsError, KernelFailure } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import { isSameSysctlValue } from '../../common/sysctl-values.js';
import type { Item } from '../../items/items.js';
import { parseBefore } from '../../items/sysctl-before.js';
import { knobOf } from '../../items/sysctl-knobs.js';
import type { CallOptions } from '../../kernel/call.js';
import type { Timeouts } from '../../kernel/ipvs/types.js';
import type { Kernel } from '../../kernel/kernel.js';
import { interfaceOfSysctl } from '../../kernel/network/main-names.js';
import type { Link } from '../../kernel/network/types.js';
import { type Book, formatBook, parseBook } from './book.js';
import { followLinks, hasInterfaces, indexesIn, interfaceOfName } from './claim-interfaces.js';
import { damaged } from './damage.js';
import { handOver } from './hand-over.js';
import type { Entry } from './ledger.js';

/** Returns the value that an owner wants, with the name if another name of the setting takes another text. */
export function wantedValue(item: Item): string {
  if (item.kind === 'sysctl') return knobOf(item.name).sameText ? item.value : `${item.name} = ${item.value}`;
  return item.kind === 'timeout' ? String(item.seconds) : '';
}

/** Returns true if two owners want the same value of a setting, however they write it. */
export function isSameWanted(one: string, other: string): boolean {
  return isSameSysctlValue(one, other);
}

/**
 * Returns true for settings, which have one value for all owners. The last owner that stops wanting one restores it.
 */
export function isShared({ kind }: Item): boolean {
  return kind === 'sysctl' || kind === 'timeout';
}

/** Returns the item for a name in the book. */
function itemOf(name: string, value: string): Item {
  const [kind, ...rest] = name.split(' ');
  const setting = rest.join(' ');
  if (kind === 'timeout') return { kind, name: setting as keyof Timeouts, seconds: Number(value) };
  const [, path, text] = /^(net\/\S+) = (.*)$/.exec(value) ?? [];
  return { kind: 'sysctl', name: path ?? setting, value: text ?? value };
}

/**
 * Register of the settings of a namespace that owners want. It has one journal for all owners; changing or restoring a
 * setting takes an exclusive lock on that journal.
 */
export class Claims {
  readonly #kernel: Kernel;
  readonly #path: string | undefined;
  readonly #owner: string;
  readonly #links: () => Promise<readonly Link[]>;
  /** The book when no file holds it. */
  #memory: Book = new Map();

  /**
   * Without `path` the book stays in memory, and other owners do not see it. `links` reads the interfaces of the
   * namespace: the claims on their settings follow them when they are renamed.
   */
  constructor(kernel: Kernel, path: string | undefined, owner: string, links: () => Promise<readonly Link[]>) {
    this.#kernel = kernel;
    this.#path = path;
    this.#owner = owner;
    this.#links = links;
  }

  /**
   * Returns the values that other owners want for each setting, as `[owner, value]`. A setting that the write of
   * another setting resets has an empty list: it follows that other setting.
   */
  async others(): Promise<Record<string, readonly (readonly [string, string])[]>> {
    const book = await this.#with(undefined, async (book) => book);
    const entries = [...book].map(([name, { owners }]) => [name, [...this.#without(owners)]] as const);
    const others = entries.filter(([, owners]) => owners.length > 0);
    const reset = others.flatMap(([name]) => resetNames(name, book.get(name)?.before ?? ''));
    return recordOf([...reset.map((name) => [name, []] as const), ...others]);
  }

  /**
   * Repairs the state after a program died, or failed, between its writes to the book and to its journal: claims the
   * settings that only the journal has, and returns the entries that only the book has, for the journal.
   */
  async settle(entries: readonly Entry[], call?: CallOptions): Promise<Entry[]> {
    const shared = new Map(entries.filter(({ item }) => isShared(item)).map((entry) => [entry.name, entry]));
    return this.#with(call, async (book, write, stored) => {
      const claimed = new Map(book);
      for (const [name, { item, before = '', index }] of shared) {
        const claim = book.get(name);
        if (claim?.owners.has(this.#owner)) continue;
        const owners = new Map(claim?.owners).set(this.#owner, wantedValue(item));
        const interfaces = claim?.interfaces ?? interfacesOf(item, index);
        claimed.set(name, { before: claim?.before ?? before, owners, interfaces });
      }
      if (formatBook(claimed) !== formatBook(stored)) await write(claimed);
      return [...book].flatMap(([name, { owners, before, interfaces }]): Entry[] => {
        const value = owners.get(this.#owner);
        if (value === undefined || shared.has(name)) return [];
        const index = interfaces.get(interfaceOfName(name) ?? '');
        return [{ name, item: itemOf(name, value), before, ...(index !== undefined && { index }) }];
      });
    });
  }

  /**
   * Claims a setting, then calls `work` with its original value and the keys of all other claimed settings. `remember`
   * reads the current value.
   */
  async claim(
    name: string,
    value: string,
    remember: () => Promise<string>,
    work: (before: string, claimed: ReadonlySet<string>) => Promise<void>,
  ): Promise<void> {
    await this.#with(undefined, async (book, write) => {
      const claim = book.get(name);
      const before = claim?.before ?? (await remember());
      const owners = new Map(claim?.owners).set(this.#owner, value);
      const known = claim?.interfaces ?? new Map();
      const interfaces = known.size > 0 ? known : await indexesIn(name, before, this.#links);
      await write(new Map(book).set(name, { before, owners, interfaces }));
      await work(before, claimedIn(book, name));
    });
  }

  /**
   * Ends the claim. If no other owner claims the setting, restores the value in the book, if that has one. `kept` has
   * the settings that claims on other settings protect.
   */
  async release(
    name: string,
    item: Item,
    takeBack: (before: string | undefined, kept: ReadonlyMap<string, string | undefined>) => Promise<void>,
  ): Promise<void> {
    await this.#with(undefined, async (book, write) => {
      const claim = book.get(name);
      const owners = this.#without(claim?.owners);
      const isLast = owners.size === 0;
      let rest = book;
      if (isLast) {
        const { before, kept } = handOver(item, orderedClaims(book), name);
        rest = inherit(book, before);
        if (rest !== book) await write(rest);
        await takeBack(claim?.before, kept);
      }
      if (!claim?.owners.has(this.#owner)) return;
      const left = new Map(rest);
      if (isLast) left.delete(name);
      else left.set(name, { ...claim, owners });
      await write(left);
    });
  }

  #without(owners: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
    return new Map([...owners].filter(([owner]) => owner !== this.#owner));
  }

  /** Returns the book with the current names of interfaces. The next write stores them. */
  async #follow(book: Book): Promise<Book> {
    return hasInterfaces(book) ? followLinks(book, await this.#links()) : book;
  }

  async #with<T>(
    call: CallOptions | undefined,
    work: (book: Book, write: (book: Book) => Promise<void>, stored: Book) => Promise<T>,
  ): Promise<T> {
    const path = this.#path;
    if (path === undefined) {
      const write = async (book: Book): Promise<void> => {
        this.#memory = book;
      };
      return work(await this.#follow(this.#memory), write, this.#memory);
    }
    const using = async <R>(asking: () => Promise<R>): Promise<R> => {
      try {
        return await asking();
      } catch (cause) {
        throw unusable(path, cause);
      }
    };
    const journal = await using(() => this.#kernel.openJournal(path, call));
    try {
      const text = await using(() => journal.read());
      const book = readBook(path, text);
      // A program was killed before it deleted the empty file, or another program wrote it.
      if (text !== undefined && book.size === 0) await journal.replace('').catch(() => {});
      const write = (book: Book): Promise<void> => using(() => journal.replace(formatBook(book)));
      return await work(await this.#follow(book), write, book);
    } finally {
      await journal.close();
    }
  }
}

function interfacesOf(item: Item, index: number | undefined): ReadonlyMap<string, number> {
  const on = item.kind === 'sysctl' ? interfaceOfSysctl(item.name) : undefined;
  return new Map(on === undefined || index === undefined ? [] : [[on, index]]);
}

function readBook(path: string, text: string | undefined): Book {
  try {
    return parseBook(text);
  } catch (cause) {
    throw damaged(path, 'the shared record of all owners', 1, cause);
  }
}

/** Returns the keys of the claimed settings, except that of `name`. */
function claimedIn(book: Book, name: string): Set<string> {
  return new Set([...book.keys()].flatMap((other) => (other === name ? [] : [other.replace(/^sysctl /, '')])));
}

/** Returns the names of the settings that a claim has remembered besides its own. */
function resetNames(name: string, before: string): string[] {
  if (!name.startsWith('sysctl ') || !before.startsWith('{')) return [];
  return [...parseBefore(name.slice('sysctl '.length), before).keys()].map((path) => `sysctl ${knobOf(path).key}`);
}

/** Returns the claims on sysctls, in the order in which they were made. */
function orderedClaims(book: Book): { name: string; before: string; wanted: Item }[] {
  return [...book].flatMap(([name, { before, owners }]) => {
    const [value] = owners.values();
    return value === undefined || !name.startsWith('sysctl ') ? [] : [{ name, before, wanted: itemOf(name, value) }];
  });
}

function inherit(book: Book, before: ReadonlyMap<string, string>): Book {
  if (before.size === 0) return book;
  return new Map([...book].map(([name, claim]) => [name, { ...claim, before: before.get(name) ?? claim.before }]));
}

function unusable(path: string, cause: unknown): unknown {
  if (cause instanceof IpvsError || (cause instanceof Error && cause.name === 'AbortError')) return cause;
  const busy = cause instanceof KernelFailure && cause.errno === Errno.ETIMEDOUT;
  const reason = busy ? 'another program has it' : cause instanceof Error ? cause.message : String(cause);
  return new IpvsError('ERR_IPVS_RECORD', `cannot use ${path}, where owners note what they share: ${reason}`, {
    cause,
  });
}
