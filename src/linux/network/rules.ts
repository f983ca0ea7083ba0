import { compact } from '../../common/compact.js';
import { splitPrefix } from '../../common/prefix.js';
import { familyNumber } from '../../kernel/families.js';
import type { NumberRange, RoutingRule, RoutingRuleAction, RoutingRuleSettings } from '../../kernel/network/types.js';
import { type Attribute, readAttributes } from '../netlink/reader.js';
import { type MessageWriter, NLM_F } from '../netlink/writer.js';
import { addressAttribute, addressOf, addressSize, familyOfNumber, fixedPart, malformed, nameAt, RTM } from './wire.js';

/** Attributes FRA_* (include/uapi/linux/fib_rules.h). */
const FRA = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  GOTO: 4,
  PRIORITY: 6,
  FWMARK: 10,
  SUPPRESS_IFGROUP: 13,
  SUPPRESS_PREFIXLEN: 14,
  TABLE: 15,
  FWMASK: 16,
  OIFNAME: 17,
  PAD: 18,
  UID_RANGE: 20,
  PROTOCOL: 21,
  IP_PROTO: 22,
  SPORT_RANGE: 23,
  DPORT_RANGE: 24,
  SPORT_MASK: 28,
  DPORT_MASK: 29,
} as const;
const FIB_RULE_INVERT = 2;
const HEADER = 12; // struct fib_rule_hdr
const NONE = 0xffffffff;

/** Mask of all bits of a port. From Linux 6.15 the kernel adds it to a rule with a single port. */
const WHOLE_PORT = 0xffff;

/** Numbers of the attributes that {@link RoutingRule} supports. */
const known = new Set<number>(Object.values(FRA));
/** Names of the other attributes in `ip rule`, by number. */
const unsupportedNames = new Map([
  [11, 'realms'],
  [12, 'tun_id'],
  [19, 'l3mdev'],
  [25, 'dscp'],
  [26, 'flowlabel'],
  [27, 'a flowlabel mask'],
  [30, 'a dscp mask'],
]);

/** Names of FR_ACT_*, in the order of their numbers. */
const actions: readonly RoutingRuleAction[] = [
  'other',
  'lookup',
  'goto',
  'nop',
  'other',
  'other',
  'blackhole',
  'unreachable',
  'prohibit',
];

