import type { NetworkOperation } from '../../kernel/network/types.js';
import type { MessageWriter } from '../netlink/writer.js';
import { encodeAddAddress, encodeDeleteAddress } from './addresses.js';
import { encodeForwardingEntry } from './forwarding.js';
import { encodeAddLink, encodeDeleteLink, encodeSetLink } from './links.js';
import { encodeDeleteNeighbour, encodeSetNeighbour } from './neighbours.js';
import { encodeRoute } from './routes.js';
import { encodeRule } from './rules.js';
import type { IndexOf } from './wire.js';

/** Returns the names of the interfaces whose indexes the message of an operation contains. */
export function interfaceNames(operation: NetworkOperation): string[] {
  return allNames(operation).filter((name) => typeof name === 'string');
}

function allNames(operation: NetworkOperation): (string | null | undefined)[] {
  switch (operation.operation) {
    case 'add-link': {
      const { details, master } = operation.link;
      return [
        master,
        'device' in details ? details.device : undefined,
        'parent' in details ? details.parent : undefined,
      ];
    }
    case 'update-link': {
      const { changes, name } = operation;
      return [changes.master, changes.name === undefined ? undefined : name];
    }
    case 'delete-link':
    case 'add-rule':
    case 'delete-rule':
      return [];
    case 'add-address':
    case 'delete-address':
      return [operation.address.interface];
    case 'add-route':
    case 'set-route':
    case 'delete-route':
      return [operation.route.interface, ...(operation.route.nexthops ?? []).map((hop) => hop.interface)];
    case 'set-neighbour':
    case 'delete-neighbour':
      return [operation.neighbour.interface];
    case 'add-forwarding-entry':
    case 'delete-forwarding-entry':
      return [operation.entry.interface, operation.entry.via];
  }
}

/** Returns the paths of the namespaces that an operation names. */
export function namespacePaths(operation: NetworkOperation): string[] {
  const paths: (string | undefined)[] = [];
  if (operation.operation === 'update-link') paths.push(operation.changes.namespace);
  if (operation.operation === 'add-link') {
    const { namespace, details } = operation.link;
    paths.push(namespace, details.kind === 'veth' ? details.peer.namespace : undefined);
  }
  return paths.filter((path) => path !== undefined);
}

/** Returns true if a name may belong to another interface after the operation. */
export function changesNames(operation: NetworkOperation): boolean {
  if (operation.operation === 'add-link' || operation.operation === 'delete-link') return true;
  if (operation.operation !== 'update-link') return false;
  return operation.changes.name !== undefined || operation.changes.namespace !== undefined;
}

export function encodeOperation(
  writer: MessageWriter,
  operation: NetworkOperation,
  indexOf: IndexOf,
  fdOf: (path: string) => number,
): void {
  switch (operation.operation) {
    case 'add-link':
      encodeAddLink(writer, operation.link, indexOf, fdOf);
      return;
    case 'update-link':
      encodeSetLink(writer, operation.name, operation.changes, indexOf, fdOf);
      return;
    case 'delete-link':
      encodeDeleteLink(writer, operation.name);
      return;
    case 'add-address':
      encodeAddAddress(writer, operation.address, indexOf(operation.address.interface));
      return;
    case 'delete-address':
      encodeDeleteAddress(writer, operation.address, indexOf(operation.address.interface));
      return;
    case 'add-route':
    case 'set-route':
    case 'delete-route':
      encodeRoute(writer, operation.operation, operation.route, indexOf);
      return;
    case 'add-rule':
    case 'delete-rule':
      encodeRule(writer, operation.operation, operation.rule);
      return;
    case 'set-neighbour':
      encodeSetNeighbour(writer, operation.neighbour, indexOf(operation.neighbour.interface));
      return;
    case 'delete-neighbour':
      encodeDeleteNeighbour(writer, operation.neighbour, indexOf(operation.neighbour.interface));
      return;
    case 'add-forwarding-entry':
    case 'delete-forwarding-entry':
      encodeForwardingEntry(writer, operation.operation, operation.entry, indexOf);
      return;
  }
}
