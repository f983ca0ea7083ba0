import { type Family, familyOf, readAddress, writeAddress } from '../../common/address.js';
import { prefixMask, splitPrefix } from '../../common/prefix.js';
import { protocolName, protocolNumber } from '../../common/protocols.js';
import { familyNumber } from '../families.js';
import { CMP, META, NETWORK_HEADER, type NftExpression, REGISTER, TRANSPORT_HEADER } from './expression.js';
import { interfaceBytes, interfacePattern } from './interfaces.js';
import { mapNamed, mapText } from './names.js';
import { maskLength, withWholeAddresses } from './prefixes.js';
import type {
  FwmarkHook,
  NftAction,
  NftChainRule,
  NftCounter,
  NftHook,
  NftMapShape,
  NftMatch,
  PortProtocol,
} from './types.js';

/** The protocols with ports that a rule can match. */
export const portProtocols: readonly PortProtocol[] = ['tcp', 'udp', 'sctp', 'dccp', 'udplite'];

/** Returns the protocol with this number, or undefined if a rule cannot match its ports. */
export function portProtocolOf(number: number): PortProtocol | undefined {
  const name = protocolName(number);
  return portProtocols.find((protocol) => protocol === name);
}

const FIB_DESTINATION = 2;
const RTN_LOCAL = 2;
const NAT = { source: 0, destination: 1 } as const;
const TCP_FLAGS = 13;
const SYN = 2;

const addressFields = {
  ipv4: { source: 12, destination: 16, length: 4 },
  ipv6: { source: 8, destination: 24, length: 16 },
} as const;

