import { IpvsError } from '../../common/errors.js';
import { inPrefix } from '../../common/prefix.js';
import type { World } from '../../items/world.js';
import type { Flow } from '../../kernel/conntrack/types.js';
import type { NftMatch, NftRule } from '../../kernel/netfilter/types.js';
import type { NetfilterState } from '../../netfilter/changes.js';
import { checkMark, type MarkSettings } from '../../netfilter/mark-options.js';
import { narrowness } from '../../netfilter/match.js';
import { checkRule, type NetfilterRuleOptions } from '../../netfilter/rule-options.js';
import { familyOfAny, inPorts } from './flow-matches.js';
import type { FlowSearch } from './flow-search.js';

/**
 * Returns the translation rules for UDP that one state has and the other has not. Only the first packet of a flow meets
 * the rules (nf_nat_inet_fn in net/netfilter/nf_nat_core.c): existing flows have to restart.
 */
export function translationChanges(before: NetfilterState, after: NetfilterState): NetfilterRuleOptions[] {
  const keyed = ({ rules = [] }: NetfilterState): Map<string, NetfilterRuleOptions> =>
    new Map(rules.filter(isUdpTranslation).map((rule) => [JSON.stringify(checkRule(rule)), rule]));
  const [old, wanted] = [keyed(before), keyed(after)];
  const only = (
    of: Map<string, NetfilterRuleOptions>,
    others: Map<string, NetfilterRuleOptions>,
  ): NetfilterRuleOptions[] => [...of].flatMap(([key, rule]) => (others.has(key) ? [] : [rule]));
  return [...only(old, wanted), ...only(wanted, old)];
}

function isUdpTranslation({ type, protocol }: NetfilterRuleOptions): boolean {
  return type !== 'clamp-mss' && (protocol === undefined || protocol === 'udp');
}

/**
 * Returns the searches for UDP flows that these rules translate, or translated, and that the table treats differently
 * now.
 */
export async function translatedSearches(
  world: World,
  table: string,
  changed: readonly NetfilterRuleOptions[],
): Promise<FlowSearch[]> {
  const { rules, marks } = await readTable(world, table);
  const addresses = await (await world.network).addresses();
  const own = new Set(addresses.map(({ address }) => address.split('/')[0]));
  const judge = new Judge(rules, marks, (address) => own.has(address) || address.startsWith('127.'));
  return changed.flatMap((options) => {
    const rule = checkRule(options);
    const { match, action } = rule;
    const { source, destination, port } = match;
    const ofOriginal = action.type === 'dnat' || action.type === 'redirect';
    const families = [match.family ?? familyOfAny(source, destination)];
    return (families[0] ? families : ['ipv4', 'ipv6']).map((family) => ({
      family: family as 'ipv4' | 'ipv6',
      ...(source !== undefined && { source }),
      // Rules for the source see packets whose destination is already translated.
      ...(ofOriginal && destination !== undefined && { destination }),
      ...(ofOriginal && typeof port === 'number' && { destinationPort: port }),
      isStale: judge.testOf(rule),
    }));
  });
}

async function readTable(world: World, table: string): Promise<{ rules: NftRule[]; marks: MarkSettings[] }> {
  try {
    const netfilter = await world.netfilter(table);
    const rules = (await netfilter.rules()).map(({ rule }) => checkRule(rule));
    const marks = (await netfilter.marks()).map(({ selector, mark }) => checkMark({ ...selector, mark }));
    return { rules, marks };
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_FOREIGN') return { rules: [], marks: [] };
    throw error;
  }
}

/** Addresses and port of a flow, as a rule sees them. */
interface Ends {
  readonly source: string;
  readonly destination: string;
  readonly port: number | undefined;
}

/** A rule of the table, with the test for flows that it matches. */
interface Judged {
  readonly rule: NftRule;
  readonly isFor: (flow: Flow) => boolean;
}

/** Compares flows with the rules of a table. */
class Judge {
  readonly #marks: readonly MarkSettings[];
  readonly #isLocal: (address: string) => boolean;
  /** Rules that translate the source, and those that translate the destination. Narrowest first. */
  readonly #groups: { readonly source: readonly Judged[]; readonly destination: readonly Judged[] };
  readonly #texts: ReadonlySet<string>;

