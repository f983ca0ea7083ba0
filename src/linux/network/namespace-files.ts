import { constants, type FileHandle, open, statfs } from 'node:fs/promises';
import { Errno } from '../../common/errno.js';
import type { OperationOutcome } from '../../kernel/network/types.js';

/** Type of the file system of namespaces (include/uapi/linux/magic.h). */
const NSFS_MAGIC = 0x6e736673;

/** Open files of namespaces, whose descriptors the messages to the kernel contain. */
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

/** Opens the file of a namespace. Returns the file, or the reason of the failure. */
export async function openNamespace(path: string): Promise<FileHandle | OperationOutcome> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // The name of a deleted namespace is an empty file.
    if ((await statfs(`/proc/self/fd/${file.fd}`)).type === NSFS_MAGIC) return file;
    await file.close();
    return { errno: Errno.EINVAL, message: `${path} is not a network namespace`, namespace: true };
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : Errno.EIO;
    return { errno, message: `open ${path}`, namespace: true };
  }
}