function bytes(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

function u16be(value: number): Uint8Array {
  return bytes(value >> 8, value & 0xff);
}

/** Returns the bytes of a number in host order, which is little-endian on all platforms of the addon. */
function u32(value: number): Uint8Array {
  return bytes(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

function addressBytes(address: string, family: Family): Uint8Array {
  const result = new Uint8Array(addressFields[family].length);
  writeAddress(result, 0, address, family);
  return result;
}

function load(key: number): NftExpression {
  return { name: 'meta', key, register: REGISTER };
}

function compare(data: Uint8Array, operator: number = CMP.equal): NftExpression {
  return { name: 'cmp', operator, register: REGISTER, data };
}

function put(data: Uint8Array, register = REGISTER): NftExpression {
  return { name: 'immediate', register, data };
}

function payload(base: number, offset: number, length: number, register = REGISTER): NftExpression {
  return { name: 'payload', base, offset, length, register };
}

function addressMatch(text: string, field: 'source' | 'destination', family: Family): NftExpression[] {
  const { address, prefixLength } = splitPrefix(text);
  const { length, [field]: offset } = addressFields[family];
  const loaded = payload(NETWORK_HEADER, offset, length);
  const compared = compare(addressBytes(address, family));
  if (prefixLength === undefined) return [loaded, compared];
  const mask = prefixMask(length, prefixLength);
  return [loaded, { name: 'bitwise', register: REGISTER, mask, xor: new Uint8Array(length) }, compared];
}

function matchExpressions(match: NftMatch): NftExpression[] {
  const { family, packetMark, inputInterface, outputInterface, source, destination, local, protocol, port } = match;
  const result: NftExpression[] = [];
  if (packetMark) {
    result.push(load(META.mark));
    if (packetMark.mask !== 0xffffffff)
      result.push({ name: 'bitwise', register: REGISTER, mask: u32(packetMark.mask), xor: u32(0) });
    result.push(compare(u32(packetMark.mark)));
  }
  if (inputInterface !== undefined) result.push(load(META.inputInterface), compare(interfaceBytes(inputInterface)));
  if (outputInterface !== undefined) result.push(load(META.outputInterface), compare(interfaceBytes(outputInterface)));
  if (family) {
    // The table is for both families, whose headers differ, so the rule checks the family first.
    result.push(load(META.family), compare(bytes(familyNumber(family))));
    if (source !== undefined) result.push(...addressMatch(source, 'source', family));
    if (destination !== undefined) result.push(...addressMatch(destination, 'destination', family));
  }
  if (local !== undefined) {
    result.push({ name: 'fib-type', flags: FIB_DESTINATION, register: REGISTER });
    result.push(compare(u32(RTN_LOCAL), local ? CMP.equal : CMP.notEqual));
  }
  if (protocol) result.push(load(META.protocol), compare(bytes(protocolNumber(protocol))));
  if (port !== undefined) {
    result.push(payload(TRANSPORT_HEADER, 2, 2));
    if (typeof port === 'number') result.push(compare(u16be(port)));
    else result.push(compare(u16be(port.from), CMP.atLeast), compare(u16be(port.to), CMP.atMost));
  }
  return result;
}

function actionExpressions(action: NftAction): NftExpression[] {
  switch (action.type) {
    case 'mark': {
      const set: NftExpression = { name: 'meta-set', key: META.mark, register: REGISTER };
      if (action.mask === 0xffffffff) return [put(u32(action.mark)), set];
      const keep = u32(~action.mask >>> 0);
      return [load(META.mark), { name: 'bitwise', register: REGISTER, mask: keep, xor: u32(action.mark) }, set];
    }
    case 'masquerade':
      return [{ name: 'masquerade' }];
    case 'snat':
    case 'dnat': {
      const family = familyOf(action.to) ?? 'ipv4';
      const type = action.type === 'snat' ? NAT.source : NAT.destination;
      const nat = { name: 'nat', type, family: familyNumber(family), address: REGISTER } as const;
      const address = put(addressBytes(action.to, family));
      if (action.type === 'snat' || action.toPort === undefined) return [address, nat];
      return [address, put(u16be(action.toPort), REGISTER + 1), { ...nat, port: REGISTER + 1 }];
    }
    case 'redirect':
      return [put(u16be(action.toPort)), { name: 'redirect', port: REGISTER }];
    case 'clamp-mss': {
      const set: NftExpression = { name: 'mss-set', register: REGISTER };
      if (action.size !== 'path') return [put(u16be(action.size)), set];
      return [{ name: 'path-mss', register: REGISTER }, { name: 'to-network-order', register: REGISTER }, set];
    }
  }
}

/** The match `tcp flags syn`: only the first packets of a connection contain the segment size. */
const synExpressions: readonly NftExpression[] = [
  payload(TRANSPORT_HEADER, TCP_FLAGS, 1),
  { name: 'bitwise', register: REGISTER, mask: bytes(SYN), xor: bytes(0) },
  compare(bytes(0), CMP.notEqual),
];

/** Returns the number of a register in dumps: that of a 16-byte register if one begins there (nft_dump_register). */
function asTold(register: number): number {
  return register % 4 === 0 ? register / 4 - 1 : register;
}

/** Returns the lookup in a map. Each part of a concatenated key begins in its own register of 4 bytes. */
function lookupExpressions(hook: FwmarkHook, shape: NftMapShape): NftExpression[] {
  const lookup: NftExpression = { name: 'lookup', map: mapText({ hook, shape }), source: REGISTER, register: REGISTER };
  const set: NftExpression = { name: 'meta-set', key: META.mark, register: REGISTER };
  if (shape === 'port') return [load(META.protocol), payload(TRANSPORT_HEADER, 2, 2, 9), lookup, set];
  const family: Family = shape.startsWith('ip6') ? 'ipv6' : 'ipv4';
  const { destination, length } = addressFields[family];
  const address = [
    load(META.family),
    compare(bytes(familyNumber(family))),
    payload(NETWORK_HEADER, destination, length),
  ];
  if (!shape.endsWith('port')) return [...address, lookup, set];
  const next = 8 + length / 4;
  const protocol: NftExpression = { name: 'meta', key: META.protocol, register: asTold(next) };
  return [...address, protocol, payload(TRANSPORT_HEADER, 2, 2, next + 1), lookup, set];
}

/** Returns the instructions of a rule, in the order in which nft writes them. */
export function ruleExpressions(
  hook: NftHook,
  rule: NftChainRule,
  counter: NftCounter = { packets: 0n, bytes: 0n },
): readonly NftExpression[] {
  if ('lookup' in rule) return lookupExpressions(hook as FwmarkHook, rule.lookup);
  return [
    ...matchExpressions(rule.match),
    ...(rule.action.type === 'clamp-mss' ? synExpressions : []),
    { name: 'counter', ...counter },
    ...actionExpressions(rule.action),
  ];
}

function number(data: Uint8Array): number {
  return data.length === 0 ? 0 : Buffer.from(data).readUIntLE(0, Math.min(data.length, 4));
}

function portNumber(data: Uint8Array): number {
  return ((data[0] ?? 0) << 8) | (data[1] ?? 0);
}

/** Reads the instructions of a rule in order. Stops at an unknown instruction. */
class RuleReader {
  readonly #expressions: readonly NftExpression[];
  #at = 0;

  constructor(expressions: readonly NftExpression[]) {
    this.#expressions = expressions;
  }

  get ended(): boolean {
    return this.#at >= this.#expressions.length;
  }

  /** Returns the next instruction and advances, if it has this name. */
  take<Name extends NftExpression['name']>(name: Name): Extract<NftExpression, { name: Name }> | undefined {
    const next = this.#expressions[this.#at];
    if (next?.name !== name) return undefined;
    this.#at++;
    return next as Extract<NftExpression, { name: Name }>;
  }

  match(): NftMatch {
    const match: { -readonly [K in keyof NftMatch]: NftMatch[K] } = {};
    for (;;) {
      const before = this.#at;
      if (!this.#matchOne(match)) {
        this.#at = before;
        return match;
      }
    }
  }

  #matchOne(match: { -readonly [K in keyof NftMatch]: NftMatch[K] }): boolean {
    const meta = this.take('meta');
    if (meta) return this.#matchMeta(match, meta.key);
    if (this.take('fib-type')) {
      const compared = this.take('cmp');
      if (compared) match.local = compared.operator === CMP.equal;
      return compared !== undefined;
    }
    const loaded = this.take('payload');
    if (!loaded) return false;
    if (loaded.base === TRANSPORT_HEADER) return this.#matchPort(match, loaded.offset);
    const family = match.family ?? 'ipv4';
    const field = loaded.offset === addressFields[family].source ? 'source' : 'destination';
    const mask = this.take('bitwise')?.mask;
    const compared = this.take('cmp');
    if (!compared || compared.data.length !== addressFields[family].length) return false;
    const address = readAddress(compared.data, 0, family);
    match[field] = mask ? `${address}/${maskLength(mask)}` : address;
    return true;
  }

  #matchMeta(match: { -readonly [K in keyof NftMatch]: NftMatch[K] }, key: number): boolean {
    const mask = key === META.mark ? this.take('bitwise')?.mask : undefined;
    const compared = this.take('cmp');
    if (!compared) return false;
    if (key === META.mark) match.packetMark = { mark: number(compared.data), mask: mask ? number(mask) : 0xffffffff };
    else if (key === META.inputInterface) match.inputInterface = interfacePattern(compared.data);
    else if (key === META.outputInterface) match.outputInterface = interfacePattern(compared.data);
    else if (key === META.family) match.family = number(compared.data) === familyNumber('ipv6') ? 'ipv6' : 'ipv4';
    else if (key === META.protocol) match.protocol = portProtocolOf(number(compared.data));
    return true;
  }

  #matchPort(match: { -readonly [K in keyof NftMatch]: NftMatch[K] }, offset: number): boolean {
    const first = offset === 2 ? this.take('cmp') : undefined;
    if (!first) return false;
    const last = this.take('cmp');
    match.port = last ? { from: portNumber(first.data), to: portNumber(last.data) } : portNumber(first.data);
    return true;
  }

  action(): NftAction | undefined {
    if (this.take('masquerade')) return { type: 'masquerade' };
    if (this.take('path-mss')) return this.take('to-network-order') && { type: 'clamp-mss', size: 'path' };
    if (this.take('meta')) {
      const bits = this.take('bitwise');
      return bits && { type: 'mark', mark: number(bits.xor), mask: ~number(bits.mask) >>> 0 };
    }
    const value = this.take('immediate')?.data;
    if (!value) return undefined;
    const toPort = this.take('immediate')?.data;
    const nat = this.take('nat');
    if (nat) {
      const family: Family = nat.family === familyNumber('ipv6') ? 'ipv6' : 'ipv4';
      if (value.length !== addressFields[family].length) return undefined; // `dnat to :80`
      const to = readAddress(value, 0, family);
      if (nat.type === NAT.source) return { type: 'snat', to };
      return { type: 'dnat', to, ...(toPort && { toPort: portNumber(toPort) }) };
    }
    if (this.take('redirect')) return { type: 'redirect', toPort: portNumber(value) };
    if (value.length === 4) return { type: 'mark', mark: number(value), mask: 0xffffffff };
    return { type: 'clamp-mss', size: portNumber(value) };
  }
}

