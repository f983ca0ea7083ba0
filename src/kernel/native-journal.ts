import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAddon } from './addon.js';
import { Errno } from './errno.js';
import { KernelFailure } from './errors.js';
import type { JournalPort } from './journal.js';
import type { CallOptions } from './kernel.js';
import { DEFAULT_TIMEOUT } from './requests.js';

/** Milliseconds between two tries. */
const INTERVAL = 20;

/**
 * A file, and beside it one for the lock (flock(2), which goes with the process): the journal itself
 * is renamed into place when it is written anew.
 */
export async function openNativeJournal(path: string, options: CallOptions = {}): Promise<JournalPort> {
  const { signal, timeout = DEFAULT_TIMEOUT } = options;
  const end = performance.now() + timeout;
  for (;;) {
    signal?.throwIfAborted();
    const lock = await asFailure(path, () => tryLock(`${path}.lock`));
    if (lock) return new NativeJournal(path, lock);
    if (performance.now() >= end) throw new KernelFailure(Errno.ETIMEDOUT, `another program has ${path}`);
    await sleep(INTERVAL);
  }
}

async function tryLock(path: string): Promise<FileHandle | undefined> {
  const file = await openLock(path);
  try {
    const errno = loadAddon().lock(file.fd);
    if (errno !== 0 && errno !== Errno.EAGAIN) throw new KernelFailure(errno, `flock ${path}`);
    if (errno === 0 && (await isStill(path, file))) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

async function openLock(path: string): Promise<FileHandle> {
  // Not through a link that somebody has put there.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    return await open(path, flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return open(path, flags, 0o600);
  }
}

/** Who had it before may have removed it: then others open another file of that name. */
async function isStill(path: string, file: FileHandle): Promise<boolean> {
  try {
    const [named, ours] = await Promise.all([stat(path), file.stat()]);
    return named.ino === ours.ino;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

class NativeJournal implements JournalPort {
  readonly #path: string;
  readonly #lock: FileHandle;
  #closed = false;

  constructor(path: string, lock: FileHandle) {
    this.#path = path;
    this.#lock = lock;
  }

  async read(): Promise<string | undefined> {
    return this.#file(async () => {
      try {
        return await readFile(this.#path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  append(text: string): Promise<void> {
    return this.#file(() => writeFile(this.#path, text, { flag: constants.O_WRONLY | constants.O_APPEND }));
  }

  replace(text: string): Promise<void> {
    return this.#file(async () => {
      if (text === '') return rm(this.#path, { force: true });
      const temporary = `${this.#path}.new`;
      // Not into what somebody has put there, or a program left that died.
      const write = (): Promise<void> => writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
      await write().catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        await rm(temporary);
        await write();
      });
      await rename(temporary, this.#path);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // While we have it nobody else can have made another; who waits for this one tries again.
    await rm(`${this.#path}.lock`, { force: true }).catch(() => {});
    await this.#lock.close();
  }

  async #file<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new KernelFailure(Errno.EBADF, `${this.#path} is closed`);
    return asFailure(this.#path, work);
  }
}

async function asFailure<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error) || error instanceof KernelFailure) throw error;
    throw new KernelFailure(Math.abs(Number(error.errno)), `${error.message || path}`);
  }
}
