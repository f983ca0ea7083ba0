import { canonicalAddress, type Family, familyOf } from '../../common/address.js';
import { invalid } from '../../common/errors.js';
import { show } from '../../common/show.js';
import type { Protocol, ServerKey, ServiceKey } from './types.js';
import { protocols } from './vocabulary.js';

declare const kind: unique symbol;

/**
 * The encoded key of a service: equal for the same service only. Records keep it: its form does not change within a
 * version of the records, whatever messages say. `tcp/192.0.2.1/80`, `fwmark/ipv4/80`.
 */
export type ServiceId = string & { readonly [kind]: 'service' };

/** The encoded key of a server within its service: `10.0.0.1/80`. Kept in records, as {@link ServiceId}. */
export type ServerId = string & { readonly [kind]: 'server' };

export function encodeService(key: ServiceKey): ServiceId {
  const id = 'fwmark' in key ? `fwmark/${key.family}/${key.fwmark}` : `${key.protocol}/${key.address}/${key.port}`;
  return id as ServiceId;
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if the text is not what {@link encodeService} returns for a service */
export function decodeService(id: string): ServiceKey {
  const [first = '', second = '', third = '', ...rest] = id.split('/');
  if (rest.length === 0) {
    const number = numberOf(third);
    if (first === 'fwmark' && (second === 'ipv4' || second === 'ipv6') && number >= 1)
      return { family: second, fwmark: number };
    const family = familyOfCanonical(second);
    if ((protocols as readonly string[]).includes(first) && family !== undefined && number <= 0xffff)
      return { family, protocol: first as Protocol, address: second, port: number };
  }
  throw invalid(`the id of a service must be such as tcp/192.0.2.1/80 or fwmark/ipv4/80, not ${show(id)}`);
}

export function encodeServer({ address, port }: Pick<ServerKey, 'address' | 'port'>): ServerId {
  return `${address}/${port}` as ServerId;
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` if the text is not what {@link encodeServer} returns for a server */
export function decodeServer(id: string): ServerKey {
  const [address = '', second = '', ...rest] = id.split('/');
  const family = familyOfCanonical(address);
  const port = numberOf(second);
  if (rest.length === 0 && family !== undefined && port <= 0xffff) return { family, address, port };
  throw invalid(`the id of a server must be such as 10.0.0.1/80, not ${show(id)}`);
}

/** Returns the number of a text of decimal digits without leading zeros, of at most 32 bits; NaN for another text. */
function numberOf(text: string): number {
  return /^(0|[1-9]\d{0,9})$/.test(text) && Number(text) <= 0xffffffff ? Number(text) : Number.NaN;
}

function familyOfCanonical(address: string): Family | undefined {
  const family = familyOf(address);
  return family !== undefined && canonicalAddress(address, family) === address ? family : undefined;
}