function sameExpression(a: NftExpression, b: NftExpression): boolean {
  if (a.name === 'counter' && b.name === 'counter') return true;
  const keys = Object.keys(a) as (keyof NftExpression)[];
  return keys.length === Object.keys(b).length && keys.every((key) => sameValue(a[key], b[key]));
}

function sameValue(a: unknown, b: unknown): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b;
}

/**
 * Returns the rule of these instructions if this library writes such a rule, also in the form that nft
 * gives it when it loads a saved ruleset. It writes the rule again and compares the result with the input, so
 * that a rule that is only similar is not accepted.
 */
export function readRule(hook: NftHook, read: readonly NftExpression[]): NftChainRule | undefined {
  const expressions = withWholeAddresses(read);
  const rule = guess(hook, expressions);
  if (!rule) return undefined;
  const again = ruleExpressions(hook, rule);
  const same =
    again.length === expressions.length && again.every((one, i) => sameExpression(one, expressions[i] ?? one));
  return same ? rule : undefined;
}

function guess(hook: NftHook, expressions: readonly NftExpression[]): NftChainRule | undefined {
  const lookup = expressions.find((expression) => expression.name === 'lookup');
  if (lookup) {
    const map = mapNamed(lookup.map);
    return map && map.hook === hook ? { lookup: map.shape } : undefined;
  }
  const reader = new RuleReader(expressions);
  const match = reader.match();
  // Skips the match for SYN before the counter. The comparison in readRule() rejects any other match.
  while (!reader.ended && !reader.take('counter')) if (!skip(reader)) return undefined;
  const action = reader.action();
  return action && { hook, match, action };
}

function skip(reader: RuleReader): boolean {
  return (
    reader.take('payload') !== undefined || reader.take('bitwise') !== undefined || reader.take('cmp') !== undefined
  );
}

export function counterOf(expressions: readonly NftExpression[]): NftCounter | undefined {
  const counter = expressions.find((expression) => expression.name === 'counter');
  return counter && { packets: counter.packets, bytes: counter.bytes };
}
