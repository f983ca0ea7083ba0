import type { NetworkOperation, RouteSettings, RoutingRuleSettings } from '../../kernel/network/types.js';
import type { NetworkCore } from './core.js';

/** Carries out an operation. @throws KernelFailure if the kernel would reject it */
export function carryOut(core: NetworkCore, operation: NetworkOperation): void {
  switch (operation.operation) {
    case 'add-link':
      core.links.add(operation.link);
      break;
    case 'update-link':
      core.links.set(operation.name, operation.changes);
      break;
    case 'delete-link':
      core.links.delete(operation.name);
      break;
    case 'add-address':
      core.addresses.add(operation.address);
      break;
    case 'delete-address':
      core.addresses.delete(operation.address);
      break;
    case 'add-route':
    case 'set-route':
      core.routes.add(operation.route, operation.operation === 'set-route');
      break;
    case 'delete-route':
      core.routes.delete(operation.route);
      break;
    case 'add-rule':
      core.rules.add(operation.rule);
      break;
    case 'delete-rule':
      core.rules.delete(operation.rule);
      break;
    case 'set-neighbour':
      core.neighbours.set(operation.neighbour);
      break;
    case 'delete-neighbour':
      core.neighbours.delete(operation.neighbour);
      break;
    case 'add-forwarding-entry':
      core.forwarding.add(operation.entry);
      break;
    case 'delete-forwarding-entry':
      core.forwarding.delete(operation.entry);
      break;
  }
}

/** Describes the object of an operation; `Fault.object` is matched with it. */
export function operationText(operation: NetworkOperation): string {
  switch (operation.operation) {
    case 'add-link':
      return words(operation.link.name, operation.link.details.kind);
    case 'update-link':
    case 'delete-link':
      return operation.name;
    case 'add-address':
    case 'delete-address': {
      const { address, prefixLength, interface: name } = operation.address;
      return `${address}/${prefixLength} on ${name}`;
    }
    case 'add-route':
    case 'set-route':
    case 'delete-route':
      return routeText(operation.route);
    case 'add-rule':
    case 'delete-rule':
      return ruleText(operation.rule);
    case 'set-neighbour':
    case 'delete-neighbour':
      return `${operation.neighbour.address} on ${operation.neighbour.interface}`;
    case 'add-forwarding-entry':
    case 'delete-forwarding-entry': {
      const { linkAddress, interface: name, destination } = operation.entry;
      return words(linkAddress, pair('to', destination), `on ${name}`);
    }
  }
}

function routeText(route: RouteSettings): string {
  const { type, destination, prefixLength, via, interface: name, nexthops = [], metric, table } = route;
  return words(
    type !== 'unicast' && type,
    `${destination}/${prefixLength}`,
    pair('via', via),
    pair('on', name),
    ...nexthops.map((hop) => words(pair('via', hop.via), pair('on', hop.interface))),
    pair('metric', metric),
    `table ${table}`,
  );
}

function ruleText(rule: RoutingRuleSettings): string {
  return words(
    pair('priority', rule.priority),
    rule.invert && 'not',
    pair('from', rule.source),
    pair('to', rule.destination),
    pair('mark', rule.mark),
    pair('in', rule.inputInterface),
    pair('out', rule.outputInterface),
    rule.action,
    pair('table', rule.table),
  );
}

function pair(word: string, value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : `${word} ${value}`;
}

function words(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== false).join(' ');
}
