import type { Family } from '../address.js';

/** By name, or a protocol number without one: 0 to 255. */
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

/** One direction of a flow, as its packets have it. */
export interface Tuple {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  readonly protocol: FlowProtocol;
  /** Of TCP, UDP, UDPLite, SCTP and DCCP; of GRE its key. */
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  /** Of ICMP and ICMPv6. */
  readonly icmp?: IcmpTuple | undefined;
  /** The zone of this direction alone. */
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

/** Something of both directions. */
export interface Directions<T> {
  readonly original: T;
  readonly reply: T;
}

export interface TcpDetails {
  /** The window is to be shifted left by so many bits (RFC 7323). */
  readonly windowScale: Directions<number>;
  /** `IP_CT_TCP_FLAG_*` of linux/netfilter/nf_conntrack_tcp.h. */
  readonly flags: Directions<number>;
}

export interface DccpDetails {
  /** Of the original direction's sender. */
  readonly role: 'client' | 'server';
  readonly handshakeSequence: bigint;
}

/** How sequence numbers of one direction are moved, since a helper changed a packet's length. */
export interface SequenceAdjustment {
  /** The sequence number from which on `after` holds. */
  readonly position: number;
  readonly before: number;
  readonly after: number;
}

export interface Synproxy {
  readonly initialSequence: number;
  readonly initialTimestamp: number;
  readonly timestampOffset: number;
}

/**
 * A flow of the connection tracking table as it was when it was read. What the kernel did not send
 * is absent, not zero: counters without accounting, times without timestamping, the timeout of an
 * offloaded flow.
 */
export interface Flow {
  readonly family: Family;
  readonly protocol: FlowProtocol;
  readonly original: Tuple;
  /** What answers are expected to have: with NAT it is not simply the original turned round. */
  readonly reply: Tuple;
  /** 0 is the default zone. */
  readonly zone: number;
  /** Opaque. A later flow with the same tuples may have it again: the kernel makes it of where the flow lies in memory. */
  readonly id?: number | undefined;
  readonly status: readonly FlowStatus[];
  /** The same as a number (`IPS_*`). */
  readonly statusBits: number;
  readonly mark?: number | undefined;
  /** Seconds until the flow is forgotten, if no packet comes. */
  readonly timeout?: number | undefined;
  /** As conntrack shows it: `ESTABLISHED`; of TCP, SCTP and DCCP. */
  readonly state?: string | undefined;
  /** Only where accounting was on when the flow began (`nf_conntrack_acct`). */
  readonly counters?: Directions<Counters> | undefined;
  /** Nanoseconds since 1970; where timestamping was on (`nf_conntrack_timestamp`). */
  readonly started?: bigint | undefined;
  readonly stopped?: bigint | undefined;
  /** The labels that are set, 0 to 127. */
  readonly labels?: readonly number[] | undefined;
  /** The name of the helper that reads this flow: `ftp`. */
  readonly helper?: string | undefined;
  readonly tcp?: TcpDetails | undefined;
  /** Verification tags. */
  readonly sctp?: Directions<number> | undefined;
  readonly dccp?: DccpDetails | undefined;
  /** The original tuple of the flow that this one was expected by. */
  readonly master?: Tuple | undefined;
  readonly sequenceAdjustment?: Partial<Directions<SequenceAdjustment>> | undefined;
  readonly synproxy?: Synproxy | undefined;
  readonly securityContext?: string | undefined;
  /** How many parts of the kernel hold the flow. */
  readonly use?: number | undefined;
}

/** What tells one flow from all others. */
export interface FlowKey {
  /** One of them. */
  readonly original?: Tuple | undefined;
  readonly reply?: Tuple | undefined;
  readonly zone?: number | undefined;
  /** When deleting: only a flow that has it. */
  readonly id?: number | undefined;
}

/** What a new flow is to be known by. */
export interface NewFlowKey {
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly zone?: number | undefined;
}

/** An address, or several; the least and the most of a range. */
export interface NatSettings {
  readonly address: readonly [least: string, most: string];
  readonly port?: readonly [least: number, most: number] | undefined;
}

/** What of a flow can be written. Canonical and checked; what is absent is not sent. */
export interface FlowSettings {
  readonly statusBits?: number | undefined;
  readonly mark?: number | undefined;
  /** The kernel computes (old & ~mask) ^ mark; the mark has no bits outside of it. */
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

/** Which addresses and ports of one direction; what is absent matches all. */
export interface TupleFilter {
  readonly source?: { readonly address: string; readonly prefix: number };
  readonly destination?: { readonly address: string; readonly prefix: number };
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
}

/** Which flows; canonical and checked. */
export interface FilterSettings {
  readonly family?: Family | undefined;
  readonly protocol?: FlowProtocol | undefined;
  readonly original: TupleFilter;
  readonly reply: TupleFilter;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly status?: { readonly value: number; readonly mask: number };
  readonly zone?: number | undefined;
  readonly state?: number | undefined;
  /** Filter in this process alone. */
  readonly hereOnly?: boolean | undefined;
}

/** `live` is the table; `dying` what waits for its destroy event to be delivered. */
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

/** Totals of the flows that have the same fields; those not grouped by are absent. */
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
  /** How many of them have counters; the sums below are of these. */
  readonly counted: number;
  readonly counters: Directions<Counters>;
}

/** The counters of one processor: u32 that wrap. What this kernel does not send is absent. */
export interface ProcessorCounters {
  readonly processor: number;
  readonly values: Readonly<Record<number, number>>;
}

/** A flow that a helper expects: the data connection of FTP, say. */
export interface Expectation {
  readonly tuple: Tuple;
  /** What of the tuple counts: bits that are 0 match anything. */
  readonly mask: Tuple;
  /** The original tuple of the flow that expects it. */
  readonly master: Tuple;
  readonly zone: number;
  readonly id: number;
  /** Seconds. */
  readonly timeout: number;
  /** `NF_CT_EXPECT_*`: 1 permanent, 2 inactive, 4 made by a program. */
  readonly flags: number;
  readonly class: number;
  readonly helper?: string | undefined;
  /** The kernel function that is called for the flow when it comes. */
  readonly function?: string | undefined;
  readonly nat?: { readonly direction: 'original' | 'reply'; readonly tuple: Tuple };
}

/** What is expected, before the kernel has given it an id. */
export type ExpectationSettings = Omit<Expectation, 'id'>;

export interface EventSettings {
  readonly created: boolean;
  readonly updated: boolean;
  readonly destroyed: boolean;
  readonly expectations: boolean;
  readonly reliable: boolean;
  readonly resynchronise: boolean;
  /** Bytes; 0: as it is. */
  readonly receiveBuffer: number;
  /** Milliseconds between two resynchronisations, at least. */
  readonly interval: number;
}

/**
 * What happened to the table. `recovered`: found by a resynchronisation, not told by the kernel.
 * `overrun`: events were lost; `overruns` is how often so far, how many nobody knows.
 */
export type ConntrackEvent =
  | {
      readonly type: 'new' | 'update' | 'destroy';
      readonly flow: Flow;
      readonly recovered: boolean;
      /** Nanoseconds since 1970, from Linux 6.14. */
      readonly time?: bigint | undefined;
    }
  | { readonly type: 'expectation-new' | 'expectation-destroy'; readonly expectation: Expectation }
  | { readonly type: 'overrun'; readonly overruns: number }
  | { readonly type: 'resynchronised'; readonly flows: number };
