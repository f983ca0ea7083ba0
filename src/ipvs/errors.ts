import { Errno } from '../common/errno.js';
import type { IpvsError } from '../common/errors.js';
import {
  errorOf,
  type FileCommand,
  type Request as KernelRequest,
  type Meaning,
  Meanings,
} from '../common/meanings.js';

/** The commands of IPVS, and the other requests to a namespace. */
export type Command =
  | 'NEW_SERVICE'
  | 'SET_SERVICE'
  | 'DEL_SERVICE'
  | 'GET_SERVICE'
  | 'NEW_DEST'
  | 'SET_DEST'
  | 'DEL_DEST'
  | 'GET_DEST'
  | 'NEW_DAEMON'
  | 'DEL_DAEMON'
  | 'GET_DAEMON'
  | 'SET_CONFIG'
  | 'GET_CONFIG'
  | 'GET_INFO'
  | 'ZERO'
  | 'FLUSH'
  | FileCommand;

export type Request = KernelRequest<Command>;

const addService = ['NEW_SERVICE', 'SET_SERVICE'] as const;
const addServer = ['NEW_DEST', 'SET_DEST'] as const;

const noSuchScheduler: Meaning = {
  code: 'ERR_IPVS_UNKNOWN_SCHEDULER',
  says: 'the kernel has no such scheduler',
  cause: 'its name is misspelt, or its module (ip_vs_NAME) is not built or cannot be loaded here',
};
const noSuchService: Meaning = { code: 'ERR_IPVS_NO_SUCH_SERVICE', says: 'the virtual service does not exist' };
const noSuchServer: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_SERVER',
  says: 'the service has no such server',
  cause: 'it was deleted meanwhile, or its port differs',
};
const thresholds: Meaning = {
  code: 'ERR_IPVS_OUT_OF_RANGE',
  says: 'the kernel reports that a number is out of range',
  cause: 'the weight is below 0, or the lower threshold is above the upper one',
};

// net/netfilter/ipvs/ip_vs_ctl.c sends no extended ack: only the command and the errno determine the meaning.
const meanings = new Meanings<Command>();

meanings.define(
  [...addService, 'GET_SERVICE', 'DEL_SERVICE', ...addServer, 'DEL_DEST', 'GET_DEST', 'ZERO'],
  Errno.ESRCH,
  {
    ...noSuchService,
    cause:
      'it was never added, another program or a flush deleted it, or its protocol, address, port, family or namespace ' +
      'differs',
  },
);
meanings.define(addService, Errno.ENOENT, noSuchScheduler);
meanings.define(['SET_DEST', 'DEL_DEST'], Errno.ENOENT, noSuchServer);
meanings.define(['NEW_SERVICE'], Errno.EEXIST, {
  code: 'ERR_IPVS_SERVICE_EXISTS',
  says: 'the service exists already',
  cause:
    'another program or an earlier run added it. Use setService() to replace its settings, or service() to read it',
});
meanings.define(['NEW_DEST'], Errno.EEXIST, {
  code: 'ERR_IPVS_SERVER_EXISTS',
  says: 'the service has this server already',
  cause: 'another program or an earlier run added it. Use setServer() to replace its settings, or server() to read it',
});
meanings.define(addServer, Errno.ERANGE, thresholds);
meanings.define(addService, Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the service',
  cause: 'the IPv6 netmask of its persistence is not a prefix length from 1 to 128',
});
meanings.define(addServer, Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the server',
  cause:
    'its address is neither unicast nor local according to the routes of this namespace (while the loopback device ' +
    'is down, the kernel rejects every IPv4 address); a GUE tunnel has no port; or its family differs from that of ' +
    'the service, which requires a tunnel and no running synchronisation daemon',
});
meanings.define(['NEW_DAEMON'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the daemon',
  cause:
    'its group is not a multicast address, its message length does not fit the interface, or a server has another ' +
    'family than its service (such connections cannot be synchronised)',
});
meanings.define(['NEW_DAEMON'], Errno.EEXIST, {
  code: 'ERR_IPVS_DAEMON_RUNNING',
  says: 'a daemon of this role runs already',
});
meanings.define(['NEW_DAEMON'], Errno.ENODEV, {
  code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  says: 'the interface does not exist in this network namespace',
});
meanings.define(['DEL_DAEMON'], Errno.ESRCH, { code: 'ERR_IPVS_NO_SUCH_DAEMON', says: 'no daemon of this role runs' });
meanings.define(['SET_CONFIG'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the timeouts',
  cause: 'a timeout exceeds 2 147 483 647 clock ticks of this kernel (HZ ticks per second)',
});

meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'not permitted',
  cause:
    'every IPVS command, also one that reads, requires CAP_NET_ADMIN in the initial user namespace (a rootless ' +
    'container has it only in its own), and entering a network namespace requires CAP_SYS_ADMIN',
});
meanings.defineForAll(Errno.EPROTONOSUPPORT, {
  code: 'ERR_IPVS_NOT_AVAILABLE',
  says: 'this kernel has no IPVS',
  cause: 'its module is not loaded (as root, run modprobe ip_vs), or the kernel was built without CONFIG_IP_VS',
});
meanings.defineForAll(Errno.EAFNOSUPPORT, {
  code: 'ERR_IPVS_FAMILY_NOT_SUPPORTED',
  says: 'the address family is not supported',
  cause: 'this kernel has no IPv6 (ipv6.disable=1), or IPVS was built without it (CONFIG_IP_VS_IPV6)',
});
meanings.defineForAll(Errno.ENOPROTOOPT, { code: 'ERR_IPVS_UNLOADING', says: 'the module ip_vs is being unloaded' });

/** Returns the error for the kernel's answer to a request. `detail` is its extended ack, or the failed call. */
export const errorFor = meanings.errorFor.bind(meanings);
/** Turns a kernel's failure into an {@link IpvsError} that names the request. Returns any other error unchanged. */
export const translate = meanings.translate.bind(meanings);

/** Returns the error for a missing persistence engine, which the kernel reports like a missing scheduler. */
export function unknownEngine(request: Request, engine: string): IpvsError {
  return errorOf(request, Errno.ENOENT, {
    code: 'ERR_IPVS_UNKNOWN_ENGINE',
    says: `the kernel has no persistence engine ${engine}`,
    cause: `its name is misspelt, or its module (ip_vs_pe_${engine}) is not built or cannot be loaded here`,
  });
}

/** Returns the error for a server that is not in the list of servers. */
export function noServer(request: Request): IpvsError {
  return errorOf(request, undefined, noSuchServer);
}
