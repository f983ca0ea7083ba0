import { isText, show } from './check.js';
import { invalid } from './errors.js';

/** Maximum length of the main name of an interface, in bytes: IFNAMSIZ without its NUL. */
export const LONGEST_MAIN_NAME = 15;

/** Maximum length of an alternative name of an interface, in bytes: ALTIFNAMSIZ without its NUL. */
export const LONGEST_ALTERNATIVE_NAME = 127;

/**
 * Returns true for a valid name of an interface: the rule of dev_valid_name (net/core/dev.c), with `longest` instead of
 * IFNAMSIZ. The kernel looks at bytes, and its isspace() includes 0xa0.
 */
export function isInterfaceName(value: unknown, longest: number): value is string {
  if (!isText(value, longest) || value === '' || value === '.' || value === '..') return false;
  const bytes = Buffer.from(value);
  return bytes.length <= longest && !/[\s/:]/.test(bytes.toString('latin1'));
}

/**
 * Checks the name of an interface. An existing one may have an alternative name, of up to 127 bytes. Where only the
 * main name counts, `longest` is 15.
 */
export function checkInterfaceName(what: string, value: unknown, longest: number = LONGEST_ALTERNATIVE_NAME): string {
  if (isInterfaceName(value, longest)) return value;
  throw invalid(
    `${what} must be the name of an interface, of 1 to ${longest} bytes without spaces, slashes and colons, not ${show(value)}`,
  );
}

/** Checks the name of a new interface. Rejects `%`, which the kernel expands to a number (dev_alloc_name). */
export function checkNewInterfaceName(what: string, value: unknown): string {
  const name = checkInterfaceName(what, value, LONGEST_MAIN_NAME);
  if (name.includes('%'))
    throw invalid(`${what} must not have a percent sign, which the kernel replaces by a number: ${show(value)}`);
  return name;
}
