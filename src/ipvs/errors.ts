import { Errno } from '../common/errno.js';
import type { IpvsError } from '../common/errors.js';
import {
  errorOf,
  type FileCommand,
  type Request as KernelRequest,
  type Meaning,
  type MeaningEntry,
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
  says: 'the kernel does not have this scheduler',
  cause: 'its name is misspelt, or its module (ip_vs_NAME) is not built or cannot be loaded',
};
const noSuchService: Meaning = { code: 'ERR_IPVS_NO_SUCH_SERVICE', says: 'the virtual service does not exist' };
const noSuchServer: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_SERVER',
  says: 'the virtual service does not have this server',
  cause: 'it was deleted by another program, or its port differs',
};
const thresholds: Meaning = {
  code: 'ERR_IPVS_OUT_OF_RANGE',
  says: 'a number is out of range',
  cause: 'the weight is negative, or the lower threshold is above the upper threshold',
};

// net/netfilter/ipvs/ip_vs_ctl.c sends no extended ack: only the command and the errno determine the meaning.
const meanings = new Meanings<Command>();

meanings.define(
  [...addService, 'GET_SERVICE', 'DEL_SERVICE', ...addServer, 'DEL_DEST', 'GET_DEST', 'ZERO'],
  Errno.ESRCH,
  {
    ...noSuchService,
    cause:
      'it was never added, or was deleted by another program or a flush; or its protocol, address, port, family or ' +
      'namespace differs',
  },
);
meanings.define(addService, Errno.ENOENT, noSuchScheduler);
meanings.define(['SET_DEST', 'DEL_DEST'], Errno.ENOENT, noSuchServer);
meanings.define(['NEW_SERVICE'], Errno.EEXIST, {
  code: 'ERR_IPVS_SERVICE_EXISTS',
  says: 'the virtual service already exists',
  cause: 'another program or an earlier run added it; read the existing one and update it',
});
meanings.define(['NEW_DEST'], Errno.EEXIST, {
  code: 'ERR_IPVS_SERVER_EXISTS',
  says: 'the virtual service already has this server',
  cause: 'another program or an earlier run added it; read the existing one and update it',
});
meanings.define(addServer, Errno.ERANGE, thresholds);
meanings.define(addService, Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the virtual service',
  cause: 'the netmask of an IPv6 service is not a prefix length from 1 to 128',
});
meanings.define(addServer, Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the server',
  cause:
    'the routes of this namespace resolve the address to neither unicast nor local (if the interface lo is down, the ' +
    'kernel rejects every address); a GUE tunnel has no port; or the server has another address family than its ' +
    'service, which requires a tunnel and that no synchronisation daemon is running',
});
meanings.define(['NEW_DAEMON'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the synchronisation daemon',
  cause:
    'the group is not a multicast address, the message length is out of range, or a server has another address ' +
    'family than its service (connections of such servers cannot be synchronised)',
});
meanings.define(['NEW_DAEMON'], Errno.EEXIST, {
  code: 'ERR_IPVS_DAEMON_RUNNING',
  says: 'a synchronisation daemon of this role is already running',
});
meanings.define(['NEW_DAEMON'], Errno.ENODEV, {
  code: 'ERR_IPVS_NO_SUCH_INTERFACE',
  says: 'the interface does not exist in this namespace',
  cause: 'its name is misspelt, it was deleted, or it is in another namespace',
});
meanings.define(['DEL_DAEMON'], Errno.ESRCH, {
  code: 'ERR_IPVS_NO_SUCH_DAEMON',
  says: 'no synchronisation daemon of this role is running',
});
meanings.define(['SET_CONFIG'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel rejects the timeouts',
  cause: 'one of them exceeds the range of the kernel timer',
});

meanings.defineForAll(Errno.EPERM, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'permission is denied',
  cause:
    'every IPVS command, also a read, requires CAP_NET_ADMIN in the initial user namespace, which a rootless ' +
    'container lacks; entering a network namespace requires CAP_SYS_ADMIN',
});
meanings.defineForAll(Errno.EPROTONOSUPPORT, {
  code: 'ERR_IPVS_NOT_AVAILABLE',
  says: 'the kernel does not have IPVS',
  cause: 'its module is not loaded (run `modprobe ip_vs` as root), or the kernel was built without CONFIG_IP_VS',
});
meanings.defineForAll(Errno.EAFNOSUPPORT, {
  code: 'ERR_IPVS_FAMILY_NOT_SUPPORTED',
  says: 'the address family is not supported',
  cause: 'IPv6 is disabled (boot option ipv6.disable=1), or IPVS was built without CONFIG_IP_VS_IPV6',
});
meanings.defineForAll(Errno.ENOPROTOOPT, {
  code: 'ERR_IPVS_UNLOADING',
  says: 'the module ip_vs is being unloaded',
});

/** Every meaning of an errno for a command of IPVS. Names of objects are in capital letters. */
export function* allMeanings(): Generator<MeaningEntry, void, void> {
  yield { commands: addService, errno: Errno.ENOENT, meaning: engineMeaning('NAME') };
  yield* meanings;
}

/** Returns the error for the kernel's answer to a request. `detail` is its extended ack, or the failed call. */
export const errorFor = meanings.errorFor.bind(meanings);
/** Turns a kernel's failure into an {@link IpvsError} that names the request. Returns any other error unchanged. */
export const translate = meanings.translate.bind(meanings);

/** Returns the error for a missing persistence engine, which the kernel reports like a missing scheduler. */
export function unknownEngine(request: Request, engine: string): IpvsError {
  return errorOf(request, Errno.ENOENT, engineMeaning(engine));
}

function engineMeaning(engine: string): Meaning {
  return {
    code: 'ERR_IPVS_UNKNOWN_ENGINE',
    says: `the kernel does not have the persistence engine ${engine}`,
    cause: `its name is misspelt, or its module (ip_vs_pe_${engine}) is not built or cannot be loaded`,
  };
}

/** Returns the error for a server that is not in the list of servers. */
export function noServer(request: Request): IpvsError {
  return errorOf(request, undefined, noSuchServer);
}
