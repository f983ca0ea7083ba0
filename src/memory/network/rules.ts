import type { Family } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import type { RoutingRule, RoutingRuleSettings } from '../../kernel/network/types.js';
import { contains } from './prefix.js';
import { type Flow, type NetworkState, refused } from './state.js';

const ALL = 0xffffffff;
const KERNEL = 2;

/** Fields in which a duplicate of a rule is equal; `invert` does not count (rule_exists in net/core/fib_rules.c). */
const compared = [
  'priority',
  'action',
  'table',
  'goto',
  'source',
  'destination',
  'mark',
  'mask',
  'inputInterface',
  'outputInterface',
  'tos',
  'protocol',
  'ipProtocol',
  'sourcePortMask',
  'destinationPortMask',
  'suppressPrefixLength',
] as const;
const ranges = ['sourcePorts', 'destinationPorts', 'users'] as const;

/** The rules of policy routing. */
export class MemoryRules {
  readonly #core: NetworkState;
  readonly #rules: Record<Family, RoutingRule[]> = {
    ipv4: [lookup('ipv4', 0, 255), lookup('ipv4', 32766, 254), lookup('ipv4', 32767, 253)],
    ipv6: [lookup('ipv6', 0, 255), lookup('ipv6', 32766, 254)],
  };
  /** True until the first change of IPv4 rules: the kernel searches `local` and `main` as one table (fib_unmerge). */
  merged = true;

  constructor(core: NetworkState) {
    this.#core = core;
  }

  list(family: Family | undefined): RoutingRule[] {
    return [...(family === 'ipv6' ? [] : this.#rules.ipv4), ...(family === 'ipv4' ? [] : this.#rules.ipv6)];
  }

  add(settings: RoutingRuleSettings): void {
    const rules = this.#rules[settings.family];
    const rule = canonical({ ...settings, priority: settings.priority ?? usualPriority(rules) });
    if (rule.action === 'lookup' && !rule.table) refused(Errno.EINVAL);
    if (settings.family === 'ipv4') this.merged = false;
    if (rules.some((other) => same(other, rule))) refused(Errno.EEXIST);
    const at = rules.findIndex(({ priority }) => priority > rule.priority);
    rules.splice(at < 0 ? rules.length : at, 0, rule);
    this.#core.tell(() => ({ type: 'rule-added', rule }));
  }

  /** Deletes the first rule that matches all given fields; a zero counts as not given. */
  delete(settings: RoutingRuleSettings): void {
    const rules = this.#rules[settings.family];
    const named = canonical({ ...settings, priority: settings.priority ?? 0 });
    const at = rules.findIndex(
      (rule) =>
        compared.every((name) => !named[name] || rule[name] === named[name]) &&
        ranges.every((name) => !named[name] || JSON.stringify(rule[name]) === JSON.stringify(named[name])),
    );
    const [rule] = at < 0 ? [] : rules.splice(at, 1);
    if (!rule) refused(Errno.ENOENT);
    if (settings.family === 'ipv4') this.merged = false;
    this.#core.tell(() => ({ type: 'rule-removed', rule }));
  }

  /** Yields the rules that match a packet, in order of priority. */
  *for(flow: Flow): Generator<RoutingRule, void, void> {
    const rules = this.#rules[flow.family];
    for (let at = 0; at < rules.length; at++) {
      const rule = rules[at];
      if (!rule || fits(rule, flow) === rule.invert) continue;
      if (rule.action !== 'goto') yield rule;
      else at = rules.findIndex(({ priority }) => priority >= (rule.goto ?? ALL)) - 1;
      if (at < -1) return;
    }
  }
}

function lookup(family: Family, priority: number, table: number): RoutingRule {
  return { family, priority, action: 'lookup', table, invert: false, protocol: KERNEL, further: false };
}

/** Returns the default priority: before the second rule, so after the one for `local` (fib_default_rule_pref). */
function usualPriority(rules: readonly RoutingRule[]): number {
  const second = rules[1]?.priority ?? 0;
  return second > 0 ? second - 1 : 0;
}

/** Returns a rule as the kernel shows it. */
function canonical(settings: Omit<RoutingRule, 'further'>): RoutingRule {
  const { mark, mask } = settings;
  const marked = mark === undefined ? {} : { mark, mask: mask ?? (mark === 0 ? undefined : ALL) };
  const rule = { ...settings, ...marked, protocol: settings.protocol ?? 0, further: false };
  const present = Object.entries(rule).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as unknown as RoutingRule; // only undefined fields are left out
}

function same(a: RoutingRule, b: RoutingRule): boolean {
  return (
    compared.every((name) => a[name] === b[name]) &&
    ranges.every((name) => JSON.stringify(a[name]) === JSON.stringify(b[name]))
  );
}

function fits(rule: RoutingRule, flow: Flow): boolean {
  const { source, destination, mark, mask = ALL, inputInterface, outputInterface } = rule;
  const further = rule.tos ?? rule.ipProtocol ?? rule.sourcePorts ?? rule.destinationPorts;
  return (
    (further ?? 0) === 0 &&
    (inputInterface === undefined || inputInterface === flow.inputInterface) &&
    (outputInterface === undefined || outputInterface === flow.outputInterface) &&
    (mark === undefined || ((flow.mark ^ mark) & mask) === 0) &&
    (source === undefined || (flow.source !== undefined && contains(source, flow.source, flow.family))) &&
    (destination === undefined || contains(destination, flow.destination, flow.family))
  );
}
