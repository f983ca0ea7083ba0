import { IpvsError, type IpvsErrorCode } from '../../common/errors.js';

/** Codes of errors that say that the object exists. */
const EXISTS: ReadonlySet<IpvsErrorCode> = new Set([
  'ERR_IPVS_SERVICE_EXISTS',
  'ERR_IPVS_SERVER_EXISTS',
  'ERR_IPVS_LINK_EXISTS',
  'ERR_IPVS_ADDRESS_EXISTS',
  'ERR_IPVS_ROUTE_EXISTS',
  'ERR_IPVS_MARK_EXISTS',
  'ERR_IPVS_RULE_EXISTS',
  'ERR_IPVS_UDP_TUNNEL_EXISTS',
]);

/** Returns true for an error that says that the object exists: another program made it at the same time. */
export function isThere(error: unknown): boolean {
  return error instanceof IpvsError && EXISTS.has(error.code);
}

/** Returns true for an error that says that the service or the server does not exist. */
export function isGone(error: IpvsError | undefined): boolean {
  return error?.code === 'ERR_IPVS_NO_SUCH_SERVICE' || error?.code === 'ERR_IPVS_NO_SUCH_SERVER';
}

/** Returns the error, or an `ERR_IPVS_SYSTEM` with it as its cause. */
export function asIpvsError(error: unknown): IpvsError {
  if (error instanceof IpvsError) return error;
  return new IpvsError('ERR_IPVS_SYSTEM', error instanceof Error ? error.message : String(error), { cause: error });
}
