import { Errno } from '../kernel/errno.js';
import { IpvsError, KernelFailure } from '../kernel/errors.js';
import type { JournalPort } from '../kernel/journal.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Item } from '../roles/items.js';

/** A setting of the whole namespace, which owners have changed. */
interface Claim {
  /** What was there before the first of them. */
  readonly before: string;
  /** What each of them wants. */
  readonly owners: Readonly<Record<string, string>>;
}

/** What an owner wants of it. */
export function wantedValue(item: Item): string {
  return item.kind === 'sysctl' ? item.value : item.kind === 'timeout' ? String(item.seconds) : '';
}

type Book = Readonly<Record<string, Claim>>;

/** Settings have one value for all owners: it is set back when the last of them wants it no more. */
export function isShared({ kind }: Item): boolean {
  return kind === 'sysctl' || kind === 'timeout';
}

/**
 * Who wants which setting of a namespace. A journal of its own, for all owners, that is held only
 * while it is read or written: whoever has it waits for nothing else.
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

  /** What others want of each setting: `[owner, value]`. */
  async others(): Promise<Record<string, readonly (readonly [string, string])[]>> {
    const book = await this.#with(async (book) => book, {});
    const entries = Object.entries(book).map(([name, claim]) => [name, Object.entries(this.#without(claim))] as const);
    return Object.fromEntries(entries.filter(([, owners]) => owners.length > 0));
  }

  /** Those of this owner that its journal does not know go: it died before it changed anything. */
  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    await this.#with(async (book, write) => {
      const mine = Object.entries(book).filter(([name, { owners }]) => this.#owner in owners && !names.has(name));
      if (mine.length === 0) return;
      const kept = Object.entries(book).flatMap(([name, claim]): [string, Claim][] => {
        const owners = names.has(name) ? claim.owners : this.#without(claim);
        return Object.keys(owners).length === 0 ? [] : [[name, { ...claim, owners }]];
      });
      await write(Object.fromEntries(kept));
    }, undefined);
  }

  /** What was there before anybody changed it; `remember` reads what is there now. */
  async claim(name: string, value: string, remember: () => Promise<string>): Promise<string> {
    const before = await this.#with(async (book, write) => {
      const claim = book[name];
      const before = claim?.before ?? (await remember());
      await write({ ...book, [name]: { before, owners: { ...claim?.owners, [this.#owner]: value } } });
      return before;
    }, undefined);
    return before ?? remember();
  }

  /** Whether others want it still. */
  async release(name: string): Promise<boolean> {
    return this.#with(async (book, write) => {
      const { [name]: claim, ...rest } = book;
      if (!claim) return false;
      const owners = this.#without(claim);
      const last = Object.keys(owners).length === 0;
      if (this.#owner in claim.owners) await write(last ? rest : { ...book, [name]: { ...claim, owners } });
      return !last;
    }, false);
  }

  #without({ owners }: Claim): Record<string, string> {
    const { [this.#owner]: _, ...others } = owners;
    return others;
  }

  async #with<T>(work: (book: Book, write: (book: Book) => Promise<void>) => Promise<T>, without: T): Promise<T> {
    const path = this.#path;
    if (path === undefined) return without;
    let port: JournalPort | undefined;
    try {
      port = await this.#kernel.openJournal(path);
      const journal = port;
      const text = await journal.read();
      const write = (book: Book): Promise<void> =>
        journal.replace(Object.keys(book).length === 0 ? '' : `${JSON.stringify(book)}\n`);
      return await work(text === undefined ? {} : (JSON.parse(text) as Book), write);
    } catch (cause) {
      if (cause instanceof IpvsError) throw cause;
      const busy = cause instanceof KernelFailure && cause.errno === Errno.ETIMEDOUT;
      const reason = busy ? 'another program has it' : cause instanceof Error ? cause.message : String(cause);
      throw new IpvsError('ERR_IPVS_RECORD', `cannot use ${path}, where owners note what they share: ${reason}`, {
        cause,
      });
    } finally {
      await port?.close();
    }
  }
}
