import type { Family } from '../address.js';

/** What an interface of a known kind has besides what all have. */
export type LinkData =
  | {
      readonly kind: 'veth';
      /** Of the other end, in the namespace that it is in. */
      readonly peerIndex: number;
      /** Its name, if it is in this namespace. */
      readonly peer?: string;
      /** What this namespace calls the other one ({@link NamespaceEntry.id}), if it is in another. */
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
      /** The network's number, from 0 to 16 777 215. */
      readonly id: number;
      /** UDP. */
      readonly port: number;
      readonly local?: string;
      /** Where to what no forwarding entry knows is sent; a multicast group, perhaps. */
      readonly remote?: string;
      /** The interface that packets leave by. */
      readonly device?: string;
      readonly learning: boolean;
      /** Answers neighbour requests itself: `proxy` of `ip link`. */
      readonly proxy: boolean;
      /** Asks user space for a forwarding entry that is missing: `l2miss` of `ip link`. */
      readonly l2miss: boolean;
      /** Asks user space for a neighbour that is missing: `l3miss` of `ip link`. */
      readonly l3miss: boolean;
      /** Each packet's route or rule says the number and the other end (collect metadata). */
      readonly external: boolean;
    }
  | {
      readonly kind: 'ipip' | 'gre';
      readonly local?: string;
      readonly remote?: string;
      readonly ttl?: number;
      /** Of gre, if both directions have it. */
      readonly key?: number;
      readonly external: boolean;
    }
  | { readonly kind: 'macvlan'; readonly mode: MacvlanMode };

export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru' | 'source';

/** RFC 2863, as Documentation/networking/operstates.rst has it. */
export type OperationalState = 'unknown' | 'not-present' | 'down' | 'lower-layer-down' | 'testing' | 'dormant' | 'up';

/** A network interface, as it was read. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Other names that the kernel finds it by. */
  readonly alternativeNames: readonly string[];
  /**
   * `veth`, `vxlan`, `wireguard`, ...: what `ip link add type` takes; `loopback`; `device` for what a
   * driver makes and gives no kind, such as a network card.
   */
  readonly kind: string;
  /** Of `veth`, `bridge`, `vxlan`, `ipip`, `gre` and `macvlan`. */
  readonly data?: LinkData;
  /** Whether it is set to be up. */
  readonly up: boolean;
  /** Whether packets pass: it is up, and has a carrier. */
  readonly running: boolean;
  readonly operationalState: OperationalState;
  /** Bytes. */
  readonly mtu: number;
  /** Its link-layer (MAC) address, as `02:42:0a:00:00:14`; tunnels have none. */
  readonly address?: string;
  /** The bridge (or the like) that it is a port of. */
  readonly master?: string;
  /** The interface that it is made on; only if that is in this namespace. */
  readonly parent?: string;
}

/** A network interface that is to be. */
export interface LinkSettings {
  readonly name: string;
  readonly details: LinkDetails;
  readonly mtu?: number | undefined;
  readonly address?: string | undefined;
  readonly up: boolean;
  readonly master?: string | undefined;
  /** A path; without it, the namespace of the handle. */
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

/** What is to change of an interface; what is undefined stays. */
export interface LinkChange {
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly address?: string | undefined;
  /** null: of none. */
  readonly master?: string | null | undefined;
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
}

/** A network namespace with a name. */
export interface NamespaceEntry {
  readonly name: string;
  /** What the namespace of this process calls it, if it has been given a number. */
  readonly id?: number;
}

/** A UDP port whose packets the kernel unwraps (fou). */
export interface UdpTunnel {
  readonly type: 'fou' | 'gue';
  readonly port: number;
  readonly family: Family;
  /** Of `fou`: the IP protocol that they hold. */
  readonly protocol?: number;
}
