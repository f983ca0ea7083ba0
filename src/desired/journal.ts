import { Errno } from '../kernel/errno.js';
import { IpvsError, KernelFailure } from '../kernel/errors.js';
import type { JournalPort } from '../kernel/journal.js';
import type { CallOptions, Kernel } from '../kernel/kernel.js';
import { damaged } from './damage.js';
import { Ledger, type Line } from './ledger.js';
import { checkLine } from './line-checks.js';

/** A record that is larger, in characters, and twice as large as when it was written anew, is written anew. */
const LARGE = 16 * 1024 * 1024;

const HEAD = `${JSON.stringify({ version: 1 })}\n`;

/**
 * The ledger of an owner, kept where the next program finds it: written before each thing is made,
 * so that a program that dies leaves nothing that nobody knows of. Lines are added, so that a
 * thousand services are not written a thousand times.
 */
export class Journal {
  readonly #port: JournalPort | undefined;
  readonly #path: string;
  #ledger: Ledger;
  /** How many the file has; 0: it has to be written anew. */
  #lines = 0;
  /** What the file has, as far as that is known. */
  #text: string | undefined;
  /** The length of the text when it was written anew, or read. */
  #compact = 0;

  private constructor(port: JournalPort | undefined, path: string, ledger: Ledger) {
    this.#port = port;
    this.#path = path;
    this.#ledger = ledger;
  }

  /** Kept nowhere else. */
  static inMemory(ledger: Ledger): Journal {
    return new Journal(undefined, '', ledger);
  }

  /**
   * Nobody else has it until it is closed. `before`, which is closed by now, saves reading what is
   * still the same: the rows of a thousand services.
   * @throws IpvsError `ERR_IPVS_RECORD` if it cannot be used, or another program does not give it back
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

  /** Whether the owner has no record here: all that it made before, if it did, is somebody else's. */
  get isNew(): boolean {
    return this.#port !== undefined && this.#text === undefined && this.#ledger.size === 0;
  }

  /** All of them, or none; in the file before it resolves. */
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

  /** Deletes the file of an owner that has nothing: a program was killed before it did. */
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
    const [head, ...lines] = text.split('\n');
    const ledger = new Ledger();
    let number = 1;
    try {
      if (`${head}\n` !== HEAD) throw new Error('it is not the first line of a record of this version');
      // A text behind the last end of a line was being written when the program died: nothing was done yet.
      const torn = lines.pop() !== '';
      for (const line of lines) {
        number++;
        ledger.change(checkLine(JSON.parse(line)));
      }
      this.#lines = torn ? 0 : lines.length;
    } catch (cause) {
      throw damaged(this.#path, 'the record of the owner', number, cause);
    }
    this.#ledger = ledger;
    this.#text = text;
    this.#compact = text.length;
  }

  async #append(port: JournalPort, lines: readonly Line[]): Promise<void> {
    const before = { lines: this.#lines, text: this.#text };
    this.#lines = 0; // if only a part is written, the next time all of it is
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

  /** What could not be written may stand there all the same: the next program is not to believe it. */
  async #orAsBefore(port: JournalPort, write: (port: JournalPort) => Promise<void>): Promise<void> {
    try {
      await write(port);
    } catch (error) {
      await this.#replace(port, this.#ledger, this.#ledger.lines).catch(() => {});
      throw error;
    }
  }

  /** By lines that make it what it is. */
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

/** The ledger of a journal that another owner may be writing; `undefined`: it is none, or is damaged. */
export function ledgerOf(text: string): Ledger | undefined {
  const [head, ...lines] = text.split('\n');
  if (`${head}\n` !== HEAD) return undefined;
  try {
    const ledger = new Ledger();
    for (const line of lines.slice(0, -1)) ledger.change(checkLine(JSON.parse(line)));
    return ledger;
  } catch {
    return undefined;
  }
}

function textOf(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

async function using<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // A text that is longer than any string is a RangeError.
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
