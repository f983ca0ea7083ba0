import { IpvsError } from '../common/errors.js';

/** Maximum number of readings of a table whose number of buckets changes during each of them. */
const ATTEMPTS = 20;

/**
 * Reads a whole table, and repeats the reading if the number of buckets changes meanwhile.
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
