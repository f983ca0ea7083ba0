// A kernel to try things on: one in memory, or this machine's.
import type { IpvsErrorCode } from '../../src/index.js';
import type { Place } from './place.js';

/** Makes a place: of the same kernel each time, in a new namespace. */
export type OpenPlace = () => Promise<Place>;

/** How a promise fails: the code, and the errno that the kernel gave. */
export async function failure(work: Promise<unknown>): Promise<{ code: IpvsErrorCode; errnoName?: string }> {
  try {
    await work;
  } catch (error) {
    const { code, errnoName } = error as { code: IpvsErrorCode; errnoName?: string };
    return { code, ...(errnoName !== undefined && { errnoName }) };
  }
  throw new Error('it did not fail');
}
