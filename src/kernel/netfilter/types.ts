import type { Family } from '../address.js';

/** Where a rule looks at packets. */
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** The hooks where a mark still decides what IPVS and routing do. */
export type MarkHook = 'prerouting' | 'input' | 'output';

export type PortProtocol = 'tcp' | 'udp' | 'sctp' | 'dccp' | 'udplite';

/** Ports from the first to the last. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Bits of the mark of a packet. */
export interface MarkBits {
  readonly mark: number;
  /** Which bits are meant. */
  readonly mask: number;
}

/** What a packet has to be like: all that is named has to be so. */
export interface Match {
  readonly family?: Family | undefined;
  readonly inputInterface?: string | undefined;
  readonly outputInterface?: string | undefined;
  /** An address, or a prefix as in `10.0.0.0/24`. */
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly protocol?: PortProtocol | undefined;
  /** Of the destination. */
  readonly port?: number | PortRange | undefined;
  readonly packetMark?: MarkBits | undefined;
  /** Whether the destination is an address of this machine (of this network namespace). */
  readonly local?: boolean | undefined;
}

/** What is done with the packets. */
export type Action =
  | { readonly type: 'mark'; readonly mark: number; readonly mask: number }
  | { readonly type: 'masquerade' }
  | { readonly type: 'snat'; readonly to: string }
  | { readonly type: 'dnat'; readonly to: string; readonly toPort?: number | undefined }
  | { readonly type: 'redirect'; readonly toPort: number }
  /** Of TCP connections: the largest segment, a number of bytes or what fits the way to the destination. */
  | { readonly type: 'clamp-mss'; readonly size: number | 'path' };

export interface Rule {
  readonly hook: Hook;
  readonly match: Match;
  readonly action: Action;
}

/** The maps from a destination to a mark: by what is known of it. */
export type MapShape = 'port' | 'ip' | 'ip_port' | 'ip6' | 'ip6_port';

export const mapShapes: readonly MapShape[] = ['port', 'ip', 'ip_port', 'ip6', 'ip6_port'];

export interface MapName {
  readonly hook: MarkHook;
  readonly shape: MapShape;
}

/** What a map is asked for: what its shape says. */
export interface MapKey {
  readonly address?: string | undefined;
  readonly protocol?: PortProtocol | undefined;
  readonly port?: number | undefined;
}

export interface MapElement extends MapKey {
  readonly mark: number;
}

export interface Counter {
  readonly packets: bigint;
  readonly bytes: bigint;
}

export type ChainPurpose = 'mark' | 'nat' | 'mss';

/** A chain of ours: a base chain for one purpose at one hook. */
export interface ChainName {
  readonly purpose: ChainPurpose;
  readonly hook: Hook;
}

/** What stands in a chain: a rule, or the question of a map. */
export type ChainRule = Rule | { readonly lookup: MapShape };

export interface RuleEntry {
  readonly handle: bigint;
  /** None: not a rule as this library writes them. */
  readonly rule?: ChainRule | undefined;
  readonly counter?: Counter | undefined;
}

export interface ChainEntry {
  readonly name: ChainName;
  /** It is of the right type, and at the right hook and priority. */
  readonly intact: boolean;
  readonly rules: readonly RuleEntry[];
}

export interface MapEntry {
  readonly name: MapName;
  readonly intact: boolean;
  /** None: they were not read. */
  readonly elements?: readonly (MapElement & { readonly counter?: Counter | undefined })[] | undefined;
}

/** A table of nf_tables as it is. */
export interface TableEntry {
  /** Its comment, which says whose it is. */
  readonly comment?: string | undefined;
  /** Changes with every change of any rule of the namespace, by anybody. */
  readonly generation: number;
  readonly chains: readonly ChainEntry[];
  readonly maps: readonly MapEntry[];
  /** Chains, maps and sets in it that are not of this library's making, and a flag that puts it to sleep. */
  readonly others: readonly { readonly kind: 'chain' | 'set' | 'flag'; readonly name: string }[];
}

/** One message of a batch. What it is to be added to may be added before it in the same batch. */
export type TableChange =
  | { readonly change: 'add-table'; readonly comment: string }
  | { readonly change: 'delete-table' }
  | { readonly change: 'add-chain'; readonly chain: ChainName }
  | { readonly change: 'delete-chain'; readonly name: string }
  | { readonly change: 'add-map'; readonly map: MapName }
  | { readonly change: 'delete-map'; readonly name: string }
  /** Deletes all rules of a chain, in linear time. */
  | { readonly change: 'flush-chain'; readonly name: string }
  /** Before the rule with that handle; without one, at the end. Its counter begins with `counter`, default 0. */
  | {
      readonly change: 'add-rule';
      readonly chain: ChainName;
      readonly rule: ChainRule;
      readonly before?: bigint;
      readonly counter?: Counter;
    }
  | { readonly change: 'delete-rule'; readonly chain: string; readonly handle: bigint }
  /** Fails with EEXIST if the key is there, whatever its mark. */
  | { readonly change: 'add-element'; readonly map: MapName; readonly element: MapElement }
  | { readonly change: 'delete-element'; readonly map: MapName; readonly key: MapKey };

/** A change of the rules of the namespace that was committed. */
export interface RulesetEvent {
  readonly generation: number;
  readonly process: { readonly pid: number; readonly name: string };
  /** Tables that it touched. */
  readonly tables: ReadonlySet<string>;
}
