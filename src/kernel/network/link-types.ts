import type { Family } from '../../common/address.js';

/** The additional properties of an interface of a supported kind. */
export type LinkData =
  | {
      readonly kind: 'veth';
      /** Index of the other end in its namespace. */
      readonly peerIndex: number;
      /** Name of the other end. Present if it is in this namespace. */
      readonly peer?: string;
      /** Id of the other end's namespace within this namespace ({@link NamespaceEntry.id}), if it is another one. */
      readonly peerNamespaceId?: number;
    }
  | {
      readonly kind: 'bridge';
      readonly stp: boolean;
      readonly vlanFiltering: boolean;
      readonly multicastSnooping?: boolean;
    }
  | {
      readonly kind: 'vxlan';
      /** Number of the network, 0 to 16 777 215. */
      readonly id: number;
      /** UDP port. */
      readonly port: number;
      readonly local?: string;
      /** Destination of frames without a forwarding entry; may be a multicast group. */
      readonly remote?: string;
      /** Interface through which packets leave. */
      readonly device?: string;
      readonly learning: boolean;
      /** True if the vxlan answers neighbour requests: `proxy` of `ip link`. */
      readonly proxy: boolean;
      /** True if the vxlan requests missing forwarding entries from user space: `l2miss` of `ip link`. */
      readonly l2miss: boolean;
      /** True if the vxlan requests missing neighbours from user space: `l3miss` of `ip link`. */
      readonly l3miss: boolean;
      /** True if the route or rule of each packet sets the number and the other end (collect metadata). */
      readonly external: boolean;
    }
  | {
      readonly kind: 'ipip' | 'gre';
      readonly local?: string;
      readonly remote?: string;
      readonly ttl?: number;
      /** Key of gre. Present if both directions have the same key. */
      readonly key?: number;
      readonly external: boolean;
    }
  | { readonly kind: 'macvlan'; readonly mode: MacvlanMode };

export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';

/** The operational state of RFC 2863 (Documentation/networking/operstates.rst). */
export type OperationalState = 'unknown' | 'not-present' | 'down' | 'lower-layer-down' | 'testing' | 'dormant' | 'up';

/** A network interface that was read. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Other names by which the kernel finds the interface. */
  readonly alternativeNames: readonly string[];
  /**
   * Kind of the interface, as in `ip link add type`: `veth`, `vxlan`, `wireguard`, ...; `loopback`; `device`
   * for an interface whose driver reports no kind, such as a network card.
   */
  readonly kind: string;
  /** Additional properties of `veth`, `bridge`, `vxlan`, `ipip`, `gre` and `macvlan`. */
  readonly data?: LinkData;
  /** True if the interface is set up. */
  readonly up: boolean;
  /** True if the interface can transmit packets: it is up and has a carrier. */
  readonly running: boolean;
  readonly operationalState: OperationalState;
  /** Maximum transmission unit, in bytes. */
  readonly mtu: number;
  /** Link-layer (MAC) address, for example `02:42:0a:00:00:14`. Tunnels have none. */
  readonly address?: string;
  /** Bridge (or similar) that the interface is a port of. */
  readonly master?: string;
  /** Interface that this one is based on. Present if it is in this namespace. */
  readonly parent?: string;
}

/** A network interface to create. */
export interface LinkSettings {
  readonly name: string;
  readonly details: LinkDetails;
  readonly mtu?: number | undefined;
  readonly address?: string | undefined;
  readonly up: boolean;
  readonly master?: string | undefined;
  /** Path of the namespace. Default: the namespace of the handle. */
  readonly namespace?: string | undefined;
}

export type LinkDetails =
  | { readonly kind: 'dummy' }
  | {
      readonly kind: 'veth';
      readonly peer: {
        readonly name: string;
        readonly namespace?: string | undefined;
        readonly mtu?: number | undefined;
        readonly address?: string | undefined;
        readonly up: boolean;
      };
    }
  | {
      readonly kind: 'bridge';
      readonly stp?: boolean | undefined;
      readonly vlanFiltering?: boolean | undefined;
      readonly multicastSnooping?: boolean | undefined;
    }
  | {
      readonly kind: 'vxlan';
      readonly id?: number | undefined;
      readonly port: number;
      readonly local?: string | undefined;
      readonly remote?: string | undefined;
      readonly device?: string | undefined;
      readonly learning?: boolean | undefined;
      readonly proxy?: boolean | undefined;
      readonly l2miss?: boolean | undefined;
      readonly l3miss?: boolean | undefined;
      readonly external: boolean;
    }
  | {
      readonly kind: 'ipip' | 'gre';
      readonly local?: string | undefined;
      readonly remote?: string | undefined;
      readonly device?: string | undefined;
      readonly ttl?: number | undefined;
      readonly key?: number | undefined;
      readonly external: boolean;
    }
  | { readonly kind: 'macvlan'; readonly parent: string; readonly mode: MacvlanMode };

/** Changes to an interface. An absent setting does not change. */
export interface LinkChange {
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly address?: string | undefined;
  /** Bridge (or similar) to become a port of; `null` for none. */
  readonly master?: string | null | undefined;
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
}

/** A network namespace with a name. */
export interface NamespaceEntry {
  readonly name: string;
  /** Id of the namespace within the namespace of this process. Absent if it has none. */
  readonly id?: number;
}

/** A UDP port whose packets the kernel decapsulates (fou). */
export interface UdpTunnel {
  readonly type: 'fou' | 'gue';
  readonly port: number;
  readonly family: Family;
  /** Number of the IP protocol within the packets of `fou`. */
  readonly protocol?: number;
}
