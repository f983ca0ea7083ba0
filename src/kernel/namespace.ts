import { checkInteger, checkOptions, isText, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';

/** Maximum length of a file name, in bytes (NAME_MAX, include/uapi/linux/limits.h). */
const NAME = 255;

/**
 * A network namespace. A string is a path if it has a slash (`/run/docker/netns/ingress_sbox`),
 * otherwise a name of `ip netns` (a file in `/run/netns`). `{ fd }` is an open descriptor of such a
 * file, which stays open.
 */
export type NetworkNamespace =
  | string
  | {
      /** Path of a file that represents the namespace: at most 4096 bytes. */
      readonly path: string;
    }
  | {
      /** Name of `ip netns`: a file in `/run/netns`. */
      readonly name: string;
    }
  | {
      /** Process in the namespace: `/proc/PID/ns/net`. */
      readonly pid: number;
    }
  | {
      /** Open descriptor of a file that represents the namespace. It stays open. */
      readonly fd: number;
    };

/**
 * Returns the path of the file that represents the namespace.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` for a value that names no namespace
 */
export function namespacePath(namespace: NetworkNamespace): string {
  if (typeof namespace === 'string')
    return namespace.includes('/') ? checkPath(namespace) : namespacePath({ name: namespace });
  checkOptions('a network namespace', namespace, ['path', 'name', 'pid', 'fd']);
  const { path, name, pid, fd } = namespace as { [Name in 'path' | 'name' | 'pid' | 'fd']?: unknown };
  if ([path, name, pid, fd].filter((one) => one !== undefined).length !== 1)
    throw invalid(
      `a network namespace must be a string, or an object with one of path, name, pid and fd; not ${show(namespace)}`,
    );
  if (path !== undefined) return checkPath(path);
  if (pid !== undefined) return `/proc/${checkInteger('the pid of a network namespace', pid, 1, 0x7fffffff)}/ns/net`;
  if (fd !== undefined) return `/proc/self/fd/${checkInteger('the fd of a network namespace', fd, 0, 0x7fffffff)}`;
  if (isText(name, NAME) && Buffer.byteLength(name) <= NAME && /^[^/]+$/.test(name) && name !== '.' && name !== '..')
    return `/run/netns/${name}`;
  throw invalid(`the name of a network namespace has 1 to ${NAME} bytes and no slash, unlike ${show(name)}`);
}

function checkPath(path: unknown): string {
  if (isText(path, limits.path) && path !== '' && Buffer.byteLength(path) <= limits.path) return path;
  throw invalid(`the path of a network namespace has 1 to ${limits.path} bytes without NUL, unlike ${show(path)}`);
}
