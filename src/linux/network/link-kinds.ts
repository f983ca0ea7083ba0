import { compact } from '../../common/compact.js';
import type { LinkData, LinkDetails, MacvlanMode } from '../../kernel/network/types.js';
import type { Attribute } from '../netlink/reader.js';
import type { MessageWriter } from '../netlink/writer.js';
import { addressAttribute, addressUnlessZero, type IndexOf } from './wire.js';

/** Attribute of the peer of a veth (include/uapi/linux/veth.h). */
const VETH_INFO_PEER = 1;
/** Attributes IFLA_BR_* (include/uapi/linux/if_link.h). */
const BRIDGE = { STP_STATE: 5, VLAN_FILTERING: 7, MCAST_SNOOPING: 23 } as const;
/** Attributes IFLA_VXLAN_* (include/uapi/linux/if_link.h). */
const VXLAN = {
  ID: 1,
  GROUP: 2,
  LINK: 3,
  LOCAL: 4,
  LEARNING: 7,
  PROXY: 11,
  L2MISS: 13,
  L3MISS: 14,
  PORT: 15,
  GROUP6: 16,
  LOCAL6: 17,
  COLLECT_METADATA: 25,
} as const;
/** Attributes IFLA_IPTUN_* and IFLA_GRE_* (include/uapi/linux/if_tunnel.h). */
const IPIP = { LINK: 1, LOCAL: 2, REMOTE: 3, TTL: 4, PMTUDISC: 10, COLLECT_METADATA: 19 } as const;
const GRE = {
  LINK: 1,
  IFLAGS: 2,
  OFLAGS: 3,
  IKEY: 4,
  OKEY: 5,
  LOCAL: 6,
  REMOTE: 7,
  TTL: 8,
  PMTUDISC: 10,
  COLLECT_METADATA: 18,
} as const;
const GRE_KEY = 0x2000;
const MACVLAN_MODE = 1;

/** Modes MACVLAN_MODE_* (include/uapi/linux/if_link.h). */
const macvlanModes: readonly (readonly [MacvlanMode, number])[] = [
  ['private', 1],
  ['vepa', 2],
  ['bridge', 4],
  ['passthru', 8],
  ['source', 16],
];

type Vxlan = Omit<Extract<LinkData, { kind: 'vxlan' }>, 'device'>;

/** The same as {@link LinkData}, but with the index of an interface instead of its name. */
export type RawData = Exclude<LinkData, { kind: 'vxlan' }> | (Vxlan & { readonly deviceIndex?: number });

export function decodeData(
  kind: string,
  data: Attribute | undefined,
  linkIndex: number | undefined,
  linkNamespaceId: number | undefined,
): RawData | undefined {
  const values = new Map<number, Attribute>();
  for (const attribute of data?.nested ?? []) values.set(attribute.type, attribute);
  switch (kind) {
    case 'veth':
      // The other end may be missing for a moment while both are deleted.
      if (linkIndex === undefined) return undefined;
      return compact<Extract<RawData, { kind: 'veth' }>>({
        kind,
        peerIndex: linkIndex,
        peerNamespaceId: linkNamespaceId,
      });
    case 'bridge':
      return compact<Extract<RawData, { kind: 'bridge' }>>({
        kind,
        stp: (values.get(BRIDGE.STP_STATE)?.u32 ?? 0) !== 0,
        vlanFiltering: values.get(BRIDGE.VLAN_FILTERING)?.u8 === 1,
        multicastSnooping: flag(values.get(BRIDGE.MCAST_SNOOPING)),
      });
    case 'vxlan':
      return decodeVxlan(values);
    case 'ipip':
      return compact<Extract<RawData, { kind: 'ipip' | 'gre' }>>({
        kind,
        local: addressIn(values.get(IPIP.LOCAL)),
        remote: addressIn(values.get(IPIP.REMOTE)),
        ttl: values.get(IPIP.TTL)?.u8 || undefined,
        external: values.has(IPIP.COLLECT_METADATA),
      });
    case 'gre':
      return compact<Extract<RawData, { kind: 'ipip' | 'gre' }>>({
        kind,
        local: addressIn(values.get(GRE.LOCAL)),
        remote: addressIn(values.get(GRE.REMOTE)),
        ttl: values.get(GRE.TTL)?.u8 || undefined,
        key: greKey(values),
        external: values.has(GRE.COLLECT_METADATA),
      });
    case 'macvlan': {
      const number = values.get(MACVLAN_MODE)?.u32;
      const mode = macvlanModes.find(([, known]) => known === number)?.[0];
      return mode === undefined ? undefined : { kind, mode };
    }
    default:
      return undefined;
  }
}

function flag(attribute: Attribute | undefined): boolean | undefined {
  return attribute === undefined ? undefined : attribute.u8 !== 0;
}

function addressIn(attribute: Attribute | undefined): string | undefined {
  return attribute === undefined ? undefined : addressUnlessZero(attribute.bytes);
}

