import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
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

/** A line of the file. */
type Line = { readonly put: Entry } | { readonly remove: string };

const HEAD = `${JSON.stringify({ version: 1 })}\n`;

/**
 * What a role has made, in a file: written before each thing is made, so that a program that dies
 * leaves nothing that the next one does not know of. In the order in which it was made. A line is
 * added for each change, so that a thousand services are not written a thousand times. It need not
 * outlive the machine: what it speaks of does not either.
 */
export class Record {
  readonly #path: string | undefined;
  /** In the order in which they were first put. */
  readonly #entries: Map<string, Entry>;
  /** Of the file; 0: it has to be written anew. */
  #lines: number;

  private constructor(path: string | undefined, entries: Map<string, Entry>, lines: number) {
    this.#path = path;
    this.#entries = entries;
    this.#lines = lines;
  }

  /** Without a path it is only in memory. */
  static async open(path: string | undefined): Promise<Record> {
    if (path === undefined) return new Record(undefined, new Map(), 0);
    try {
      const [head, ...lines] = (await readFile(path, 'utf8')).split('\n');
      if (`${head}\n` !== HEAD) throw new Error('it is of another version');
      // What stands after the last end of a line was being written when the program died: nothing was done yet.
      const torn = lines.pop() !== '';
      const entries = new Map<string, Entry>();
      for (const line of lines) change(entries, JSON.parse(line) as Line);
      return new Record(path, entries, torn ? 0 : lines.length);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Record(path, new Map(), 0);
      throw unusable(path, cause);
    }
  }

  get entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  find(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** In place of what has that name, or at the end. */
  async put(entry: Entry): Promise<void> {
    await this.#write({ put: entry });
  }

  async remove(name: string): Promise<void> {
    if (this.#entries.has(name)) await this.#write({ remove: name });
  }

  async #write(line: Line): Promise<void> {
    if (this.#path !== undefined) {
      try {
        await this.#keep(this.#path, line);
      } catch (cause) {
        this.#lines = 0; // a part of a line may have been written: the next time all of it is
        throw unusable(this.#path, cause);
      }
    }
    change(this.#entries, line);
  }

  async #keep(path: string, line: Line): Promise<void> {
    const isLast = 'remove' in line && this.#entries.size === 1;
    if (isLast) {
      await rm(path, { force: true });
      this.#lines = 0;
    } else if (this.#lines > 0 && this.#lines < 2 * this.#entries.size + 100 && (await append(path, line))) {
      this.#lines++;
    } else {
      const entries = new Map(this.#entries);
      change(entries, line);
      await replace(path, entries);
      this.#lines = entries.size;
    }
  }
}

function change(entries: Map<string, Entry>, line: Line): void {
  if ('put' in line) entries.set(line.put.name, line.put);
  else entries.delete(line.remove);
}

function unusable(path: string, cause: unknown): IpvsError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new IpvsError('ERR_IPVS_RECORD', `cannot use ${path}, where the role keeps what it has made: ${reason}`, {
    cause,
  });
}

function text(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

/** Whether the file was there. */
async function append(path: string, line: Line): Promise<boolean> {
  try {
    await writeFile(path, text(line), { flag: constants.O_WRONLY | constants.O_APPEND });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** The file is the old one or the new one, whenever the program stops. */
async function replace(path: string, entries: ReadonlyMap<string, Entry>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(HEAD + [...entries.values()].map((entry) => text({ put: entry })).join(''));
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
