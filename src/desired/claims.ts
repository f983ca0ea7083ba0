import { Errno } from '../kernel/errno.js';
import { IpvsError, KernelFailure } from '../kernel/errors.js';
import type { Timeouts } from '../kernel/ipvs/types.js';
import type { CallOptions, Kernel } from '../kernel/kernel.js';
import type { Item } from '../roles/items.js';
import type { Entry } from './ledger.js';

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

  /** What others want of each setting: `[owner, value]`. */
  async others(): Promise<Record<string, readonly (readonly [string, string])[]>> {
    const book = await this.#with(undefined, {}, async (book) => book);
    const entries = Object.entries(book).map(([name, claim]) => [name, Object.entries(this.#without(claim))] as const);
    return Object.fromEntries(entries.filter(([, owners]) => owners.length > 0));
  }

  /**
   * Where a program died, or failed, between the book and its journal: what the journal has is claimed, and
   * what is claimed and is not in the journal is to be noted there, so that it is taken back or kept.
   */
  async settle(entries: readonly Entry[], call?: CallOptions): Promise<Entry[]> {
    const shared = new Map(entries.filter(({ item }) => isShared(item)).map((entry) => [entry.name, entry]));
    return this.#with(call, [], async (book, write) => {
      const claimed = { ...book };
      for (const [name, { item, before = '' }] of shared) {
        const claim = book[name];
        if (claim && this.#owner in claim.owners) continue;
        const owners = { ...claim?.owners, [this.#owner]: wantedValue(item) };
        claimed[name] = { before: claim?.before ?? before, owners };
      }
      if (JSON.stringify(claimed) !== JSON.stringify(book)) await write(claimed);
      return Object.entries(book).flatMap(([name, { owners, before }]): Entry[] => {
        const value = owners[this.#owner];
        return value === undefined || shared.has(name) ? [] : [{ name, item: itemOf(name, value), before }];
      });
    });
  }

  /** Does something with what was there before anybody changed it; `remember` reads what is there now. */
  async claim(
    name: string,
    value: string,
    remember: () => Promise<string>,
    work: (before: string) => Promise<void>,
  ): Promise<void> {
    if (this.#path === undefined) return work(await remember());
    await this.#with(undefined, undefined, async (book, write) => {
      const claim = book[name];
      const before = claim?.before ?? (await remember());
      await write({ ...book, [name]: { before, owners: { ...claim?.owners, [this.#owner]: value } } });
      await work(before);
    });
  }

  /** Takes it back, unless others want it still. */
  async release(name: string, takeBack: () => Promise<void>): Promise<void> {
    if (this.#path === undefined) return takeBack();
    await this.#with(undefined, undefined, async (book, write) => {
      const { [name]: claim, ...rest } = book;
      const owners = claim ? this.#without(claim) : {};
      const last = Object.keys(owners).length === 0;
      if (last) await takeBack();
      if (claim && this.#owner in claim.owners) await write(last ? rest : { ...book, [name]: { ...claim, owners } });
    });
  }

  #without({ owners }: Claim): Record<string, string> {
    const { [this.#owner]: _, ...others } = owners;
    return others;
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
      const book = await using(async () => JSON.parse((await journal.read()) ?? '{}') as Book);
      const write = (book: Book): Promise<void> =>
        using(() => journal.replace(Object.keys(book).length === 0 ? '' : `${JSON.stringify(book)}\n`));
      return await work(book, write);
    } finally {
      await journal.close();
    }
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
