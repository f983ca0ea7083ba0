import type { Family } from '../../common/address.js';

/** The place in the path of a packet at which a rule applies. */
export type NftHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** A hook at which a mark still affects IPVS and routing. */
export type FwmarkHook = 'prerouting' | 'input' | 'output';

export type PortProtocol = 'tcp' | 'udp' | 'sctp' | 'dccp' | 'udplite';

/** A range of ports, from the first to the last. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** A value for some bits of the mark of a packet. */
export interface NftMarkBits {
  readonly mark: number;
  /** Bits of the mark that the value applies to. */
  readonly mask: number;
}

/** The conditions for a packet. All of them must be true. */
export interface NftMatch {
  readonly family?: Family | undefined;
  readonly inputInterface?: string | undefined;
  readonly outputInterface?: string | undefined;
  /** Source address, or a prefix such as `10.0.0.0/24`. */
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly protocol?: PortProtocol | undefined;
  /** Destination port, or a range of ports. */
  readonly port?: number | PortRange | undefined;
  readonly packetMark?: NftMarkBits | undefined;
  /** True to match destinations that are addresses of this network namespace, false to match all others. */
  readonly local?: boolean | undefined;
}

/** The action of a rule on packets that match. */
export type NftAction =
  | { readonly type: 'mark'; readonly mark: number; readonly mask: number }
  | { readonly type: 'masquerade' }
  | { readonly type: 'snat'; readonly to: string }
  | { readonly type: 'dnat'; readonly to: string; readonly toPort?: number | undefined }
  | { readonly type: 'redirect'; readonly toPort: number }
  /** Limits the segment size of TCP connections to a number of bytes, or to the path MTU of the route (`path`). */
  | { readonly type: 'clamp-mss'; readonly size: number | 'path' };

export interface NftRule {
  readonly hook: NftHook;
  readonly match: NftMatch;
  readonly action: NftAction;
}

/** The key of a map from destinations to marks: port, IPv4 or IPv6 address, or both. A port has a protocol. */
export type NftMapShape = 'port' | 'ip' | 'ip_port' | 'ip6' | 'ip6_port';

export const mapShapes: readonly NftMapShape[] = ['port', 'ip', 'ip_port', 'ip6', 'ip6_port'];

export interface NftMapName {
  readonly hook: FwmarkHook;
  readonly shape: NftMapShape;
}

/** A key of a map, with the parts of the map's shape. */
export interface NftMapKey {
  readonly address?: string | undefined;
  readonly protocol?: PortProtocol | undefined;
  readonly port?: number | undefined;
}

export interface NftMapElement extends NftMapKey {
  readonly mark: number;
}

export interface NftCounter {
  readonly packets: bigint;
  readonly bytes: bigint;
}

export type NftChainPurpose = 'mark' | 'nat' | 'mss';

/** A base chain of this library, for one purpose at one hook. */
export interface NftChainName {
  readonly purpose: NftChainPurpose;
  readonly hook: NftHook;
}

/** An entry of a chain: a rule, or a lookup in a map. */
export type NftChainRule = NftRule | { readonly lookup: NftMapShape };

export interface NftRuleEntry {
  readonly handle: bigint;
  /** The rule; absent if this library does not write such a rule. */
  readonly rule?: NftChainRule | undefined;
  readonly counter?: NftCounter | undefined;
}

export interface NftChainEntry {
  readonly name: NftChainName;
  /** True if the chain has the expected type, hook, priority and policy. */
  readonly intact: boolean;
  readonly rules: readonly NftRuleEntry[];
}

export interface NftMapEntry {
  readonly name: NftMapName;
  /** True if the map has the expected form, and this library can read all its elements. */
  readonly intact: boolean;
  /** Elements; absent if they were not read. */
  readonly elements?: readonly (NftMapElement & { readonly counter?: NftCounter | undefined })[] | undefined;
}

/** The state of a table of nf_tables. */
export interface NftTableEntry {
  /** Comment of the table, which names its owner. */
  readonly comment?: string | undefined;
  /** Number that changes with every change to the rules of the namespace, by any program. */
  readonly generation: number;
  readonly chains: readonly NftChainEntry[];
  readonly maps: readonly NftMapEntry[];
  /** Chains and sets that this library did not create, and the flag `dormant`, which disables the table. */
  readonly others: readonly { readonly kind: 'chain' | 'set' | 'flag'; readonly name: string }[];
}

/** One message of a batch. It may refer to objects that earlier messages of the batch add. */
export type NftTableChange =
  | { readonly change: 'add-table'; readonly comment: string }
  | { readonly change: 'delete-table' }
  | { readonly change: 'add-chain'; readonly chain: NftChainName }
  | { readonly change: 'delete-chain'; readonly name: string }
  | { readonly change: 'add-map'; readonly map: NftMapName }
  | { readonly change: 'delete-map'; readonly name: string }
  /** Deletes all rules of a chain, in linear time. */
  | { readonly change: 'flush-chain'; readonly name: string }
  /** Adds a rule before the one with the handle `before`, or at the end. `counter` is its initial value, default 0. */
  | {
      readonly change: 'add-rule';
      readonly chain: NftChainName;
      readonly rule: NftChainRule;
      readonly before?: bigint;
      readonly counter?: NftCounter;
    }
  | { readonly change: 'delete-rule'; readonly chain: string; readonly handle: bigint }
  /** Adds an element. Fails with EEXIST if the key exists, whatever its mark. */
  | { readonly change: 'add-element'; readonly map: NftMapName; readonly element: NftMapElement }
  | { readonly change: 'delete-element'; readonly map: NftMapName; readonly key: NftMapKey };

/** A commit that changed the rules of the namespace. */
export interface NftRulesetEvent {
  readonly generation: number;
  readonly process: { readonly pid: number; readonly name: string };
  /** Names of the changed tables. */
  readonly tables: ReadonlySet<string>;
}
