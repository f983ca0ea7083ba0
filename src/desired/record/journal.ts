import { Errno } from '../../common/errno.js';
import { IpvsError, KernelFailure } from '../../common/errors.js';
import { forEachInSlices, mapInSlices } from '../../common/slices.js';
import type { CallOptions } from '../../kernel/call.js';
import type { JournalPort } from '../../kernel/journal.js';
import type { Kernel } from '../../kernel/kernel.js';
import { damaged, ofLaterVersion } from './damage.js';
import { Ledger, type Line } from './ledger.js';
import { checkLine } from './line-checks.js';
import { Version1 } from './version-1.js';

/** Length in characters above which a record is rewritten, once it is twice as long as after the last rewrite. */
const LARGE = 16 * 1024 * 1024;

const VERSION = 2;
const HEAD = `${JSON.stringify({ version: VERSION })}\n`;

/**
 * The ledger of an owner, in a file for the next program. Each object is recorded before it is made, so that a program
 * that dies leaves nothing unrecorded. Lines are appended, so that a thousand services are not rewritten a thousand
 * times.
 */
export class Journal {
  readonly #port: JournalPort | undefined;
  readonly #path: string;
  #ledger: Ledger;
  /** Number of lines in the file; 0 if the file has to be rewritten. */
  #lines = 0;
  /** Text of the file, as far as it is known. */
  #text: string | undefined;
  /** Length of the text after the last rewrite, or when it was read. */
  #compact = 0;

  private constructor(port: JournalPort | undefined, path: string, ledger: Ledger) {
    this.#port = port;
    this.#path = path;
    this.#ledger = ledger;
  }

  /** Returns a journal without a file. */
  static inMemory(ledger: Ledger): Journal {
    return new Journal(undefined, '', ledger);
  }

  /**
   * Opens a journal with an exclusive lock, until it is closed. `before`, a closed journal of the same file, saves
   * parsing an unchanged text: the rows of a thousand services.
   * @throws IpvsError `ERR_IPVS_RECORD` if the file cannot be used, or another program does not release it
   */
  static async open(kernel: Kernel, path: string, options?: CallOptions, before?: Journal): Promise<Journal> {
    const port = await using(path, () => kernel.openJournal(path, options));
    try {
      const journal = new Journal(port, path, new Ledger());
      const text = await using(path, () => port.read());
      if (before && text !== undefined && text === before.#text) journal.#take(before);
      else await journal.#read(text);
      if (text !== undefined && journal.#ledger.size === 0) await journal.#discard(port);
      return journal;
    } catch (error) {
      await port.close();
      throw error;
    }
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** True if the owner has no record: everything that it made before, if it did, counts as another program's. */
  get isNew(): boolean {
    return this.#port !== undefined && this.#text === undefined && this.#ledger.size === 0;
  }

  /** Writes all of the lines, or none. They are in the file when it resolves. */
  async write(...lines: readonly Line[]): Promise<void> {
    if (lines.length === 0) return;
    if (!this.#port) return changeInSlices(this.#ledger, lines);
    if (this.#lines > 0 && this.#lines < 2 * this.#ledger.size + 100 && !this.#isLarge)
      return this.#append(this.#port, lines);
    const changed = this.#ledger.copy();
    await changeInSlices(changed, lines);
    await this.#orAsBefore(this.#port, (port) =>
      this.#replace(port, changed, this.#ledger.size === 0 ? lines : changed.lines),
    );
    this.#ledger = changed;
  }

  get #isLarge(): boolean {
    const length = this.#text?.length ?? 0;
    return length > LARGE && length > 2 * this.#compact;
  }

  async close(): Promise<void> {
    await this.#port?.close();
  }

  /** Deletes the file of an owner that has nothing: an earlier program was killed before it deleted the file. */
  async #discard(port: JournalPort): Promise<void> {
    this.#text = undefined;
    this.#lines = 0;
    await port.replace('').catch(() => {}); // the next write of this process reports it
  }

  #take(other: Journal): void {
    this.#ledger = other.#ledger;
    this.#lines = other.#lines;
    this.#text = other.#text;
    this.#compact = other.#compact;
  }

  async #read(text: string | undefined): Promise<void> {
    if (text === undefined) return;
    const [head = '', ...lines] = text.split('\n');
    const reader = new LineReader();
    let version: number | undefined;
    try {
      version = versionOf(head);
      if (version > VERSION) throw new Error('it is of a later version');
      // Text after the last newline was being written when the program died: its change had not begun.
      const torn = lines.pop() !== '';
      await reader.read(lines, version);
      // The next write converts an earlier version.
      this.#lines = torn || version !== VERSION ? 0 : lines.length;
    } catch (cause) {
      const what = 'the record of the owner';
      if (version !== undefined && version > VERSION) throw ofLaterVersion(this.#path, what, version);
      throw damaged(this.#path, what, reader.number, cause);
    }
    this.#ledger = reader.ledger;
    this.#text = text;
    this.#compact = text.length;
  }

  async #append(port: JournalPort, lines: readonly Line[]): Promise<void> {
    const before = { lines: this.#lines, text: this.#text };
    this.#lines = 0; // after a partial write, the next one rewrites the file
    this.#text = undefined;
    let added = '';
    await this.#orAsBefore(port, () =>
      using(this.#path, async () => {
        added = await textOf(lines);
        return port.append(added);
      }),
    );
    this.#lines = before.lines + lines.length;
    if (before.text !== undefined) this.#text = before.text + added;
    await changeInSlices(this.#ledger, lines);
    if (this.#ledger.size === 0) await this.#replace(port, this.#ledger, []);
  }

  /** Runs a write. If it fails, restores the file, because the next program must not believe a failed write. */
  async #orAsBefore(port: JournalPort, write: (port: JournalPort) => Promise<void>): Promise<void> {
    try {
      await write(port);
    } catch (error) {
      await this.#replace(port, this.#ledger, this.#ledger.lines).catch(() => {});
      throw error;
    }
  }

  /** Replaces the content of the file by lines that produce `ledger`. */
  async #replace(port: JournalPort, ledger: Ledger, lines: readonly Line[]): Promise<void> {
    this.#text = undefined;
    this.#lines = 0;
    const text = await using(this.#path, async () => {
      const whole = ledger.size === 0 ? '' : HEAD + (await textOf(lines));
      await port.replace(whole);
      return whole;
    });
    this.#text = text;
    this.#compact = text.length;
    this.#lines = ledger.size === 0 ? 0 : lines.length;
  }
}

