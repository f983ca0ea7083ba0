import { type Family, readAddress, writeAddress } from '../../common/address.js';
import { protocolNumber } from '../../common/protocols.js';
import { portProtocolOf } from '../../kernel/netfilter/rules.js';
import type { NftMapElement, NftMapKey, NftMapShape } from '../../kernel/netfilter/types.js';

/** Data types of nft, so that it prints keys in readable form (its include/datatype.h). The kernel ignores them. */
const TYPE = { ipv4: 7, ipv6: 8, protocol: 12, port: 13 } as const;
export const TYPE_MARK = 19;
/** Number of bits for each part of a concatenated type (TYPE_BITS of nft). */
const TYPE_BITS = 6;

const addressLength: Readonly<Record<Family, number>> = { ipv4: 4, ipv6: 16 };

interface KeyLayout {
  readonly family?: Family;
  readonly withPort: boolean;
  readonly type: number;
  /** Length in bytes. Each part begins at a multiple of 4. */
  readonly length: number;
}

function layout(family: Family | undefined, withPort: boolean): KeyLayout {
  const types = [...(family ? [TYPE[family]] : []), ...(withPort ? [TYPE.protocol, TYPE.port] : [])];
  const type = types.reduce((sum, part) => (sum << TYPE_BITS) | part, 0);
  const length = (family ? addressLength[family] : 0) + (withPort ? 8 : 0);
  return { ...(family && { family }), withPort, type, length };
}

export const keyLayouts: Readonly<Record<NftMapShape, KeyLayout>> = {
  port: layout(undefined, true),
  ip: layout('ipv4', false),
  ip_port: layout('ipv4', true),
  ip6: layout('ipv6', false),
  ip6_port: layout('ipv6', true),
};

export function keyBytes(shape: NftMapShape, { address, protocol, port = 0 }: NftMapKey): Uint8Array {
  const { family, withPort, length } = keyLayouts[shape];
  const bytes = new Uint8Array(length);
  if (family && address !== undefined) writeAddress(bytes, 0, address, family);
  if (withPort && protocol) {
    bytes[length - 8] = protocolNumber(protocol);
    bytes[length - 4] = port >> 8;
    bytes[length - 3] = port & 0xff;
  }
  return bytes;
}

/** Reads an element. Returns `undefined` for a key that this library does not write. */
export function readElement(shape: NftMapShape, key: Uint8Array, mark: number): NftMapElement | undefined {
  const { family, withPort, length } = keyLayouts[shape];
  if (key.length !== length) return undefined;
  const address = family && { address: readAddress(key, 0, family) };
  if (!withPort) return { ...address, mark };
  const protocol = portProtocolOf(key[length - 8] ?? 0);
  if (!protocol) return undefined;
  return { ...address, protocol, port: ((key[length - 4] ?? 0) << 8) | (key[length - 3] ?? 0), mark };
}
