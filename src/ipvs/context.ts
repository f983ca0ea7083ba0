import { ask, type Call } from '../common/ask.js';
import { checkCallOptions } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { IpvsError, type IpvsErrorCode, KernelFailure } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { describeObject } from '../kernel/ipvs/describe.js';
import type { IpvsPort } from '../kernel/ipvs/port.js';
import type { IpvsChange, ServerSettings, ServiceKey, ServiceSettings } from '../kernel/ipvs/types.js';
import type { Kernel } from '../kernel/kernel.js';
import { type Command, errorFor, type Request, translate, unknownEngine } from './errors.js';

/** Attempts of a create-or-replace while other programs add and delete the same object. */
const SET_ATTEMPTS = 8;

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

/** Returns the object of a change; for a new service also its scheduler and engine, which may be unknown. */
function objectOf(change: IpvsChange): string {
  const object = describeObject(change);
  if (change.command !== 'NEW_SERVICE' && change.command !== 'SET_SERVICE') return object;
  const { scheduler, engine } = change.service;
  return `${object} ${scheduler}${engine === '' ? '' : ` (engine ${engine})`}`;
}

/** Calls the kernel for services and servers, and translates its failures into errors that name the request. */
export class Context {
  readonly port: IpvsPort;
  readonly kernel: Pick<Kernel, 'clock' | 'gracePeriod'>;

  constructor(port: IpvsPort, kernel: Pick<Kernel, 'clock' | 'gracePeriod'>) {
    this.port = port;
    this.kernel = kernel;
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

  /** Adds a service, or replaces the settings of the existing one. */
  setService(service: ServiceSettings, options?: CallOptions): Promise<void> {
    return this.#set(
      { command: 'NEW_SERVICE', service },
      { command: 'SET_SERVICE', service },
      'ERR_IPVS_NO_SUCH_SERVICE',
      options,
    );
  }

  /** Adds a server, or replaces the settings of the existing one. */
  setServer(service: ServiceKey, server: ServerSettings, options?: CallOptions): Promise<void> {
    return this.#set(
      { command: 'NEW_DEST', service, server },
      { command: 'SET_DEST', service, server },
      'ERR_IPVS_NO_SUCH_SERVER',
      options,
    );
  }

  /** Adds, replaces what exists, and begins again if that was deleted in between (`missing`). */
  async #set(add: IpvsChange, replace: IpvsChange, missing: IpvsErrorCode, options?: CallOptions): Promise<void> {
    for (let attempt = 0; attempt < SET_ATTEMPTS; attempt++) {
      const [exists] = await this.changes([add], options);
      if (!exists) return;
      if (exists.errno !== Errno.EEXIST) throw exists;
      const [failure] = await this.changes([replace], options);
      if (!failure) return;
      if (failure.code !== missing) throw failure;
    }
    const object = describeObject(add);
    throw new IpvsError(
      'ERR_IPVS_UNSTABLE',
      `cannot set ${object}: other programs added and deleted it during each of ${SET_ATTEMPTS} attempts`,
      { request: { action: 'set', object } },
    );
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
