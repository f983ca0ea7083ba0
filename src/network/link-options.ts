import {
  checkAddress,
  checkFlag,
  checkInteger,
  checkOneOf,
  checkOptions,
  namesOf,
  show,
  valueOr,
} from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName, checkNewInterfaceName } from '../common/interface-name.js';
import { type NetworkNamespace, namespacePath } from '../kernel/namespace.js';
import type { LinkChange, LinkDetails, LinkSettings, MacvlanMode } from '../kernel/network/types.js';
import { checkAddressOf, checkLinkAddress, optional } from './checks.js';

const changeNames = namesOf<LinkChanges>({
  up: true,
  mtu: true,
  address: true,
  master: true,
  name: true,
  namespace: true,
});

const peerNames = namesOf<PeerOptions>({ name: true, namespace: true, mtu: true, address: true, up: true });

/** Options of every kind of interface. */
export interface CommonLinkOptions {
  /** Name of 1 to 15 bytes, without spaces, slashes, colons and percent signs. */
  readonly name: string;
  /** MTU in bytes, from 0 to 2^31-1; each kind has narrower bounds. Default: that of the kind. */
  readonly mtu?: number | undefined;
  /** Link-layer address: `02:42:0a:00:00:14`. Default: the kernel chooses a random one. */
  readonly address?: string | undefined;
  /** True if the interface is up. Default: false. */
  readonly up?: boolean | undefined;
  /** Bridge that the interface becomes a port of. Not together with `namespace`. */
  readonly master?: string | undefined;
  /** Namespace of the new interface. Interfaces that it is made on (`parent`, `device`) are in the handle's. */
  readonly namespace?: NetworkNamespace | undefined;
}

/** The other end of a veth. */
export interface PeerOptions {
  /** Name of 1 to 15 bytes, without spaces, slashes, colons and percent signs. */
  readonly name: string;
  /** Namespace of this end. Default: that of the handle, also if the first end has another one. */
  readonly namespace?: NetworkNamespace | undefined;
  /** MTU in bytes, from 0 to 2^31-1. Default: 1500. */
  readonly mtu?: number | undefined;
  /** Link-layer address. Default: the kernel chooses a random one. */
  readonly address?: string | undefined;
  /** True if this end is up. Default: false. */
  readonly up?: boolean | undefined;
}

/** A new interface. */
export type LinkOptions = CommonLinkOptions &
  (
    | {
        /** Kind of the interface. */
        readonly kind: 'dummy';
      }
    | {
        /** Kind of the interface. */
        readonly kind: 'veth';
        /** The other end, which is made together with this one. */
        readonly peer: PeerOptions;
      }
    | {
        /** Kind of the interface. */
        readonly kind: 'bridge';
        /** True if the bridge uses the spanning tree protocol. Default: false. */
        readonly stp?: boolean | undefined;
        /** True if the bridge filters VLANs. Default: false. */
        readonly vlanFiltering?: boolean | undefined;
        /** True if the bridge snoops multicast memberships. Default: true. */
        readonly multicastSnooping?: boolean | undefined;
      }
    | {
        /** Kind of the interface. */
        readonly kind: 'vxlan';
        /** Number of the network (VNI), from 0 to 16 777 215; an external vxlan has none. */
        readonly id?: number | undefined;
        /** UDP port, from 1 to 65535. Default: 4789 (that of IANA; the kernel's own is 8472). */
        readonly port?: number | undefined;
        /** Local address of the outer packets. */
        readonly local?: string | undefined;
        /** Destination of frames without a forwarding entry. A multicast group requires `device`. */
        readonly remote?: string | undefined;
        /** Interface that packets leave by. */
        readonly device?: string | undefined;
        /** True to learn forwarding entries from received packets. Default: true. */
        readonly learning?: boolean | undefined;
        /** True to answer neighbour requests from the neighbour table: `proxy` of `ip link`. Default: false. */
        readonly proxy?: boolean | undefined;
        /** True to ask user space for a missing forwarding entry: `l2miss` of `ip link`. Default: false. */
        readonly l2miss?: boolean | undefined;
        /** True to ask user space for a missing neighbour: `l3miss` of `ip link`. Default: false. */
        readonly l3miss?: boolean | undefined;
        /** True if the route of each packet has the number and the other end (collect metadata). Default: false. */
        readonly external?: boolean | undefined;
      }
    | {
        /** Kind of the interface. */
        readonly kind: 'ipip' | 'gre';
        /**
         * Local IPv4 address; `remote` is one, too. Without both, the tunnel takes packets for every address (as
         * `tunl0` does).
         */
        readonly local?: string | undefined;
        /** Address of the other end. Default: every address. */
        readonly remote?: string | undefined;
        /** Interface that packets leave by. */
        readonly device?: string | undefined;
        /** TTL of the outer packets, from 1 to 255. Default: that of the inner packet. */
        readonly ttl?: number | undefined;
        /** Key of gre in both directions, from 0 to 2^32-1. */
        readonly key?: number | undefined;
        /** True if the route of each packet has the other end. Default: false. */
        readonly external?: boolean | undefined;
      }
    | {
        /** Kind of the interface. */
        readonly kind: 'macvlan';
        /** Interface to be based on. */
        readonly parent: string;
        /** Mode. Default: `bridge`. */
        readonly mode?: MacvlanMode | undefined;
      }
  );

