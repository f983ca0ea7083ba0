import { compact } from '../../common/compact.js';
import { LONGEST_MAIN_NAME } from '../../common/interface-name.js';
import type { Link, LinkChange, LinkSettings, OperationalState } from '../../kernel/network/types.js';
import { type Attribute, readAttributes } from '../netlink/reader.js';
import { type MessageWriter, NLM_F } from '../netlink/writer.js';
import { decodeData, encodeData, type RawData } from './link-kinds.js';
import {
  AF_UNSPEC,
  fixedPart,
  formatLinkAddress,
  type IndexOf,
  linkAddressBytes,
  type NameOf,
  nameAt,
  RTM,
} from './wire.js';

/** Attributes IFLA_* (include/uapi/linux/if_link.h). */
export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  OPERSTATE: 16,
  LINKINFO: 18,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  LINK_NETNSID: 37,
  PROP_LIST: 52,
  ALT_IFNAME: 53,
} as const;
const INFO_KIND = 1;
const INFO_DATA = 2;
/** Excludes the counters, which are half of a dump (include/uapi/linux/rtnetlink.h). */
const RTEXT_FILTER_SKIP_STATS = 8;

/** Flags of an interface (include/uapi/linux/if.h). */
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
/** Hardware type of a loopback interface (include/uapi/linux/if_arp.h). */
const ARPHRD_LOOPBACK = 772;

const HEADER = 16; // struct ifinfomsg

const states: readonly OperationalState[] = [
  'unknown',
  'not-present',
  'down',
  'lower-layer-down',
  'testing',
  'dormant',
  'up',
];

/** The interface of a message, with the indexes of the other interfaces that it refers to. */
export interface RawLink {
  readonly index: number;
  readonly name: string;
  readonly alternativeNames: readonly string[];
  readonly kind: string;
  readonly data: RawData | undefined;
  readonly up: boolean;
  readonly running: boolean;
  readonly operationalState: OperationalState;
  readonly mtu: number;
  readonly address: string | undefined;
  readonly masterIndex: number | undefined;
  readonly linkIndex: number | undefined;
  /** Id of the other namespace that `linkIndex` belongs to. */
  readonly linkNamespaceId: number | undefined;
}

/** Decodes an interface. Returns `undefined` for other messages of this type, which bridges send for their ports. */
export function decodeLink(payload: Uint8Array): RawLink | undefined {
  const view = fixedPart(payload, HEADER);
  if (view.getUint8(0) !== AF_UNSPEC) return undefined;
  const flags = view.getUint32(8, true);
  const hardware = view.getUint16(2, true);
  const attributes = new Map<number, Attribute>();
  for (const attribute of readAttributes(payload, HEADER)) attributes.set(attribute.type, attribute);
  const info = new Map<number, Attribute>();
  for (const attribute of attributes.get(IFLA.LINKINFO)?.nested ?? []) info.set(attribute.type, attribute);
  const kind = info.get(INFO_KIND)?.text ?? (hardware === ARPHRD_LOOPBACK ? 'loopback' : 'device');
  const linkIndex = attributes.get(IFLA.LINK)?.u32;
  const linkNamespaceId = attributes.get(IFLA.LINK_NETNSID)?.i32;
  const address = attributes.get(IFLA.ADDRESS)?.bytes;
  const masterIndex = attributes.get(IFLA.MASTER)?.u32;
  return {
    index: view.getInt32(4, true),
    name: attributes.get(IFLA.IFNAME)?.text ?? '',
    alternativeNames: alternativeNames(attributes.get(IFLA.PROP_LIST)),
    kind,
    data: decodeData(kind, info.get(INFO_DATA), linkIndex, linkNamespaceId),
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    operationalState: nameAt(states, attributes.get(IFLA.OPERSTATE)?.u8 ?? 0) ?? 'unknown',
    mtu: attributes.get(IFLA.MTU)?.u32 ?? 0,
    // IP tunnels report the IP address of their own end as the link-layer address.
    address: address && address.length > 4 && address.length !== 16 ? formatLinkAddress(address) : undefined,
    masterIndex: masterIndex === 0 ? undefined : masterIndex,
    linkIndex: linkIndex === 0 ? undefined : linkIndex,
    linkNamespaceId,
  };
}

function alternativeNames(list: Attribute | undefined): string[] {
  const names: string[] = [];
  for (const property of list?.nested ?? []) if (property.type === IFLA.ALT_IFNAME) names.push(property.text);
  return names;
}

/** Returns the indexes of the other interfaces in this namespace that it refers to. */
export function relatives({ masterIndex, linkIndex, linkNamespaceId, data }: RawLink): number[] {
  const device = data && 'deviceIndex' in data ? data.deviceIndex : undefined;
  const link = linkNamespaceId === undefined ? linkIndex : undefined;
  return [masterIndex, link, device].filter((index) => index !== undefined);
}

