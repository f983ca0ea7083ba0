import type { Family } from '../common/address.js';
import { checkFlag, checkInteger, checkOneOf, checkOptions, namesOf, show, valueOr } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { checkInterfaceName } from '../common/interface-name.js';
import { checkNetwork, formatPrefix } from '../common/prefix.js';
import type { RoutingRule, RoutingRuleAction, RoutingRuleSettings } from '../kernel/network/types.js';
import { checkFamily, checkTable, optional, type RoutingTable } from './checks.js';

/** A new rule of policy routing. */
export interface RoutingRuleOptions {
  /** Address family. Default: that of `source` or `destination`; required without both. */
  readonly family?: Family | undefined;
  /** Priority, from 0 to 2^32-1; the lowest is first. Default: the kernel's, one before all but the first rule. */
  readonly priority?: number | undefined;
  /** Mark of the packet, from 0 to 2^32-1. */
  readonly mark?: number | undefined;
  /** Bits of the mark that are compared. Default: all. Requires `mark`. */
  readonly mask?: number | undefined;
  /** Source: an address, or a network such as `10.0.0.0/8`. */
  readonly source?: string | undefined;
  /** Destination: an address, or a network such as `10.0.0.0/8`. */
  readonly destination?: string | undefined;
  /**
   * Interface by which the packet arrives. An alternative name is resolved to the main one when the rule is added; a
   * name of up to 15 bytes that no interface has is stored as it is, for an interface that is made later.
   */
  readonly inputInterface?: string | undefined;
  /** Interface that the socket of a local packet is bound to. Same form as `inputInterface`. */
  readonly outputInterface?: string | undefined;
  /** True if the rule is for packets that do not match the other conditions. Default: false. */
  readonly invert?: boolean | undefined;
  /** Routing table to look in, for the action `lookup`. */
  readonly table?: RoutingTable | undefined;
  /** Action. Default: `lookup`. */
  readonly action?: 'lookup' | 'blackhole' | 'unreachable' | 'prohibit' | undefined;
  /** Prefix length, from 0 to 128: ignores routes of this or a shorter length. 0 ignores the default route. */
  readonly suppressPrefixLength?: number | undefined;
  /** Origin of the rule (RTPROT_*), from 1 to 255. Default: 4, an administrator. */
  readonly protocol?: number | undefined;
}

/**
 * Selects one rule. The rule must not have fields that are not named, except `priority` and `protocol`. A rule that was
 * read is accepted, too.
 */
export type RoutingRuleSelector = RoutingRuleOptions | RoutingRule;

const optionNames = namesOf<RoutingRuleOptions>({
  family: true,
  priority: true,
  mark: true,
  mask: true,
  source: true,
  destination: true,
  inputInterface: true,
  outputInterface: true,
  invert: true,
  table: true,
  action: true,
  suppressPrefixLength: true,
  protocol: true,
});
const readNames = [
  ...optionNames,
  'goto',
  'tos',
  'ipProtocol',
  'sourcePorts',
  'destinationPorts',
  'sourcePortMask',
  'destinationPortMask',
  'users',
  'further',
  'unsupported',
];
const newActions = ['lookup', 'blackhole', 'unreachable', 'prohibit'] as const;
const readActions: readonly RoutingRuleAction[] = [...newActions, 'goto', 'nop'];

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRule(options: RoutingRuleOptions): RoutingRuleSettings {
  checkOptions('a rule', options, optionNames);
  const action = checkOneOf('action', valueOr(options.action, 'lookup'), newActions);
  if ((action === 'lookup') !== (options.table !== undefined))
    throw invalid('the action lookup requires table, and the other actions have none');
  return {
    ...common(options),
    action,
    protocol: checkInteger('protocol', valueOr(options.protocol, 4), 1, 255),
  };
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` */
export function checkRuleSelector(selector: RoutingRuleSelector): RoutingRuleSettings {
  checkOptions('a rule', selector, readNames);
  if ('further' in selector && selector.further)
    throw invalid(
      `cannot delete rule ${show(selector.priority)}: it has ${partsOf(selector)}, which this library does not support. Use \`ip rule delete\``,
    );
  const action = checkOneOf('action', valueOr(selector.action, 'lookup'), readActions);
  if (action === 'lookup' && selector.table === undefined)
    throw invalid('a rule to delete must be named with its table');
  const read: Partial<RoutingRule> = 'further' in selector ? selector : {};
  return {
    ...common(selector),
    action,
    protocol: optional(selector.protocol, (value) => checkInteger('protocol', value, 0, 255)),
    goto: read.goto,
    tos: read.tos,
    ipProtocol: read.ipProtocol,
    sourcePorts: read.sourcePorts,
    destinationPorts: read.destinationPorts,
    sourcePortMask: read.sourcePortMask,
    destinationPortMask: read.destinationPortMask,
    users: read.users,
  } as RoutingRuleSettings;
}

