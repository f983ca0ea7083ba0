import { keyLayouts, readKey } from '../../kernel/netfilter/elements.js';
import type { NftMapElement, NftMapShape } from '../../kernel/netfilter/types.js';

/** Data types of nft, so that it prints keys in readable form (its include/datatype.h). The kernel ignores them. */
const TYPE = { ipv4: 7, ipv6: 8, protocol: 12, port: 13 } as const;
export const TYPE_MARK = 19;
/** Number of bits for each part of a concatenated type (TYPE_BITS of nft). */
const TYPE_BITS = 6;

/** Returns the data type of a map's keys. */
export function keyType(shape: NftMapShape): number {
  const { family, withPort } = keyLayouts[shape];
  const types = [...(family ? [TYPE[family]] : []), ...(withPort ? [TYPE.protocol, TYPE.port] : [])];
  return types.reduce((sum, part) => (sum << TYPE_BITS) | part, 0);
}

/** Reads an element. Returns `undefined` for a key that this library does not write. */
export function readElement(shape: NftMapShape, bytes: Uint8Array, mark: number): NftMapElement | undefined {
  const layout = keyLayouts[shape];
  const key = bytes.length === layout.length ? readKey(bytes, 0, layout) : undefined;
  return key && { ...key, mark };
}
