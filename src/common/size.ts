import { show } from './check.js';
import { invalid } from './errors.js';
import { limits } from './limits.js';
import { forEachInSlices } from './slices.js';

/**
 * Rejects a value that has too many parts, is nested too deeply (like a value that contains itself), or contains an
 * object that is not plain or a list that is too long or has holes. A shared part counts for each of its places.
 * Lets the event loop turn between the entries of the lists of `value`.
 * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`; the reason of the signal
 */
export async function checkSize(what: string, value: unknown, signal?: AbortSignal): Promise<void> {
  const size = new Size(what);
  if (!size.enter(value, 'it', 0) || Array.isArray(value)) return size.walkEntries(value, 'it', 0);
  for (const name in value) {
    const part = (value as Record<string, unknown>)[name];
    if (!size.enter(part, name, 1)) continue;
    if (!Array.isArray(part)) size.walkEntries(part, name, 1);
    else await forEachInSlices(part.keys(), (index) => size.walkEntry(part, index, name, 1), signal);
  }
}

/** Counts the parts of a value. */
class Size {
  readonly #what: string;
  #count = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** Counts a part, and checks it without its entries. Returns false if it has none. */
  enter(part: unknown, path: string, depth: number): part is object {
    const what = this.#what;
    if (++this.#count > limits.values) throw invalid(`${what} has at most ${limits.values} values`);
    if (typeof part !== 'object' || part === null) return false;
    if (depth > limits.depth) throw invalid(`${what} is nested deeper than ${limits.depth} levels`);
    if (Array.isArray(part)) {
      if (part.length > limits.entries)
        throw invalid(`${what}: ${path} has at most ${limits.entries} entries, not ${part.length}`);
    } else if (!isPlain(part)) throw invalid(`${what}: ${path} must be a plain object, not ${show(part)}`);
    return true;
  }

  walkEntries(part: unknown, path: string, depth: number): void {
    if (typeof part !== 'object' || part === null) return;
    if (Array.isArray(part)) for (let index = 0; index < part.length; index++) this.walkEntry(part, index, path, depth);
    else for (const name in part) this.#walk((part as Record<string, unknown>)[name], name, depth + 1);
  }

  walkEntry(list: readonly unknown[], index: number, path: string, depth: number): void {
    if (!(index in list)) throw invalid(`${this.#what}: ${path}[${index}] is missing: the list has a hole`);
    this.#walk(list[index], path, depth + 1);
  }

  #walk(part: unknown, path: string, depth: number): void {
    if (this.enter(part, path, depth)) this.walkEntries(part, path, depth);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // The `Object.prototype` of another realm has no prototype either.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
