import { closeSync, constants, fstatSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAddon } from './addon.js';
import { Errno } from './errno.js';
import { KernelFailure } from './errors.js';
import { checkDirectory, checkFile } from './file-owner.js';
import { type JournalPort, type JournalText, MAX_JOURNAL } from './journal.js';
import type { CallOptions } from './kernel.js';
import { DEFAULT_TIMEOUT } from './requests.js';

/** Milliseconds between two tries. */
const INTERVAL = 20;

/**
 * A file, and beside it one for the lock (flock(2), which goes with the process): the journal itself
 * is renamed into place when it is written anew. What names files takes a few microseconds in /run, less than
 * a thread of Node's to be woken, and is done at once; what is in them is read and written by those threads.
 */
export async function openNativeJournal(path: string, options: CallOptions = {}): Promise<JournalPort> {
  const { signal, timeout = DEFAULT_TIMEOUT } = options;
  const end = performance.now() + timeout;
  for (;;) {
    signal?.throwIfAborted();
    const lock = await asFailure(path, async () => tryLock(`${path}.lock`));
    if (lock !== undefined) return asFailure(path, async () => opened(path, lock));
    if (performance.now() >= end) throw new KernelFailure(Errno.ETIMEDOUT, `another program has ${path}`);
    await sleep(INTERVAL);
  }
}

function opened(path: string, lock: number): NativeJournal {
  try {
    rmSync(temporaryOf(path), { force: true }); // a program left it that was killed
    return new NativeJournal(path, lock);
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** The file that becomes the journal when it is written anew. */
function temporaryOf(path: string): string {
  return `${path}.new`;
}

/** All journals whose path begins with `prefix`; without those that cannot be read. */
export async function readNativeJournals(prefix: string): Promise<readonly JournalText[]> {
  const directory = dirname(prefix);
  const start = basename(prefix);
  const names = await readdir(directory).catch(() => []);
  const texts: JournalText[] = [];
  for (const name of names) {
    if (!name.startsWith(start) || !name.endsWith('.json')) continue;
    const path = join(directory, name);
    const text = await withJournal(path, constants.O_RDONLY, (file, size) => readAll(path, file, size)).catch(
      () => undefined,
    );
    if (text !== undefined) texts.push({ path, text });
  }
  return texts;
}

/** The descriptor of the lock. */
function tryLock(path: string): number | undefined {
  const lock = openLock(path);
  try {
    const ours = fstatSync(lock);
    checkFile(path, ours);
    checkDirectory(dirname(path));
    const errno = loadAddon().lock(lock);
    if (errno !== 0 && errno !== Errno.EAGAIN) throw new KernelFailure(errno, `flock ${path}`);
    // Who had it before may have removed it: then others open another file of that name.
    if (errno === 0 && statSync(path, { throwIfNoEntry: false })?.ino === ours.ino) return lock;
  } catch (error) {
    closeSync(lock);
    throw error;
  }
  closeSync(lock);
  return undefined;
}

function openLock(path: string): number {
  // Not through a link that somebody has put there, and without waiting for who reads a pipe.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    makeDirectory(dirname(path));
    return openSync(path, flags, 0o600);
  }
}

/** Node's own, with `recursive`, never ends where no directory can be made (below /proc). */
function makeDirectory(path: string): void {
  const make = (): void => {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error; // another program may be at it, too
    }
  };
  try {
    make();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectory(dirname(path));
    make();
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

class NativeJournal implements JournalPort {
  readonly #path: string;
  readonly #lock: number;
  #closed = false;

  constructor(path: string, lock: number) {
    this.#path = path;
    this.#lock = lock;
  }

  async read(): Promise<string | undefined> {
    return this.#file(async () => {
      try {
        return await withJournal(this.#path, constants.O_RDONLY, (file, size) => readAll(this.#path, file, size));
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  append(text: string): Promise<void> {
    return this.#file(() =>
      withJournal(this.#path, constants.O_WRONLY | constants.O_APPEND, async (file, size) => {
        checkSize(this.#path, size + Buffer.byteLength(text));
        await file.writeFile(text);
      }),
    );
  }

  replace(text: string): Promise<void> {
    return this.#file(async () => {
      if (text === '') return rmSync(this.#path, { force: true });
      checkSize(this.#path, Buffer.byteLength(text));
      const temporary = temporaryOf(this.#path);
      // Not into a file that somebody else has put there.
      const write = (): Promise<void> => writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
      await write().catch(async (error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
        rmSync(temporary);
        await write();
      });
      renameSync(temporary, this.#path);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // While we have it nobody else can have made another; who waits for this one tries again.
    try {
      rmSync(`${this.#path}.lock`, { force: true });
    } catch {
      // It stays; that is all.
    }
    try {
      closeSync(this.#lock);
    } catch {
      // The kernel has closed the descriptor anyway.
    }
  }

  async #file<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new KernelFailure(Errno.EBADF, `${this.#path} is closed`);
    return asFailure(this.#path, work);
  }
}

/** Opens a journal, which is a regular file: not through a link, and without waiting for a pipe. */
async function withJournal<T>(
  path: string,
  flags: number,
  work: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file.fd);
    checkFile(path, stats);
    return await work(file, stats.size);
  } finally {
    await file.close();
  }
}

/** Reads no more than may be there, however much is. */
async function readAll(path: string, file: FileHandle, size: number): Promise<string> {
  checkSize(path, size);
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.toString('utf8', 0, length);
}

function checkSize(path: string, bytes: number): void {
  if (bytes <= MAX_JOURNAL) return;
  throw new KernelFailure(Errno.EFBIG, `${path} would have ${bytes} bytes, of at most ${MAX_JOURNAL}`);
}

async function asFailure<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error) || error instanceof KernelFailure) throw error;
    throw new KernelFailure(Math.abs(Number(error.errno)), `${error.message || path}`);
  }
}
