import { compact } from '../../common/compact.js';
import { familyNumber } from '../../kernel/families.js';
import type { Neighbour, NeighbourKey, NeighbourSettings, NeighbourState } from '../../kernel/network/types.js';
import { type Attribute, readAttributes } from '../netlink/reader.js';
import { type MessageWriter, NLM_F } from '../netlink/writer.js';
import {
  AF_UNSPEC,
  addressAttribute,
  addressOf,
  addressSize,
  familyOfNumber,
  fixedPart,
  formatLinkAddress,
  linkAddressBytes,
  malformed,
  type NameOf,
  RTM,
} from './wire.js';

/** NDA_* and NTF_* (include/uapi/linux/neighbour.h), which forwarding entries use, too. */
export const NDA = {
  DST: 1,
  LLADDR: 2,
  VLAN: 5,
  PORT: 6,
  VNI: 7,
  IFINDEX: 8,
  MASTER: 9,
  SRC_VNI: 11,
  NH_ID: 13,
} as const;
export const NTF = { SELF: 2, MASTER: 4, PROXY: 8, EXT_LEARNED: 0x10, ROUTER: 0x80 } as const;
export const NEIGHBOUR_HEADER = 12; // struct ndmsg

const states: readonly (readonly [number, NeighbourState])[] = [
  [0, 'none'],
  [1, 'incomplete'],
  [2, 'reachable'],
  [4, 'stale'],
  [8, 'delay'],
  [0x10, 'probe'],
  [0x20, 'failed'],
  [0x40, 'noarp'],
  [0x80, 'permanent'],
];

/** A neighbour with the index of its interface. */
export interface RawNeighbour extends Omit<Neighbour, 'interface'> {
  readonly index: number;
}

/** Decodes a neighbour. Returns `undefined` for an entry of another family, such as a forwarding entry. */
export function decodeNeighbour(payload: Uint8Array): RawNeighbour | undefined {
  const view = fixedPart(payload, NEIGHBOUR_HEADER);
  const family = familyOfNumber(view.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = new Map<number, Attribute>();
  for (const attribute of readAttributes(payload, NEIGHBOUR_HEADER)) attributes.set(attribute.type, attribute);
  const destination = attributes.get(NDA.DST)?.bytes;
  if (destination?.length !== addressSize(family)) throw malformed();
  const flags = view.getUint8(10);
  const number = view.getUint16(8, true);
  const address = attributes.get(NDA.LLADDR)?.bytes;
  return compact<RawNeighbour>({
    index: view.getInt32(4, true),
    family,
    address: addressOf(destination),
    linkAddress: address && address.length > 0 ? formatLinkAddress(address) : undefined,
    state: states.find(([known]) => known === number)?.[1] ?? 'none',
    proxy: (flags & NTF.PROXY) !== 0,
    router: (flags & NTF.ROUTER) !== 0,
    externallyLearned: (flags & NTF.EXT_LEARNED) !== 0,
  });
}

/** Adds the name of the interface. Returns `undefined` if the interface, and with it the entry, was deleted. */
export function toNeighbour({ index, ...neighbour }: RawNeighbour, nameOf: NameOf): Neighbour | undefined {
  const name = nameOf(index);
  return name === undefined ? undefined : { interface: name, ...neighbour };
}

/** Encodes a dump. The kernel returns either the proxy entries or all others. */
export function encodeListNeighbours(writer: MessageWriter, proxy: boolean): void {
  writer.message(RTM.GETNEIGH, NLM_F.REQUEST | NLM_F.DUMP, () => {
    writer.fixed(neighbourHeader(AF_UNSPEC, 0, 0, proxy ? NTF.PROXY : 0));
  });
}

export function encodeSetNeighbour(writer: MessageWriter, neighbour: NeighbourSettings, index: number): void {
  writer.message(RTM.NEWNEIGH, NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.REPLACE, () => {
    const state = states.find(([, name]) => name === neighbour.state)?.[0] ?? 0;
    const flags = neighbour.proxy ? NTF.PROXY : 0;
    writer.fixed(neighbourHeader(familyNumber(neighbour.family), index, neighbour.proxy ? 0 : state, flags));
    addressAttribute(writer, NDA.DST, neighbour.address);
    if (neighbour.linkAddress !== undefined) writer.bytes(NDA.LLADDR, linkAddressBytes(neighbour.linkAddress));
  });
}

export function encodeDeleteNeighbour(writer: MessageWriter, neighbour: NeighbourKey, index: number): void {
  writer.message(RTM.DELNEIGH, NLM_F.REQUEST | NLM_F.ACK, () => {
    const flags = neighbour.proxy ? NTF.PROXY : 0;
    writer.fixed(neighbourHeader(familyNumber(neighbour.family), index, 0, flags));
    addressAttribute(writer, NDA.DST, neighbour.address);
  });
}

export function neighbourHeader(family: number, index: number, state: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(NEIGHBOUR_HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, family);
  view.setInt32(4, index, true);
  view.setUint16(8, state, true);
  view.setUint8(10, flags);
  return bytes;
}
