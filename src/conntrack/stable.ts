import { IpvsError } from '../kernel/errors.js';

/** Readings of a table whose number of buckets changes during each of them. */
const ATTEMPTS = 20;

/**
 * Repeats what reads a whole table while the reading is interrupted by a change of the number of buckets.
 * @throws IpvsError `ERR_IPVS_UNSTABLE` after 20 attempts
 */
export async function untilStable<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      const interrupted = error instanceof IpvsError && error.code === 'ERR_IPVS_UNSTABLE';
      if (!interrupted || attempt === ATTEMPTS) throw error;
    }
  }
}
