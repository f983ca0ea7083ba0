import type { Family } from '../../common/address.js';

/** The name of a protocol, or the number of one without a name, 0 to 255. */
export type FlowProtocol = 'icmp' | 'tcp' | 'udp' | 'dccp' | 'gre' | 'icmpv6' | 'sctp' | 'udplite' | number;

/** The bits of `enum ip_conntrack_status` (linux/netfilter/nf_conntrack_common.h), in their order. */
export type FlowStatus =
  | 'expected'
  | 'seen-reply'
  | 'assured'
  | 'confirmed'
  | 'source-nat'
  | 'destination-nat'
  | 'sequence-adjust'
  | 'source-nat-done'
  | 'destination-nat-done'
  | 'dying'
  | 'fixed-timeout'
  | 'template'
  | 'untracked'
  | 'helper'
  | 'offload'
  | 'hardware-offload';

/** The addresses and ports of the packets of one direction of a flow. */
export interface Tuple {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  readonly protocol: FlowProtocol;
  /** Source port of TCP, UDP, UDPLite, SCTP and DCCP; the key of GRE. */
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  /** Type, code and id of ICMP and ICMPv6. */
  readonly icmp?: IcmpTuple | undefined;
  /** Zone of this direction only. */
  readonly zone?: number | undefined;
}

export interface IcmpTuple {
  readonly type: number;
  readonly code: number;
  readonly id: number;
}

