import type { IpvsError } from './errors.js';

/**
 * The outcome of one of many changes, at the same place in the list as the change: of every bulk call of this library.
 * `error` has the code that the single call would throw.
 */
export type Result =
  | {
      /** True if the change was made. */
      readonly ok: true;
    }
  | {
      /** False if the change failed. */
      readonly ok: false;
      /** Reason of the failure. */
      readonly error: IpvsError;
    };

/** Returns a result for each change: `errors` has an error, or undefined, at the place of each. */
export function resultsOf(errors: readonly (IpvsError | undefined)[]): Result[] {
  return errors.map((error) => (error ? { ok: false, error } : { ok: true }));
}
