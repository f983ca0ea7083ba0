import { checkOptions, checkRange, namesOf } from '../../common/check.js';
import { ranges } from '../../common/ranges.js';

/** Drain policy: a draining server gets no new connections, and is deleted when its existing ones are over. */
export interface DrainPolicy {
  /** Time limit in seconds, from 0 (at once) to 2147483: the server is then deleted despite its connections. */
  readonly timeout: number;
}

const names = namesOf<DrainPolicy>({ timeout: true });

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkDrainPolicy(policy: DrainPolicy): DrainPolicy {
  checkOptions('drain', policy, names);
  return { timeout: checkRange('timeout', policy.timeout, ranges.drain) };
}
