import type { Family } from '../../common/address.js';

/** Hook of netfilter at which a rule applies (enum nf_inet_hooks of include/uapi/linux/netfilter.h). */
export type NftHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** Hook at which a mark still affects IPVS and routing. IPVS itself runs in the hooks input, forward and output. */
export type FwmarkHook = 'prerouting' | 'input' | 'output';

/** Protocol whose header begins with the source port and the destination port. */
export type PortProtocol = 'tcp' | 'udp' | 'sctp' | 'dccp' | 'udplite';

/** A range of ports, from the first to the last. */
export interface PortRange {
  /** First port, from 1 to 65535. */
  readonly from: number;
  /** Last port, from `from` to 65535. */
  readonly to: number;
}

/** A value for some bits of the mark of a packet. */
export interface NftMarkBits {
  /** Value of the bits, from 0 to 0xffffffff, within the mask. */
  readonly mark: number;
  /** Bits of the mark that the value applies to, from 1 to 0xffffffff. */
  readonly mask: number;
}

/** The conditions for a packet. All of them must be true. */
export interface NftMatch {
  /** Address family, `meta nfproto`. Present if an address is. */
  readonly family?: Family | undefined;
  /** Interface by which the packet arrived, `iifname`: a name, or a prefix of names such as `veth*`. */
  readonly inputInterface?: string | undefined;
  /** Interface by which the packet leaves, `oifname`: a name, or a prefix of names such as `veth*`. */
  readonly outputInterface?: string | undefined;
  /** Source address, or a prefix such as `10.0.0.0/24`. */
  readonly source?: string | undefined;
  /** Destination address, or a prefix such as `10.0.0.0/24`. */
  readonly destination?: string | undefined;
  /** Protocol, `meta l4proto`. Present if a port is. */
  readonly protocol?: PortProtocol | undefined;
  /** Destination port, or a range of ports. */
  readonly port?: number | PortRange | undefined;
  /** Bits of the mark that the packet has already, `meta mark`. */
  readonly packetMark?: NftMarkBits | undefined;
  /** True to match destinations that are addresses of this network namespace, false to match all others. */
  readonly local?: boolean | undefined;
}

/** The action of a rule on packets that match. */
export type NftAction =
  | {
      /** Sets bits of the packet's mark: `meta mark set`. */
      readonly type: 'mark';
      /** Value of the bits, from 0 to 0xffffffff, within the mask. */
      readonly mark: number;
      /** Bits that are set, from 1 to 0xffffffff. The others stay. */
      readonly mask: number;
    }
  | {
      /** Replaces the source by the address of the outgoing interface: `masquerade`. */
      readonly type: 'masquerade';
    }
  | {
      /** Replaces the source: `snat to`. */
      readonly type: 'snat';
      /** New source address. */
      readonly to: string;
    }
  | {
      /** Replaces the destination: `dnat to`. */
      readonly type: 'dnat';
      /** New destination address. */
      readonly to: string;
      /** New destination port, from 1 to 65535. Absent: the port stays. */
      readonly toPort?: number | undefined;
    }
  | {
      /** Replaces the destination by the primary address of the incoming interface: `redirect to`. */
      readonly type: 'redirect';
      /** New destination port, from 1 to 65535. */
      readonly toPort: number;
    }
  | {
      /** Sets the maximum segment size of new TCP connections: `tcp option maxseg size set`. */
      readonly type: 'clamp-mss';
      /** Size in bytes, from 88 to 65535, or `path`: what fits the path MTU of the route (`rt mtu`). */
      readonly size: number | 'path';
    };

/** A rule that this library writes, with its hook. */
export interface NftRule {
  /** Hook of the chain of the rule. */
  readonly hook: NftHook;
  /** Conditions on packets. */
  readonly match: NftMatch;
  /** Action on packets that match. */
  readonly action: NftAction;
}

/** The key of a map from destinations to marks: port, IPv4 or IPv6 address, or both. A port has a protocol. */
export type NftMapShape = 'port' | 'ip' | 'ip_port' | 'ip6' | 'ip6_port';

/** All shapes, from the widest match to the narrowest: the order of their lookups in a chain. */
export const mapShapes: readonly NftMapShape[] = ['port', 'ip', 'ip_port', 'ip6', 'ip6_port'];

/** Identity of a map from destinations to marks: one for each hook and shape, named `prerouting_ip_port`. */
export interface NftMapName {
  /** Hook of the chain that looks up the map. */
  readonly hook: FwmarkHook;
  /** Parts of the keys. */
  readonly shape: NftMapShape;
}

/** A key of a map, with the parts of the map's shape. */
export interface NftMapKey {
  /** Destination address in canonical form. */
  readonly address?: string | undefined;
  /** Protocol of the port. */
  readonly protocol?: PortProtocol | undefined;
  /** Destination port, from 1 to 65535. */
  readonly port?: number | undefined;
}

/** An element of a map. */
export interface NftMapElement extends NftMapKey {
  /** Mark for packets with this key, from 0 to 0xffffffff. All bits are set. */
  readonly mark: number;
}

/** A counter of nf_tables. The kernel keeps 64 bits. */
export interface NftCounter {
  /** Number of packets. */
  readonly packets: bigint;
  /** Bytes of these packets, with the network header (`skb->len`). */
  readonly bytes: bigint;
}

