import { compareAddresses } from '../common/address.js';
import { checkAddress, checkInteger, checkList, checkName, checkOneOf, checkOptions, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import type { FlowChange, FlowSettings, NatSettings, NewFlowKey } from '../kernel/conntrack/requests.js';
import type {
  DccpDetails,
  Directions,
  FlowProtocol,
  FlowStatus,
  SequenceAdjustment,
  Synproxy,
  TcpDetails,
  Tuple,
} from '../kernel/conntrack/types.js';
import { checkMark, checkState, checkU32, statusBits } from './filter.js';
import {
  checkFlowKey,
  checkTuple,
  checkZone,
  type FlowSelector,
  inverse,
  type TupleOptions,
  type Writable,
} from './tuple.js';

/** The new source or destination of a translated flow. Of a range, the kernel chooses one value. */
export interface NatOptions {
  /** Address of the family of the flow, or the lowest and the highest of a range. */
  readonly address: string | readonly [least: string, most: string];
  /** Port, 1 to 65535, or the lowest and the highest of a range. Default: the port of the flow, unless it is taken. */
  readonly port?: number | readonly [least: number, most: number] | undefined;
}

/** Labels to set and to clear, 0 to 127. The others do not change. */
export interface LabelChanges {
  /** Labels to set. Default: none. */
  readonly set?: readonly number[] | undefined;
  /** Labels to clear. Default: none. */
  readonly clear?: readonly number[] | undefined;
}

/** Changes to a flow. An absent setting does not change. */
export interface FlowChanges {
  /** Seconds, 0 to 2 147 483 647. */
  readonly timeout?: number | undefined;
  /** Mark, 0 to 4 294 967 295. */
  readonly mark?: number | undefined;
  /** Bits of the mark to change. Other bits of `mark` must be 0. Default: all bits. */
  readonly markMask?: number | undefined;
  /** Bits to set. The kernel accepts `seen-reply`, `assured` and `fixed-timeout`, and clears no bit. */
  readonly status?: readonly FlowStatus[] | undefined;
  /**
   * State of a TCP, SCTP or DCCP flow, spelt as conntrack prints it, in upper or lower case: `ESTABLISHED`.
   * `LISTEN`, which old versions of conntrack print, is `SYN_SENT2` of TCP. A kernel that does not track DCCP
   * ignores its states.
   */
  readonly state?: string | undefined;
  /**
   * The complete list of labels, or changes to it. Works only if a rule of the namespace uses labels: otherwise
   * the kernel gives new flows no labels.
   */
  readonly labels?: readonly number[] | LabelChanges | undefined;
  /** Name of the helper, for example `ftp`. An empty name removes the helper. */
  readonly helper?: string | undefined;
  /**
   * TCP values: window scales 0 to 14, flags 0 to 255. The kernel takes a scale only with its flag
   * (IP_CT_TCP_FLAG_WINDOW_SCALE, 1).
   */
  readonly tcp?: TcpDetails | undefined;
  /** Verification tags. An update that sets only them keeps the state; one that sets only the state keeps them. */
  readonly sctp?: Directions<number> | undefined;
  /** DCCP details. An update that sets only them keeps the state; one that sets only the state keeps them. */
  readonly dccp?: DccpDetails | undefined;
  /**
   * Adjustment of sequence numbers. An absent direction does not change. The kernel ignores it for a flow that was
   * created by packets without the extension for it.
   */
  readonly sequenceAdjustment?: Partial<Directions<SequenceAdjustment>> | undefined;
  /** Values of SYNPROXY, each 0 to 4 294 967 295. */
  readonly synproxy?: Synproxy | undefined;
}

/** A new flow that is created by a request, not by a packet. */
export interface FlowOptions extends FlowChanges {
  /** Tuple of the original direction. */
  readonly original: TupleOptions;
  /** Default: the inverse of the original tuple. With `nat` the kernel translates it. */
  readonly reply?: TupleOptions | undefined;
  /** Zone, 0 to 65535. Default: 0, the default zone. */
  readonly zone?: number | undefined;
  /** Seconds, 0 to 2 147 483 647. */
  readonly timeout: number;
  /** Default: `ESTABLISHED` for TCP and SCTP, `OPEN` for DCCP with `dccp`. */
  readonly state?: string | undefined;
  /** Translation of the packets of the original direction; of the answers, the reverse. */
  readonly nat?:
    | {
        /** New source (source NAT). Default: no translation. */
        readonly source?: NatOptions | undefined;
        /** New destination (destination NAT). Default: no translation. */
        readonly destination?: NatOptions | undefined;
      }
    | undefined;
  /** Original tuple of the master, the flow that this one belongs to. */
  readonly master?: TupleOptions | undefined;
}

/** One of many changes for {@link Conntrack.apply}. */
export type ConntrackChange =
  | {
      /** Creates a flow. */
      readonly change: 'create-flow';
      /** The new flow, as for {@link Conntrack.create}. */
      readonly flow: FlowOptions;
    }
  | {
      /** Updates a flow. */
      readonly change: 'update-flow';
      /** The flow to update, as for {@link Conntrack.update}. */
      readonly flow: FlowSelector;
      /** Settings that change. */
      readonly set: FlowChanges;
    }
  | {
      /** Deletes a flow. */
      readonly change: 'delete-flow';
      /** The flow to delete, as for {@link Conntrack.delete}. */
      readonly flow: FlowSelector;
    };

const changeNames = Object.keys({
  timeout: true,
  mark: true,
  markMask: true,
  status: true,
  state: true,
  labels: true,
  helper: true,
  tcp: true,
  sctp: true,
  dccp: true,
  sequenceAdjustment: true,
  synproxy: true,
} satisfies Record<keyof FlowChanges, true>);
const flowNames = [
  ...changeNames,
  ...Object.keys({
    original: true,
    reply: true,
    zone: true,
    nat: true,
    master: true,
  } satisfies Record<Exclude<keyof FlowOptions, keyof FlowChanges>, true>),
];

/** IPS_CONFIRMED. Every flow in the table has this bit, and the kernel rejects a status without it. */
const CONFIRMED = 1 << 3;
const settable: readonly FlowStatus[] = ['seen-reply', 'assured', 'fixed-timeout', 'confirmed'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkChange(change: ConntrackChange): FlowChange {
  const kind = (change as ConntrackChange | null | undefined)?.change;
  const own = kind === 'create-flow' || kind === 'delete-flow' ? ['change', 'flow'] : ['change', 'flow', 'set'];
  checkOptions('a change', change, own);
  checkOneOf('change', kind, ['create-flow', 'update-flow', 'delete-flow']);
  switch (change.change) {
    case 'create-flow':
      return creation(change.flow);
    case 'update-flow':
      return update(change.flow, change.set);
    case 'delete-flow':
      return { verb: 'delete', key: checkFlowKey(change.flow) };
  }
}

export function creation(options: FlowOptions): FlowChange {
  checkOptions('a flow', options, flowNames);
  const original = checkTuple('the original tuple', options.original);
  const reply = options.reply === undefined ? inverse(original) : checkTuple('the reply tuple', options.reply);
  if (reply.protocol !== original.protocol || reply.family !== original.family)
    throw invalid('the reply of a flow must have the protocol and the family of its original tuple');
  if (options.timeout === undefined) throw invalid('a new flow requires a timeout, in seconds');
  const { zone, nat, master } = options;
  const key: NewFlowKey =
    zone === undefined ? { original, reply } : { original, reply, zone: checkZone('the zone', zone) };
  const settings = checkChanges(
    options,
    original,
    options.state === undefined ? firstState(original.protocol, options) : options.state,
  );
  // The kernel rejects an incomplete group.
  if (original.protocol === 'sctp') settings.sctp ??= { original: 0, reply: 0 };
  if (original.protocol === 'dccp' && settings.state !== undefined)
    settings.dccp ??= { role: 'client', handshakeSequence: 0n };
  if (master !== undefined) settings.master = checkTuple('the master', master);
  if (nat !== undefined) Object.assign(settings, natSettings(nat, original));
  return { verb: 'create', key, settings };
}

function firstState(protocol: FlowProtocol, { dccp }: FlowChanges): string | undefined {
  if (protocol === 'tcp' || protocol === 'sctp') return 'ESTABLISHED';
  return protocol === 'dccp' && dccp !== undefined ? 'OPEN' : undefined;
}

export function update(selector: FlowSelector, changes: FlowChanges): FlowChange {
  checkOptions('an update of a flow', changes, changeNames);
  const key = checkFlowKey(selector);
  const tuple = key.original ?? key.reply;
  if (!tuple) throw invalid('a flow requires a tuple');
  if (key.original === undefined && (changes.state ?? changes.tcp ?? changes.sctp ?? changes.dccp) !== undefined)
    throw invalid('an update of the state of a flow requires its original tuple, not its reply tuple');
  return { verb: 'update', key, settings: checkChanges(changes, tuple) };
}

/** Avoids object spreads because bulk changes create millions of these objects. */
function checkChanges(changes: FlowChanges, tuple: Tuple, state = changes.state): Writable<FlowSettings> {
  const { timeout, mark, markMask, status, labels, helper, tcp, sctp, dccp, sequenceAdjustment, synproxy } = changes;
  const settings: Writable<FlowSettings> = {};
  if (timeout !== undefined) settings.timeout = checkInteger('timeout', timeout, 0, 0x7fffffff);
  if (mark !== undefined || markMask !== undefined) {
    settings.mark = checkMark(mark, markMask, 0);
    if (markMask !== undefined) settings.markMask = markMask;
  }
  if (status !== undefined) settings.statusBits = checkStatus(status);
  if (state !== undefined) settings.state = checkState(tuple.protocol, state);
  if (labels !== undefined) Object.assign(settings, checkLabels(labels));
  if (helper !== undefined) settings.helper = helper === '' ? '' : checkName('helper', helper);
  if (tcp !== undefined) settings.tcp = only('tcp', tuple, checkTcp(tcp));
  if (sctp !== undefined) settings.sctp = only('sctp', tuple, both('sctp', sctp, checkU32));
  if (dccp !== undefined) settings.dccp = only('dccp', tuple, checkDccp(dccp));
  if (sequenceAdjustment !== undefined) settings.sequenceAdjustment = checkAdjustments(sequenceAdjustment);
  if (synproxy !== undefined) settings.synproxy = checkSynproxy(synproxy);
  return settings;
}

function checkStatus(status: readonly FlowStatus[]): number {
  const bits = statusBits('status', status);
  const fixed = status.find((name) => !settable.includes(name));
  if (fixed !== undefined)
    throw invalid(`status must be of seen-reply, assured and fixed-timeout, which the kernel can set; not ${fixed}`);
  return bits | CONFIRMED;
}

function labelBits(labels: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(16);
  for (const label of checkList('labels', labels, limits.names)) {
    const bit = checkInteger('a label', label, 0, 127);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return bytes;
}

function checkLabels(labels: readonly number[] | LabelChanges): Pick<FlowSettings, 'labels' | 'labelsMask'> {
  if (Array.isArray(labels)) return { labels: labelBits(labels) };
  checkOptions('labels', labels, ['set', 'clear']);
  const { set, clear } = labels as LabelChanges;
  const bits = labelBits(set);
  const cleared = labelBits(clear);
  return { labels: bits, labelsMask: bits.map((byte, at) => byte | (cleared[at] ?? 0)) };
}

function only<T>(protocol: string, tuple: Tuple, value: T): T {
  if (tuple.protocol === protocol) return value;
  throw invalid(`${protocol} requires a flow of protocol ${protocol}, not ${tuple.protocol}`);
}

function both<T>(what: string, value: Directions<T>, check: (what: string, value: unknown) => T): Directions<T> {
  checkOptions(what, value, ['original', 'reply']);
  return { original: check(`${what} original`, value.original), reply: check(`${what} reply`, value.reply) };
}

function checkTcp(tcp: TcpDetails): TcpDetails {
  checkOptions('tcp', tcp, ['windowScale', 'flags']);
  return {
    windowScale: both('windowScale', tcp.windowScale, (what, value) => checkInteger(what, value, 0, 14)),
    flags: both('flags', tcp.flags, (what, value) => checkInteger(what, value, 0, 255)),
  };
}

function checkDccp(dccp: DccpDetails): DccpDetails {
  checkOptions('dccp', dccp, ['role', 'handshakeSequence']);
  const { handshakeSequence: sequence } = dccp;
  if (typeof sequence !== 'bigint' || sequence < 0n || sequence >= 1n << 48n)
    throw invalid(`handshakeSequence must be a bigint of 48 bits, not ${show(sequence)}`);
  return { role: checkOneOf('role', dccp.role, ['client', 'server']), handshakeSequence: sequence };
}

function checkAdjustments(value: Partial<Directions<SequenceAdjustment>>): Partial<Directions<SequenceAdjustment>> {
  checkOptions('sequenceAdjustment', value, ['original', 'reply']);
  const check = (adjustment: SequenceAdjustment): SequenceAdjustment => {
    checkOptions('an adjustment of sequence numbers', adjustment, ['position', 'before', 'after']);
    return {
      position: checkU32('position', adjustment.position),
      before: checkU32('before', adjustment.before),
      after: checkU32('after', adjustment.after),
    };
  };
  return {
    ...(value.original !== undefined && { original: check(value.original) }),
    ...(value.reply !== undefined && { reply: check(value.reply) }),
  };
}

function checkSynproxy(synproxy: Synproxy): Synproxy {
  checkOptions('synproxy', synproxy, ['initialSequence', 'initialTimestamp', 'timestampOffset']);
  return {
    initialSequence: checkU32('initialSequence', synproxy.initialSequence),
    initialTimestamp: checkU32('initialTimestamp', synproxy.initialTimestamp),
    timestampOffset: checkU32('timestampOffset', synproxy.timestampOffset),
  };
}

function natSettings(nat: FlowOptions['nat'], original: Tuple): Pick<FlowSettings, 'natSource' | 'natDestination'> {
  if (nat === undefined) return {};
  checkOptions('nat', nat, ['source', 'destination']);
  return {
    ...(nat.source !== undefined && { natSource: checkNat('source', nat.source, original) }),
    ...(nat.destination !== undefined && { natDestination: checkNat('destination', nat.destination, original) }),
  };
}

function checkNat(what: string, nat: NatOptions, original: Tuple): NatSettings {
  checkOptions(`the translation of the ${what}`, nat, ['address', 'port']);
  const address = (value: unknown): string => {
    const checked = checkAddress(`the ${what} after translation`, value, original.family);
    if (checked.family === original.family) return checked.address;
    throw invalid(`the ${what} after translation must be an ${original.family} address, not ${checked.address}`);
  };
  const [least, most] = pair('address', nat.address);
  const range = [address(least), address(most)] as const;
  if (compareAddresses(...range) > 0)
    throw invalid(`address must be a range from the lowest to the highest, not ${range.join(' to ')}`);
  if (nat.port === undefined) return { address: range };
  const port = (value: unknown): number => checkInteger('a port', value, 1, 65535);
  const ends = pair('port', nat.port);
  const [first, last] = [port(ends[0]), port(ends[1])];
  if (first > last) throw invalid(`port must be a range from the lowest to the highest, not ${first} to ${last}`);
  return { address: range, port: [first, last] };
}

function pair<T>(what: string, value: T | readonly [T, T]): readonly [T, T] {
  if (!Array.isArray(value)) return [value as T, value as T];
  if (value.length !== 2) throw invalid(`${what} must be one value, or a range of two, not ${show(value)}`);
  return value as unknown as readonly [T, T];
}
