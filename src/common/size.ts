import { show } from './check.js';
import { invalid } from './errors.js';
import { limits } from './limits.js';

/**
 * Rejects a value that has too many parts, is nested too deeply (like a value that contains itself), or contains an
 * object that is not plain or a list that is too long or has holes. A shared part counts for each of its places.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
 */
export function checkSize(what: string, value: unknown): void {
  let count = 0;
  const walk = (part: unknown, path: string, depth: number): void => {
    if (++count > limits.values) throw invalid(`${what} has at most ${limits.values} values`);
    if (typeof part !== 'object' || part === null) return;
    if (depth > limits.depth) throw invalid(`${what} is nested deeper than ${limits.depth} levels`);
    if (Array.isArray(part)) {
      if (part.length > limits.entries)
        throw invalid(`${what}: ${path} has at most ${limits.entries} entries, not ${part.length}`);
      for (let index = 0; index < part.length; index++) {
        if (!(index in part)) throw invalid(`${what}: ${path}[${index}] is missing: the list has a hole`);
        walk(part[index], path, depth + 1);
      }
      return;
    }
    if (!isPlain(part)) throw invalid(`${what}: ${path} must be a plain object, not ${show(part)}`);
    for (const name in part) walk((part as Record<string, unknown>)[name], name, depth + 1);
  };
  walk(value, 'it', 0);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // The `Object.prototype` of another realm has no prototype either.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