/** Purpose of a chain: marks (priority -150), NAT (priorities -100 and 100), or segment sizes (priority -150). */
export type NftChainPurpose = 'mark' | 'nat' | 'mss';

/** A base chain of this library, for one purpose at one hook, named `mark_prerouting`. */
export interface NftChainName {
  /** Purpose of its rules. It determines the type and the priority of the chain. */
  readonly purpose: NftChainPurpose;
  /** Hook at which the chain is registered. */
  readonly hook: NftHook;
}

/** An entry of a chain: a rule, or a lookup in a map. */
export type NftChainRule =
  | NftRule
  | {
      /** Map of the chain's hook that the rule looks up to set a mark. */
      readonly lookup: NftMapShape;
    };

/** A rule of a chain as it was read. */
export interface NftRuleEntry {
  /** Handle of the rule, unique in its table, as in `nft -a list table`. */
  readonly handle: bigint;
  /** The rule; absent if this library does not write such a rule. */
  readonly rule?: NftChainRule | undefined;
  /** Counter of the rule; absent if it has none. */
  readonly counter?: NftCounter | undefined;
}

/** A chain as it was read. */
export interface NftChainEntry {
  /** Identity of the chain. */
  readonly name: NftChainName;
  /** True if the chain has the expected type, hook, priority and policy. */
  readonly intact: boolean;
  /** Rules in the order in which packets meet them. */
  readonly rules: readonly NftRuleEntry[];
}

/** A map as it was read. */
export interface NftMapEntry {
  /** Identity of the map. */
  readonly name: NftMapName;
  /** True if the map has the expected form, and this library can read all its elements. */
  readonly intact: boolean;
  /** Elements, each with its counter; absent if they were not read. */
  readonly elements?:
    | readonly (NftMapElement & {
        /** Packets that got the mark. */
        readonly counter?: NftCounter | undefined;
      })[]
    | undefined;
}

/** The state of a table of nf_tables. */
export interface NftTableEntry {
  /** Comment of the table, which names its owner. */
  readonly comment?: string | undefined;
  /** Number that changes with every change to the rules of the namespace, by any program. */
  readonly generation: number;
  /** Chains with the names of this library. */
  readonly chains: readonly NftChainEntry[];
  /** Maps with the names of this library. */
  readonly maps: readonly NftMapEntry[];
  /** Chains and sets that this library did not create, and the flag `dormant`, which disables the table. */
  readonly others: readonly {
    /** Kind of the object. */
    readonly kind: 'chain' | 'set' | 'flag';
    /** Name of the object. */
    readonly name: string;
  }[];
}

/** One message of a batch. It may refer to objects that earlier messages of the batch add. */
export type NftTableChange =
  | {
      /** Adds the table. Fails with EEXIST if it exists. */
      readonly change: 'add-table';
      /** Comment of the table, which names its owner. */
      readonly comment: string;
    }
  | {
      /** Deletes the table with its content. Fails with ENOENT if it does not exist. */
      readonly change: 'delete-table';
    }
  | {
      /** Adds a base chain with the policy `accept`. */
      readonly change: 'add-chain';
      /** Identity of the chain. */
      readonly chain: NftChainName;
    }
  | {
      /** Deletes a chain with its rules. */
      readonly change: 'delete-chain';
      /** Name of the chain. */
      readonly name: string;
    }
  | {
      /** Adds a map with a counter for each element. */
      readonly change: 'add-map';
      /** Identity of the map. */
      readonly map: NftMapName;
    }
  | {
      /** Deletes a map with its elements. Fails with EBUSY if a rule looks it up. */
      readonly change: 'delete-map';
      /** Name of the map. */
      readonly name: string;
    }
  | {
      /** Deletes all rules of a chain, in linear time. */
      readonly change: 'flush-chain';
      /** Name of the chain. */
      readonly name: string;
    }
  | {
      /** Adds a rule. */
      readonly change: 'add-rule';
      /** Chain of the rule. */
      readonly chain: NftChainName;
      /** The rule. */
      readonly rule: NftChainRule;
      /** Handle of the rule that follows it. Default: the rule becomes the last one. */
      readonly before?: bigint;
      /** Initial value of its counter. Default: 0. */
      readonly counter?: NftCounter;
    }
  | {
      /** Deletes a rule. Fails with ENOENT if the chain has none with this handle. */
      readonly change: 'delete-rule';
      /** Name of the chain. */
      readonly chain: string;
      /** Handle of the rule. */
      readonly handle: bigint;
    }
  | {
      /** Adds an element. Fails with EEXIST if the key exists, whatever its mark. */
      readonly change: 'add-element';
      /** Map of the element. */
      readonly map: NftMapName;
      /** Key and mark. */
      readonly element: NftMapElement;
    }
  | {
      /** Deletes an element. Fails with ENOENT if the map has no such key. */
      readonly change: 'delete-element';
      /** Map of the element. */
      readonly map: NftMapName;
      /** Key of the element. */
      readonly key: NftMapKey;
    };

/** A commit that changed the rules of the namespace. */
export interface NftRulesetEvent {
  /** Generation after the commit: a 32-bit number that every commit increments. */
  readonly generation: number;
  /** Thread that made the commit. */
  readonly process: {
    /** Id of the thread, as seen from the initial pid namespace. */
    readonly pid: number;
    /** Name of the thread, up to 15 characters. */
    readonly name: string;
  };
  /** Names of the changed tables of the family inet. */
  readonly tables: ReadonlySet<string>;
}
