import { checkAddress, checkInteger, checkOneOf, checkOptions, checkRange, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { ranges } from '../common/ranges.js';
import type { Action, Hook, Match, Rule } from '../kernel/netfilter/types.js';
import {
  checkMarkBits,
  checkMatch,
  type MatchOptions,
  markValueText,
  matchNames,
  matchText,
  missingProtocol,
  sameFamily,
} from './match.js';

/** Conditions on a packet for a rule. */
export interface RuleMatchOptions extends MatchOptions {
  /**
   * Mark of the packet, or some bits of it. It survives the NAT of IPVS, so it can select the packets that IPVS
   * forwards.
   */
  readonly mark?: number | { readonly mark: number; readonly mask?: number | undefined } | undefined;
}

/**
 * A rule for NAT or segment sizes. Of the NAT rules that match a packet the narrowest is taken. They see the first
 * packet of a connection; connection tracking does the rest. They see packets that IPVS forwards (`nat`) only with the
 * sysctl `net.ipv4.vs.conntrack`.
 */
export type RuleOptions = RuleMatchOptions &
  (
    | {
        /** Replaces the source by the address of the interface that the packet leaves by. */
        readonly type: 'masquerade';
        readonly hook?: 'postrouting' | undefined;
      }
    | {
        /** Replaces the source by `to`. `input`: for packets that this machine itself serves. */
        readonly type: 'snat';
        readonly to: string;
        readonly hook?: 'postrouting' | 'input' | undefined;
      }
    | {
        /** Replaces the destination by `to`. `output`: for packets that this machine sends. */
        readonly type: 'dnat';
        readonly to: string;
        /** New port, from 1 to 65535. Default: the port stays. */
        readonly toPort?: number | undefined;
        readonly hook?: 'prerouting' | 'output' | undefined;
      }
    | {
        /** Replaces the destination by this machine (the interface's address), at that port. */
        readonly type: 'redirect';
        readonly toPort: number;
        readonly hook?: 'prerouting' | 'output' | undefined;
      }
    | {
        /**
         * Limits TCP segments to `size`: bytes, or what fits the known path MTU (`path`). Tunnels need it if path MTU
         * discovery fails.
         */
        readonly type: 'clamp-mss';
        readonly size: number | 'path';
        readonly hook?: 'forward' | 'output' | 'postrouting' | undefined;
      }
  );

const { segmentSize } = ranges;

type RuleType = RuleOptions['type'];

const hooksOf: Readonly<Record<RuleType, readonly [Hook, ...Hook[]]>> = {
  masquerade: ['postrouting'],
  snat: ['postrouting', 'input'],
  dnat: ['prerouting', 'output'],
  redirect: ['prerouting', 'output'],
  'clamp-mss': ['forward', 'output', 'postrouting'],
};

const namesOf: Readonly<Record<RuleType, readonly string[]>> = {
  masquerade: [],
  snat: ['to'],
  dnat: ['to', 'toPort'],
  redirect: ['toPort'],
  'clamp-mss': ['size'],
};

const types = Object.keys(hooksOf) as RuleType[];

export function checkRule(given: RuleOptions): Rule {
  // Accept a rule that was read, too.
  const read = typeof given === 'object' && given !== null && 'rule' in given && 'text' in given;
  const options = read ? (given.rule as RuleOptions) : given;
  if (typeof options !== 'object' || options === null) throw invalid(`a rule must be an object, not ${show(options)}`);
  const type = checkOneOf('the type of a rule', options.type, types);
  const what = `a rule of type ${type}`;
  checkOptions(what, options, ['type', 'hook', 'mark', ...matchNames, ...namesOf[type]]);
  const hook =
    options.hook === undefined ? hooksOf[type][0] : checkOneOf(`the hook of ${what}`, options.hook, hooksOf[type]);
  const { mark } = options;
  const match: Match = {
    ...checkMatch(what, options, hook),
    ...(mark !== undefined && { packetMark: checkMarkBits(mark) }),
  };
  if (Object.keys(match).length === 0 && type !== 'clamp-mss')
    throw invalid(`${what} names the packets that it is for, by at least one of mark, ${matchNames.join(', ')}`);
  if (type === 'clamp-mss' && match.protocol !== undefined && match.protocol !== 'tcp')
    throw invalid(`${what} is for TCP alone: its protocol is tcp, or left out, not ${match.protocol}`);
  const action = checkAction(what, options, match);
  // The rule matches TCP flags, so that it is for TCP only.
  return { hook, match: type === 'clamp-mss' ? { ...match, protocol: 'tcp' } : match, action };
}

function checkAction(what: string, options: RuleOptions, match: Match): Action {
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

function checkTo(what: string, to: string, match: Match): string {
  const { address, family } = checkAddress('to', to, match.family);
  const named = match.source === undefined ? 'destination' : 'source';
  sameFamily(what, [match[named] === undefined ? 'family' : named, 'to'], [match.family, family]);
  return address;
}

function checkToPort(what: string, toPort: number, match: Match): number {
  if (match.protocol === undefined) throw missingProtocol(what, 'toPort');
  return checkInteger('toPort', toPort, 1, 0xffff);
}

/** Returns the options that make that rule. */
export function ruleOptions({ hook, match, action }: Rule): RuleOptions {
  const { packetMark, ...rest } = match;
  const options = { ...rest, ...(packetMark && { mark: packetMark }), ...action, hook };
  return options as RuleOptions; // its hooks and actions were checked when it was made
}

/** Returns the rule as nft would write it, with the hook before it. */
export function ruleText({ hook, match, action }: Rule): string {
  const matched =
    action.type === 'clamp-mss' ? matchText(match).replace('meta l4proto tcp', 'tcp flags syn') : matchText(match);
  return `${hook} ${matched} ${actionText(action)}`;
}

function actionText(action: Action): string {
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
