import type { Family } from '../common/address.js';
import { checkInteger, checkOneOf, checkOptions, show } from '../common/check.js';
import { type IpvsError, invalid } from '../common/errors.js';
import { LONGEST_ALTERNATIVE_NAME, LONGEST_MAIN_NAME } from '../common/interface-name.js';
import { bitsOf, checkNetwork, formatPrefix, splitPrefix } from '../common/prefix.js';
import { isPrefix } from '../kernel/netfilter/interfaces.js';
import { portProtocols } from '../kernel/netfilter/rules.js';
import type { NftHook, NftMarkBits, NftMatch, PortProtocol, PortRange } from '../kernel/netfilter/types.js';

/** Conditions on a packet; all of them have to match. */
export interface PacketMatchOptions {
  /** Address family; needed only if no address is given. */
  readonly family?: Family | undefined;
  /** Source: an address or a prefix, such as `10.0.0.0/24`. */
  readonly source?: string | undefined;
  /** Destination: an address or a prefix, such as `10.0.0.0/24`. */
  readonly destination?: string | undefined;
  /** Protocol of the packet. */
  readonly protocol?: PortProtocol | undefined;
  /** Destination port, from 1 to 65535, or a range; requires a protocol. */
  readonly port?: number | PortRange | undefined;
  /**
   * Interface by which the packet arrived; packets that this machine sends have none. A name of 1 to 15 characters, an
   * alternative name of an existing interface (1 to 127, `ip link property add altname`), or a prefix of names with an
   * asterisk (`veth*`, at most 15 characters in all), as in nft's `iifname`. Write an asterisk that ends the name
   * itself as `\*`.
   */
  readonly inputInterface?: string | undefined;
  /** Interface by which the packet leaves, known after routing. Same form as `inputInterface`. */
  readonly outputInterface?: string | undefined;
  /** True if the destination has to be an address of this network namespace; false if it must not be one. */
  readonly local?: boolean | undefined;
}

const matchOptions = {
  family: true,
  source: true,
  destination: true,
  protocol: true,
  port: true,
  inputInterface: true,
  outputInterface: true,
  local: true,
} as const satisfies Record<keyof PacketMatchOptions, true>;

/** Names of the conditions on a packet. */
export const matchNames = Object.keys(matchOptions) as readonly (keyof PacketMatchOptions)[];

const families = ['ipv4', 'ipv6'] as const;
const ALL = 0xffffffff;

const familyNames = ['family', 'source', 'destination'] as const;

/**
 * Returns a match in canonical form: canonical addresses, a range of one port as a port, and the family that an address
 * implies.
 */
export function checkMatch(what: string, options: PacketMatchOptions, hook: NftHook): NftMatch {
  const { inputInterface, outputInterface, protocol, port, local } = options;
  const source = checkNetworkText('source', options.source, options.family);
  const destination = checkNetworkText('destination', options.destination, options.family);
  const named = options.family === undefined ? undefined : checkOneOf('family', options.family, families);
  const family = sameFamily(what, familyNames, [named, source?.family, destination?.family]);
  if (protocol !== undefined) checkOneOf('protocol', protocol, portProtocols);
  if (port !== undefined && protocol === undefined) throw missingProtocol(what, 'port');
  if (outputInterface !== undefined && (hook === 'prerouting' || hook === 'input'))
    throw invalid(
      `${what} in the hook ${hook} cannot match outputInterface: packets have no output interface in that hook`,
    );
  if (inputInterface !== undefined && hook === 'output')
    throw invalid(`${what} in the hook output cannot match inputInterface: packets that this machine sends have none`);
  if (local !== undefined && typeof local !== 'boolean')
    throw invalid(`local must be true or false, not ${show(local)}`);
  // Set each property individually: spreading optional parts takes several times as long, and tables have many marks.
  const match: { -readonly [K in keyof NftMatch]: NftMatch[K] } = {};
  if (family) match.family = family;
  if (inputInterface !== undefined) match.inputInterface = checkInterface('inputInterface', inputInterface);
  if (outputInterface !== undefined) match.outputInterface = checkInterface('outputInterface', outputInterface);
  if (source) match.source = source.text;
  if (destination) match.destination = destination.text;
  if (protocol) match.protocol = protocol;
  if (port !== undefined) match.port = checkPort(port);
  if (local !== undefined) match.local = local;
  return match;
}

/** Returns the error for an option that requires a protocol. */
export function missingProtocol(what: string, option: string): IpvsError {
  return invalid(`${what} with ${option} requires a protocol: one of ${portProtocols.join(', ')}`);
}

/** Returns the common family. Rejects two different ones by the `names` of their options. */
export function sameFamily(
  what: string,
  names: readonly string[],
  families: readonly (Family | undefined)[],
): Family | undefined {
  let first = -1;
  for (let index = 0; index < families.length; index++) {
    const family = families[index];
    if (family === undefined) continue;
    if (first < 0) first = index;
    else if (family !== families[first])
      throw invalid(
        `${what} must be for one address family: ${names[first]} is ${families[first]}, ${names[index]} is ${family}`,
      );
  }
  return families[first];
}

/** Checks an address or a prefix. Returns the text of it, in which a full prefix is an address. */
function checkNetworkText(
  what: string,
  given: string | undefined,
  expected: Family | undefined,
): { text: string; family: Family } | undefined {
  if (given === undefined) return undefined;
  const prefix = checkNetwork(what, given, expected);
  const { family, address, prefixLength } = prefix;
  if (prefixLength === 0)
    throw invalid(`${what} ${given} is every address: leave ${what} out, and name the family (${family}) instead`);
  return { text: prefixLength === bitsOf(family) ? address : formatPrefix(prefix), family };
}

