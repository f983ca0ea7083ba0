import { closeSync, constants, fstatSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open, readdir, realpath, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Errno } from '../common/errno.js';
import { KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { type JournalPort, type JournalText, MAX_JOURNAL } from '../kernel/journal.js';
import { loadAddon } from './addon.js';
import { checkDirectory, checkFile } from './file-owner.js';
import { DEFAULT_TIMEOUT } from './requests.js';

/** Time between two attempts to get the lock, in milliseconds. */
const INTERVAL = 20;

/**
 * Opens a journal. It is a file with a separate lock file (flock(2), which ends with the process), because
 * replacing the journal renames another file over it. Operations on names take a few microseconds in /run, less
 * than waking a thread of Node, and are synchronous; Node's threads read and write the content.
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
    rmSync(temporaryOf(path), { force: true }); // left by a program that was killed
    return new NativeJournal(path, lock);
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** Returns the path of the file that replaces the journal. */
function temporaryOf(path: string): string {
  return `${path}.new`;
}

/** Returns the absolute path of a journal. Follows symbolic links of directories, also if some do not exist yet. */
export async function nativeJournalPath(path: string): Promise<string> {
  const absolute = resolve(path);
  return join(await realDirectory(dirname(absolute)), basename(absolute));
}

async function realDirectory(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    // Opening the journal makes missing directories, and reports other errors.
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) return path;
    return join(await realDirectory(dirname(path)), basename(path));
  }
}

/** Reads all journals whose path begins with `prefix`. Omits files that cannot be read. */
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

/** Returns the descriptor of the locked file, or `undefined` if another program has the lock. */
function tryLock(path: string): number | undefined {
  const lock = openLock(path);
  try {
    const ours = fstatSync(lock);
    checkFile(path, ours);
    checkDirectory(dirname(path));
    const errno = loadAddon().lock(lock);
    if (errno !== 0 && errno !== Errno.EAGAIN) throw new KernelFailure(errno, `flock ${path}`);
    // The previous owner may have deleted this file. Other programs then lock a new file of the same name.
    if (errno === 0 && statSync(path, { throwIfNoEntry: false })?.ino === ours.ino) return lock;
  } catch (error) {
    closeSync(lock);
    throw error;
  }
  closeSync(lock);
  return undefined;
}

function openLock(path: string): number {
  // Does not follow a link of another user, and does not wait for the reader of a pipe.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    makeDirectory(dirname(path));
    return openSync(path, flags, 0o600);
  }
}

/** Creates a directory and its parents. `mkdirSync` with `recursive` never returns if it cannot (below /proc). */
function makeDirectory(path: string): void {
  const make = (): void => {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error; // another program may create it, too
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
      // Does not write into a file of another user.
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
    // The lock is still held, so this deletes the right file. A program that waits for it tries again.
    try {
      rmSync(`${this.#path}.lock`, { force: true });
    } catch {
      // A remaining lock file does no harm.
    }
    try {
      closeSync(this.#lock);
    } catch {
      // The kernel closes the descriptor even if it reports an error.
    }
  }

  async #file<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new KernelFailure(Errno.EBADF, `${this.#path} is closed`);
    return asFailure(this.#path, work);
  }
}

/** Opens a journal, a regular file. Does not follow a link and does not wait for a pipe. */
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

/** Reads at most `size` bytes. Rejects a size above {@link MAX_JOURNAL}. */
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