/** Changes of an interface; an omitted property stays as it is. */
export interface LinkChanges {
  /** True to set the interface up, false to set it down. */
  readonly up?: boolean | undefined;
  /** MTU in bytes. */
  readonly mtu?: number | undefined;
  /** Link-layer address: `02:42:0a:00:00:14`. Not a multicast address. */
  readonly address?: string | undefined;
  /** Bridge that the interface becomes a port of; null: of none. Not together with `namespace`. */
  readonly master?: string | null | undefined;
  /** New name. */
  readonly name?: string | undefined;
  /** Namespace that the interface is moved to; the other changes are made in that namespace. */
  readonly namespace?: NetworkNamespace | undefined;
}

const common = ['name', 'kind', 'mtu', 'address', 'up', 'master', 'namespace'];
const own: Readonly<Record<LinkOptions['kind'], readonly string[]>> = {
  dummy: [],
  veth: ['peer'],
  bridge: ['stp', 'vlanFiltering', 'multicastSnooping'],
  vxlan: ['id', 'port', 'local', 'remote', 'device', 'learning', 'proxy', 'l2miss', 'l3miss', 'external'],
  ipip: ['local', 'remote', 'device', 'ttl', 'external'],
  gre: ['local', 'remote', 'device', 'ttl', 'key', 'external'],
  macvlan: ['parent', 'mode'],
};
const kinds = Object.keys(own) as readonly LinkOptions['kind'][];
const modes: readonly MacvlanMode[] = ['private', 'vepa', 'bridge', 'passthru', 'source'];

const checkMtu = (value: unknown): number => checkInteger('mtu', value, 0, 0x7fffffff);

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkLink(options: LinkOptions): LinkSettings {
  if (typeof options !== 'object' || options === null)
    throw invalid(`an interface must be an object, not ${show(options)}`);
  const kind = checkOneOf('kind', options.kind, kinds);
  checkOptions(`an interface of kind ${kind}`, options, [...common, ...own[kind]]);
  const { master, namespace } = options;
  if (master !== undefined && namespace !== undefined)
    throw invalid('a master is of the namespace that the interface is made in: open that namespace, and make it there');
  return {
    name: checkNewInterfaceName('name', options.name),
    details: checkDetails(options),
    mtu: optional(options.mtu, checkMtu),
    /** Link-layer address: `02:42:0a:00:00:14`. Not a multicast address. */
    address: optional(options.address, (value) => checkLinkAddress('address', value)),
    /** True to set the interface up, false to set it down. */
    up: checkFlag('up', valueOr(options.up, false)),
    master: optional(master, (value) => checkInterfaceName('master', value)),
    namespace: namespace === undefined ? undefined : namespacePath(namespace),
  };
}