  constructor(rules: readonly NftRule[], marks: readonly MarkSettings[], isLocal: (address: string) => boolean) {
    this.#marks = marks;
    this.#isLocal = isLocal;
    // Once for all changed rules: a table may have many thousands.
    const translating = rules.filter(isTranslation).toSorted(byNarrowness);
    const judged = translating.map((rule) => ({ rule, isFor: this.#matcherOf(rule) }));
    this.#groups = {
      source: judged.filter(({ rule }) => translatesSource(rule)),
      destination: judged.filter(({ rule }) => !translatesSource(rule)),
    };
    this.#texts = new Set(translating.map((rule) => JSON.stringify(rule)));
  }

  /** Returns the test for flows that a changed rule matches, and that the current rules would translate differently. */
  testOf(changed: NftRule): (flow: Flow) => boolean {
    const ofSource = translatesSource(changed);
    const isFor = this.#matcherOf(changed);
    const group = this.#groups[ofSource ? 'source' : 'destination'];
    const isAdded = this.#texts.has(JSON.stringify(changed));
    return (flow) => {
      if (!isFor(flow)) return false;
      for (const each of group) {
        if (!each.isFor(flow)) continue;
        if (this.#isMadeBy(each.rule, flow)) return false;
        // A rule that matches more than a flow shows may or may not apply: the next one may apply, too.
        if (!isPartly(each.rule.match)) return true;
      }
      // No rule certainly applies: a translation by another program stays.
      return isTranslated(flow, ofSource) ? this.#isMadeBy(changed, flow) : isAdded;
    };
  }

  #matcherOf({ hook, match, action }: NftRule): (flow: Flow) => boolean {
    const ofSource = action.type === 'snat' || action.type === 'masquerade';
    const fits = this.#fits(match);
    const isLocal = this.#isLocal;
    const isMarked = this.#isMarked(match);
    return (flow) => {
      const { original, reply } = flow;
      const ends = ofSource
        ? { source: original.source, destination: reply.source, port: reply.sourcePort }
        : { source: original.source, destination: original.destination, port: original.destinationPort };
      if (!fits(ends) || !isMarked(original)) return false;
      if (hook === 'output') return isLocal(ends.source);
      if (hook === 'prerouting') return !isLocal(ends.source);
      return (hook === 'input') === isLocal(ends.destination);
    };
  }

  #fits({ family, source, destination, protocol, port, local }: NftMatch): (ends: Ends) => boolean {
    const isSource = inPrefix(source);
    const isDestination = inPrefix(destination);
    const isPort = inPorts(port);
    const isFamily = (address: string): boolean =>
      family === undefined || family === (address.includes(':') ? 'ipv6' : 'ipv4');
    if (protocol !== undefined && protocol !== 'udp') return () => false;
    return (ends) =>
      isFamily(ends.destination) &&
      isSource(ends.source) &&
      isDestination(ends.destination) &&
      isPort(ends.port) &&
      (local === undefined || local === this.#isLocal(ends.destination));
  }

  /** Returns the test for the mark of a packet. A mark of this table sets it, or, if none does, another program. */
  #isMarked({ packetMark, ...match }: NftMatch): (original: Flow['original']) => boolean {
    if (!packetMark) return () => true;
    const makers = this.#marks.filter(({ mark }) => (mark & packetMark.mask) >>> 0 === packetMark.mark);
    // A rule without an address would match every flow.
    if (makers.length === 0) return () => match.source !== undefined || match.destination !== undefined;
    const fits = makers.map((maker) => this.#fits(maker.match));
    return ({ source, destination, destinationPort: port }) => fits.some((test) => test({ source, destination, port }));
  }

  /** Returns true if the flow has the translation that a rule makes. */
  #isMadeBy({ action }: NftRule, { original, reply }: Flow): boolean {
    switch (action.type) {
      case 'dnat':
        return reply.source === action.to && reply.sourcePort === (action.toPort ?? original.destinationPort);
      case 'redirect':
        return this.#isLocal(reply.source) && reply.sourcePort === action.toPort;
      case 'snat':
        return reply.destination === action.to;
      case 'masquerade':
        return this.#isLocal(reply.destination);
      default:
        return false;
    }
  }
}

function isTranslation({ action: { type } }: NftRule): boolean {
  return type === 'dnat' || type === 'redirect' || type === 'snat' || type === 'masquerade';
}

function translatesSource({ action: { type } }: NftRule): boolean {
  return type === 'snat' || type === 'masquerade';
}

function isTranslated({ original, reply }: Flow, ofSource: boolean): boolean {
  if (ofSource) return reply.destination !== original.source;
  return reply.source !== original.destination || reply.sourcePort !== original.destinationPort;
}

function isPartly({ inputInterface, outputInterface, packetMark }: NftMatch): boolean {
  return inputInterface !== undefined || outputInterface !== undefined || packetMark !== undefined;
}

/** Orders the narrowest rule first, as the table does. */
function byNarrowness(a: NftRule, b: NftRule): number {
  const [one, other] = [narrowness(a.match), narrowness(b.match)];
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : (other[at] ?? 0) - (one[at] ?? 0);
}
