import { Errno } from '../common/errno.js';
import type { IpvsError } from '../common/errors.js';
import { errorOf, type Meaning, type MeaningEntry } from '../common/meanings.js';
import type { LinkDetails, LinkSettings, NetworkOperation, OperationOutcome } from '../kernel/network/types.js';
import { requestOf } from './describe.js';
import { errorFor, meanings } from './errors.js';

/** Message of the kernel for an unknown kind, and for nothing else (rtnl_newlink in net/core/rtnetlink.c). */
const UNKNOWN_KIND = 'Unknown device type';

const modules: Readonly<Record<LinkDetails['kind'], string>> = {
  dummy: 'dummy',
  veth: 'veth',
  bridge: 'bridge',
  vxlan: 'vxlan',
  ipip: 'ipip',
  gre: 'ip_gre',
  macvlan: 'macvlan',
};

/** Returns the error for an operation that failed: the meaning of the errno, with the names in the operation. */
export function refused(operation: NetworkOperation, { errno, message, namespace }: OperationOutcome): IpvsError {
  const request = requestOf(operation);
  if (namespace) return errorFor({ ...request, command: 'OPEN' }, errno, message);
  const meaning = meaningFor(operation, errno, message);
  return meaning ? errorOf(request, errno, meaning, message) : errorFor(request, errno, message);
}

function meaningFor(operation: NetworkOperation, errno: number, message: string): Meaning | undefined {
  switch (operation.operation) {
    case 'add-link':
      return errno === Errno.EOPNOTSUPP ? unsupportedLink(operation.link, message) : undefined;
    case 'update-link': {
      const { master } = operation.changes;
      if (errno !== Errno.EOPNOTSUPP || typeof master !== 'string') return undefined;
      return rejectedChange(master);
    }
    case 'add-address':
      if (errno !== Errno.EACCES) return undefined;
      return disabledIPv6(operation.address.interface);
    default:
      return undefined;
  }
}

function unsupportedLink({ details, master }: LinkSettings, message: string): Meaning | undefined {
  if (message.includes(UNKNOWN_KIND)) return unknownKind(details.kind, modules[details.kind]);
  const causes: string[] = [];
  if (master !== undefined) causes.push(takesNoPorts(master));
  if (details.kind === 'bridge' && details.vlanFiltering !== undefined) causes.push(withoutVlanFiltering);
  if (details.kind === 'bridge' && details.multicastSnooping !== undefined) causes.push(withoutMulticastSnooping);
  if (causes.length === 0) return undefined;
  return rejectedLink(causes);
}

const withoutVlanFiltering = 'the kernel was built without vlanFiltering (CONFIG_BRIDGE_VLAN_FILTERING)';
const withoutMulticastSnooping = 'the kernel was built without multicastSnooping (CONFIG_BRIDGE_IGMP_SNOOPING)';

function rejectedLink(causes: readonly string[]): Meaning {
  return { code: 'ERR_IPVS_REJECTED', says: 'the kernel rejects the interface', cause: causes.join('; or ') };
}

function rejectedChange(master: string): Meaning {
  return { code: 'ERR_IPVS_REJECTED', says: 'the kernel rejects the change', cause: takesNoPorts(master) };
}

function disabledIPv6(interfaceName: string): Meaning {
  return {
    code: 'ERR_IPVS_REJECTED',
    says: 'IPv6 is disabled on the interface',
    cause: `net.ipv6.conf.${interfaceName}.disable_ipv6 or net.ipv6.conf.all.disable_ipv6 is 1`,
  };
}

function unknownKind(kind: string, module: string): Meaning {
  return {
    code: 'ERR_IPVS_NOT_AVAILABLE',
    says: `the kernel does not have interfaces of kind ${kind}`,
    cause: `the module is not built or cannot be loaded: run \`modprobe ${module}\` as root`,
  };
}

function takesNoPorts(master: string): string {
  return `the master ${master} is not a bridge, and cannot have ports`;
}

/** Every meaning of an errno for an operation on the network. Names of objects are in capital letters. */
export function* allMeanings(): Generator<MeaningEntry, void, void> {
  const link = { commands: ['add-link'], errno: Errno.EOPNOTSUPP };
  yield { ...link, meaning: unknownKind('KIND', 'MODULE') };
  yield { ...link, meaning: rejectedLink([takesNoPorts('MASTER'), withoutVlanFiltering, withoutMulticastSnooping]) };
  yield { commands: ['update-link'], errno: Errno.EOPNOTSUPP, meaning: rejectedChange('MASTER') };
  yield { commands: ['add-address'], errno: Errno.EACCES, meaning: disabledIPv6('INTERFACE') };
  yield* meanings;
}
