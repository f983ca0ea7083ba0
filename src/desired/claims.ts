import { Errno } from '../kernel/errno.js';
import { IpvsError, KernelFailure } from '../kernel/errors.js';
import type { Timeouts } from '../kernel/ipvs/types.js';
import type { CallOptions, Kernel } from '../kernel/kernel.js';
import { recordOf } from '../kernel/own.js';
import type { Item } from '../roles/items.js';
import { type Book, formatBook, parseBook } from './book.js';
import { damaged } from './damage.js';
import type { Entry } from './ledger.js';

/** What an owner wants of it. */
export function wantedValue(item: Item): string {
  return item.kind === 'sysctl' ? item.value : item.kind === 'timeout' ? String(item.seconds) : '';
}

/** Settings have one value for all owners: it is set back when the last of them wants it no more. */
export function isShared({ kind }: Item): boolean {
  return kind === 'sysctl' || kind === 'timeout';
}

/** The setting of a name in the book. */
function itemOf(name: string, value: string): Item {
  const [kind, ...rest] = name.split(' ');
  const setting = rest.join(' ');
  return kind === 'timeout'
    ? { kind, name: setting as keyof Timeouts, seconds: Number(value) }
    : { kind: 'sysctl', name: setting, value };
}

/**
 * Who wants which setting of a namespace. A journal of its own, for all owners: who changes a setting, or sets it
 * back, has it alone meanwhile.
 */
export class Claims {
  readonly #kernel: Kernel;
  readonly #path: string | undefined;
  readonly #owner: string;

  /** Without a path there are no others. */
  constructor(kernel: Kernel, path: string | undefined, owner: string) {
    this.#kernel = kernel;
    this.#path = path;
    this.#owner = owner;
  }

  /** Returns the values that others want of each setting: `[owner, value]`. */
  async others(): Promise<Record<string, readonly (readonly [string, string])[]>> {
    const book = await this.#with<Book>(undefined, new Map(), async (book) => book);
    const entries = [...book].map(([name, { owners }]) => [name, [...this.#without(owners)]] as const);
    return recordOf(entries.filter(([, owners]) => owners.length > 0));
  }

  /**
   * Mends what a program left that died, or failed, between the book and its journal: claims what the journal
   * has, and returns what only the book has, for the journal.
   */
  async settle(entries: readonly Entry[], call?: CallOptions): Promise<Entry[]> {
    const shared = new Map(entries.filter(({ item }) => isShared(item)).map((entry) => [entry.name, entry]));
    return this.#with(call, [], async (book, write) => {
      const claimed = new Map(book);
      for (const [name, { item, before = '' }] of shared) {
        const claim = book.get(name);
        if (claim?.owners.has(this.#owner)) continue;
        const owners = new Map(claim?.owners).set(this.#owner, wantedValue(item));
        claimed.set(name, { before: claim?.before ?? before, owners });
      }
      if (formatBook(claimed) !== formatBook(book)) await write(claimed);
      return [...book].flatMap(([name, { owners, before }]): Entry[] => {
        const value = owners.get(this.#owner);
        return value === undefined || shared.has(name) ? [] : [{ name, item: itemOf(name, value), before }];
      });
    });
  }

  /** Calls `work` with the value before anybody changed it; `remember` reads the value of now. */
  async claim(
    name: string,
    value: string,
    remember: () => Promise<string>,
    work: (before: string) => Promise<void>,
  ): Promise<void> {
    if (this.#path === undefined) return work(await remember());
    await this.#with(undefined, undefined, async (book, write) => {
      const claim = book.get(name);
      const before = claim?.before ?? (await remember());
      const owners = new Map(claim?.owners).set(this.#owner, value);
      await write(new Map(book).set(name, { before, owners }));
      await work(before);
    });
  }

  /** Takes it back, unless others want it still. */
  async release(name: string, takeBack: () => Promise<void>): Promise<void> {
    if (this.#path === undefined) return takeBack();
    await this.#with(undefined, undefined, async (book, write) => {
      const claim = book.get(name);
      const owners = this.#without(claim?.owners);
      if (owners.size === 0) await takeBack();
      if (!claim?.owners.has(this.#owner)) return;
      const left = new Map(book);
      if (owners.size === 0) left.delete(name);
      else left.set(name, { ...claim, owners });
      await write(left);
    });
  }

  #without(owners: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
    return new Map([...owners].filter(([owner]) => owner !== this.#owner));
  }

  async #with<T>(
    call: CallOptions | undefined,
    without: T,
    work: (book: Book, write: (book: Book) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const path = this.#path;
    if (path === undefined) return without;
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
      // A program was killed, or another one wrote it.
      if (text !== undefined && book.size === 0) await journal.replace('').catch(() => {});
      const write = (book: Book): Promise<void> => using(() => journal.replace(formatBook(book)));
      return await work(book, write);
    } finally {
      await journal.close();
    }
  }
}

function readBook(path: string, text: string | undefined): Book {
  try {
    return parseBook(text);
  } catch (cause) {
    throw damaged(path, 'the shared record of all owners', 1, cause);
  }
}

function unusable(path: string, cause: unknown): unknown {
  if (cause instanceof IpvsError || (cause instanceof Error && cause.name === 'AbortError')) return cause;
  const busy = cause instanceof KernelFailure && cause.errno === Errno.ETIMEDOUT;
  const reason = busy ? 'another program has it' : cause instanceof Error ? cause.message : String(cause);
  return new IpvsError('ERR_IPVS_RECORD', `cannot use ${path}, where owners note what they share: ${reason}`, {
    cause,
  });
}
