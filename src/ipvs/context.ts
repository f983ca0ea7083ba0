import { ask, type Call } from '../common/ask.js';
import { checkCallOptions } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { type IpvsError, KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import type { IpvsPort } from '../kernel/ipvs/port.js';
import type { IpvsChange } from '../kernel/ipvs/types.js';
import { describeServer, describeService } from './describe.js';
import { type Command, errorFor, type Request, translate, unknownEngine } from './errors.js';

const actions: Readonly<Record<IpvsChange['command'], string>> = {
  NEW_SERVICE: 'add service',
  SET_SERVICE: 'update service',
  DEL_SERVICE: 'delete service',
  NEW_DEST: 'add server',
  SET_DEST: 'update server',
  DEL_DEST: 'delete server',
  ZERO: 'zero the counters of',
  FLUSH: 'flush',
};

function requestOf(change: IpvsChange): Request {
  const { command } = change;
  return { command, action: actions[command], object: objectOf(change) };
}

function objectOf(change: IpvsChange): string {
  switch (change.command) {
    case 'NEW_SERVICE':
    case 'SET_SERVICE': {
      const { key, scheduler, engine } = change.service;
      return `${describeService(key)} ${scheduler}${engine === '' ? '' : ` (engine ${engine})`}`;
    }
    case 'DEL_SERVICE':
      return describeService(change.service);
    case 'NEW_DEST':
    case 'SET_DEST':
      return `${describeServer(change.server.key)} of ${describeService(change.service)}`;
    case 'DEL_DEST':
      return `${describeServer(change.server)} of ${describeService(change.service)}`;
    case 'ZERO':
      return change.service ? describeService(change.service) : 'all services';
    case 'FLUSH':
      return 'the table';
  }
}

/** Calls the kernel for services and servers, and translates its failures into errors that name the request. */
export class Context {
  readonly port: IpvsPort;

  constructor(port: IpvsPort) {
    this.port = port;
  }

  /** Runs a request and translates its failure into an `IpvsError`. */
  ask<T>(call: Call<Command>, work: () => Promise<T>): Promise<T> {
    return ask(translate, call, work);
  }

  /** Applies one change. Throws if it fails. */
  async change(change: IpvsChange, options?: CallOptions): Promise<void> {
    const [failure] = await this.changes([change], options);
    if (failure) throw failure;
  }

  /** Applies many changes in one request. Returns an error for each change that failed, and `undefined` otherwise. */
  async changes(changes: readonly IpvsChange[], options?: CallOptions): Promise<(IpvsError | undefined)[]> {
    checkCallOptions(options);
    let errnos: ArrayLike<number>;
    try {
      errnos = await this.port.apply(changes, options);
    } catch (error) {
      const [first] = changes;
      const request: Request | undefined =
        changes.length === 1 && first
          ? requestOf(first)
          : { command: first?.command ?? 'FLUSH', action: 'apply', object: `${changes.length} changes` };
      throw translate(request, error);
    }
    const errors = changes.map((): IpvsError | undefined => undefined);
    let index = 0;
    for (const change of changes) {
      const errno = errnos[index] ?? Errno.EBADMSG;
      if (errno !== 0) errors[index] = await this.#failure(change, errno, options);
      index++;
    }
    return errors;
  }

  /**
   * Returns the error for a failed change. ENOENT means an unknown scheduler or an unknown engine: a scheduler that
   * exists has been loaded by this request, so the engine is missing.
   */
  async #failure(change: IpvsChange, errno: number, options: CallOptions | undefined): Promise<IpvsError> {
    const request = requestOf(change);
    if (errno === Errno.ENOENT && 'service' in change && change.service && 'engine' in change.service) {
      const { engine, scheduler } = change.service;
      if (engine !== '' && (await this.#hasModule(`ip_vs_${scheduler}`, options)))
        return unknownEngine(request, engine);
    }
    return errorFor(request, errno);
  }

  async #hasModule(name: string, options: CallOptions | undefined): Promise<boolean> {
    try {
      const [refcnt] = await this.port.readFiles([`/sys/module/${name}/refcnt`], options);
      return typeof refcnt === 'string';
    } catch (error) {
      if (error instanceof KernelFailure) return false;
      throw error;
    }
  }
}
