import { types } from 'node:util';
import { canonicalAddress, type Family, familyOf, withoutMapping } from './address.js';
import { didYouMean } from './did-you-mean.js';
import { invalid } from './errors.js';
import { limits } from './limits.js';
import type { Range } from './ranges.js';
import { show } from './show.js';

export { about, at, invalidAt } from './place.js';
export { show };

/** Returns an integer from `least` to `most`. Rejects any other value. */
export function checkInteger(what: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(`${what} must be an integer from ${least} to ${most}, not ${show(value)}`);
}

/** Returns an integer of a range. Rejects any other value. */
export function checkRange(what: string, value: unknown, { least, most }: Range): number {
  return checkInteger(what, value, least, most);
}

export function checkOneOf<T extends string>(what: string, value: unknown, allowed: readonly T[]): T {
  if (allowed.includes(value as T)) return value as T;
  throw invalid(`${what} must be one of ${allowed.join(', ')}; not ${show(value)}`);
}

/** Checks the name of a scheduler, an engine or a helper, which the kernel keeps in 16 bytes with a NUL. */
export function checkName(what: string, value: unknown): string {
  if (typeof value === 'string' && /^[\x21-\x7e]{1,15}$/.test(value)) return value;
  throw invalid(`${what} must be a name of 1 to 15 characters without spaces, not ${show(value)}`);
}

/**
 * Returns an address in canonical form, with its family. Replaces an IPv4-mapped address by its IPv4
 * address, unless `expected` is `ipv6`, as for an address that was read.
 */
export function checkAddress(
  what: string,
  given: unknown,
  expected?: Family | undefined,
): { address: string; family: Family } {
  const value = typeof given === 'string' && expected !== 'ipv6' ? withoutMapping(given) : given;
  const family = typeof value === 'string' ? familyOf(value) : undefined;
  if (family === undefined)
    throw invalid(`${what} must be an IPv4 or IPv6 address (no host name, no zone), not ${show(value)}`);
  return { address: canonicalAddress(value as string, family), family };
}

/**
 * Rejects a value that is no plain object, and an option with an unknown name, for example a misspelt one. An error
 * that a getter or a proxy throws is not caught.
 */
export function checkOptions(what: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isBuiltin(value))
    throw invalid(`${what} must be an object, not ${show(value)}`);
  // Avoids Object.keys(), because bulk changes call this tens of thousands of times.
  for (const name in value) {
    if (!known.includes(name) && Object.hasOwn(value, name))
      throw invalid(
        `${what} has no option ${name.length > 50 ? show(name) : `'${name}'`}; it has ${known.join(', ')}${didYouMean(name, known)}`,
      );
  }
}

/** Returns the names of options, for {@link checkOptions}. The type holds that the table has each name, and no other. */
export function namesOf<Options>(table: Readonly<Record<keyof Options & string, true>>): readonly string[] {
  return Object.keys(table);
}

/** Returns true for a built-in object without own properties, which would pass for empty options. */
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
 * Rejects a value that is no array, one with more than `most` entries, and one with holes. Checks the length before
 * it traverses the array.
 */
export function checkList<T>(what: string, value: readonly T[], most: number = limits.entries): readonly T[] {
  const length = checkLength(what, value, most);
  for (let index = 0; index < length; index++) checkNoHole(what, value, index);
  return value;
}

/** Returns the length of an array. Rejects any other value, and an array with more than `most` entries. */
export function checkLength(what: string, value: readonly unknown[], most: number = limits.entries): number {
  if (!Array.isArray(value)) throw invalid(`${what} must be a list, not ${show(value)}`);
  const { length } = value;
  if (length > most) throw invalid(`${what} must have at most ${most} entries, not ${length}`);
  return length;
}

/** Rejects a hole of an array at this index. */
export function checkNoHole(what: string, value: readonly unknown[], index: number): void {
  if (!(index in value)) throw invalid(`${what}[${index}] is missing: the list has a hole`);
}

/** Returns true for a text of at most `most` characters without NUL and without a lone surrogate. */
export function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length <= most && !/[\0\p{Cs}]/u.test(value);
}

/** Returns the default of an absent option. Differs from `??` for `null`, which is a value. */
export function valueOr<T>(value: T | undefined, otherwise: T): T {
  return value === undefined ? otherwise : value;
}

/** Rejects a value that is neither `true` nor `false`. */
export function checkFlag(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw invalid(`${what} must be true or false, not ${show(value)}`);
}

/** Checks the options of a call: `signal`, `timeout` and the names in `others`. */
export function checkCallOptions(
  options: { readonly signal?: unknown; readonly timeout?: unknown } = {},
  others: readonly string[] = [],
): void {
  checkOptions('a call', options, ['signal', 'timeout', ...others]);
  const { signal, timeout } = options;
  if (timeout !== undefined && timeout !== Number.POSITIVE_INFINITY) checkInteger('timeout', timeout, 1, 0x7fffffff);
  if (signal !== undefined && !isSignal(signal)) throw invalid(`signal must be an AbortSignal, not ${show(signal)}`);
}

/** Returns true for a real signal. A proxy of one, or an object with its prototype, has no working `aborted`. */
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
  throw invalid(
    `kernel must be an object with ${methods.join('() and ')}(), such as a MemoryKernel; not ${show(kernel)}`,
  );
}