function decodeVxlan(values: ReadonlyMap<number, Attribute>): RawData {
  return compact<Extract<RawData, { kind: 'vxlan' }>>({
    kind: 'vxlan',
    id: values.get(VXLAN.ID)?.u32 ?? 0,
    port: values.get(VXLAN.PORT)?.be16 ?? 0,
    local: addressIn(values.get(VXLAN.LOCAL) ?? values.get(VXLAN.LOCAL6)),
    remote: addressIn(values.get(VXLAN.GROUP) ?? values.get(VXLAN.GROUP6)),
    deviceIndex: values.get(VXLAN.LINK)?.u32 || undefined,
    learning: values.get(VXLAN.LEARNING)?.u8 === 1,
    proxy: values.get(VXLAN.PROXY)?.u8 === 1,
    l2miss: values.get(VXLAN.L2MISS)?.u8 === 1,
    l3miss: values.get(VXLAN.L3MISS)?.u8 === 1,
    external: values.get(VXLAN.COLLECT_METADATA)?.u8 === 1,
  });
}

function greKey(values: ReadonlyMap<number, Attribute>): number | undefined {
  const both = (values.get(GRE.IFLAGS)?.be16 ?? 0) & (values.get(GRE.OFLAGS)?.be16 ?? 0) & GRE_KEY;
  const [input, output] = [values.get(GRE.IKEY)?.be32, values.get(GRE.OKEY)?.be32];
  return both !== 0 && input === output ? input : undefined;
}

/** Encodes the data of a kind. `writePeer` writes the other end of a veth. */
export function encodeData(
  writer: MessageWriter,
  details: LinkDetails,
  indexOf: IndexOf,
  writePeer: (peer: Extract<LinkDetails, { kind: 'veth' }>['peer']) => void,
): void {
  switch (details.kind) {
    case 'dummy':
      return;
    case 'veth':
      writer.nest(VETH_INFO_PEER, () => writePeer(details.peer));
      return;
    case 'bridge':
      if (details.stp !== undefined) writer.u32(BRIDGE.STP_STATE, details.stp ? 1 : 0);
      if (details.vlanFiltering !== undefined) writer.u8(BRIDGE.VLAN_FILTERING, details.vlanFiltering ? 1 : 0);
      if (details.multicastSnooping !== undefined) writer.u8(BRIDGE.MCAST_SNOOPING, details.multicastSnooping ? 1 : 0);
      return;
    case 'vxlan':
      encodeVxlan(writer, details, indexOf);
      return;
    case 'ipip':
    case 'gre':
      encodeTunnel(writer, details, indexOf);
      return;
    case 'macvlan':
      writer.u32(MACVLAN_MODE, new Map(macvlanModes).get(details.mode) ?? 0);
  }
}

function encodeVxlan(
  writer: MessageWriter,
  {
    id,
    port,
    local,
    remote,
    device,
    learning,
    proxy,
    l2miss,
    l3miss,
    external,
  }: Extract<LinkDetails, { kind: 'vxlan' }>,
  indexOf: IndexOf,
): void {
  if (id !== undefined) writer.u32(VXLAN.ID, id);
  writer.be16(VXLAN.PORT, port);
  if (local !== undefined) addressAttribute(writer, local.includes(':') ? VXLAN.LOCAL6 : VXLAN.LOCAL, local);
  if (remote !== undefined) addressAttribute(writer, remote.includes(':') ? VXLAN.GROUP6 : VXLAN.GROUP, remote);
  if (device !== undefined) writer.u32(VXLAN.LINK, indexOf(device));
  if (learning !== undefined) writer.u8(VXLAN.LEARNING, learning ? 1 : 0);
  if (proxy !== undefined) writer.u8(VXLAN.PROXY, proxy ? 1 : 0);
  if (l2miss !== undefined) writer.u8(VXLAN.L2MISS, l2miss ? 1 : 0);
  if (l3miss !== undefined) writer.u8(VXLAN.L3MISS, l3miss ? 1 : 0);
  if (external) writer.u8(VXLAN.COLLECT_METADATA, 1);
}

function encodeTunnel(
  writer: MessageWriter,
  { kind, local, remote, device, ttl, key, external }: Extract<LinkDetails, { kind: 'ipip' | 'gre' }>,
  indexOf: IndexOf,
): void {
  const types = kind === 'ipip' ? IPIP : GRE;
  if (external) writer.bytes(types.COLLECT_METADATA, new Uint8Array());
  if (local !== undefined) addressAttribute(writer, types.LOCAL, local);
  if (remote !== undefined) addressAttribute(writer, types.REMOTE, remote);
  if (device !== undefined) writer.u32(types.LINK, indexOf(device));
  if (ttl !== undefined) writer.u8(types.TTL, ttl);
  // Turns path MTU discovery on, as `ip` does: the kernel's default is off.
  writer.u8(types.PMTUDISC, 1);
  if (key === undefined) return;
  for (const type of [GRE.IFLAGS, GRE.OFLAGS]) writer.be16(type, GRE_KEY);
  for (const type of [GRE.IKEY, GRE.OKEY]) writer.be32(type, key);
}