export function toLink(raw: RawLink, nameOf: NameOf): Link {
  const { masterIndex, linkIndex, linkNamespaceId, data, ...rest } = raw;
  const here = linkIndex === undefined || linkNamespaceId !== undefined ? undefined : nameOf(linkIndex);
  const named = toData(data, here, nameOf);
  return compact<Link>({
    ...rest,
    data: named,
    master: masterIndex === undefined ? undefined : nameOf(masterIndex),
    // A veth refers to its other end, and an interface without a parent to itself.
    parent: named?.kind === 'veth' || linkIndex === raw.index ? undefined : here,
  });
}

function toData(data: RawData | undefined, peer: string | undefined, nameOf: NameOf): Link['data'] {
  if (data?.kind === 'veth') return peer === undefined ? data : { ...data, peer };
  if (data?.kind !== 'vxlan') return data;
  const { deviceIndex, ...rest } = data;
  const device = deviceIndex === undefined ? undefined : nameOf(deviceIndex);
  return device === undefined ? rest : { ...rest, device };
}

function header(index: number, flags = 0, change = 0): Uint8Array {
  const bytes = new Uint8Array(HEADER);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return bytes;
}

function headerFor(index: number, up: boolean | undefined): Uint8Array {
  return up === undefined ? header(index) : header(index, up ? IFF_UP : 0, IFF_UP);
}

function nameAttribute(writer: MessageWriter, name: string): void {
  writer.text(Buffer.byteLength(name) > LONGEST_MAIN_NAME ? IFLA.ALT_IFNAME : IFLA.IFNAME, name);
}

export function encodeGetLink(writer: MessageWriter, link: string | number): void {
  writer.message(RTM.GETLINK, NLM_F.REQUEST | NLM_F.ACK, () => {
    writer.fixed(header(typeof link === 'number' ? link : 0));
    if (typeof link === 'string') nameAttribute(writer, link);
    writer.u32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  });
}

export function encodeListLinks(writer: MessageWriter): void {
  writer.message(RTM.GETLINK, NLM_F.REQUEST | NLM_F.DUMP, () => {
    writer.fixed(header(0));
    writer.u32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  });
}

/** Encodes a new interface. `fdOf` returns the descriptor for the path of a namespace. */
export function encodeAddLink(
  writer: MessageWriter,
  link: LinkSettings,
  indexOf: IndexOf,
  fdOf: (path: string) => number,
): void {
  writer.message(RTM.NEWLINK, NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL, () => {
    writer.fixed(headerFor(0, link.up ? true : undefined));
    writeCommon(writer, link, fdOf);
    if (link.master !== undefined) writer.u32(IFLA.MASTER, indexOf(link.master));
    if (link.details.kind === 'macvlan') writer.u32(IFLA.LINK, indexOf(link.details.parent));
    writer.nest(IFLA.LINKINFO, () => {
      writer.text(INFO_KIND, link.details.kind);
      writer.nest(INFO_DATA, () =>
        encodeData(writer, link.details, indexOf, (peer) => {
          // The kernel creates the peer first, which cannot be up without the other end (ENOTCONN of veth_open).
          writer.fixed(header(0));
          writeCommon(writer, peer, fdOf);
        }),
      );
    });
  });
}

function writeCommon(
  writer: MessageWriter,
  { name, mtu, address, namespace }: Pick<LinkSettings, 'name' | 'mtu' | 'address' | 'namespace'>,
  fdOf: (path: string) => number,
): void {
  writer.text(IFLA.IFNAME, name);
  if (mtu !== undefined) writer.u32(IFLA.MTU, mtu);
  if (address !== undefined) writer.bytes(IFLA.ADDRESS, linkAddressBytes(address));
  if (namespace !== undefined) writer.u32(IFLA.NET_NS_FD, fdOf(namespace));
}

/**
 * Encodes changes of an interface. To rename one, the kernel requires its index (do_setlink in
 * net/core/rtnetlink.c). For other changes it looks up the name, in the same step.
 */
export function encodeSetLink(
  writer: MessageWriter,
  name: string,
  changes: LinkChange,
  indexOf: IndexOf,
  fdOf: (path: string) => number,
): void {
  writer.message(RTM.SETLINK, NLM_F.REQUEST | NLM_F.ACK, () => {
    const renamed = changes.name;
    writer.fixed(headerFor(renamed === undefined ? 0 : indexOf(name), changes.up));
    if (renamed === undefined) nameAttribute(writer, name);
    else writer.text(IFLA.IFNAME, renamed);
    if (changes.mtu !== undefined) writer.u32(IFLA.MTU, changes.mtu);
    if (changes.address !== undefined) writer.bytes(IFLA.ADDRESS, linkAddressBytes(changes.address));
    if (changes.namespace !== undefined) writer.u32(IFLA.NET_NS_FD, fdOf(changes.namespace));
    if (changes.master !== undefined) writer.u32(IFLA.MASTER, changes.master === null ? 0 : indexOf(changes.master));
  });
}

export function encodeDeleteLink(writer: MessageWriter, name: string): void {
  writer.message(RTM.DELLINK, NLM_F.REQUEST | NLM_F.ACK, () => {
    writer.fixed(header(0));
    nameAttribute(writer, name);
  });
}