function partsOf({ unsupported }: RoutingRule): string {
  return Array.isArray(unsupported) && unsupported.length > 0 ? unsupported.join(', ') : 'a part without a name';
}

function common(options: RoutingRuleOptions | RoutingRule): Omit<RoutingRuleSettings, 'action' | 'protocol'> {
  const { mark, mask, priority, table, invert, inputInterface, outputInterface, suppressPrefixLength } = options;
  const source = options.source === undefined ? undefined : checkNetwork('source', options.source, options.family);
  const destination =
    options.destination === undefined ? undefined : checkNetwork('destination', options.destination, options.family);
  const told = [source?.family, destination?.family, optional(options.family, checkFamily)].filter(Boolean);
  const [family] = told;
  if (family === undefined) throw invalid('a rule without source and destination requires family: ipv4 or ipv6');
  if (new Set(told).size > 1) throw invalid('source, destination and family of a rule must be of one family');
  if (mask !== undefined && mark === undefined) throw invalid('mask requires mark');
  const checkedMark = optional(mark, (value) => checkInteger('mark', value, 0, 0xffffffff));
  const checkedMask = optional(mask, (value) => checkInteger('mask', value, 0, 0xffffffff));
  if (checkedMark === 0 && checkedMask === undefined && !('further' in options))
    throw invalid('a mark of 0 requires mask: without it the kernel ignores the mark');
  if (checkedMark !== undefined && checkedMask !== undefined && (checkedMark & ~checkedMask) !== 0)
    throw invalid(`the mark ${show(mark)} has bits outside its mask: no packet would fit`);
  const settings: {
    [K in keyof Omit<RoutingRuleSettings, 'action' | 'protocol'>]: RoutingRuleSettings[K] | undefined;
  } = {
    family,
    priority: optional(priority, (value) => checkInteger('priority', value, 0, 0xffffffff)),
    invert: checkFlag('invert', valueOr(invert, false)),
    source: prefixOf(source),
    destination: prefixOf(destination),
    mark: checkedMark,
    mask: checkedMask,
    inputInterface: optional(inputInterface, (value) => checkInterfaceName('inputInterface', value)),
    outputInterface: optional(outputInterface, (value) => checkInterfaceName('outputInterface', value)),
    table: optional(table, checkTable),
    suppressPrefixLength: optional(suppressPrefixLength, (value) =>
      checkInteger('suppressPrefixLength', value, 0, 128),
    ),
  };
  for (const name of Object.keys(settings) as (keyof typeof settings)[])
    if (settings[name] === undefined) delete settings[name];
  return settings as Omit<RoutingRuleSettings, 'action' | 'protocol'>;
}

/** Returns the text of a prefix, or undefined for one that matches every address. */
function prefixOf(prefix: ReturnType<typeof checkNetwork> | undefined): string | undefined {
  return prefix === undefined || prefix.prefixLength === 0 ? undefined : formatPrefix(prefix);
}

const compared = [
  'family',
  'action',
  'table',
  'goto',
  'invert',
  'source',
  'destination',
  'mark',
  'inputInterface',
  'outputInterface',
  'tos',
  'ipProtocol',
  'sourcePortMask',
  'destinationPortMask',
  'suppressPrefixLength',
] as const;

/** Returns true if a rule is the one that a selector names: it has all the named fields, and no others. */
export function isRule(rule: RoutingRule, wanted: RoutingRuleSettings): boolean {
  return (
    !rule.further &&
    compared.every((name) => rule[name] === wanted[name]) &&
    (rule.mark === undefined || (rule.mask ?? 0xffffffff) === (wanted.mask ?? 0xffffffff)) &&
    (['sourcePorts', 'destinationPorts', 'users'] as const).every(
      (name) => JSON.stringify(rule[name]) === JSON.stringify(wanted[name]),
    ) &&
    (wanted.priority === undefined || rule.priority === wanted.priority) &&
    (wanted.protocol === undefined || rule.protocol === wanted.protocol)
  );
}

/**
 * Returns true if the kernel takes `rule` for the one that a delete names: it ignores what the delete does not name
 * (rule_find in net/core/fib_rules.c).
 */
export function kernelTakes(rule: RoutingRule, named: RoutingRule): boolean {
  const fields = Object.keys(named).filter((name) => name !== 'further' && name !== 'protocol' && name !== 'invert');
  return fields.every((name) => {
    const field = name as keyof RoutingRule;
    // The kernel ignores 0, too.
    return named[field] === 0 || JSON.stringify(rule[field]) === JSON.stringify(named[field]);
  });
}
