import { compact } from '../../common/compact.js';
import { familyNumber } from '../../kernel/families.js';
import { scopeNumber, scopeOf } from '../../kernel/network/scopes.js';
import type { AddressKey, AddressSettings, InterfaceAddress } from '../../kernel/network/types.js';
import { type Attribute, readAttributes } from '../netlink/reader.js';
import { type MessageWriter, NLM_F } from '../netlink/writer.js';
import {
  AF_UNSPEC,
  addressBytes,
  addressOf,
  addressSize,
  familyOfNumber,
  fixedPart,
  malformed,
  type NameOf,
  RTM,
} from './wire.js';

/** Attributes IFA_* (include/uapi/linux/if_addr.h). */
const IFA = { ADDRESS: 1, LOCAL: 2, LABEL: 3, BROADCAST: 4, CACHEINFO: 6, FLAGS: 8, PROTO: 11 } as const;
const IFA_F = {
  SECONDARY: 1,
  NODAD: 2,
  DADFAILED: 8,
  DEPRECATED: 0x20,
  TENTATIVE: 0x40,
  NOPREFIXROUTE: 0x200,
} as const;
const HEADER = 8; // struct ifaddrmsg
const FOR_EVER = 0xffffffff;

/** An address with the index of its interface. */
export interface RawAddress extends Omit<InterfaceAddress, 'interface'> {
  readonly index: number;
}

/** Decodes an address. Returns `undefined` for other families. */
export function decodeAddress(payload: Uint8Array): RawAddress | undefined {
  const view = fixedPart(payload, HEADER);
  const family = familyOfNumber(view.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = new Map<number, Attribute>();
  for (const attribute of readAttributes(payload, HEADER)) attributes.set(attribute.type, attribute);
  const size = addressSize(family);
  // If an address has a peer, IFA_ADDRESS is the peer.
  const given = attributes.get(IFA.ADDRESS)?.bytes;
  const local = attributes.get(IFA.LOCAL)?.bytes ?? given;
  if (local?.length !== size || (given && given.length !== size)) throw malformed();
  const address = addressOf(local);
  const other = given && addressOf(given);
  const flags = attributes.get(IFA.FLAGS)?.u32 ?? view.getUint8(2);
  const lifetimes = attributes.get(IFA.CACHEINFO);
  const cache = lifetimes && fixedPart(lifetimes.bytes, 8);
  const lifetime = (at: number): number | undefined => {
    const seconds = cache?.getUint32(at, true);
    return seconds === FOR_EVER ? undefined : seconds;
  };
  const broadcast = attributes.get(IFA.BROADCAST)?.bytes;
  return compact<RawAddress>({
    index: view.getUint32(4, true),
    family,
    address: `${address}/${view.getUint8(1)}`,
    peer: other === address ? undefined : other,
    broadcast: broadcast && addressOf(broadcast),
    scope: scopeOf(view.getUint8(3)),
    label: attributes.get(IFA.LABEL)?.text,
    protocol: attributes.get(IFA.PROTO)?.u8,
    secondary: (flags & IFA_F.SECONDARY) !== 0,
    tentative: (flags & IFA_F.TENTATIVE) !== 0,
    duplicate: (flags & IFA_F.DADFAILED) !== 0,
    deprecated: (flags & IFA_F.DEPRECATED) !== 0,
    noDad: (flags & IFA_F.NODAD) !== 0,
    noPrefixRoute: (flags & IFA_F.NOPREFIXROUTE) !== 0,
    validLifetime: lifetime(4),
    preferredLifetime: lifetime(0),
  });
}

/** Adds the name of the interface. Returns `undefined` if the interface, and with it the address, was deleted. */
export function toAddress({ index, ...address }: RawAddress, nameOf: NameOf): InterfaceAddress | undefined {
  const name = nameOf(index);
  return name === undefined ? undefined : { interface: name, ...address };
}

export function encodeListAddresses(writer: MessageWriter): void {
  writer.message(RTM.GETADDR, NLM_F.REQUEST | NLM_F.DUMP, () => {
    const bytes = new Uint8Array(HEADER);
    bytes[0] = AF_UNSPEC;
    writer.fixed(bytes);
  });
}

export function encodeAddAddress(writer: MessageWriter, address: AddressSettings, index: number): void {
  writer.message(RTM.NEWADDR, NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL, () => {
    writeKey(writer, address, index, scopeNumber(address.scope));
    if (address.label !== undefined) writer.text(IFA.LABEL, address.label);
    if (address.noDad) writer.u32(IFA.FLAGS, IFA_F.NODAD);
    if (address.protocol !== undefined) writer.u8(IFA.PROTO, address.protocol);
  });
}

/** Encodes a delete. The kernel compares all attributes, so it does not find an IPv4 address with a peer. */
export function encodeDeleteAddress(writer: MessageWriter, address: AddressKey, index: number): void {
  writer.message(RTM.DELADDR, NLM_F.REQUEST | NLM_F.ACK, () => writeKey(writer, address, index, 0));
}

function writeKey(writer: MessageWriter, address: AddressKey, index: number, scope: number): void {
  const header = new Uint8Array(HEADER);
  const view = new DataView(header.buffer);
  view.setUint8(0, familyNumber(address.family));
  view.setUint8(1, address.prefixLength);
  view.setUint8(3, scope);
  view.setUint32(4, index, true);
  writer.fixed(header);
  const bytes = addressBytes(address.address, address.family);
  writer.bytes(IFA.LOCAL, bytes);
  writer.bytes(IFA.ADDRESS, bytes);
}
