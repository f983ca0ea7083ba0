import { Errno, errnoName } from '../kernel/errno.js';
import { type ErrorRequest, IpvsError, type IpvsErrorCode, KernelFailure } from '../kernel/errors.js';

/** The commands of IPVS, and what else is asked of a namespace. */
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
  | 'OPEN'
  | 'READ_FILE'
  | 'WRITE_FILE';

/** A command, and in words what is to be done to which object. */
export interface Request extends ErrorRequest {
  readonly command: Command;
}

interface Meaning {
  readonly code: IpvsErrorCode;
  /** What the kernel says. */
  readonly says: string;
  /** What usually causes it, or what to do. */
  readonly cause?: string;
}

const addService = ['NEW_SERVICE', 'SET_SERVICE'] as const;
const addServer = ['NEW_DEST', 'SET_DEST'] as const;

const noSuchScheduler: Meaning = {
  code: 'ERR_IPVS_UNKNOWN_SCHEDULER',
  says: 'the kernel has no such scheduler',
  cause: 'its name is misspelt, or its module (ip_vs_NAME) is not built or can not be loaded here',
};
const noSuchService: Meaning = { code: 'ERR_IPVS_NO_SUCH_SERVICE', says: 'there is no such virtual service' };
const noSuchServer: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_SERVER',
  says: 'the service has no such server',
  cause: 'it was removed meanwhile, or its port differs',
};
const thresholds: Meaning = {
  code: 'ERR_IPVS_OUT_OF_RANGE',
  says: 'a number is out of range',
  cause: 'a weight below 0, or a lower threshold above the upper one',
};
const noSuchFile: Meaning = {
  code: 'ERR_IPVS_NO_SUCH_SYSCTL',
  says: 'there is no such file',
  cause: 'this kernel does not have it, or not in a namespace other than the first, or ip_vs is not loaded',
};

/**
 * The same errno means different things for different commands: net/netfilter/ipvs/ip_vs_ctl.c
 * gives no extended ack, so (command, errno) is all there is.
 */
const meanings = new Map<string, Meaning>();

function define(commands: readonly Command[], errno: number, meaning: Meaning): void {
  for (const command of commands) meanings.set(`${command} ${errno}`, meaning);
}

define([...addService, 'GET_SERVICE', 'DEL_SERVICE', ...addServer, 'DEL_DEST', 'GET_DEST', 'ZERO'], Errno.ESRCH, {
  ...noSuchService,
  cause:
    'it was never added, or deleted since, by another program or by a flush; or its protocol, port or family ' +
    'differs, or its namespace',
});
define(addService, Errno.ENOENT, noSuchScheduler);
define(['SET_DEST', 'DEL_DEST'], Errno.ENOENT, noSuchServer);
define(['NEW_SERVICE'], Errno.EEXIST, {
  code: 'ERR_IPVS_SERVICE_EXISTS',
  says: 'the service is there already',
  cause: 'another program made it, or an earlier run did; read it first, or update it',
});
define(['NEW_DEST'], Errno.EEXIST, {
  code: 'ERR_IPVS_SERVER_EXISTS',
  says: 'the service has this server already',
  cause: 'another program added it, or an earlier run did; read it first, or update it',
});
define(addServer, Errno.ERANGE, thresholds);
define(addService, Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel refuses the service',
  cause: 'an IPv6 netmask that is no prefix length from 1 to 128',
});
define(addServer, Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel refuses the server',
  cause:
    'an address that is neither unicast nor local as the routes of this namespace have it (with the loopback ' +
    'device down every address is refused), GUE without a port, another family than that of the service without ' +
    'a tunnel or while a synchronisation daemon runs',
});
define(['NEW_DAEMON'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel refuses the daemon',
  cause:
    'a multicast group that is none, a message length that does not fit, or a server of another family than ' +
    'its service (mixed-family tunnels can not be synchronised)',
});
define(['NEW_DAEMON'], Errno.EEXIST, { code: 'ERR_IPVS_DAEMON_RUNNING', says: 'a daemon of this role runs already' });
define(['NEW_DAEMON'], Errno.ENODEV, { code: 'ERR_IPVS_NO_SUCH_INTERFACE', says: 'there is no such interface here' });
define(['DEL_DAEMON'], Errno.ESRCH, { code: 'ERR_IPVS_NO_SUCH_DAEMON', says: 'no daemon of this role runs' });
define(['SET_CONFIG'], Errno.EINVAL, {
  code: 'ERR_IPVS_REJECTED',
  says: 'the kernel refuses the timeouts',
  cause: 'one of them is too long for the clock of this kernel',
});
define(['OPEN'], Errno.ENOENT, {
  code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
  says: 'there is no such network namespace',
  cause: 'it, its container or its process is gone, or it was made in another mount namespace',
});
define(['OPEN'], Errno.EINVAL, {
  code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
  says: 'the file is not a network namespace',
  cause: 'the namespace was deleted and left an empty file behind, or the path is another file',
});
define(['OPEN'], Errno.EACCES, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'the network namespace can not be opened',
  cause: 'it belongs to another user; run as root',
});
define(['READ_FILE', 'WRITE_FILE'], Errno.ENOENT, noSuchFile);
define(['READ_FILE', 'WRITE_FILE'], Errno.EACCES, {
  code: 'ERR_IPVS_PERMISSION',
  says: 'the file can not be opened',
  cause: 'writing sysctls takes root, and a /proc/sys that is not mounted read-only (as most containers have it)',
});
define(['WRITE_FILE'], Errno.EROFS, {
  code: 'ERR_IPVS_PERMISSION',
  says: '/proc/sys is read-only',
  cause: 'most containers mount it so; run privileged, or write it from the host',
});
define(['WRITE_FILE'], Errno.EINVAL, { code: 'ERR_IPVS_REJECTED', says: 'the kernel refuses the value' });

