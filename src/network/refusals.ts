import { Errno } from '../common/errno.js';
import type { IpvsError } from '../common/errors.js';
import { errorOf, type Meaning } from '../common/meanings.js';
import type { LinkDetails, LinkSettings, NetworkOperation, OperationOutcome } from '../kernel/network/types.js';
import { requestOf } from './describe.js';
import { errorFor } from './errors.js';

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
      return { code: 'ERR_IPVS_REJECTED', says: 'the kernel refuses the change', cause: takesNoPorts(master) };
    }
    case 'add-address':
      if (errno !== Errno.EACCES) return undefined;
      return {
        code: 'ERR_IPVS_REJECTED',
        says: 'IPv6 is off on the interface',
        cause: `net.ipv6.conf.${operation.address.interface}.disable_ipv6, or that of all, is 1`,
      };
    default:
      return undefined;
  }
}

function unsupportedLink({ details, master }: LinkSettings, message: string): Meaning | undefined {
  if (message.includes(UNKNOWN_KIND))
    return {
      code: 'ERR_IPVS_NOT_AVAILABLE',
      says: `this kernel has no interfaces of kind ${details.kind}`,
      cause: `the module is not built, or cannot be loaded here: as root, modprobe ${modules[details.kind]}`,
    };
  const causes: string[] = [];
  if (master !== undefined) causes.push(takesNoPorts(master));
  if (details.kind === 'bridge' && details.vlanFiltering !== undefined)
    causes.push('this kernel was built without vlanFiltering (CONFIG_BRIDGE_VLAN_FILTERING)');
  if (details.kind === 'bridge' && details.multicastSnooping !== undefined)
    causes.push('this kernel was built without multicastSnooping (CONFIG_BRIDGE_IGMP_SNOOPING)');
  if (causes.length === 0) return undefined;
  return { code: 'ERR_IPVS_REJECTED', says: 'the kernel refuses the interface', cause: causes.join('; or ') };
}

function takesNoPorts(master: string): string {
  return `the master ${master} is no bridge, and takes no ports`;
}
