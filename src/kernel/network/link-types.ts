import type { Family } from '../../common/address.js';

/** The additional properties of an interface of a supported kind. */
export type LinkData =
  | {
      /** Kind of the interface. */
      readonly kind: 'veth';
      /** Index of the other end in its namespace. */
      readonly peerIndex: number;
      /** Name of the other end. Present if it is in this namespace. */
      readonly peer?: string;
      /** Id of the other end's namespace within this namespace ({@link NamespaceEntry.id}), if it is another one. */
      readonly peerNamespaceId?: number;
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'bridge';
      /** True if the bridge uses the spanning tree protocol. */
      readonly stp: boolean;
      /** True if the bridge filters VLANs. */
      readonly vlanFiltering: boolean;
      /** True if the bridge snoops multicast memberships. Absent if the kernel was built without. */
      readonly multicastSnooping?: boolean;
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'vxlan';
      /** Number of the network, 0 to 16 777 215. */
      readonly id: number;
      /** UDP port. */
      readonly port: number;
      /** Local address of the outer packets. */
      readonly local?: string;
      /** Destination of frames without a forwarding entry; may be a multicast group. */
      readonly remote?: string;
      /** Interface through which packets leave. */
      readonly device?: string;
      /** True if the vxlan learns forwarding entries from received packets. */
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
      /** Kind of the interface. */
      readonly kind: 'ipip' | 'gre';
      /** Local address of the outer packets. */
      readonly local?: string;
      /** Address of the other end. Absent: every address. */
      readonly remote?: string;
      /** TTL of the outer packets, 1 to 255. Absent: that of the inner packet. */
      readonly ttl?: number;
      /** Key of gre. Present if both directions have the same key. */
      readonly key?: number;
      /** True if the route of each packet sets the other end (collect metadata). */
      readonly external: boolean;
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'macvlan';
      /** Mode of the macvlan. */
      readonly mode: MacvlanMode;
    };

/** The mode of a macvlan: which other macvlans of its parent it can reach (`ip-link(8)`). */
export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';

/** The operational state of RFC 2863 (Documentation/networking/operstates.rst). */
export type OperationalState = 'unknown' | 'not-present' | 'down' | 'lower-layer-down' | 'testing' | 'dormant' | 'up';

/** A network interface that was read. */
export interface Link {
  /** Index, unique in its namespace (`ifindex`). */
  readonly index: number;
  /** Main name, 1 to 15 bytes. */
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
  /** Operational state. Many virtual interfaces report `unknown` while they work. */
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
  /** Main name, 1 to 15 bytes. */
  readonly name: string;
  /** Kind of the interface, with its own settings. */
  readonly details: LinkDetails;
  /** MTU, in bytes. Default: that of the kind. */
  readonly mtu?: number | undefined;
  /** Link-layer address. Default: chosen by the kernel. */
  readonly address?: string | undefined;
  /** True to set the interface up. */
  readonly up: boolean;
  /** Bridge to become a port of. */
  readonly master?: string | undefined;
  /** Path of the namespace. Default: the namespace of the handle. */
  readonly namespace?: string | undefined;
}

/** The settings of a new interface that depend on its kind. */
export type LinkDetails =
  | {
      /** Kind of the interface. */
      readonly kind: 'dummy';
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'veth';
      /** The other end of the veth. */
      readonly peer: {
        /** Main name of the other end, 1 to 15 bytes. */
        readonly name: string;
        /** Path of the namespace of the other end. Default: that of the handle. */
        readonly namespace?: string | undefined;
        /** MTU of the other end, in bytes. */
        readonly mtu?: number | undefined;
        /** Link-layer address of the other end. */
        readonly address?: string | undefined;
        /** True to set the other end up. */
        readonly up: boolean;
      };
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'bridge';
      /** True to use the spanning tree protocol. Default: false. */
      readonly stp?: boolean | undefined;
      /** True to filter VLANs. Default: false. */
      readonly vlanFiltering?: boolean | undefined;
      /** True to snoop multicast memberships. Default: true. */
      readonly multicastSnooping?: boolean | undefined;
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'vxlan';
      /** Number of the network, 0 to 16 777 215. Absent for an external vxlan. */
      readonly id?: number | undefined;
      /** UDP port, 1 to 65535. */
      readonly port: number;
      /** Local address of the outer packets. */
      readonly local?: string | undefined;
      /** Address of the other end. */
      readonly remote?: string | undefined;
      /** Interface by which packets leave. */
      readonly device?: string | undefined;
      /** True to learn forwarding entries from received packets. */
      readonly learning?: boolean | undefined;
      /** True to answer neighbour requests. */
      readonly proxy?: boolean | undefined;
      /** True to ask user space for missing forwarding entries. */
      readonly l2miss?: boolean | undefined;
      /** True to ask user space for missing neighbours. */
      readonly l3miss?: boolean | undefined;
      /** True if the route of each packet sets the other end (collect metadata). */
      readonly external: boolean;
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'ipip' | 'gre';
      /** Local address of the outer packets. */
      readonly local?: string | undefined;
      /** Address of the other end. */
      readonly remote?: string | undefined;
      /** Interface by which packets leave. */
      readonly device?: string | undefined;
      /** TTL of the outer packets, 1 to 255. Default: that of the inner packet. */
      readonly ttl?: number | undefined;
      /** Key of gre in both directions, 0 to 2^32-1. */
      readonly key?: number | undefined;
      /** True if the route of each packet sets the other end (collect metadata). */
      readonly external: boolean;
    }
  | {
      /** Kind of the interface. */
      readonly kind: 'macvlan';
      /** Interface to be based on. */
      readonly parent: string;
      /** Mode of the macvlan. */
      readonly mode: MacvlanMode;
    };

/** Changes to an interface. An absent setting does not change. */
export interface LinkChange {
  /** True to set the interface up, false to set it down. */
  readonly up?: boolean | undefined;
  /** MTU, in bytes. */
  readonly mtu?: number | undefined;
  /** Link-layer address. */
  readonly address?: string | undefined;
  /** Bridge (or similar) to become a port of; `null` for none. */
  readonly master?: string | null | undefined;
  /** New main name, 1 to 15 bytes. */
  readonly name?: string | undefined;
  /** Path of the namespace to move to. */
  readonly namespace?: string | undefined;
}

/** A network namespace with a name. */
export interface NamespaceEntry {
  /** Name: that of the file in `/run/netns`. */
  readonly name: string;
  /** Id of the namespace within the namespace of this process. Absent if it has none. */
  readonly id?: number;
}

/** A UDP port whose packets the kernel decapsulates (fou). */
export interface UdpTunnel {
  /** Encapsulation: `fou` for one inner protocol, `gue` with a header that names it. */
  readonly type: 'fou' | 'gue';
  /** UDP port, 1 to 65535. */
  readonly port: number;
  /** Family of the outer packets. */
  readonly family: Family;
  /** Number of the IP protocol within the packets of `fou`. */
  readonly protocol?: number;
}
