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
  /** Family of both addresses. */
  readonly family: Family;
  /** Source address, in canonical form. */
  readonly source: string;
  /** Destination address, in canonical form. */
  readonly destination: string;
  /** Protocol of the packets. */
  readonly protocol: FlowProtocol;
  /** Source port of TCP, UDP, UDPLite, SCTP and DCCP; the key of GRE. */
  readonly sourcePort?: number | undefined;
  /** Destination port of TCP, UDP, UDPLite, SCTP and DCCP, 0 to 65535; the key of GRE. */
  readonly destinationPort?: number | undefined;
  /** Type, code and id of ICMP and ICMPv6. */
  readonly icmp?: IcmpTuple | undefined;
  /** Zone of this direction only. */
  readonly zone?: number | undefined;
}

/** The part of an ICMP or ICMPv6 header that identifies a flow. */
export interface IcmpTuple {
  /** Type, 0 to 255; 8 is an echo request (128 in ICMPv6). */
  readonly type: number;
  /** Code, 0 to 255. */
  readonly code: number;
  /** Identifier of an echo or a query, 0 to 65535. */
  readonly id: number;
}

/** The packets of one direction of a flow (`struct nf_conn_counter`). */
export interface Counters {
  /** Number of packets. */
  readonly packets: bigint;
  /** Number of bytes of the packets, with the IP header and without that of the link. */
  readonly bytes: bigint;
}

/** One value for each direction of a flow. */
export interface Directions<T> {
  /** Value of the direction of the first packet. */
  readonly original: T;
  /** Value of the direction of the answers. */
  readonly reply: T;
}

/** The TCP values that the kernel needs to check windows (CTA_PROTOINFO_TCP). */
export interface TcpDetails {
  /** Number of bits that the window is shifted left (RFC 7323). */
  readonly windowScale: Directions<number>;
  /** Bits of `IP_CT_TCP_FLAG_*` (linux/netfilter/nf_conntrack_tcp.h). */
  readonly flags: Directions<number>;
}

/** The DCCP values of a flow (CTA_PROTOINFO_DCCP). A kernel that does not track DCCP has none. */
export interface DccpDetails {
  /** Role of the sender of the original direction. */
  readonly role: 'client' | 'server';
  /** Sequence number of the handshake, 48 bits. */
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

/** The values with which the SYNPROXY target translates sequence numbers and timestamps (CTA_SYNPROXY). */
export interface Synproxy {
  /** Initial sequence number that the proxy chose (ISN), 0 to 4 294 967 295. */
  readonly initialSequence: number;
  /** Initial timestamp that the proxy chose (ITS), 0 to 4 294 967 295. */
  readonly initialTimestamp: number;
  /** Offset between the timestamps of the proxy and of the server (TSOFF), 0 to 4 294 967 295. */
  readonly timestampOffset: number;
}

/**
 * A flow of the connection tracking table at the time it was read. A value that the kernel did not send
 * is absent, not zero: counters without accounting, times without timestamping, the timeout of an
 * offloaded flow.
 */
export interface Flow {
  /** Family of the addresses. */
  readonly family: Family;
  /** Protocol of both tuples. */
  readonly protocol: FlowProtocol;
  /** Tuple of the first packet. */
  readonly original: Tuple;
  /** Tuple of the expected answers. With NAT it differs from the inverse of the original. */
  readonly reply: Tuple;
  /** Zone; 0 is the default zone. */
  readonly zone: number;
  /** Opaque id, derived from a memory address of the kernel. A later flow with the same tuples may have the same id. */
  readonly id?: number | undefined;
  /** Names of the status bits that are set, as `statusBits` has them. */
  readonly status: readonly FlowStatus[];
  /** Bits of the status as a number (`IPS_*`). */
  readonly statusBits: number;
  /**
   * Mark of the flow (`ct mark`, connmark), 0 to 4 294 967 295. Absent from an event that does not have
   * it: `destroy` omits 0.
   */
  readonly mark?: number | undefined;
  /** Seconds until the flow expires without packets. */
  readonly timeout?: number | undefined;
  /** State of a TCP, SCTP or DCCP flow, spelt as conntrack prints it: `ESTABLISHED`. */
  readonly state?: string | undefined;
  /** Counters. Present only if accounting was on when the flow began (`nf_conntrack_acct`). */
  readonly counters?: Directions<Counters> | undefined;
  /** Nanoseconds since 1970. Present only if timestamping was on (`nf_conntrack_timestamp`). */
  readonly started?: bigint | undefined;
  /** Time of the end, in nanoseconds since 1970: of `destroy` events only. */
  readonly stopped?: bigint | undefined;
  /** Numbers of the labels that are set, 0 to 127. */
  readonly labels?: readonly number[] | undefined;
  /** Name of the helper that inspects this flow, for example `ftp`. */
  readonly helper?: string | undefined;
  /** TCP values. Absent for other protocols and for offloaded flows. */
  readonly tcp?: TcpDetails | undefined;
  /** Verification tags. */
  readonly sctp?: Directions<number> | undefined;
  /** DCCP values. Absent for other protocols. */
  readonly dccp?: DccpDetails | undefined;
  /** Original tuple of the flow that expected this one. */
  readonly master?: Tuple | undefined;
  /** Adjustment of TCP sequence numbers. Absent if the flow has none. */
  readonly sequenceAdjustment?: Partial<Directions<SequenceAdjustment>> | undefined;
  /** Values of SYNPROXY. Absent if the flow has none; the kernel sends zeros for every flow that a request created. */
  readonly synproxy?: Synproxy | undefined;
  /** Security context that SECMARK saved (CTA_SECCTX), for example of SELinux. */
  readonly securityContext?: string | undefined;
  /** Number of references to the flow within the kernel. */
  readonly use?: number | undefined;
}

/** `live` is the table; `dying` are ended flows whose destroy event is not yet delivered. */
export type FlowList = 'live' | 'dying';

/** A field by which flows can be grouped. `source` and the like are of the original direction. */
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
  /** Common family of the flows. Present if `by` has it. */
  readonly family?: Family | undefined;
  /** Common protocol of the flows. Present if `by` has it, or `state`. */
  readonly protocol?: FlowProtocol | undefined;
  /** Common source address of the original direction of the flows. Present if `by` has it. */
  readonly source?: string | undefined;
  /** Common destination address of the original direction of the flows. Present if `by` has it. */
  readonly destination?: string | undefined;
  /** Common source port of the original direction of the flows. Present if `by` has it. */
  readonly sourcePort?: number | undefined;
  /** Common destination port of the original direction of the flows. Present if `by` has it. */
  readonly destinationPort?: number | undefined;
  /** Common source address of the reply direction of the flows. Present if `by` has it. */
  readonly replySource?: string | undefined;
  /** Common source port of the reply direction of the flows. Present if `by` has it. */
  readonly replySourcePort?: number | undefined;
  /** Common mark of the flows. Present if `by` has it. */
  readonly mark?: number | undefined;
  /** Common zone of the flows. Present if `by` has it. */
  readonly zone?: number | undefined;
  /** Common state of the flows. Present if `by` has it and the protocol has states. */
  readonly state?: string | undefined;
  /** Number of flows. */
  readonly flows: number;
  /** Number of flows that have counters. `counters` are the sums over these. */
  readonly counted: number;
  /** Sums of the packets and bytes of each direction. */
  readonly counters: Directions<Counters>;
}

