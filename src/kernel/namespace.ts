import { inspect } from 'node:util';
import { invalid } from './errors.js';

/**
 * A network namespace. A string is a path if it has a slash (`/run/docker/netns/ingress_sbox`),
 * else a name as of `ip netns` (a file in `/run/netns`). `{ fd }` is an open descriptor of such a
 * file; it is not closed.
 */
export type NetworkNamespace =
  | string
  | { readonly path: string }
  | { readonly name: string }
  | { readonly pid: number }
  | { readonly fd: number };

/**
 * The file that stands for the namespace.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` for what names none.
 */
export function namespacePath(namespace: NetworkNamespace): string {
  if (typeof namespace === 'string') {
    return namespace.includes('/') ? checkPath(namespace) : namespacePath({ name: namespace });
  }
  if (typeof namespace !== 'object' || namespace === null) {
    throw invalid(`a network namespace is a string, { path }, { name }, { pid } or { fd }, not ${String(namespace)}`);
  }
  if ('path' in namespace) return checkPath(namespace.path);
  if ('name' in namespace) {
    if (
      typeof namespace.name !== 'string' ||
      !/^[^/\0]+$/.test(namespace.name) ||
      namespace.name === '.' ||
      namespace.name === '..'
    ) {
      throw invalid(`not a name of a network namespace: ${inspect(namespace.name)}`);
    }
    return `/run/netns/${namespace.name}`;
  }
  if ('pid' in namespace) return `/proc/${checkNumber('pid', namespace.pid, 1)}/ns/net`;
  if ('fd' in namespace) return `/proc/self/fd/${checkNumber('fd', namespace.fd, 0)}`;
  throw invalid('a network namespace is a string, { path }, { name }, { pid } or { fd }');
}

function checkPath(path: string): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalid(`not a path of a network namespace: ${inspect(path)}`);
  }
  return path;
}

function checkNumber(what: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least || value > 0x7fffffff) {
    throw invalid(`the ${what} of a network namespace is an integer from ${least}, not ${inspect(value)}`);
  }
  return value;
}
