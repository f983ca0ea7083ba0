import { Errno } from '../../common/errno.js';
import { IpvsError, KernelFailure } from '../../common/errors.js';
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
      else journal.#read(text);
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
    if (!this.#port) return this.#change(lines);
    if (this.#lines > 0 && this.#lines < 2 * this.#ledger.size + 100 && !this.#isLarge)
      return this.#append(this.#port, lines);
    const changed = this.#ledger.copy();
    for (const line of lines) changed.change(line);
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

  #read(text: string | undefined): void {
    if (text === undefined) return;
    const [head = '', ...lines] = text.split('\n');
    const ledger = new Ledger();
    let number = 1;
    let version: number | undefined;
    try {
      version = versionOf(head);
      if (version > VERSION) throw new Error('it is of a later version');
      // Text after the last newline was being written when the program died: its change had not begun.
      const torn = lines.pop() !== '';
      const lineOf = readerOf(version);
      for (const text of lines) {
        number++;
        const line = lineOf(text);
        if (line) ledger.change(line);
      }
      // The next write converts an earlier version.
      this.#lines = torn || version !== VERSION ? 0 : lines.length;
    } catch (cause) {
      const what = 'the record of the owner';
      if (version !== undefined && version > VERSION) throw ofLaterVersion(this.#path, what, version);
      throw damaged(this.#path, what, number, cause);
    }
    this.#ledger = ledger;
    this.#text = text;
    this.#compact = text.length;
  }

  async #append(port: JournalPort, lines: readonly Line[]): Promise<void> {
    const before = { lines: this.#lines, text: this.#text };
    this.#lines = 0; // after a partial write, the next one rewrites the file
    this.#text = undefined;
    let added = '';
    await this.#orAsBefore(port, () =>
      using(this.#path, () => {
        added = lines.map(textOf).join('');
        return port.append(added);
      }),
    );
    this.#lines = before.lines + lines.length;
    if (before.text !== undefined) this.#text = before.text + added;
    this.#change(lines);
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
      const whole = ledger.size === 0 ? '' : HEAD + lines.map(textOf).join('');
      await port.replace(whole);
      return whole;
    });
    this.#text = text;
    this.#compact = text.length;
    this.#lines = ledger.size === 0 ? 0 : lines.length;
  }

  #change(lines: readonly Line[]): void {
    for (const line of lines) this.#ledger.change(line);
  }
}

/**
 * Returns the ledger of a journal that another owner may be writing; `undefined` if the text is no journal, or damaged.
 */
export function ledgerOf(text: string): Ledger | undefined {
  const [head = '', ...lines] = text.split('\n');
  try {
    const version = versionOf(head);
    if (version > VERSION) return undefined;
    const ledger = new Ledger();
    const lineOf = readerOf(version);
    for (const text of lines.slice(0, -1)) {
      const line = lineOf(text);
      if (line) ledger.change(line);
    }
    return ledger;
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

/** Returns a reader of lines, to be called in their order. It returns undefined for one that has no effect. */
function readerOf(version: number): (text: string) => Line | undefined {
  const converter = version === 1 ? new Version1() : undefined;
  return (text) => {
    const value: unknown = JSON.parse(text);
    const line = converter ? converter.line(value) : value;
    return line === undefined ? undefined : checkLine(line);
  };
}

function textOf(line: Line): string {
  return `${JSON.stringify(line)}\n`;
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
