import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import type {
  LinkDetails,
  LinkSettings,
  NetworkEvent,
  OperationalState,
  RoutingRule,
  Scope,
  UdpTunnel,
} from '../../kernel/network/types.js';

/** An interface; it may move to another namespace. */
export interface LinkState {
  index: number;
  name: string;
  readonly alternativeNames: string[];
  readonly kind: LinkDetails['kind'] | 'loopback';
  readonly details: LinkDetails | undefined;
  up: boolean;
  mtu: number;
  /** True if the MTU was set; otherwise a bridge takes the least MTU of its ports. */
  mtuGiven: boolean;
  address: string | undefined;
  /** True if the address was set; otherwise a bridge takes the address of a port. */
  addressGiven: boolean;
  master: LinkState | undefined;
  /** Lower interface of a macvlan, or of a tunnel with a device. */
  parent: LinkState | undefined;
  /** Other end of a veth. */
  peer: LinkState | undefined;
  /** Namespace of the interface. */
  home: NetworkState;
  /** True once a bridge has had a port: from then on it runs only with a running port. */
  hadPorts: boolean;
  running: boolean;
  operationalState: OperationalState;
}

export type VethPeer = Extract<LinkDetails, { kind: 'veth' }>['peer'];
export type CommonSettings = Pick<LinkSettings, 'name' | 'mtu' | 'address'>;

export function refused(errno: number, message = ''): never {
  throw new KernelFailure(errno, message);
}

/** The failure of an operation that names a missing namespace. */
export class NoNamespace extends KernelFailure {
  constructor(path: string) {
    super(Errno.ENOENT, path);
  }
}

/** An address of an interface. */
export interface AddressState {
  readonly link: LinkState;
  readonly family: Family;
  /** Address without its prefix length. */
  readonly address: string;
  readonly prefixLength: number;
  /** Number of its network address. */
  readonly network: bigint;
  readonly scope: Scope;
  readonly label: string | undefined;
  readonly protocol: number | undefined;
  readonly noDad: boolean;
  secondary: boolean;
  /** True if duplicate address detection failed. */
  duplicate: boolean;
}

/** A packet for which a route is searched. */
export interface Flow {
  readonly family: Family;
  readonly destination: bigint;
  readonly source?: bigint | undefined;
  readonly mark: number;
  /** Input interface; `lo` for packets that this host sends. */
  readonly inputInterface: string;
  readonly outputInterface?: string | undefined;
}

/** The network of one namespace, as its parts see each other. */
export interface NetworkState {
  readonly cookie: bigint;
  readonly find: (path: string) => NetworkState | undefined;
  readonly udpTunnels: Map<string, UdpTunnel>;
  readonly missing: ReadonlySet<string>;
  /** Sends an event to the listeners. */
  tell(event: () => NetworkEvent): void;
  /** @throws NoNamespace */
  namespace(path: string | undefined): NetworkState;
  readonly sysctls: {
    add(name: string): void;
    delete(name: string): void;
    rename(before: string, name: string): void;
    settle(name: string): void;
    get(family: Family, name: string, setting: string): number;
    either(family: Family, name: string, setting: string): boolean;
  };
  readonly links: {
    all(): LinkState[];
    get(name: string): LinkState;
    named(name: string): LinkState | undefined;
    addPeer(peer: VethPeer, otherHome: NetworkState, otherName: string): LinkState;
    make(
      name: string,
      kind: LinkState['kind'],
      details: LinkDetails | undefined,
      given: { readonly mtu?: number | undefined; readonly address?: string | undefined },
      parent?: LinkState,
    ): LinkState;
    rename(link: LinkState, name: string): void;
    take(link: LinkState, name: string): void;
    remove(link: LinkState): void;
  };
  readonly addresses: {
    of(link: LinkState, family: Family): readonly AddressState[];
    flush(link: LinkState): void;
    switchIPv6(link: LinkState, on: boolean): void;
    linkUp(link: LinkState): void;
    linkDown(link: LinkState): void;
    carrierUp(link: LinkState): void;
    mtuChanged(link: LinkState): void;
  };
  readonly routes: {
    addMulticast(link: LinkState): void;
    addressAdded(address: AddressState): void;
    addressRemoved(address: AddressState, left: readonly AddressState[]): void;
    familyOff(link: LinkState, family: Family): void;
    isLocal(address: string, family: Family): boolean;
    linkUp(link: LinkState): void;
    linkDown(link: LinkState): void;
    linkGone(link: LinkState): void;
  };
  readonly rules: { readonly merged: boolean; for(flow: Flow): Iterable<RoutingRule> };
  readonly neighbours: { flush(link: LinkState): void };
  readonly forwarding: {
    flush(link: LinkState): void;
    linkAdded(link: LinkState): void;
    portAdded(link: LinkState): void;
    portRemoved(link: LinkState): void;
  };
}