export interface Counters {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** One value for each direction of a flow. */
export interface Directions<T> {
  readonly original: T;
  readonly reply: T;
}

export interface TcpDetails {
  /** Number of bits that the window is shifted left (RFC 7323). */
  readonly windowScale: Directions<number>;
  /** Bits of `IP_CT_TCP_FLAG_*` (linux/netfilter/nf_conntrack_tcp.h). */
  readonly flags: Directions<number>;
}

export interface DccpDetails {
  /** Role of the sender of the original direction. */
  readonly role: 'client' | 'server';
  readonly handshakeSequence: bigint;
}

/** The offsets of the sequence numbers of one direction, after a helper changed the length of a packet. */
export interface SequenceAdjustment {
  /** Sequence number from which `after` applies. */
  readonly position: number;
  /** Offset before `position`. */
  readonly before: number;
  /** Offset from `position`. */
  readonly after: number;
}

export interface Synproxy {
  readonly initialSequence: number;
  readonly initialTimestamp: number;
  readonly timestampOffset: number;
}

/**
 * A flow of the connection tracking table at the time it was read. A value that the kernel did not send
 * is absent, not zero: counters without accounting, times without timestamping, the timeout of an
 * offloaded flow.
 */
export interface Flow {
  readonly family: Family;
  readonly protocol: FlowProtocol;
  readonly original: Tuple;
  /** Tuple of the expected answers. With NAT it differs from the inverse of the original. */
  readonly reply: Tuple;
  /** Zone; 0 is the default zone. */
  readonly zone: number;
  /** Opaque id, derived from a memory address of the kernel. A later flow with the same tuples may have the same id. */
  readonly id?: number | undefined;
  readonly status: readonly FlowStatus[];
  /** Bits of the status as a number (`IPS_*`). */
  readonly statusBits: number;
  readonly mark?: number | undefined;
  /** Seconds until the flow expires without packets. */
  readonly timeout?: number | undefined;
  /** State of a TCP, SCTP or DCCP flow, spelt as conntrack prints it: `ESTABLISHED`. */
  readonly state?: string | undefined;
  /** Counters. Present only if accounting was on when the flow began (`nf_conntrack_acct`). */
  readonly counters?: Directions<Counters> | undefined;
  /** Nanoseconds since 1970. Present only if timestamping was on (`nf_conntrack_timestamp`). */
  readonly started?: bigint | undefined;
  readonly stopped?: bigint | undefined;
  /** Numbers of the labels that are set, 0 to 127. */
  readonly labels?: readonly number[] | undefined;
  /** Name of the helper that inspects this flow, for example `ftp`. */
  readonly helper?: string | undefined;
  readonly tcp?: TcpDetails | undefined;
  /** Verification tags. */
  readonly sctp?: Directions<number> | undefined;
  readonly dccp?: DccpDetails | undefined;
  /** Original tuple of the flow that expected this one. */
  readonly master?: Tuple | undefined;
  readonly sequenceAdjustment?: Partial<Directions<SequenceAdjustment>> | undefined;
  readonly synproxy?: Synproxy | undefined;
  readonly securityContext?: string | undefined;
  /** Number of references to the flow within the kernel. */
  readonly use?: number | undefined;
}

/** The identity of a flow: its original or its reply tuple. */
export interface FlowKey {
  readonly original?: Tuple | undefined;
  readonly reply?: Tuple | undefined;
  readonly zone?: number | undefined;
  /** Id of the flow. A delete ignores a flow with another id. */
  readonly id?: number | undefined;
}

/** The identity of a new flow: both tuples. */
export interface NewFlowKey {
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly zone?: number | undefined;
}

/** A range of addresses and ports, from the lowest to the highest value. */
export interface NatSettings {
  readonly address: readonly [least: string, most: string];
  readonly port?: readonly [least: number, most: number] | undefined;
}

/** The writable settings of a flow, canonical and checked. An absent one is not sent. */
export interface FlowSettings {
  readonly statusBits?: number | undefined;
  readonly mark?: number | undefined;
  /** Mask of the mark. The kernel computes `(old & ~mask) ^ mark`, so the mark has no bits outside of the mask. */
  readonly markMask?: number | undefined;
  readonly timeout?: number | undefined;
  readonly state?: number | undefined;
  readonly labels?: Uint8Array | undefined;
  readonly labelsMask?: Uint8Array | undefined;
  readonly helper?: string | undefined;
  readonly tcp?: TcpDetails | undefined;
  readonly sctp?: Directions<number> | undefined;
  readonly dccp?: DccpDetails | undefined;
  readonly master?: Tuple | undefined;
  readonly natSource?: NatSettings | undefined;
  readonly natDestination?: NatSettings | undefined;
  readonly sequenceAdjustment?: Partial<Directions<SequenceAdjustment>> | undefined;
  readonly synproxy?: Synproxy | undefined;
}

export type FlowChange =
  | { readonly verb: 'create'; readonly key: NewFlowKey; readonly settings: FlowSettings }
  | { readonly verb: 'update'; readonly key: FlowKey; readonly settings: FlowSettings }
  | { readonly verb: 'delete'; readonly key: FlowKey };

/** Selects flows by addresses and ports of one direction. An absent condition matches all. */
export interface TupleFilter {
  readonly source?: { readonly address: string; readonly prefix: number };
  readonly destination?: { readonly address: string; readonly prefix: number };
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
}

/** Selects flows. The conditions are canonical and checked. */
export interface FilterSettings {
  readonly family?: Family | undefined;
  readonly protocol?: FlowProtocol | undefined;
  readonly original: TupleFilter;
  readonly reply: TupleFilter;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly status?: { readonly value: number; readonly mask: number };
  readonly zone?: number | undefined;
  readonly state?: number | undefined;
  /** True to filter in this process only. */
  readonly hereOnly?: boolean | undefined;
}

/** `live` is the table; `dying` are ended flows whose destroy event is not yet delivered. */
export type FlowList = 'live' | 'dying';

export type GroupField =
  | 'family'
  | 'protocol'
  | 'source'
  | 'destination'
  | 'sourcePort'
  | 'destinationPort'
  | 'replySource'
  | 'replySourcePort'
  | 'mark'
  | 'zone'
  | 'state';

/** The totals of all flows with the same values of some fields. Other fields are absent. */
export interface FlowGroup {
  readonly family?: Family | undefined;
  readonly protocol?: FlowProtocol | undefined;
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  readonly replySource?: string | undefined;
  readonly replySourcePort?: number | undefined;
  readonly mark?: number | undefined;
  readonly zone?: number | undefined;
  readonly state?: string | undefined;
  readonly flows: number;
  /** Number of flows that have counters. `counters` are the sums over these. */
  readonly counted: number;
  readonly counters: Directions<Counters>;
}

/** The counters of one processor, each a u32 that wraps. A counter that this kernel does not send is absent. */
export interface ProcessorCounters {
  readonly processor: number;
  readonly values: Readonly<Record<number, number>>;
}

/** A flow that a helper expects, for example the data connection of FTP. */
export interface Expectation {
  readonly tuple: Tuple;
  /** Mask of the tuple. Bits that are 0 match any value. */
  readonly mask: Tuple;
  /** Original tuple of the flow that expects it. */
  readonly master: Tuple;
  readonly zone: number;
  readonly id: number;
  /** Seconds until the expectation expires. */
  readonly timeout: number;
  /** Bits of `NF_CT_EXPECT_*`: 1 permanent, 2 inactive, 4 created by a program. */
  readonly flags: number;
  readonly class: number;
  readonly helper?: string | undefined;
  /** Kernel function that handles the expected flow. */
  readonly function?: string | undefined;
  readonly nat?: { readonly direction: 'original' | 'reply'; readonly tuple: Tuple };
}

/** An expectation to create, which has no id yet. */
export type ExpectationSettings = Omit<Expectation, 'id'>;

export interface EventSettings {
  readonly created: boolean;
  readonly updated: boolean;
  readonly destroyed: boolean;
  readonly expectations: boolean;
  readonly reliable: boolean;
  readonly resynchronise: boolean;
  /** Size of the receive buffer, in bytes; 0 for the default. */
  readonly receiveBuffer: number;
  /** Minimum time between two resynchronisations, in milliseconds. */
  readonly interval: number;
}

/**
 * An event of the table. `recovered` is true if a resynchronisation found the change, not an event of the
 * kernel. `overrun` means that events were lost: `overruns` is the number of overruns so far; the number of
 * lost events is unknown.
 */
export type ConntrackEvent =
  | {
      readonly type: 'new' | 'update' | 'destroy';
      readonly flow: Flow;
      readonly recovered: boolean;
      /** Time of the event, in nanoseconds since 1970. Requires Linux 6.14. */
      readonly time?: bigint | undefined;
    }
  | { readonly type: 'expectation-new' | 'expectation-destroy'; readonly expectation: Expectation }
  | { readonly type: 'overrun'; readonly overruns: number }
  | { readonly type: 'resynchronised'; readonly flows: number };
