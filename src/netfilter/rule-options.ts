import { checkAddress, checkInteger, checkOneOf, checkOptions, checkRange, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { ranges } from '../common/ranges.js';
import type { NftAction, NftHook, NftMatch, NftRule } from '../kernel/netfilter/types.js';
import {
  checkMarkBits,
  checkMatch,
  markValueText,
  matchNames,
  matchText,
  missingProtocol,
  type PacketMatchOptions,
  sameFamily,
} from './match.js';

/** Conditions on a packet for a rule. */
export interface NetfilterRuleMatchOptions extends PacketMatchOptions {
  /**
   * Mark of the packet, or some bits of it. It survives the NAT of IPVS, so it can select the packets that IPVS
   * forwards.
   */
  readonly mark?:
    | number
    | {
        /** Value of the bits, from 0 to 0xffffffff, within the mask. */
        readonly mark: number;
        /** Bits to compare, from 1 to 0xffffffff. Default: all. */
        readonly mask?: number | undefined;
      }
    | undefined;
}

/**
 * A rule for NAT or segment sizes. Of the NAT rules that match a packet the narrowest is taken. They see the first
 * packet of a connection; connection tracking does the rest. They see packets that IPVS forwards (`nat`) only with the
 * sysctl `net.ipv4.vs.conntrack`.
 */
export type NetfilterRuleOptions = NetfilterRuleMatchOptions &
  (
    | {
        /** Replaces the source by the address of the interface that the packet leaves by. */
        readonly type: 'masquerade';
        /** Hook of the rule. Default: `postrouting`. */
        readonly hook?: 'postrouting' | undefined;
      }
    | {
        /** Replaces the source by `to`. */
        readonly type: 'snat';
        /** New source address, of the family of the packets. */
        readonly to: string;
        /** Hook of the rule. `input`: for packets that this machine itself serves. Default: `postrouting`. */
        readonly hook?: 'postrouting' | 'input' | undefined;
      }
    | {
        /** Replaces the destination by `to`. */
        readonly type: 'dnat';
        /** New destination address, of the family of the packets. */
        readonly to: string;
        /** New port, from 1 to 65535. Default: the port stays. */
        readonly toPort?: number | undefined;
        /** Hook of the rule. `output`: for packets that this machine sends. Default: `prerouting`. */
        readonly hook?: 'prerouting' | 'output' | undefined;
      }
    | {
        /** Replaces the destination by this machine (the interface's address), at that port. */
        readonly type: 'redirect';
        /** New port, from 1 to 65535. Requires a protocol. */
        readonly toPort: number;
        /** Hook of the rule. `output`: for packets that this machine sends. Default: `prerouting`. */
        readonly hook?: 'prerouting' | 'output' | undefined;
      }
    | {
        /** Limits the segments of new TCP connections. Tunnels need it if path MTU discovery fails. */
        readonly type: 'clamp-mss';
        /** Size in bytes, from 88 to 65535, or `path`: what fits the path MTU that the route has. */
        readonly size: number | 'path';
        /** Hook of the rule. Default: `forward`. */
        readonly hook?: 'forward' | 'output' | 'postrouting' | undefined;
      }
  );

const { segmentSize } = ranges;

type RuleType = NetfilterRuleOptions['type'];

const hooksOf: Readonly<Record<RuleType, readonly [NftHook, ...NftHook[]]>> = {
  masquerade: ['postrouting'],
  snat: ['postrouting', 'input'],
  dnat: ['prerouting', 'output'],
  redirect: ['prerouting', 'output'],
  'clamp-mss': ['forward', 'output', 'postrouting'],
};

/** Names of the options of each type, without those of all types. */
type OwnNames<Type extends RuleType> = Exclude<
  keyof Extract<NetfilterRuleOptions, { type: Type }>,
  keyof NetfilterRuleMatchOptions | 'type' | 'hook'
>;
const ownNames = {
  masquerade: {},
  snat: { to: true },
  dnat: { to: true, toPort: true },
  redirect: { toPort: true },
  'clamp-mss': { size: true },
} as const satisfies { [Type in RuleType]: Record<OwnNames<Type>, true> };

const types = Object.keys(hooksOf) as RuleType[];
const namesOf = new Map(
  types.map((type) => [type, ['type', 'hook', 'mark', ...matchNames, ...Object.keys(ownNames[type])]]),
);

export function checkRule(given: NetfilterRuleOptions): NftRule {
  // Accept a rule that was read, too.
  const read = typeof given === 'object' && given !== null && 'rule' in given && 'text' in given;
  const options = read ? (given.rule as NetfilterRuleOptions) : given;
  if (typeof options !== 'object' || options === null) throw invalid(`a rule must be an object, not ${show(options)}`);
  const type = checkOneOf('the type of a rule', options.type, types);
  const what = `a rule of type ${type}`;
  checkOptions(what, options, namesOf.get(type) ?? []);
  const hook =
    options.hook === undefined ? hooksOf[type][0] : checkOneOf(`the hook of ${what}`, options.hook, hooksOf[type]);
  const { mark } = options;
  const match: NftMatch = {
    ...checkMatch(what, options, hook),
    ...(mark !== undefined && { packetMark: checkMarkBits(mark) }),
  };
  if (Object.keys(match).length === 0 && type !== 'clamp-mss')
    throw invalid(`${what} must name its packets with at least one of mark, ${matchNames.join(', ')}`);
  if (type === 'clamp-mss' && match.protocol !== undefined && match.protocol !== 'tcp')
    throw invalid(`${what} requires the protocol tcp, or none; not ${match.protocol}`);
  const action = checkAction(what, options, match);
  // The rule matches TCP flags, so that it is for TCP only.
  return { hook, match: type === 'clamp-mss' ? { ...match, protocol: 'tcp' } : match, action };
}

function checkAction(what: string, options: NetfilterRuleOptions, match: NftMatch): NftAction {
  switch (options.type) {
    case 'masquerade':
      return { type: 'masquerade' };
    case 'snat': {
      return { type: 'snat', to: checkTo(what, options.to, match) };
    }
    case 'dnat': {
      const address = checkTo(what, options.to, match);
      if (options.toPort === undefined) return { type: 'dnat', to: address };
      return { type: 'dnat', to: address, toPort: checkToPort(what, options.toPort, match) };
    }
    case 'redirect':
      return { type: 'redirect', toPort: checkToPort(what, options.toPort, match) };
    case 'clamp-mss': {
      if (options.size === 'path') return { type: 'clamp-mss', size: 'path' };
      if (typeof options.size !== 'number')
        throw invalid(
          `size must be a number of bytes from ${segmentSize.least} to ${segmentSize.most}, or "path", not ${show(options.size)}`,
        );
      return { type: 'clamp-mss', size: checkRange('size', options.size, segmentSize) };
    }
  }
}

function checkTo(what: string, to: string, match: NftMatch): string {
  const { address, family } = checkAddress('to', to, match.family);
  const named = match.source === undefined ? 'destination' : 'source';
  sameFamily(what, [match[named] === undefined ? 'family' : named, 'to'], [match.family, family]);
  return address;
}

function checkToPort(what: string, toPort: number, match: NftMatch): number {
  if (match.protocol === undefined) throw missingProtocol(what, 'toPort');
  return checkInteger('toPort', toPort, 1, 0xffff);
}

/** Returns the options that make that rule. */
export function ruleOptions({ hook, match, action }: NftRule): NetfilterRuleOptions {
  const { packetMark, ...rest } = match;
  const options = { ...rest, ...(packetMark && { mark: packetMark }), ...action, hook };
  return options as NetfilterRuleOptions; // its hooks and actions were checked when it was made
}

/** Returns the rule as nft would write it, with the hook before it. */
export function ruleText({ hook, match, action }: NftRule): string {
  const matched =
    action.type === 'clamp-mss' ? matchText(match).replace('meta l4proto tcp', 'tcp flags syn') : matchText(match);
  return `${hook} ${matched} ${actionText(action)}`;
}

function actionText(action: NftAction): string {
  switch (action.type) {
    case 'mark':
      return `mark set ${markValueText(action.mark, action.mask)}`;
    case 'masquerade':
      return 'masquerade';
    case 'snat':
      return `snat to ${action.to}`;
    case 'dnat': {
      const { to, toPort } = action;
      if (toPort === undefined) return `dnat to ${to}`;
      return `dnat to ${to.includes(':') ? `[${to}]` : to}:${toPort}`;
    }
    case 'redirect':
      return `redirect to :${action.toPort}`;
    case 'clamp-mss':
      return `tcp option maxseg size set ${action.size === 'path' ? 'rt mtu' : action.size}`;
  }
}