function checkPort(port: number | PortRange): number | PortRange {
  if (typeof port === 'number') return checkInteger('port', port, 1, 0xffff);
  if (typeof port !== 'object' || port === null)
    throw invalid(`port must be an integer from 1 to 65535, or a range { from, to }, not ${show(port)}`);
  checkOptions('a range of ports', port, ['from', 'to']);
  const from = checkInteger('from of a range of ports', port.from, 1, 0xffff);
  const to = checkInteger(`to of a range of ports from ${from}`, port.to, from, 0xffff);
  return from === to ? from : { from, to };
}

/**
 * Checks the name of an interface, or a prefix of names, in the form of nft: `veth*`, and `eth\*` for an interface
 * whose name ends with an asterisk. nft lists a pattern between quotation marks, which it cannot escape, and loads at
 * most 15 characters (expr_evaluate_string in its evaluate.c).
 */
export function checkInterface(option: string, name: string): string {
  const longest = typeof name === 'string' && isPrefix(name) ? LONGEST_MAIN_NAME : LONGEST_ALTERNATIVE_NAME;
  const known = typeof name === 'string' && /^[!#-.0-9;-~]+$/.test(name) && name.length <= longest;
  if (!known || name === '.' || name === '..')
    throw invalid(
      `${option} must be the name of an interface (eth0) or the beginning of names (veth*), of 1 to ${longest} characters of ASCII without spaces, slashes, colons and quotation marks, not ${show(name)}`,
    );
  if (name === '*') throw invalid(`${option} "*" is every interface: leave ${option} out instead`);
  if (/\\\\\*$/.test(name))
    throw invalid(`${option} ${show(name)} is not supported: nft cannot list a backslash before a final asterisk`);
  return name;
}

/** Checks a condition on a packet's mark: a number stands for all of its bits. */
export function checkMarkBits(
  value: number | { readonly mark: number; readonly mask?: number | undefined },
): NftMarkBits {
  if (typeof value === 'number') return { mark: checkInteger('mark', value, 0, ALL), mask: ALL };
  if (typeof value !== 'object' || value === null)
    throw invalid(`mark must be an integer from 0 to ${ALL}, or { mark, mask }, not ${show(value)}`);
  checkOptions('a mark', value, ['mark', 'mask']);
  const mask = value.mask === undefined ? ALL : checkInteger('mask', value.mask, 1, ALL);
  const mark = checkInteger('mark', value.mark, 0, ALL);
  checkInMask(mark, mask);
  return { mark, mask };
}

export function checkInMask(mark: number, mask: number): void {
  if ((mark & ~mask) !== 0) throw invalid(`mark ${hex(mark)} has bits outside of its mask ${hex(mask)}`);
}

export function hex(mark: number): string {
  return `0x${mark.toString(16)}`;
}

/** Returns the value that is set, as nft takes it. */
export function markValueText(mark: number, mask: number): string {
  return mask === ALL ? hex(mark) : `mark & ${hex(~mask >>> 0)} | ${hex(mark)}`;
}

/** Returns the match as nft writes it. */
export function matchText({
  family,
  packetMark,
  inputInterface,
  outputInterface,
  source,
  destination,
  local,
  protocol,
  port,
}: NftMatch): string {
  const ip = family === 'ipv6' ? 'ip6' : 'ip';
  const words: string[] = [];
  if (packetMark) {
    const mask = packetMark.mask === ALL ? '' : ` & ${hex(packetMark.mask)} ==`;
    words.push(`meta mark${mask} ${hex(packetMark.mark)}`);
  }
  if (inputInterface !== undefined) words.push(`iifname "${inputInterface}"`);
  if (outputInterface !== undefined) words.push(`oifname "${outputInterface}"`);
  if (family && source === undefined && destination === undefined) words.push(`meta nfproto ${family}`);
  if (source !== undefined) words.push(`${ip} saddr ${source}`);
  if (destination !== undefined) words.push(`${ip} daddr ${destination}`);
  if (local !== undefined) words.push(`fib daddr type ${local ? '' : '!= '}local`);
  if (protocol && port === undefined) words.push(`meta l4proto ${protocol}`);
  if (port !== undefined)
    words.push(`${protocol} dport ${typeof port === 'number' ? port : `${port.from}-${port.to}`}`);
  return words.join(' ');
}

/**
 * Returns how narrow a match is, for a comparison part by part: addresses first, then ports. An omitted condition is
 * the widest.
 */
export function narrowness(match: NftMatch): readonly number[] {
  const bits = (text: string | undefined): number => {
    if (text === undefined) return 0;
    const { address, prefixLength } = splitPrefix(text);
    return prefixLength ?? bitsOf(address.includes(':') ? 'ipv6' : 'ipv4');
  };
  const { port } = match;
  const ports = port === undefined ? 0 : typeof port === 'number' ? 0xffff : 0xffff - (port.to - port.from);
  // A longer prefix of a name is narrower. A whole name counts 0, more than any prefix.
  const letters = (pattern: string | undefined): number =>
    pattern !== undefined && isPrefix(pattern) ? pattern.length - 16 : 0;
  const others = [
    match.protocol,
    match.inputInterface,
    match.outputInterface,
    match.packetMark,
    match.local,
    match.family,
  ];
  const named = others.filter((part) => part !== undefined).length;
  const interfaces = [letters(match.inputInterface), letters(match.outputInterface)];
  return [bits(match.destination), ports, bits(match.source), named, ...interfaces];
}
