import { show } from '../../common/check.js';
import { invalid } from '../../common/errors.js';

/** Names of owners: they are part of file names and of the name of an nf_tables table. */
export const ownerPattern = /^[A-Za-z0-9_.-]{1,48}$/;

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkOwnerName(owner: unknown): string {
  if (typeof owner === 'string' && ownerPattern.test(owner)) return owner;
  throw invalid(`an owner must be a name of 1 to 48 letters, digits, "_", "." and "-", not ${show(owner)}`);
}
