import { Errno, errnoName } from './errno.js';
import { type ErrorRequest, IpvsError, type IpvsErrorCode, KernelFailure } from './errors.js';

/** A command of the kernel, with its action and object in words. */
export interface Request<Command extends string = string> extends ErrorRequest {
  readonly command: Command;
}

export interface Meaning {
  readonly code: IpvsErrorCode;
  /** Reason of the failure, a clause: `the service already exists`. */
  readonly says: string;
  /** Usual cause and advice: clauses, or nouns, separated by semicolons. */
  readonly cause?: string;
}

/** One row of a table of meanings. */
export interface MeaningEntry {
  /** Commands for which the errno has this meaning. Empty: all commands without a meaning of their own. */
  readonly commands: readonly string[];
  readonly errno: number;
  readonly meaning: Meaning;
}

/** Commands that every handle has. */
export type FileCommand = 'OPEN' | 'READ_FILE' | 'WRITE_FILE';

/**
 * The meanings of errnos. An errno has different meanings for different commands, so the table is keyed by
 * both, as in ipvsadm's libipvs.
 */
export class Meanings<Command extends string> {
  readonly #meanings = new Map<string, Map<number, Meaning>>();
  readonly #common = new Map<number, Meaning>();

  constructor() {
    for (const [commands, errno, meaning] of ofFiles) this.#set(commands, errno, meaning);
    for (const [errno, meaning] of ofAll) this.#common.set(errno, meaning);
  }

  /** Defines the meaning of an errno for these commands. */
  define(commands: readonly (Command | FileCommand)[], errno: number, meaning: Meaning): void {
    this.#set(commands, errno, meaning);
  }

  /** Defines the meaning of an errno for all commands without a meaning of their own. */
  defineForAll(errno: number, meaning: Meaning): void {
    this.#common.set(errno, meaning);
  }

  /** Returns the error for the kernel's answer. `detail` is its extended ack, or the failed call. */
  errorFor(request: Request<Command | FileCommand>, errno: number, detail = ''): IpvsError {
    const meaning = this.#meanings.get(request.command)?.get(errno) ?? this.#common.get(errno);
    if (meaning) return errorOf(request, errno, meaning, detail);
    return errorOf(request, errno, { code: 'ERR_IPVS_SYSTEM', says: detail || 'the kernel rejects the request' });
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

  /** Yields the rows of the table: commands for which an errno has one meaning are one row. */
  *[Symbol.iterator](): Generator<MeaningEntry, void, void> {
    const rows = new Map<string, MeaningEntry & { readonly commands: string[] }>();
    for (const [command, meanings] of this.#meanings)
      for (const [errno, meaning] of meanings) {
        const key = JSON.stringify([errno, meaning.code, meaning.says, meaning.cause]);
        const row = rows.get(key);
        if (row) row.commands.push(command);
        else rows.set(key, { commands: [command], errno, meaning });
      }
    yield* rows.values();
    for (const [errno, meaning] of this.#common) yield { commands: [], errno, meaning };
  }

  #set(commands: readonly string[], errno: number, meaning: Meaning): void {
    for (const command of commands) {
      const meanings = this.#meanings.get(command) ?? new Map<number, Meaning>();
      this.#meanings.set(command, meanings.set(errno, meaning));
    }
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
      says: 'the network namespace does not exist',
      cause: 'it was deleted, its container or process has ended, or it was created in another mount namespace',
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
      says: 'the sysctl does not exist',
      cause: 'this kernel does not have it, only the first network namespace has it, or its module is not loaded',
    },
  ],
  [
    ['READ_FILE', 'WRITE_FILE'],
    Errno.EACCES,
    {
      code: 'ERR_IPVS_PERMISSION',
      says: 'access to the file is denied',
      cause:
        'writing a sysctl requires root and a /proc/sys that is mounted writable, which most containers do not have; some sysctls can be written only in the first network namespace',
    },
  ],
  [
    ['WRITE_FILE'],
    Errno.EROFS,
    {
      code: 'ERR_IPVS_PERMISSION',
      says: '/proc/sys is mounted read-only',
      cause: 'this is the default in containers; run the container privileged, or set the sysctl from the host',
    },
  ],
  [
    ['WRITE_FILE'],
    Errno.EINVAL,
    {
      code: 'ERR_IPVS_REJECTED',
      says: 'the kernel rejects the value',
      cause: 'the value is out of range, or is not a number',
    },
  ],
];

const ofAll: readonly (readonly [number, Meaning])[] = [
  [Errno.EBADF, { code: 'ERR_IPVS_CLOSED', says: 'the handle is closed' }],
  [Errno.ECANCELED, { code: 'ERR_IPVS_CLOSED', says: 'the handle was closed before the request was complete' }],
  [
    Errno.ENOBUFS,
    {
      code: 'ERR_IPVS_OVERRUN',
      says: "the kernel's reply did not fit into the receive buffer",
      cause: 'too many replies at once; it is unknown whether the request was executed: read the state again',
    },
  ],
  [Errno.EBADMSG, { code: 'ERR_IPVS_PROTOCOL', says: "the kernel's reply cannot be decoded" }],
];
