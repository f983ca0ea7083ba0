import { compact } from '../../common/compact.js';
import type { ForwardingEntry, ForwardingSettings, ForwardingState } from '../../kernel/network/types.js';
import { type Attribute, readAttributes } from '../netlink/reader.js';
import { type MessageWriter, NLM_F } from '../netlink/writer.js';
import { NDA, NEIGHBOUR_HEADER, NTF, neighbourHeader } from './neighbours.js';
import {
  AF_BRIDGE,
  addressAttribute,
  addressOf,
  fixedPart,
  formatLinkAddress,
  type IndexOf,
  linkAddressBytes,
  malformed,
  type NameOf,
  RTM,
} from './wire.js';

/** NUD_* (include/uapi/linux/neighbour.h), used in the same way as in `bridge fdb`. */
const NUD = { REACHABLE: 2, STALE: 4, NOARP: 0x40, PERMANENT: 0x80 } as const;
const writtenStates: Readonly<Record<ForwardingState, number>> = {
  permanent: NUD.PERMANENT,
  static: NUD.NOARP | NUD.REACHABLE,
  dynamic: NUD.REACHABLE,
  stale: NUD.STALE,
};

/** An entry with the indexes of its interfaces. */
export interface RawForwardingEntry extends Omit<ForwardingEntry, 'interface' | 'bridge' | 'via'> {
  readonly index: number;
  readonly bridgeIndex: number | undefined;
  readonly viaIndex: number | undefined;
}

/** Decodes a forwarding entry. Returns `undefined` for a neighbour. */
export function decodeForwardingEntry(payload: Uint8Array): RawForwardingEntry | undefined {
  const view = fixedPart(payload, NEIGHBOUR_HEADER);
  if (view.getUint8(0) !== AF_BRIDGE) return undefined;
  const attributes = new Map<number, Attribute>();
  for (const attribute of readAttributes(payload, NEIGHBOUR_HEADER)) attributes.set(attribute.type, attribute);
  const address = attributes.get(NDA.LLADDR)?.bytes;
  // Messages of a vxlan with a nexthop object, and requests for an address (L3MISS), have no link-layer address.
  if (!address) return undefined;
  if (address.length !== 6) throw malformed();
  const flags = view.getUint8(10);
  const destination = attributes.get(NDA.DST)?.bytes;
  const bridgeIndex = attributes.get(NDA.MASTER)?.u32;
  return compact<RawForwardingEntry>({
    index: view.getInt32(4, true),
    linkAddress: formatLinkAddress(address),
    state: stateOf(view.getUint16(8, true)),
    self: (flags & NTF.SELF) !== 0,
    master: (flags & NTF.MASTER) !== 0 || bridgeIndex !== undefined,
    bridgeIndex,
    vlan: attributes.get(NDA.VLAN)?.u16,
    destination: destination && addressOf(destination),
    port: attributes.get(NDA.PORT)?.be16,
    vni: attributes.get(NDA.VNI)?.u32,
    sourceVni: attributes.get(NDA.SRC_VNI)?.u32,
    viaIndex: attributes.get(NDA.IFINDEX)?.u32,
    nexthopId: attributes.get(NDA.NH_ID)?.u32,
    externallyLearned: (flags & NTF.EXT_LEARNED) !== 0,
  });
}

function stateOf(state: number): ForwardingState {
  if (state & NUD.PERMANENT) return 'permanent';
  if (state & NUD.NOARP) return 'static';
  return state & NUD.STALE ? 'stale' : 'dynamic';
}

/** Adds the names of interfaces. Returns `undefined` if the interface, and with it the entry, was deleted. */
export function toForwardingEntry(
  { index, bridgeIndex, viaIndex, ...entry }: RawForwardingEntry,
  nameOf: NameOf,
): ForwardingEntry | undefined {
  const name = nameOf(index);
  if (name === undefined) return undefined;
  return compact<ForwardingEntry>({
    interface: name,
    ...entry,
    bridge: bridgeIndex === undefined ? undefined : nameOf(bridgeIndex),
    via: viaIndex === undefined ? undefined : nameOf(viaIndex),
  });
}

/** Encodes a dump with a link's header: the kernel filters by its index (valid_fdb_dump_legacy in rtnetlink.c). */
export function encodeListForwardingEntries(writer: MessageWriter, index: number): void {
  writer.message(RTM.GETNEIGH, NLM_F.REQUEST | NLM_F.DUMP, () => {
    const bytes = new Uint8Array(16); // struct ifinfomsg
    bytes[0] = AF_BRIDGE;
    new DataView(bytes.buffer).setInt32(4, index, true);
    writer.fixed(bytes);
  });
}

export function encodeForwardingEntry(
  writer: MessageWriter,
  verb: 'add-forwarding-entry' | 'delete-forwarding-entry',
  entry: ForwardingSettings,
  indexOf: IndexOf,
): void {
  const add = verb === 'add-forwarding-entry';
  const exclusive = NLM_F.CREATE | (entry.append ? NLM_F.APPEND : NLM_F.EXCL);
  const flags = NLM_F.REQUEST | NLM_F.ACK | (add ? exclusive : 0);
  writer.message(add ? RTM.NEWNEIGH : RTM.DELNEIGH, flags, () => {
    const table = entry.of === 'self' ? NTF.SELF : NTF.MASTER;
    writer.fixed(neighbourHeader(AF_BRIDGE, indexOf(entry.interface), writtenStates[entry.state], table));
    writer.bytes(NDA.LLADDR, linkAddressBytes(entry.linkAddress));
    if (entry.destination !== undefined) addressAttribute(writer, NDA.DST, entry.destination);
    if (entry.vlan !== undefined) writer.u16(NDA.VLAN, entry.vlan);
    if (entry.port !== undefined) writer.be16(NDA.PORT, entry.port);
    if (entry.vni !== undefined) writer.u32(NDA.VNI, entry.vni);
    if (entry.sourceVni !== undefined) writer.u32(NDA.SRC_VNI, entry.sourceVni);
    if (entry.via !== undefined) writer.u32(NDA.IFINDEX, indexOf(entry.via));
  });
}
