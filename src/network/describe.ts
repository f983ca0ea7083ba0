import { bitsOf } from '../common/prefix.js';
import type { NetworkOperation, RouteSettings, RoutingRuleSettings } from '../kernel/network/types.js';
import { tables } from './checks.js';
import type { Request } from './errors.js';

function words(...parts: readonly (string | number | undefined | false)[]): string {
  return parts.filter((part) => part !== undefined && part !== false && part !== '').join(' ');
}

function pair(word: string, value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : `${word} ${value}`;
}

/** Returns the route as `ip route` would write it. */
export function describeRoute(route: RouteSettings): string {
  const { type, destination, prefixLength, via, nexthops = [], table } = route;
  const host = prefixLength === bitsOf(route.family);
  const name = prefixLength === 0 ? 'default' : host ? destination : `${destination}/${prefixLength}`;
  return words(
    route.family === 'ipv6' && '-6',
    type !== 'unicast' && type,
    name,
    pair('via', via),
    pair('dev', route.interface),
    ...nexthops.map((hop) => words('nexthop', pair('via', hop.via), pair('dev', hop.interface))),
    pair('metric', route.metric),
    table !== tables.main && `table ${tableName(table)}`,
  );
}

function tableName(table: number): string | number {
  return Object.entries(tables).find(([, number]) => number === table)?.[0] ?? table;
}

/** Returns the rule as `ip rule` would write it. */
export function describeRule(rule: RoutingRuleSettings): string {
  const mark = rule.mark === undefined ? undefined : `0x${rule.mark.toString(16)}`;
  const mask = rule.mask === undefined || rule.mask === 0xffffffff ? '' : `/0x${rule.mask.toString(16)}`;
  return words(
    rule.family === 'ipv6' && '-6',
    rule.priority !== undefined && `${rule.priority}:`,
    rule.invert && 'not',
    `from ${rule.source ?? 'all'}`,
    pair('to', rule.destination),
    mark && `fwmark ${mark}${mask}`,
    pair('iif', rule.inputInterface),
    pair('oif', rule.outputInterface),
    rule.table === undefined ? rule.action : `lookup ${tableName(rule.table)}`,
  );
}

/** Returns the request of an operation, in words. */
export function requestOf(operation: NetworkOperation): Request {
  const command = operation.operation;
  const action = command.replaceAll('-', ' ');
  return { command, action, object: objectOf(operation) };
}

function objectOf(operation: NetworkOperation): string {
  switch (operation.operation) {
    case 'add-link': {
      const { link } = operation;
      return words(`${link.name} (${link.details.kind})`, pair('in', link.namespace));
    }
    case 'update-link':
    case 'delete-link':
      return operation.name;
    case 'add-address':
    case 'delete-address': {
      const { address, prefixLength, interface: name } = operation.address;
      return `${address}/${prefixLength} ${operation.operation === 'add-address' ? 'to' : 'from'} ${name}`;
    }
    case 'add-route':
    case 'set-route':
    case 'delete-route':
      return describeRoute(operation.route);
    case 'add-rule':
    case 'delete-rule':
      return describeRule(operation.rule);
    case 'set-neighbour': {
      const { address, linkAddress, interface: name, proxy } = operation.neighbour;
      return words(proxy && 'proxy', address, pair('lladdr', linkAddress), `dev ${name}`);
    }
    case 'delete-neighbour': {
      const { address, interface: name, proxy } = operation.neighbour;
      return words(proxy && 'proxy', address, `dev ${name}`);
    }
    case 'add-forwarding-entry':
    case 'delete-forwarding-entry': {
      const { entry } = operation;
      return words(entry.linkAddress, `dev ${entry.interface}`, pair('dst', entry.destination), entry.of);
    }
  }
}