/** Decodes a rule. Returns `undefined` for other families, which a kernel without IPv6 sends for IPv6. */
export function decodeRule(payload: Uint8Array): RoutingRule | undefined {
  const view = fixedPart(payload, HEADER);
  const family = familyOfNumber(view.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = new Map<number, Attribute>();
  for (const attribute of readAttributes(payload, HEADER)) attributes.set(attribute.type, attribute);
  const prefix = (type: number, length: number): string | undefined => {
    const bytes = attributes.get(type)?.bytes;
    if (length === 0) return undefined;
    if (bytes?.length !== addressSize(family)) throw malformed();
    return `${addressOf(bytes)}/${length}`;
  };
  const action = nameAt(actions, view.getUint8(7)) ?? 'other';
  const suppressed = attributes.get(FRA.SUPPRESS_PREFIXLEN)?.u32;
  const group = attributes.get(FRA.SUPPRESS_IFGROUP)?.u32;
  // The kernel sends a mask of all bits for a rule without a mark.
  const mark = attributes.get(FRA.FWMARK)?.u32;
  const mask = attributes.get(FRA.FWMASK)?.u32;
  const unsupported = [...attributes.keys()]
    .filter((type) => !known.has(type))
    .map((type) => unsupportedNames.get(type) ?? `attribute ${type}`);
  if (group !== undefined && group !== NONE) unsupported.push('suppress_ifgroup');
  return compact<RoutingRule>({
    family,
    priority: attributes.get(FRA.PRIORITY)?.u32 ?? 0,
    action,
    table: action === 'lookup' ? (attributes.get(FRA.TABLE)?.u32 ?? view.getUint8(4)) : undefined,
    goto: attributes.get(FRA.GOTO)?.u32,
    invert: (view.getUint32(8, true) & FIB_RULE_INVERT) !== 0,
    source: prefix(FRA.SRC, view.getUint8(2)),
    destination: prefix(FRA.DST, view.getUint8(1)),
    mark: mark ?? (mask === undefined || mask === NONE ? undefined : 0),
    mask: mark === undefined && mask === NONE ? undefined : mask,
    inputInterface: attributes.get(FRA.IIFNAME)?.text,
    outputInterface: attributes.get(FRA.OIFNAME)?.text,
    tos: view.getUint8(3) || undefined,
    protocol: attributes.get(FRA.PROTOCOL)?.u8,
    ipProtocol: attributes.get(FRA.IP_PROTO)?.u8 || undefined,
    sourcePorts: range(attributes.get(FRA.SPORT_RANGE), 2),
    destinationPorts: range(attributes.get(FRA.DPORT_RANGE), 2),
    sourcePortMask: portMask(attributes.get(FRA.SPORT_MASK)),
    destinationPortMask: portMask(attributes.get(FRA.DPORT_MASK)),
    users: range(attributes.get(FRA.UID_RANGE), 4),
    suppressPrefixLength: suppressed === NONE ? undefined : suppressed,
    further: unsupported.length > 0,
    unsupported: unsupported.length > 0 ? unsupported : undefined,
  });
}

function portMask(attribute: Attribute | undefined): number | undefined {
  return attribute === undefined || attribute.u16 === WHOLE_PORT ? undefined : attribute.u16;
}

function range(attribute: Attribute | undefined, size: 2 | 4): NumberRange | undefined {
  if (attribute === undefined) return undefined;
  const view = fixedPart(attribute.bytes, 2 * size);
  if (size === 2) return { first: view.getUint16(0, true), last: view.getUint16(2, true) };
  return { first: view.getUint32(0, true), last: view.getUint32(4, true) };
}

export function encodeListRules(writer: MessageWriter, family: RoutingRule['family']): void {
  writer.message(RTM.GETRULE, NLM_F.REQUEST | NLM_F.DUMP, () => {
    const bytes = new Uint8Array(HEADER);
    bytes[0] = familyNumber(family);
    writer.fixed(bytes);
  });
}

export function encodeRule(writer: MessageWriter, verb: 'add-rule' | 'delete-rule', rule: RoutingRuleSettings): void {
  const add = verb === 'add-rule';
  const flags = NLM_F.REQUEST | NLM_F.ACK | (add ? NLM_F.CREATE | NLM_F.EXCL : 0);
  writer.message(add ? RTM.NEWRULE : RTM.DELRULE, flags, () => {
    const source = rule.source === undefined ? undefined : splitPrefix(rule.source);
    const destination = rule.destination === undefined ? undefined : splitPrefix(rule.destination);
    const bytes = new Uint8Array(HEADER);
    bytes[0] = familyNumber(rule.family);
    bytes[1] = destination?.prefixLength ?? 0;
    bytes[2] = source?.prefixLength ?? 0;
    bytes[3] = rule.tos ?? 0;
    bytes[4] = rule.table !== undefined && rule.table < 256 ? rule.table : 0;
    bytes[7] = actions.indexOf(rule.action);
    new DataView(bytes.buffer).setUint32(8, rule.invert ? FIB_RULE_INVERT : 0, true);
    writer.fixed(bytes);
    if (rule.priority !== undefined) writer.u32(FRA.PRIORITY, rule.priority);
    if (source) addressAttribute(writer, FRA.SRC, source.address);
    if (destination) addressAttribute(writer, FRA.DST, destination.address);
    if (rule.mark !== undefined) writer.u32(FRA.FWMARK, rule.mark);
    if (rule.mask !== undefined) writer.u32(FRA.FWMASK, rule.mask);
    if (rule.inputInterface !== undefined) writer.text(FRA.IIFNAME, rule.inputInterface);
    if (rule.outputInterface !== undefined) writer.text(FRA.OIFNAME, rule.outputInterface);
    if (rule.table !== undefined) writer.u32(FRA.TABLE, rule.table);
    if (rule.goto !== undefined) writer.u32(FRA.GOTO, rule.goto);
    if (rule.protocol !== undefined) writer.u8(FRA.PROTOCOL, rule.protocol);
    if (rule.ipProtocol !== undefined) writer.u8(FRA.IP_PROTO, rule.ipProtocol);
    if (rule.sourcePorts) writer.bytes(FRA.SPORT_RANGE, rangeBytes(rule.sourcePorts, 2));
    if (rule.destinationPorts) writer.bytes(FRA.DPORT_RANGE, rangeBytes(rule.destinationPorts, 2));
    if (rule.sourcePortMask !== undefined) writer.u16(FRA.SPORT_MASK, rule.sourcePortMask);
    if (rule.destinationPortMask !== undefined) writer.u16(FRA.DPORT_MASK, rule.destinationPortMask);
    if (rule.users) writer.bytes(FRA.UID_RANGE, rangeBytes(rule.users, 4));
    if (rule.suppressPrefixLength !== undefined) writer.u32(FRA.SUPPRESS_PREFIXLEN, rule.suppressPrefixLength);
  });
}

function rangeBytes({ first, last }: NumberRange, size: 2 | 4): Uint8Array {
  const bytes = new Uint8Array(2 * size);
  const view = new DataView(bytes.buffer);
  if (size === 2) {
    view.setUint16(0, first, true);
    view.setUint16(2, last, true);
  } else {
    view.setUint32(0, first, true);
    view.setUint32(4, last, true);
  }
  return bytes;
}
