import { type Stats, statSync } from 'node:fs';
import { Errno } from '../common/errno.js';
import { KernelFailure } from '../common/errors.js';

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/**
 * Rejects a directory in which a user other than root and the caller can replace files: one with another owner, or
 * one that its group or all users may write, unless it is sticky like /tmp.
 * @throws KernelFailure EPERM; the failure of stat(2)
 */
export function checkDirectory(path: string): void {
  const stats = statSync(path);
  const writable = (stats.mode & WRITABLE_BY_OTHERS) !== 0 && (stats.mode & STICKY) === 0;
  if (!writable && isTrusted(stats.uid)) return;
  throw notOurs('the directory', path, stats);
}

/**
 * Rejects a file that is not regular, and one that a user other than root and the caller owns or may write.
 * @throws KernelFailure EINVAL, EPERM
 */
export function checkFile(path: string, stats: Stats): void {
  if (!stats.isFile())
    throw new KernelFailure(
      Errno.EINVAL,
      `${path} is not a regular file${stats.isDirectory() ? ' but a directory: record is the path of a file' : ''}`,
    );
  if ((stats.mode & WRITABLE_BY_OTHERS) === 0 && isTrusted(stats.uid)) return;
  throw notOurs('the file', path, stats);
}

/** Returns true for root and the caller. In a user namespace that does not map root, the owner of `/` is root. */
function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.() || uid === statSync('/').uid;
}

function notOurs(what: string, path: string, { uid, mode }: Stats): KernelFailure {
  const bits = (mode & 0o7777).toString(8).padStart(4, '0');
  return new KernelFailure(
    Errno.EPERM,
    `other users may write ${what} ${path} (user ${uid}, mode ${bits}): they decide what this process changes. ` +
      'Make it yours (`chown`, `chmod go-w`), or name another file (`record`)',
  );
}
