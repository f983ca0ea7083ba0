import { Errno } from '../../common/errno.js';
import { IpvsError, KernelFailure } from '../../common/errors.js';
import { recordOf } from '../../common/own.js';
import { type Before, coversOthers, settingsIn } from '../../items/before.js';
import { decodeItem, encodeItem, type ItemId } from '../../items/item-ids.js';
import type { Item } from '../../items/items.js';
import type { ClaimsOfOthers, Wanted } from '../../items/snapshot.js';
import type { CallOptions } from '../../kernel/call.js';
import type { Kernel } from '../../kernel/kernel.js';
import { interfaceOfSysctl } from '../../kernel/network/main-names.js';
import type { Link } from '../../kernel/network/types.js';
import { type Book, formatBook, laterVersionOf, parseBook } from './book.js';
import { followLinks, hasInterfaces, indexesIn, interfaceOfId } from './claim-interfaces.js';
import { damaged, ofLaterVersion } from './damage.js';
import { handOver, type OrderedClaim } from './hand-over.js';
import type { Entry } from './ledger.js';
import { isShared, itemOf, wantedOf } from './wanted.js';

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
   * Returns the values that other owners want for each setting, as `[owner, wanted]`. A setting that the write of
   * another setting resets has an empty list: it follows that other setting.
   */
  async others(): Promise<ClaimsOfOthers> {
    const book = await this.#with(undefined, async (book) => book);
    const entries = [...book].map(([id, { owners }]) => [id, [...this.#without(owners)]] as const);
    const others = entries.filter(([, owners]) => owners.length > 0);
    const reset = others.flatMap(([id]) => resetIds(id, book.get(id)?.before));
    return recordOf([...reset.map((id) => [id, []] as const), ...others]);
  }

  /**
   * Repairs the state after a program died, or failed, between its writes to the book and to its journal: claims the
   * settings that only the journal has, and returns the entries that only the book has, for the journal.
   */
  async settle(entries: readonly Entry[], call?: CallOptions): Promise<Entry[]> {
    const shared = new Map(
      entries.flatMap(({ item, ...rest }) => (isShared(item) ? [[rest.id, { item, ...rest }] as const] : [])),
    );
    return this.#with(call, async (book, write, stored) => {
      const claimed = new Map(book);
      for (const [id, { item, before, index }] of shared) {
        const claim = book.get(id);
        const known = claim?.before ?? before;
        if (claim?.owners.has(this.#owner) || known === undefined) continue;
        const owners = new Map(claim?.owners).set(this.#owner, wantedOf(item));
        const interfaces = claim?.interfaces ?? interfacesOf(item, index);
        claimed.set(id, { before: known, owners, interfaces });
      }
      if (formatBook(claimed) !== formatBook(stored)) await write(claimed);
      return [...book].flatMap(([id, { owners, before, interfaces }]): Entry[] => {
        const wanted = owners.get(this.#owner);
        if (wanted === undefined || shared.has(id)) return [];
        const index = interfaces.get(interfaceOfId(id) ?? '');
        return [{ id, item: itemOf(wanted), before, ...(index !== undefined && { index }) }];
      });
    });
  }

  /**
   * Claims a setting, then calls `work` with its original state and the canonical paths of all other claimed sysctls.
   * `remember` reads the current state.
   */
  async claim(
    id: ItemId,
    wanted: Wanted,
    remember: () => Promise<Before>,
    work: (before: Before, claimed: ReadonlySet<string>) => Promise<void>,
  ): Promise<void> {
    await this.#with(undefined, async (book, write) => {
      const claim = book.get(id);
      const before = claim?.before ?? (await remember());
      const owners = new Map(claim?.owners).set(this.#owner, wanted);
      const known = claim?.interfaces ?? new Map();
      const interfaces = known.size > 0 ? known : await indexesIn(id, before, this.#links);
      await write(new Map(book).set(id, { before, owners, interfaces }));
      await work(before, claimedIn(book, id));
    });
  }

  /**
   * Ends the claim. If no other owner claims the setting, restores the value in the book, if that has one. `kept` has
   * the settings that claims on other settings protect.
   */
  async release(
    id: ItemId,
    item: Item,
    takeBack: (before: Before | undefined, kept: ReadonlyMap<string, string | undefined>) => Promise<void>,
  ): Promise<void> {
    await this.#with(undefined, async (book, write) => {
      const claim = book.get(id);
      const owners = this.#without(claim?.owners);
      const isLast = owners.size === 0;
      let rest = book;
      if (isLast) {
        const { before, kept } = handOver(item, orderedClaims(book), id);
        rest = inherit(book, before);
        if (rest !== book) await write(rest);
        await takeBack(claim?.before, kept);
      }
      if (!claim?.owners.has(this.#owner)) return;
      const left = new Map(rest);
      if (isLast) left.delete(id);
      else left.set(id, { ...claim, owners });
      await write(left);
    });
  }

  #without(owners: ReadonlyMap<string, Wanted> = new Map()): ReadonlyMap<string, Wanted> {
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
    const what = 'the shared record of all owners';
    const later = laterVersionOf(text);
    throw later === undefined ? damaged(path, what, 1, cause) : ofLaterVersion(path, what, later);
  }
}

/** Returns the canonical paths of the claimed sysctls, except that of `id`. */
function claimedIn(book: Book, id: ItemId): Set<string> {
  const keys = [...book.keys()].filter((other) => other !== id).map(decodeItem);
  return new Set(keys.flatMap((key) => (key.kind === 'sysctl' ? [key.setting] : [])));
}

/** Returns the ids of the settings that a claim has remembered besides its own. */
function resetIds(id: ItemId, before: Before | undefined): ItemId[] {
  const key = decodeItem(id);
  if (key.kind !== 'sysctl' || before === undefined || !coversOthers(before, key.setting)) return [];
  return settingsIn(before).map((setting) => encodeItem({ kind: 'sysctl', setting }));
}

/** Returns the claims on sysctls, in the order in which they were made. */
function orderedClaims(book: Book): OrderedClaim[] {
  return [...book].flatMap(([id, { before, owners }]) => {
    const [wanted] = owners.values();
    if (wanted?.kind !== 'sysctl') return [];
    return [{ id, before, wanted: { kind: 'sysctl', name: wanted.path, value: wanted.value } }];
  });
}

function inherit(book: Book, before: ReadonlyMap<ItemId, Before>): Book {
  if (before.size === 0) return book;
  return new Map([...book].map(([id, claim]) => [id, { ...claim, before: before.get(id) ?? claim.before }]));
}

function unusable(path: string, cause: unknown): unknown {
  if (cause instanceof IpvsError || (cause instanceof Error && cause.name === 'AbortError')) return cause;
  const busy = cause instanceof KernelFailure && cause.errno === Errno.ETIMEDOUT;
  const reason = busy ? 'another program has it' : cause instanceof Error ? cause.message : String(cause);
  return new IpvsError('ERR_IPVS_RECORD', `cannot use ${path}, where owners note what they share: ${reason}`, {
    cause,
  });
}
