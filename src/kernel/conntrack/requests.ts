import type { Family } from '../../common/address.js';
import type {
  DccpDetails,
  Directions,
  Expectation,
  FlowProtocol,
  SequenceAdjustment,
  Synproxy,
  TcpDetails,
  Tuple,
} from './types.js';

/** The identity of a flow: its original or its reply tuple. */
export interface FlowKey {
  /** Tuple of the original direction. */
  readonly original?: Tuple | undefined;
  /** Tuple of the reply direction, used if `original` is absent. */
  readonly reply?: Tuple | undefined;
  /** Zone, 0 to 65535. Default: 0, the default zone. */
  readonly zone?: number | undefined;
  /** Id of the flow. A delete ignores a flow with another id. */
  readonly id?: number | undefined;
}

/** The identity of a new flow: both tuples. */
export interface NewFlowKey {
  /** Tuple of the original direction. */
  readonly original: Tuple;
  /** Tuple of the reply direction, before a translation. */
  readonly reply: Tuple;
  /** Zone, 0 to 65535. Default: 0, the default zone. */
  readonly zone?: number | undefined;
}

/** A range of addresses and ports, from the lowest to the highest value. */
export interface NatSettings {
  /** Lowest and highest address. */
  readonly address: readonly [least: string, most: string];
  /** Lowest and highest port. Absent: the port does not change unless it is taken. */
  readonly port?: readonly [least: number, most: number] | undefined;
}

/** The writable settings of a flow, canonical and checked. An absent one is not sent. */
export interface FlowSettings {
  /** Complete status (CTA_STATUS, `IPS_*`); the kernel rejects bits that cannot change. */
  readonly statusBits?: number | undefined;
  /** Mark (CTA_MARK). */
  readonly mark?: number | undefined;
  /** Mask of the mark. The kernel computes `(old & ~mask) ^ mark`, so the mark has no bits outside of the mask. */
  readonly markMask?: number | undefined;
  /** Seconds (CTA_TIMEOUT). */
  readonly timeout?: number | undefined;
  /** Number of the state of the protocol, in the kernel's order. */
  readonly state?: number | undefined;
  /** Bits of the labels, 16 bytes (CTA_LABELS). */
  readonly labels?: Uint8Array | undefined;
  /** Bits of the labels to change, 16 bytes (CTA_LABELS_MASK). Absent: all bits. */
  readonly labelsMask?: Uint8Array | undefined;
  /** Name of the helper (CTA_HELP_NAME). An empty name removes the helper. */
  readonly helper?: string | undefined;
  /** TCP values; the kernel keeps absent ones. */
  readonly tcp?: TcpDetails | undefined;
  /** Verification tags; the kernel requires both and the state. */
  readonly sctp?: Directions<number> | undefined;
  /** DCCP values; the kernel requires all and the state. */
  readonly dccp?: DccpDetails | undefined;
  /** Original tuple of the master (CTA_TUPLE_MASTER); of a new flow only. */
  readonly master?: Tuple | undefined;
  /** Translation of the source (CTA_NAT_SRC); of a new flow only. */
  readonly natSource?: NatSettings | undefined;
  /** Translation of the destination (CTA_NAT_DST); of a new flow only. */
  readonly natDestination?: NatSettings | undefined;
  /** Adjustment of sequence numbers (CTA_SEQ_ADJ_ORIG, CTA_SEQ_ADJ_REPLY). */
  readonly sequenceAdjustment?: Partial<Directions<SequenceAdjustment>> | undefined;
  /** Values of SYNPROXY (CTA_SYNPROXY). */
  readonly synproxy?: Synproxy | undefined;
}

