import { IpvsError } from '../../common/errors.js';

/** Maximum length of the reason in a message, in characters. */
const LONGEST = 300;

/** Returns the error for a record of a later version of this library. */
export function ofLaterVersion(path: string, what: string, version: number): IpvsError {
  return new IpvsError(
    'ERR_IPVS_RECORD',
    `cannot read ${path}, ${what}: it is of version ${version}, which a later version of this library wrote. Nothing ` +
      'of the file was used. Update the library of this program',
  );
}

/** Returns the error for a damaged record, with the file, the line (from 1) and the reason. */
export function damaged(path: string, what: string, line: number, cause: unknown): IpvsError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const short = reason.length > LONGEST ? `${reason.slice(0, LONGEST)}...` : reason;
  return new IpvsError(
    'ERR_IPVS_RECORD',
    `cannot read ${path}, ${what}: line ${line} is damaged: ${short}. Nothing of the file was used. Usual cause: ` +
      'another program wrote to the file, or the disk is faulty. Restore the file, or delete it and apply with ' +
      '`{ adopt: true }`: without a record, everything in the kernel belongs to another program',
    { cause },
  );
}