function checkDetails(options: LinkOptions): LinkDetails {
  const device =
    'device' in options ? optional(options.device, (value) => checkInterfaceName('device', value)) : undefined;
  switch (options.kind) {
    case 'dummy':
      return { kind: 'dummy' };
    case 'veth':
      return { kind: 'veth', peer: checkPeer(options.peer, options) };
    case 'bridge':
      return {
        kind: 'bridge',
        stp: optional(options.stp, (value) => checkFlag('stp', value)),
        vlanFiltering: optional(options.vlanFiltering, (value) => checkFlag('vlanFiltering', value)),
        multicastSnooping: optional(options.multicastSnooping, (value) => checkFlag('multicastSnooping', value)),
      };
    case 'vxlan':
      return checkVxlan(options, device);
    case 'ipip':
    case 'gre': {
      const { kind, local, remote, ttl, external } = options;
      return {
        kind,
        device,
        local: optional(local, (value) => checkAddressOf('local', value, 'ipv4')),
        remote: optional(remote, (value) => checkAddressOf('remote', value, 'ipv4')),
        ttl: optional(ttl, (value) => checkInteger('ttl', value, 1, 255)),
        key: optional(options.key, (value) => checkInteger('key', value, 0, 0xffffffff)),
        external: checkFlag('external', valueOr(external, false)),
      };
    }
    case 'macvlan':
      return {
        kind: 'macvlan',
        parent: checkInterfaceName('parent', options.parent),
        mode: checkOneOf('mode', valueOr(options.mode, 'bridge'), modes),
      };
  }
}

function checkPeer(peer: PeerOptions, options: CommonLinkOptions): Extract<LinkDetails, { kind: 'veth' }>['peer'] {
  checkOptions('the peer of a veth', peer, peerNames);
  const name = checkNewInterfaceName('the name of the peer', peer.name);
  if (name === options.name && peer.namespace === undefined && options.namespace === undefined)
    throw invalid(`both ends of a veth in one namespace cannot be ${show(name)}`);
  return {
    name,
    namespace: peer.namespace === undefined ? undefined : namespacePath(peer.namespace),
    mtu: optional(peer.mtu, checkMtu),
    /** Link-layer address: `02:42:0a:00:00:14`. Not a multicast address. */
    address: optional(peer.address, (value) => checkLinkAddress('the address of the peer', value)),
    /** True to set the interface up, false to set it down. */
    up: checkFlag('up', valueOr(peer.up, false)),
  };
}

function checkVxlan(
  options: Extract<LinkOptions, { kind: 'vxlan' }>,
  device: string | undefined,
): Extract<LinkDetails, { kind: 'vxlan' }> {
  const { id, port = 4789, local, remote, learning, proxy, l2miss, l3miss } = options;
  const external = checkFlag('external', valueOr(options.external, false));
  if (external && (id !== undefined || remote !== undefined))
    throw invalid('an external vxlan has no number and no remote of its own');
  const ends = [local, remote].flatMap((end) => (end === undefined ? [] : [checkAddress('local, like remote,', end)]));
  if (new Set(ends.map(({ family }) => family)).size > 1)
    throw invalid('local and remote of a vxlan must be of one family');
  return {
    kind: 'vxlan',
    id: external ? undefined : checkInteger('id', id, 0, 0xffffff),
    port: checkInteger('port', port, 1, 65535),
    local: local === undefined ? undefined : ends[0]?.address,
    remote: remote === undefined ? undefined : ends.at(-1)?.address,
    device,
    learning: optional(valueOr(learning, external ? undefined : true), (value) => checkFlag('learning', value)),
    proxy: optional(proxy, (value) => checkFlag('proxy', value)),
    l2miss: optional(l2miss, (value) => checkFlag('l2miss', value)),
    l3miss: optional(l3miss, (value) => checkFlag('l3miss', value)),
    external,
  };
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkLinkChanges(changes: LinkChanges): LinkChange {
  checkOptions('a change of an interface', changes, changeNames);
  const { up, mtu, address, master, name, namespace } = changes;
  if (Object.values(changes).every((value) => value === undefined))
    throw invalid('a change of an interface must have at least one property to change');
  if (typeof master === 'string' && namespace !== undefined)
    throw invalid('a master is of the namespace that the interface is in: move it first, and open that namespace');
  return {
    /** True to set the interface up, false to set it down. */
    up: optional(up, (value) => checkFlag('up', value)),
    mtu: optional(mtu, checkMtu),
    /** Link-layer address: `02:42:0a:00:00:14`. Not a multicast address. */
    address: optional(address, (value) => checkLinkAddress('address', value)),
    master: master === null ? null : optional(master, (value) => checkInterfaceName('master', value)),
    name: optional(name, (value) => checkNewInterfaceName('name', value)),
    namespace: namespace === undefined ? undefined : namespacePath(namespace),
  };
}