/** A flow that a helper expects, for example the data connection of FTP. */
export interface Expectation {
  /** Tuple of the first packet of the expected flow. */
  readonly tuple: Tuple;
  /** Mask of the tuple. Bits that are 0 match any value. */
  readonly mask: Tuple;
  /** Original tuple of the flow that expects it. */
  readonly master: Tuple;
  /** Zone of the master; 0 is the default zone. */
  readonly zone: number;
  /** Opaque id, derived from a memory address of the kernel. */
  readonly id: number;
  /** Seconds until the expectation expires. */
  readonly timeout: number;
  /** Bits of `NF_CT_EXPECT_*`: 1 permanent, 2 inactive, 4 created by a program. */
  readonly flags: number;
  /** Class of the helper's policy. */
  readonly class: number;
  /** Name of the helper. */
  readonly helper?: string | undefined;
  /** Kernel function that handles the expected flow. */
  readonly function?: string | undefined;
  /** Translation of the expected flow (CTA_EXPECT_NAT). */
  readonly nat?: {
    /** Direction of the expected flow relative to its master. */
    readonly direction: 'original' | 'reply';
    /** The tuple whose source is the address and port to translate to. */
    readonly tuple: Tuple;
  };
}

/**
 * An event of the table. `recovered` is true if a resynchronisation found the change, not an event of the
 * kernel. `overrun` means that events were lost: `overruns` is the number of overruns so far; the number of
 * lost events is unknown.
 */
export type ConntrackEvent =
  | {
      /** `new`: the flow began; `update`: it changed; `destroy`: it ended. */
      readonly type: 'new' | 'update' | 'destroy';
      /** The flow at that time. Values that the event does not have are absent. */
      readonly flow: Flow;
      /** True if a resynchronisation found the change, false for an event of the kernel. */
      readonly recovered: boolean;
      /** Time of the event, in nanoseconds since 1970. Requires Linux 6.14. */
      readonly time?: bigint | undefined;
    }
  | {
      /** An expectation began, or ended by time, by a delete or because its flow came. */
      readonly type: 'expectation-new' | 'expectation-destroy';
      /** The expectation at that time. */
      readonly expectation: Expectation;
    }
  | {
      /** The kernel dropped events, because the receive buffer was full. */
      readonly type: 'overrun';
      /** Number of overruns since the stream was opened. */
      readonly overruns: number;
    }
  | {
      /** The changes that were missed have been reported: the events so far describe the table. */
      readonly type: 'resynchronised';
      /** Number of flows of the table that match the filter. */
      readonly flows: number;
    };
