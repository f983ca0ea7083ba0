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
import { checkInterfaceName } from '../common/interface-name.js';
import type {
  ForwardingEntry,
  ForwardingSettings,
  Neighbour,
  NeighbourKey,
  NeighbourSettings,
} from '../kernel/network/types.js';
import { checkLinkAddress, optional } from './checks.js';

/** A neighbour with its wanted link-layer address. */
export interface NeighbourOptions {
  /** Interface that the neighbour is reached by. */
  readonly interface: string;
  /** IP address of the neighbour. */
  readonly address: string;
  /** Link-layer address: `02:42:0a:00:00:14`. A proxy entry has none. */
  readonly linkAddress?: string | undefined;
  /** State. Default: `permanent`: the kernel never forgets the entry, and never sends a request for it. */
  readonly state?: 'permanent' | 'reachable' | 'stale' | 'delay' | 'probe' | 'noarp' | undefined;
  /** True if this host answers for the address (where net.ipv4.conf.INTERFACE.proxy_arp, or proxy_ndp, allows it). */
  readonly proxy?: boolean | undefined;
}

/** Selects one neighbour by its interface, address and `proxy`. A neighbour that was read is accepted, too. */
export type NeighbourSelector = Pick<Neighbour, 'interface' | 'address'> & Partial<Neighbour>;

/** A new forwarding entry of a bridge or of a vxlan. */
export interface ForwardingEntryOptions {
  /** Name of the vxlan; or, with `master`, of the port of a bridge. */
  readonly interface: string;
  /** Link-layer address. All zeros, of a vxlan: frames that no other entry matches. */
  readonly linkAddress: string;
  /** Address of the other end, of a vxlan. */
  readonly destination?: string | undefined;
  /** UDP port, from 1 to 65535. Default: that of the vxlan. */
  readonly port?: number | undefined;
  /** Number of the network, from 0 to 16 777 215. Default: that of the vxlan. */
  readonly vni?: number | undefined;
  /** Source number of the network, from 0 to 16 777 215, of an external vxlan. */
  readonly sourceVni?: number | undefined;
  /** Interface that packets leave by. */
  readonly via?: string | undefined;
  /** VLAN of a bridge, from 1 to 4094. Default: none, and all VLANs of the port; a delete requires the same value. */
  readonly vlan?: number | undefined;
  /** True for the table of the interface itself. Default: true, unless `master` is. */
  readonly self?: boolean | undefined;
  /** True for the table of the bridge that the interface is a port of. */
  readonly master?: boolean | undefined;
  /**
   * State. `permanent` in a bridge is an address of the port itself. Default: `static` in a bridge, otherwise
   * `permanent`.
   */
  readonly state?: 'permanent' | 'static' | 'dynamic' | undefined;
  /** True to add a destination for all zeros or a multicast address; one that exists already is no error. */
  readonly append?: boolean | undefined;
}

/**
 * Selects one entry; its `destination`, `port`, `vni` and `vlan` must be named, if it has them. An entry that was read
 * is accepted, too.
 */
export type ForwardingEntrySelector = Pick<ForwardingEntry, 'interface' | 'linkAddress'> & Partial<ForwardingEntry>;

