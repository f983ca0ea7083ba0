import { inspect } from 'node:util';
import { canonicalAddress, type Family, familyOf, withoutMapping } from './address.js';
import { IpvsError, invalid } from './errors.js';
import type { CallOptions } from './kernel.js';

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

/** Rejects what is not an object, and names that mean nothing here: a misspelt option is not a default. */
export function checkOptions(what: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} is described by an object, not ${show(value)}`);
  // Not Object.keys(): bulk changes come here tens of thousands of times.
  for (const name in value) {
    if (!known.includes(name) && Object.hasOwn(value, name))
      throw invalid(`${what} has no option '${name}'; it has ${known.join(', ')}`);
  }
}

/** What comes last: how to wait for a request, and what some requests take besides (`others`). */
export function checkCallOptions(options: CallOptions = {}, others: readonly string[] = []): void {
  checkOptions('a call', options, ['signal', 'timeout', ...others]);
  const { signal, timeout } = options;
  if (timeout !== undefined && timeout !== Number.POSITIVE_INFINITY) checkInteger('timeout', timeout, 1, 0x7fffffff);
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalid(`signal is an AbortSignal, not ${show(signal)}`);
}

export function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 1, breakLength: Infinity });
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