/** A change to send, checked and canonical. */
export type FlowChange =
  | {
      /** Creates a flow (IPCTNL_MSG_CT_NEW with NLM_F_CREATE and NLM_F_EXCL). */
      readonly verb: 'create';
      /** Tuples and zone of the flow. */
      readonly key: NewFlowKey;
      /** Settings of the flow. */
      readonly settings: FlowSettings;
    }
  | {
      /** Updates a flow (IPCTNL_MSG_CT_NEW). */
      readonly verb: 'update';
      /** Identity of the flow. */
      readonly key: FlowKey;
      /** Settings to change. */
      readonly settings: FlowSettings;
    }
  | {
      /** Deletes a flow (IPCTNL_MSG_CT_DELETE). */
      readonly verb: 'delete';
      /** Identity of the flow. */
      readonly key: FlowKey;
    };

/** An address prefix. */
export interface AddressPrefix {
  /** Address, in canonical form. */
  readonly address: string;
  /** Length, 0 to 32 or 128 bits. */
  readonly prefix: number;
}

/** A value to compare under a mask. */
export interface MaskedNumber {
  /** Value; bits outside of the mask are 0. */
  readonly value: number;
  /** Bits to compare. */
  readonly mask: number;
}

/** Selects flows by addresses and ports of one direction. An absent condition matches all. */
export interface TupleFilter {
  /** Source address or prefix. */
  readonly source?: AddressPrefix | undefined;
  /** Destination address or prefix. */
  readonly destination?: AddressPrefix | undefined;
  /** Source port, 0 to 65535. */
  readonly sourcePort?: number | undefined;
  /** Destination port, 0 to 65535. */
  readonly destinationPort?: number | undefined;
}

/** Selects flows. The conditions are canonical and checked. */
export interface FilterSettings {
  /** Family of the addresses. */
  readonly family?: Family | undefined;
  /** Protocol. */
  readonly protocol?: FlowProtocol | undefined;
  /** Conditions of the original direction. */
  readonly original: TupleFilter;
  /** Conditions of the reply direction. */
  readonly reply: TupleFilter;
  /** Mark under a mask (CTA_MARK, CTA_MARK_MASK). */
  readonly mark?: MaskedNumber | undefined;
  /** Status bits under a mask (CTA_STATUS, CTA_STATUS_MASK). */
  readonly status?: MaskedNumber | undefined;
  /** Zone, 0 to 65535. Kernels before 6.8 ignore it, so it is compared again. */
  readonly zone?: number | undefined;
  /** Number of the state of the protocol, in the kernel's order. */
  readonly state?: number | undefined;
  /** True to filter in this process only. */
  readonly hereOnly?: boolean | undefined;
}

/** The counters of one processor, each a u32 that wraps. A counter that this kernel does not send is absent. */
export interface ProcessorCounters {
  /** Number of the processor. */
  readonly processor: number;
  /** Counters by the number of their attribute (CTA_STATS_*, CTA_STATS_EXP_*). */
  readonly values: Readonly<Record<number, number>>;
}

/** An expectation to create, which has no id yet. */
export type ExpectationSettings = Omit<Expectation, 'id'>;

/** The events to receive, checked. */
export interface EventSettings {
  /** True for events of flows that begin (NFNLGRP_CONNTRACK_NEW). */
  readonly created: boolean;
  /** True for events of flows that change (NFNLGRP_CONNTRACK_UPDATE). */
  readonly updated: boolean;
  /** True for events of flows that end (NFNLGRP_CONNTRACK_DESTROY). */
  readonly destroyed: boolean;
  /** True for events of expectations (NFNLGRP_CONNTRACK_EXP_NEW, NFNLGRP_CONNTRACK_EXP_DESTROY). */
  readonly expectations: boolean;
  /** True to set NETLINK_BROADCAST_ERROR. */
  readonly reliable: boolean;
  /** True to read the table at the start and after each overrun. */
  readonly resynchronise: boolean;
  /** Size of the receive buffer, in bytes; 0 for the default. */
  readonly receiveBuffer: number;
  /** Minimum time between two resynchronisations, in milliseconds. */
  readonly interval: number;
}