async function changeInSlices(ledger: Ledger, lines: readonly Line[]): Promise<void> {
  await forEachInSlices(lines, (line) => ledger.change(line));
}

/**
 * Returns the ledger of a journal that another owner may be writing; `undefined` if the text is no journal, or damaged.
 */
export async function ledgerOf(text: string): Promise<Ledger | undefined> {
  const [head = '', ...lines] = text.split('\n');
  try {
    const version = versionOf(head);
    if (version > VERSION) return undefined;
    const reader = new LineReader();
    await reader.read(lines.slice(0, -1), version);
    return reader.ledger;
  } catch {
    return undefined;
  }
}

/** Returns the version of a journal, of its first line. @throws Error */
function versionOf(head: string): number {
  const { version } = JSON.parse(head) as { readonly version?: unknown };
  if (typeof version === 'number' && Number.isSafeInteger(version) && version > 0) return version;
  throw new Error('it is not the first line of a record');
}

/** Reads the lines of a journal after its first one. */
class LineReader {
  readonly ledger = new Ledger();
  /** Number of the line that was read last, from 1. */
  number = 1;

  /** Reads the lines, in their order. Lets the event loop turn in between. @throws Error, IpvsError */
  async read(lines: readonly string[], version: number): Promise<void> {
    await forEachInSlices(this.#partsOf(lines, version), (part) => this.ledger.change(checkLine(part)));
  }

  *#partsOf(lines: readonly string[], version: number): Generator<unknown, void, void> {
    const converter = version === 1 ? new Version1() : undefined;
    for (const text of lines) {
      this.number++;
      const value: unknown = JSON.parse(text);
      const line = converter ? converter.line(value) : value;
      if (line !== undefined) yield* partsOfLine(line);
    }
  }
}

/** Yields a line for each service of a line about the rows of many services, and any other line as it is. */
function* partsOfLine(line: unknown): Generator<unknown, void, void> {
  const [[name, rows] = [], ...others] = Object.entries(line ?? {});
  const isAboutRows = (name === 'own' || name === 'disown') && typeof rows === 'object' && rows !== null;
  if (!isAboutRows || others.length > 0 || Array.isArray(rows)) yield line;
  else for (const [service, ids] of Object.entries(rows)) yield { [name]: { [service]: ids } };
}

async function textOf(lines: readonly Line[]): Promise<string> {
  return (await mapInSlices(lines, (line) => `${JSON.stringify(line)}\n`)).join('');
}

async function using<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // A text longer than the maximum length of a string is a RangeError.
    throw cause instanceof KernelFailure || cause instanceof RangeError ? unusable(path, cause) : cause;
  }
}

function unusable(path: string, cause: unknown): IpvsError {
  const busy = cause instanceof KernelFailure && cause.errno === Errno.ETIMEDOUT;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const denied = cause instanceof KernelFailure && (cause.errno === Errno.EACCES || cause.errno === Errno.EROFS);
  const why = busy
    ? 'another program of the same owner is changing something'
    : denied
      ? `${reason}; this takes root, or another file (\`record\`)`
      : reason;
  return new IpvsError('ERR_IPVS_RECORD', `cannot use ${path}, where the owner keeps what it has made: ${why}`, {
    cause,
  });
}