/** What holds for every command. */
const common = new Map<number, Meaning>([
  [
    Errno.EPERM,
    {
      code: 'ERR_IPVS_PERMISSION',
      says: 'not permitted',
      cause:
        'every IPVS command, reading too, takes CAP_NET_ADMIN in the first user namespace (a rootless container ' +
        'has it only in its own), and entering a network namespace takes CAP_SYS_ADMIN',
    },
  ],
  [
    Errno.EPROTONOSUPPORT,
    {
      code: 'ERR_IPVS_NOT_AVAILABLE',
      says: 'this kernel has no IPVS',
      cause: 'its module is not loaded: as root, modprobe ip_vs; or the kernel was built without CONFIG_IP_VS',
    },
  ],
  [
    Errno.EAFNOSUPPORT,
    {
      code: 'ERR_IPVS_FAMILY_NOT_SUPPORTED',
      says: 'the address family is not supported',
      cause: 'this kernel has no IPv6 (ipv6.disable=1), or IPVS was built without it (CONFIG_IP_VS_IPV6)',
    },
  ],
  [Errno.ENOPROTOOPT, { code: 'ERR_IPVS_UNLOADING', says: 'ip_vs is being unloaded' }],
  [Errno.EBADF, { code: 'ERR_IPVS_CLOSED', says: 'the handle is closed' }],
  [Errno.ECANCELED, { code: 'ERR_IPVS_CLOSED', says: 'the handle was closed meanwhile' }],
  [
    Errno.ENOBUFS,
    {
      code: 'ERR_IPVS_OVERRUN',
      says: "the kernel's reply did not fit the receive buffer",
      cause: 'whether the request was carried out is unknown: read again',
    },
  ],
  [Errno.EBADMSG, { code: 'ERR_IPVS_PROTOCOL', says: "the kernel's reply could not be understood" }],
]);

/** The error for what the kernel answered to a request. `detail` is its extended ack, or where it failed. */
export function errorFor(request: Request, errno: number, detail = ''): IpvsError {
  const meaning = meanings.get(`${request.command} ${errno}`) ?? common.get(errno);
  return errorOf(request, errno, meaning ?? { code: 'ERR_IPVS_SYSTEM', says: detail || 'the kernel refuses' }, detail);
}

/** As {@link errorFor}, when the engine and not the scheduler was found to be missing. */
export function unknownEngine(request: Request, engine: string): IpvsError {
  return errorOf(request, Errno.ENOENT, {
    code: 'ERR_IPVS_UNKNOWN_ENGINE',
    says: `the kernel has no persistence engine ${engine}`,
    cause: `its name is misspelt, or its module (ip_vs_pe_${engine}) is not built or can not be loaded here`,
  });
}

/** The error for a server that a list of servers does not have. */
export function noServer(request: Request): IpvsError {
  return errorOf(request, undefined, noSuchServer);
}

function errorOf(request: Request, errno: number | undefined, meaning: Meaning, detail = ''): IpvsError {
  const { command: _, ...asked } = request;
  const what = request.object === undefined ? request.action : `${request.action} ${request.object}`;
  const name = errno === undefined ? undefined : errnoName(errno);
  const said = name === undefined ? '' : ` (${[name, detail].filter(Boolean).join(': ')})`;
  const cause = meaning.cause === undefined ? '' : `. Usual cause: ${meaning.cause}`;
  return new IpvsError(meaning.code, `cannot ${what}: ${meaning.says}${said}${cause}`, {
    request: asked,
    errno,
    errnoName: name,
  });
}

/** Makes an {@link IpvsError} of a kernel's failure; any other error stays as it is. */
export function translate(request: Request, error: unknown): unknown {
  if (error instanceof KernelFailure) return errorFor(request, error.errno, error.message);
  if (error instanceof IpvsError && error.request === undefined) {
    const { command: _, ...asked } = request;
    const what = request.object === undefined ? request.action : `${request.action} ${request.object}`;
    return new IpvsError(error.code, `cannot ${what}: ${error.message}`, { request: asked, cause: error });
  }
  return error;
}
