import { Errno, errnoName } from './errno.js';
import { type ErrorRequest, IpvsError, type IpvsErrorCode, KernelFailure } from './errors.js';

/** A command of the kernel, with its action and object in words. */
export interface Request<Command extends string = string> extends ErrorRequest {
  readonly command: Command;
}

export interface Meaning {
  readonly code: IpvsErrorCode;
  /** Meaning of the errno, in words. */
  readonly says: string;
  /** Usual cause, or advice. */
  readonly cause?: string;
}

/** Commands that every handle has. */
export type FileCommand = 'OPEN' | 'READ_FILE' | 'WRITE_FILE';

/**
 * The meanings of errnos. An errno has different meanings for different commands, so the table is keyed by
 * both, as in ipvsadm's libipvs.
 */
export class Meanings<Command extends string> {
  readonly #meanings = new Map<string, Meaning>();
  readonly #common = new Map<number, Meaning>();

  constructor() {
    for (const [commands, errno, meaning] of ofFiles) this.#set(commands, errno, meaning);
    for (const [errno, meaning] of ofAll) this.#common.set(errno, meaning);
  }

  define(commands: readonly (Command | FileCommand)[], errno: number, meaning: Meaning): void {
    this.#set(commands, errno, meaning);
  }

  /** Defines the meaning of an errno for all commands without a meaning of their own. */
  defineForAll(errno: number, meaning: Meaning): void {
    this.#common.set(errno, meaning);
  }

  /** Returns the error for the kernel's answer. `detail` is its extended ack, or the failed call. */
  errorFor(request: Request<Command | FileCommand>, errno: number, detail = ''): IpvsError {
    const meaning = this.#meanings.get(`${request.command} ${errno}`) ?? this.#common.get(errno);
    return errorOf(
      request,
      errno,
      meaning ?? { code: 'ERR_IPVS_SYSTEM', says: detail || 'the kernel refuses' },
      detail,
    );
  }

  /**
   * Turns a kernel's failure into an {@link IpvsError}, and adds the request to an `IpvsError` without one. Returns
   * any other error unchanged.
   */
  translate(request: Request<Command | FileCommand>, error: unknown): unknown {
    if (error instanceof KernelFailure) return this.errorFor(request, error.errno, error.message);
    if (error instanceof IpvsError && error.request === undefined) {
      const { command: _, ...asked } = request;
      return new IpvsError(error.code, `cannot ${wordsOf(request)}: ${error.message}`, {
        request: asked,
        cause: error,
      });
    }
    return error;
  }

  #set(commands: readonly string[], errno: number, meaning: Meaning): void {
    for (const command of commands) this.#meanings.set(`${command} ${errno}`, meaning);
  }
}

function wordsOf(request: ErrorRequest): string {
  return request.object === undefined ? request.action : `${request.action} ${request.object}`;
}

export function errorOf(request: Request, errno: number | undefined, meaning: Meaning, detail = ''): IpvsError {
  const { command: _, ...asked } = request;
  const name = errno === undefined ? undefined : errnoName(errno);
  const said = name === undefined ? '' : ` (${[name, detail].filter(Boolean).join(': ')})`;
  const cause = meaning.cause === undefined ? '' : `. Usual cause: ${meaning.cause}`;
  return new IpvsError(meaning.code, `cannot ${wordsOf(request)}: ${meaning.says}${said}${cause}`, {
    request: asked,
    errno,
    errnoName: name,
  });
}

const ofFiles: readonly (readonly [readonly FileCommand[], number, Meaning])[] = [
  [
    ['OPEN'],
    Errno.ENOENT,
    {
      code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
      says: 'there is no such network namespace',
      cause: 'it, its container or its process is gone, or it was made in another mount namespace',
    },
  ],
  [
    ['OPEN'],
    Errno.EINVAL,
    {
      code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
      says: 'the file is not a network namespace',
      cause: 'the namespace was deleted and left an empty file behind, or the path is another file',
    },
  ],
  [
    ['OPEN'],
    Errno.EACCES,
    {
      code: 'ERR_IPVS_PERMISSION',
      says: 'the network namespace cannot be opened',
      cause: 'it belongs to another user; run as root',
    },
  ],
  [
    ['READ_FILE', 'WRITE_FILE'],
    Errno.ENOENT,
    {
      code: 'ERR_IPVS_NO_SUCH_SYSCTL',
      says: 'there is no such file',
      cause: 'this kernel does not have it, or not in a namespace other than the first, or its module is not loaded',
    },
  ],
  [
    ['READ_FILE', 'WRITE_FILE'],
    Errno.EACCES,
    {
      code: 'ERR_IPVS_PERMISSION',
      says: 'the file cannot be opened',
      cause:
        'writing sysctls takes root, and a /proc/sys that is not mounted read-only (as most containers have it); some can only be written in the first network namespace',
    },
  ],
  [
    ['WRITE_FILE'],
    Errno.EROFS,
    {
      code: 'ERR_IPVS_PERMISSION',
      says: '/proc/sys is read-only',
      cause: 'most containers mount it so; run privileged, or write it from the host',
    },
  ],
  [['WRITE_FILE'], Errno.EINVAL, { code: 'ERR_IPVS_REJECTED', says: 'the kernel refuses the value' }],
];

const ofAll: readonly (readonly [number, Meaning])[] = [
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
];