const neighbourNames = namesOf<NeighbourOptions>({
  interface: true,
  address: true,
  linkAddress: true,
  state: true,
  proxy: true,
});
const states = ['permanent', 'reachable', 'stale', 'delay', 'probe', 'noarp'] as const;

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkNeighbour(options: NeighbourOptions): NeighbourSettings {
  checkOptions('a neighbour', options, neighbourNames);
  const proxy = checkFlag('proxy', valueOr(options.proxy, false));
  const linkAddress = optional(options.linkAddress, (value) => checkLinkAddress('linkAddress', value));
  if (proxy && (linkAddress !== undefined || options.state !== undefined))
    throw invalid('a proxy entry has no link-layer address and no state');
  if (!proxy && linkAddress === undefined) throw invalid('a neighbour requires linkAddress');
  const { address, family } = checkAddress('address', options.address);
  return {
    interface: checkInterfaceName('interface', options.interface),
    family,
    address,
    linkAddress,
    state: proxy ? 'none' : checkOneOf('state', valueOr(options.state, 'permanent'), states),
    proxy,
  };
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkNeighbourSelector(selector: NeighbourSelector): NeighbourKey {
  checkOptions('a neighbour', selector, [...neighbourNames, 'family', 'router', 'externallyLearned']);
  const { address, family } = checkAddress(
    'address',
    selector.address,
    'family' in selector ? selector.family : undefined,
  );
  return {
    interface: checkInterfaceName('interface', selector.interface),
    family,
    address,
    proxy: checkFlag('proxy', valueOr(selector.proxy, false)),
  };
}

const entryNames = namesOf<ForwardingEntryOptions>({
  interface: true,
  linkAddress: true,
  destination: true,
  port: true,
  vni: true,
  sourceVni: true,
  via: true,
  vlan: true,
  self: true,
  master: true,
  state: true,
  append: true,
});
const newStates = ['permanent', 'static', 'dynamic'] as const;

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkForwardingEntry(options: ForwardingEntryOptions): ForwardingSettings {
  checkOptions('a forwarding entry', options, entryNames);
  const settings = common(options);
  const usual = settings.of === 'master' ? 'static' : 'permanent';
  const append = checkFlag('append', valueOr(options.append, false));
  const first = Number.parseInt(settings.linkAddress.slice(0, 2), 16);
  if (append && (first & 1) === 0 && settings.linkAddress !== '00:00:00:00:00:00')
    throw invalid('only all zeros and multicast addresses have several destinations');
  return { ...settings, state: checkOneOf('state', valueOr(options.state, usual), newStates), append };
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkForwardingSelector(selector: ForwardingEntrySelector): ForwardingSettings {
  const names = [...entryNames.filter((name) => name !== 'append'), 'bridge', 'nexthopId', 'externallyLearned'];
  checkOptions('a forwarding entry', selector, names);
  return { ...common(selector), state: 'permanent', append: false };
}

function common(
  options: ForwardingEntryOptions | ForwardingEntrySelector,
): Omit<ForwardingSettings, 'state' | 'append'> {
  const { destination, port, vni, sourceVni, via, vlan } = options;
  const master = checkFlag('master', valueOr(options.master, false));
  const self = checkFlag('self', valueOr(options.self, !master));
  if (self === master)
    throw invalid(`a forwarding entry is either of the interface itself or of its master: ${show({ self, master })}`);
  const ofVxlan = [destination, port, vni, sourceVni, via].some((value) => value !== undefined);
  if (master && ofVxlan) throw invalid('an entry of a bridge has no destination');
  const checkVni = (value: unknown): number => checkInteger('vni', value, 0, 0xffffff);
  return {
    interface: checkInterfaceName('interface', options.interface),
    linkAddress: checkLinkAddress('linkAddress', options.linkAddress),
    of: master ? 'master' : 'self',
    vlan: optional(vlan, (value) => checkInteger('vlan', value, 1, 4094)),
    destination: optional(destination, (value) => checkAddress('destination', value).address),
    port: optional(port, (value) => checkInteger('port', value, 1, 65535)),
    vni: optional(vni, checkVni),
    sourceVni: optional(sourceVni, checkVni),
    via: optional(via, (value) => checkInterfaceName('via', value)),
  };
}

/** Returns true if an entry is the one that a selector names. */
export function isEntry(entry: ForwardingEntry, wanted: ForwardingSettings): boolean {
  const fields = ['destination', 'port', 'vni', 'sourceVni', 'via', 'vlan'] as const;
  return (
    entry.linkAddress === wanted.linkAddress &&
    (wanted.of === 'master' ? entry.master : entry.self) &&
    fields.every((name) => entry[name] === wanted[name])
  );
}
