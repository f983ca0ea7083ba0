import { types } from 'node:util';
import { canonicalAddress, type Family, familyOf, withoutMapping } from './address.js';
import { IpvsError, invalid } from './errors.js';
import type { CallOptions } from './kernel.js';
import { limits } from './limits.js';
import { show } from './show.js';

export { show };

/** An integer from `least` to `most`, or an error that names it. */
export function checkInteger(what: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(`${what} is an integer from ${least} to ${most}, not ${show(value)}`);
}

export function checkOneOf<T extends string>(what: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  throw invalid(`${what} is one of ${allowed.join(', ')}; not ${show(value)}`);
}

/** What the kernel keeps in 16 bytes with a NUL: the name of a scheduler or of an engine. */
export function checkName(what: string, value: unknown): string {
  if (typeof value === 'string' && /^[\x21-\x7e]{1,15}$/.test(value)) return value;
  throw invalid(`${what} is a name of 1 to 15 characters without spaces, not ${show(value)}`);
}

/**
 * An address in canonical form, with its family. An IPv4-mapped one is the IPv4 address that it
 * stands for, unless it is said to be of IPv6: one that was read.
 */
export function checkAddress(
  what: string,
  given: unknown,
  expected?: Family | undefined,
): { address: string; family: Family } {
  const value = typeof given === 'string' && expected !== 'ipv6' ? withoutMapping(given) : given;
  const family = typeof value === 'string' ? familyOf(value) : undefined;
  if (family === undefined)
    throw invalid(`${what} is an IPv4 or IPv6 address (no host name, no zone), not ${show(value)}`);
  return { address: canonicalAddress(value as string, family), family };
}

/**
 * Rejects a value that is no plain object, and an option with an unknown name, which a misspelt one has. The own
 * error of a getter or of a proxy passes through.
 */
export function checkOptions(what: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isBuiltin(value))
    throw invalid(`${what} is described by an object, not ${show(value)}`);
  // Not Object.keys(): bulk changes come here tens of thousands of times.
  for (const name in value) {
    if (!known.includes(name) && Object.hasOwn(value, name))
      throw invalid(`${what} has no option ${name.length > 50 ? show(name) : `'${name}'`}; it has ${known.join(', ')}`);
  }
}

/** Has no options of its own, and would pass for an empty object. */
function isBuiltin(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return false;
  return (
    types.isDate(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isRegExp(value) ||
    types.isPromise(value) ||
    types.isBoxedPrimitive(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isNativeError(value) ||
    types.isGeneratorObject(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof AbortSignal
  );
}

/**
 * Rejects a value that is no array, one with more than `most` entries, and one with holes. The length is checked
 * before the array is walked.
 */
export function checkList<T>(what: string, value: readonly T[], most: number = limits.entries): readonly T[] {
  if (!Array.isArray(value)) throw invalid(`${what} is a list, not ${show(value)}`);
  const { length } = value;
  if (length > most) throw invalid(`${what} has at most ${most} entries, not ${length}`);
  for (let index = 0; index < length; index++)
    if (!(index in value)) throw invalid(`${what}[${index}] is missing: the list has a hole`);
  return value;
}

/** Whether a value is a text of at most `most` characters without NUL and without half of a surrogate pair. */
export function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length <= most && !/[\0\p{Cs}]/u.test(value);
}

/** The default of what is left out. Not `??`: `null` is no option that is left out. */
export function valueOr<T>(value: T | undefined, otherwise: T): T {
  return value === undefined ? otherwise : value;
}

/** Rejects a value that is neither `true` nor `false`. */
export function checkFlag(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw invalid(`${what} is true or false, not ${show(value)}`);
}

/** The options that every call takes, and the names in `others` that this one takes besides. */
export function checkCallOptions(options: CallOptions = {}, others: readonly string[] = []): void {
  checkOptions('a call', options, ['signal', 'timeout', ...others]);
  const { signal, timeout } = options;
  if (timeout !== undefined && timeout !== Number.POSITIVE_INFINITY) checkInteger('timeout', timeout, 1, 0x7fffffff);
  if (signal !== undefined && !isSignal(signal)) throw invalid(`signal is an AbortSignal, not ${show(signal)}`);
}

/** Not only by the prototype: a proxy of a signal, or an object made of its prototype, has no `aborted`. */
function isSignal(value: unknown): boolean {
  if (types.isProxy(value)) return false;
  try {
    return value instanceof AbortSignal && typeof value.aborted === 'boolean';
  } catch {
    return false;
  }
}

/** Rejects a `kernel` option that lacks one of these methods. */
export function checkKernel(kernel: unknown, ...methods: readonly string[]): void {
  if (kernel === undefined) return;
  const has = (name: string): boolean => typeof (kernel as Record<string, unknown>)[name] === 'function';
  if (typeof kernel === 'object' && kernel !== null && methods.every(has)) return;
  throw invalid(`kernel is an object with ${methods.join('() and ')}(), such as a MemoryKernel; not ${show(kernel)}`);
}

/** Says where in the description something is wrong. */
export function at<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof IpvsError)) throw error;
    // A place within that place, unless that is named in words.
    const further = !path.includes(' ') && /^\w+(\[\d+\])+[.:]/.test(error.message) ? '.' : ': ';
    throw invalid(`${path}${further}${error.message}`);
  }
}
