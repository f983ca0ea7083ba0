import { constants, type FileHandle, open, statfs } from 'node:fs/promises';
import { Errno } from '../errno.js';
import type { OperationOutcome } from './types.js';

/** include/uapi/linux/magic.h */
const NSFS_MAGIC = 0x6e736673;

/** Files of namespaces, held open while the kernel is told their descriptors. */
export class OpenNamespaces {
  readonly #files = new Map<string, FileHandle | OperationOutcome>();

  private constructor() {}

  static async open(paths: readonly string[]): Promise<OpenNamespaces> {
    const namespaces = new OpenNamespaces();
    for (const path of new Set(paths)) namespaces.#files.set(path, await openNamespace(path));
    return namespaces;
  }

  get size(): number {
    return this.#files.size;
  }

  failure(path: string): OperationOutcome | undefined {
    const file = this.#files.get(path);
    return file && 'errno' in file ? file : undefined;
  }

  fd(path: string): number {
    const file = this.#files.get(path);
    return file && 'fd' in file ? file.fd : -1;
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) if ('fd' in file) await file.close();
  }
}

/** The file, or why there is none. */
export async function openNamespace(path: string): Promise<FileHandle | OperationOutcome> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // A name whose namespace is gone is an empty file.
    if ((await statfs(`/proc/self/fd/${file.fd}`)).type === NSFS_MAGIC) return file;
    await file.close();
    return { errno: Errno.EINVAL, message: `${path} is not a network namespace`, namespace: true };
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : Errno.EIO;
    return { errno, message: `open ${path}`, namespace: true };
  }
}
