import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IpvsError } from '../kernel/errors.js';
import type { Item } from './items.js';

/** Something that a role made, and what is needed to take it back. */
export interface Entry {
  readonly name: string;
  readonly item: Item;
  /** What was there before, where that matters. */
  readonly before?: string | undefined;
}

/**
 * What a role has made, in a file: written before each thing is made, so that a program that dies
 * leaves nothing that the next one does not know of. In the order in which it was made.
 */
export class Record {
  readonly #path: string | undefined;
  #entries: Entry[] = [];

  private constructor(path: string | undefined, entries: Entry[]) {
    this.#path = path;
    this.#entries = entries;
  }

  /** Without a path it is only in memory. */
  static async open(path: string | undefined): Promise<Record> {
    if (path === undefined) return new Record(undefined, []);
    try {
      const { version, entries } = JSON.parse(await readFile(path, 'utf8')) as { version: unknown; entries: Entry[] };
      if (version !== 1 || !Array.isArray(entries)) throw new Error('it is of another version');
      return new Record(path, entries);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Record(path, []);
      throw unusable(path, cause);
    }
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  find(name: string): Entry | undefined {
    return this.#entries.find((entry) => entry.name === name);
  }

  /** In place of what has that name, or at the end. */
  async put(entry: Entry): Promise<void> {
    const at = this.#entries.findIndex(({ name }) => name === entry.name);
    const entries = at < 0 ? [...this.#entries, entry] : this.#entries.with(at, entry);
    await this.#write(entries);
  }

  async remove(name: string): Promise<void> {
    await this.#write(this.#entries.filter((entry) => entry.name !== name));
  }

  async #write(entries: Entry[]): Promise<void> {
    if (this.#path !== undefined) {
      try {
        await write(this.#path, entries);
      } catch (cause) {
        throw unusable(this.#path, cause);
      }
    }
    this.#entries = entries;
  }
}

function unusable(path: string, cause: unknown): IpvsError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new IpvsError('ERR_IPVS_RECORD', `cannot use ${path}, where the role keeps what it has made: ${reason}`, {
    cause,
  });
}

/** The file is the old one or the new one, whenever the machine stops. */
async function write(path: string, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return rm(path, { force: true });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ version: 1, entries }, null, 1)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
