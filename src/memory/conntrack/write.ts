import { Errno } from '../../common/errno.js';
import type { FlowSettings } from '../../kernel/conntrack/requests.js';
import type { Directions, TcpDetails, Tuple } from '../../kernel/conntrack/types.js';
import { type MemoryFlow, Status } from './flow.js';

/** `IP_CT_TCP_FLAG_WINDOW_SCALE`: without it the kernel ignores the scale. */
const WINDOW_SCALE = 1;
/** The highest valid states: `TCP_CONNTRACK_SYN_SENT2`, `SCTP_CONNTRACK_HEARTBEAT_SENT`, `CT_DCCP_TIMEWAIT`. */
const lastStates = { tcp: 9, sctp: 8, dccp: 7 } as const;

/** Returns the state of a new flow whose message has none: 0 for protocols with states. */
export function firstState({ protocol }: Tuple): number | undefined {
  return Object.hasOwn(lastStates, protocol) ? 0 : undefined;
}

/**
 * Writes the fields that new and existing flows have in common, in the order of ctnetlink_change_conntrack. Returns the
 * errno of the first rejected field; the fields before it stay written.
 */
export function write(flow: MemoryFlow, settings: FlowSettings): number {
  const errno = writeProtocol(flow, settings);
  if (errno !== 0) return errno;
  const { mark, markMask = 0xffffffff, sequenceAdjustment, synproxy } = settings;
  if (mark !== undefined) flow.mark = ((flow.mark & ~markMask) ^ mark) >>> 0;
  if (sequenceAdjustment) {
    const none = { position: 0, before: 0, after: 0 };
    flow.sequenceAdjustment = { original: none, reply: none, ...flow.sequenceAdjustment, ...sequenceAdjustment };
    flow.statusBits |= Status.sequenceAdjust;
  }
  // A flow without a proxy has zeros, which the kernel does not show.
  if (synproxy) flow.synproxy = Object.values(synproxy).some((number) => number !== 0) ? synproxy : undefined;
  return 0;
}

/** Writes the protocol info, like nlattr_to_tcp, nlattr_to_sctp and nlattr_to_dccp; other protocols ignore it. */
function writeProtocol(flow: MemoryFlow, { state, tcp, sctp, dccp }: FlowSettings): number {
  const { protocol } = flow.original;
  if (protocol === 'tcp') flow.tcp ??= { windowScale: both(0), flags: both(0) };
  if (protocol === 'sctp') flow.sctp ??= both(0);
  if (protocol === 'dccp') flow.dccp ??= { role: 'client', handshakeSequence: 0n };
  const asked = state !== undefined || tcp !== undefined || sctp !== undefined || dccp !== undefined;
  if (!asked) return 0;
  switch (protocol) {
    case 'tcp':
      if (state !== undefined && state > lastStates.tcp) return Errno.ERANGE;
      flow.state = state ?? flow.state;
      if (flow.tcp && tcp) flow.tcp = tcpDetails(flow.tcp, tcp);
      return 0;
    case 'sctp':
      if (state !== undefined && state > lastStates.sctp) return Errno.ERANGE;
      if (state === undefined || sctp === undefined) return Errno.EINVAL;
      flow.state = state;
      flow.sctp = sctp;
      return 0;
    case 'dccp':
      if (state === undefined || dccp === undefined || state > lastStates.dccp) return Errno.EINVAL;
      flow.state = state;
      flow.dccp = dccp;
      return 0;
    default:
      return 0;
  }
}

export function writeLabels(flow: MemoryFlow, { labels, labelsMask }: FlowSettings): void {
  if (!labels || !flow.labels) return;
  flow.labels = flow.labels.map((old, place) => {
    const mask = labelsMask ? (labelsMask[place] ?? 0) : 0xff;
    return (old & ~mask) ^ (labels[place] ?? 0);
  });
}

function tcpDetails(before: TcpDetails, asked: TcpDetails): TcpDetails {
  const scaled = (asked.flags.original & asked.flags.reply & WINDOW_SCALE) !== 0;
  return { windowScale: scaled ? asked.windowScale : before.windowScale, flags: asked.flags };
}

function both(value: number): Directions<number> {
  return { original: value, reply: value };
}
