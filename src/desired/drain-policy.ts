import { checkInteger, checkOptions } from '../kernel/check.js';

/** How a server leaves: it takes no new connections, and goes when those it has are over. */
export interface DrainPolicy {
  /** Seconds after which it goes anyway, from 0, which is at once. */
  readonly timeout: number;
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkDrainPolicy(policy: DrainPolicy): DrainPolicy {
  checkOptions('drain', policy, ['timeout']);
  return { timeout: checkInteger('timeout', policy.timeout, 0, 2_147_483) };
}
