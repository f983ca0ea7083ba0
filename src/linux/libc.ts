import { closeSync, openSync, readSync } from 'node:fs';

/** The C libraries that prebuilt binaries are for, by the names that node-gyp-build gives them. */
export type Libc = 'glibc' | 'musl';

/** Number of bytes at the beginning of a program that have the path of its ELF interpreter. */
const HEAD_SIZE = 2048;

/** Returns the C library that a program is linked with, or `undefined` for a program that names no known interpreter. */
export function libcOf(program: string): Libc | undefined {
  const head = Buffer.alloc(HEAD_SIZE);
  try {
    const file = openSync(program, 'r');
    try {
      readSync(file, head, 0, HEAD_SIZE, 0);
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined; // for example replaced by an update
  }
  if (head.includes('/ld-musl-')) return 'musl';
  return head.includes('/ld-linux') ? 'glibc' : undefined;
}
