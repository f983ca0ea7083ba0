import { IpvsError, invalid } from './errors.js';

const PLACE = Symbol('place');

/** Place of an invalid value in the argument of the caller. */
interface Place {
  /** Outermost part first: `services[0]`, `servers[1]`. */
  readonly path: readonly string[];
  readonly reason: string;
}

/** An error that has a place. The property is hidden, so that a printed error does not show it. */
type Placed = IpvsError & { readonly [PLACE]?: Place };

function placed(path: readonly string[], reason: string): IpvsError {
  const error = invalid(`${path.join('.')}: ${reason}`);
  return Object.defineProperty(error, PLACE, { value: { path, reason } satisfies Place });
}

/** Returns an error for the value at `path`, a part such as `servers[1]`. */
export function invalidAt(path: string, reason: string): IpvsError {
  return placed([path], reason);
}

/** Runs a check, and adds the outer part `path` to the place of its error: `services[0].servers[1]: ...`. */
export function at<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof IpvsError)) throw error;
    const { path: further, reason } = (error as Placed)[PLACE] ?? { path: [], reason: error.message };
    throw placed([path, ...further], reason);
  }
}

/** Runs a check, and begins the message of its error with the thing that was checked: `the document: ...`. */
export function about<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof IpvsError ? invalid(`${what}: ${error.message}`) : error;
  }
}
