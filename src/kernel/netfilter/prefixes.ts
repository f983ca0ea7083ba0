import { prefixMask } from '../../common/prefix.js';
import { CMP, NETWORK_HEADER, type NftExpression } from './expression.js';

/** Length of the address at each offset of the network header, in bytes. The offsets of IPv4 and IPv6 differ. */
const fullLengths = new Map([
  [12, 4], // struct iphdr: saddr
  [16, 4], // struct iphdr: daddr
  [8, 16], // struct ipv6hdr: saddr
  [24, 16], // struct ipv6hdr: daddr
]);

/** Counts the bits of a mask. */
export function maskLength(mask: Uint8Array): number {
  return [...mask].reduce((sum, byte) => sum + byte.toString(2).split('1').length - 1, 0);
}

/**
 * Replaces a comparison of the first bytes of an address with a masked comparison of the whole
 * address. nft writes a prefix of whole bytes (/8, /16, /64) in the short form when it loads a saved
 * ruleset (netlink_gen_cmp in its netlink_linearize.c); this library writes the long form.
 */
export function withWholeAddresses(expressions: readonly NftExpression[]): readonly NftExpression[] {
  const result: NftExpression[] = [];
  for (let at = 0; at < expressions.length; at++) {
    const [loaded, compared] = expressions.slice(at, at + 2);
    const whole = loaded && compared && wholeAddress(loaded, compared);
    if (whole) at++;
    result.push(...(whole ?? (loaded ? [loaded] : [])));
  }
  return result;
}

function wholeAddress(loaded: NftExpression, compared: NftExpression): NftExpression[] | undefined {
  if (loaded.name !== 'payload' || loaded.base !== NETWORK_HEADER || compared.name !== 'cmp') return undefined;
  const length = fullLengths.get(loaded.offset) ?? 0;
  const { data, operator, register } = compared;
  if (operator !== CMP.equal || register !== loaded.register) return undefined;
  if (data.length === 0 || data.length >= length || data.length !== loaded.length) return undefined;
  const address = new Uint8Array(length);
  address.set(data);
  return [
    { ...loaded, length },
    { name: 'bitwise', register, mask: prefixMask(length, data.length * 8), xor: new Uint8Array(length) },
    { ...compared, data: address },
  ];
}
