import { inspect } from 'node:util';
import { checkCallOptions, checkFlag, checkInteger, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { describeServerOf } from '../kernel/ipvs/describe.js';
import type {
  Forwarding,
  IpvsStatistics,
  ServerEntry,
  ServerKey,
  ServerSettings,
  ServiceKey,
  TunnelChecksum,
  TunnelType,
} from '../kernel/ipvs/types.js';
import type { Context } from './context.js';
import { serverAgrees } from './differences.js';
import { drainServer } from './drain-server.js';
import { readServerEntry } from './read-server.js';
import {
  changeServer,
  checkServerChanges,
  heldServerSettings,
  type ServerChanges,
  type ServerOptions,
} from './server-options.js';
import { statisticsToJSON } from './statistics.js';
import { serverLine } from './text.js';

/** The options of `update()` of a service or a server. */
export interface UpdateOptions extends CallOptions {
  /**
   * True to reject with `ERR_IPVS_CHANGED` if the settings differ from those of this object. The kernel has
   * no such operation: a change between the reading and the writing of the update is not detected.
   */
  readonly ifUnchanged?: boolean | undefined;
}

/** The options of {@link RealServer.drain}. `timeout` limits each request, `timeLimit` the whole drain. */
export interface ServerDrainOptions extends CallOptions {
  /**
   * Time limit for the drain, 1 to 2 147 483 647 milliseconds, or `Infinity`. Then the server gets its weight back
   * and the call rejects with `ERR_IPVS_TIMEOUT`. Default: `Infinity`.
   */
  readonly timeLimit?: number | undefined;
  /** Time between two readings of the server, 10 to 2 147 483 647 milliseconds. Default: 1000. */
  readonly interval?: number | undefined;
  /** Called with each reading of the server, also with the last one. If it throws, the drain ends as by an abort. */
  readonly onProgress?: ((server: RealServer) => void) | undefined;
}

/** The tunnel of a server with forwarding `tunnel`. */
export interface Tunnel {
  /** Encapsulation: IP in IP, generic UDP encapsulation, or GRE. */
  readonly type: TunnelType;
  /** UDP port of GUE; 0 for other types. */
  readonly port: number;
  /** Checksum of the encapsulated packets; `none` for `ipip`. */
  readonly checksum: TunnelChecksum;
}

const drainNames = Object.keys({
  timeLimit: true,
  interval: true,
  onProgress: true,
} satisfies Record<Exclude<keyof ServerDrainOptions, keyof CallOptions>, true>);

/**
 * A real server of a virtual service at the time it was read. Its properties do not change: a method
 * that changes the server returns a new object.
 *
 * @example
 * ```ts
 * import { Ipvs } from 'ipvs';
 *
 * const ipvs = await Ipvs.open();
 * const web = await ipvs.service({ protocol: 'tcp', address: '198.51.100.1', port: 80 });
 * const server = await web.server({ address: '10.0.0.11', port: 8080 });
 * await server.drain({ timeLimit: 60_000 }); // weight 0, until its connections have ended
 * await server.delete();
 * await ipvs.close();
 * ```
 */
export class RealServer {
  readonly #context: Context;
  readonly #entry: ServerEntry;
  /** Key of its service. */
  readonly service: ServiceKey;
  #key: ServerKey | undefined;

  /** @internal */
  constructor(context: Context, service: ServiceKey, entry: ServerEntry) {
    this.#context = context;
    this.#entry = entry;
    this.service = service;
  }

  /** Identity of the server: a selector for {@link VirtualService.server}. */
  get key(): ServerKey {
    this.#key ??= this.#entry.key;
    return this.#key;
  }

  /** Address of the server, in canonical form. */
  get address(): string {
    return this.key.address;
  }
  /** Port. 0 keeps the port of the packet. */
  get port(): number {
    return this.key.port;
  }
  /** Forwarding method. The kernel may report `local` for an address of the director, whatever method was requested. */
  get forwarding(): Forwarding {
    return this.#entry.forwarding;
  }
  /** Encapsulation of its packets; `undefined` unless `forwarding` is `tunnel`. */
  get tunnel(): Tunnel | undefined {
    const { forwarding, tunnelType, tunnelPort, tunnelChecksum } = this.#entry;
    return forwarding === 'tunnel' ? { type: tunnelType, port: tunnelPort, checksum: tunnelChecksum } : undefined;
  }
  /** Share of new connections, 0 to 2147483647. 0: the scheduler gives it none. */
  get weight(): number {
    return this.#entry.weight;
  }
  /** Number of connections at which the server gets no new ones; 0 for no limit. */
  get upperThreshold(): number {
    return this.#entry.upperThreshold;
  }
  /** Number of connections below which it gets new ones again; 0 for three quarters of the upper threshold. */
  get lowerThreshold(): number {
    return this.#entry.lowerThreshold;
  }
  /** Number of connections in an active state (TCP: established). */
  get activeConnections(): number {
    return this.#entry.activeConnections;
  }
  /** Number of all other connections that the kernel keeps. UDP connections are always inactive. */
  get inactiveConnections(): number {
    return this.#entry.inactiveConnections;
  }
  /** Number of persistence templates: clients that are bound to this server. */
  get persistentConnections(): number {
    return this.#entry.persistentConnections;
  }
  /** Counters since the server was added or reset. The kernel updates them every 2 s. */
  get statistics(): IpvsStatistics {
    return this.#entry.statistics;
  }

  /** Reads the server again. @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER`, `ERR_IPVS_NO_SUCH_SERVICE` */
  async read(options?: CallOptions): Promise<RealServer> {
    return readServer(this.#context, this.service, this.key, options);
  }

  /**
   * Changes the named settings and keeps the others (`ipvsadm -e`). It reads the server first, because the
   * kernel resets absent settings. A change of another program in between is lost (see `ifUnchanged`).
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER`, `ERR_IPVS_NO_SUCH_SERVICE`, `ERR_IPVS_CHANGED`,
   * `ERR_IPVS_NOT_SUPPORTED` for a tunnel that this kernel does not support
   */
  async update(changes: ServerChanges, options: UpdateOptions = {}): Promise<RealServer> {
    checkServerChanges(changes);
    changeServer(this.#entry, changes, this.service); // rejects bad changes before a request
    const { ifUnchanged, call } = checkUpdate(options);
    const current = await readServerEntry(this.#context, this.service, this.key, call);
    if (ifUnchanged && !sameServer(current, this.#entry)) throw changed(this);
    const server = changeServer(current, changes, this.service);
    await this.#context.change({ command: 'SET_DEST', service: this.service, server }, call);
    return readBack(this.#context, this.service, server, call);
  }

  /**
   * Returns true if the server behaves like one that {@link VirtualService.addServer} creates from these options.
   * Ignores the address, the port and settings without effect, for example the port of a tunnel that is not GUE.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  matches(options: ServerOptions): boolean {
    return serverAgrees(heldServerSettings(options, this.service), this.#entry);
  }

  /**
   * Deletes the server from its service (`ipvsadm -d`). The sysctl `expire_nodest_conn` determines if its
   * connections end at their next packet, or if the kernel drops their packets until they expire.
   */
  async delete(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'DEL_DEST', service: this.service, server: this.key }, options);
  }

  /**
   * Drains the server, then deletes it: sets its weight to 0, waits until it has no active, inactive and persistent
   * connections, and deletes it. Waits for an RCU grace period before it counts, because a packet that read the
   * earlier weight may still become a connection.
   *
   * A server with persistence receives new connections from the clients it is bound to, and may never empty; the
   * sysctl `expire_quiescent_template` ends that. With `conn_reuse_mode` 0 it may not empty either, because a reused
   * client port keeps its server. A closed TCP connection counts as inactive for 2 minutes (TIME_WAIT). Set a
   * `timeLimit` if you need an end.
   *
   * If the drain fails, is aborted or exceeds `timeLimit`, the server gets its earlier weight back, unless another
   * program changed it meanwhile. If that fails too, the call rejects with that failure, whose `cause` is the first
   * one, and the server may keep weight 0; so it does if the handle is closed or the process ends during the drain.
   * To drain servers across restarts of the process use a document with `drain`.
   * @throws IpvsError `ERR_IPVS_TIMEOUT` at the time limit; `ERR_IPVS_CHANGED` if another program sets a weight
   * during the drain, which it keeps; `ERR_IPVS_NO_SUCH_SERVER` or `ERR_IPVS_NO_SUCH_SERVICE` if another program
   * deletes the server or its service. The reason of the signal if it aborts.
   */
  async drain(options: ServerDrainOptions = {}): Promise<void> {
    checkCallOptions(options, drainNames);
    const { timeLimit = Number.POSITIVE_INFINITY, interval = 1000, onProgress, ...call } = options;
    if (timeLimit !== Number.POSITIVE_INFINITY) checkInteger('timeLimit', timeLimit, 1, 0x7fffffff);
    checkInteger('interval', interval, 10, 0x7fffffff);
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw invalid(`onProgress must be a function, not ${show(onProgress)}`);
    const { service, key } = this;
    await drainServer(this.#context, {
      service,
      key,
      timeLimit,
      interval,
      onReading: (entry) => onProgress?.(new RealServer(this.#context, service, entry)),
      call,
    });
  }

  /** Returns the properties for JSON, the counters as strings. */
  toJSON(): Record<string, unknown> {
    return {
      address: this.address,
      port: this.port,
      forwarding: this.forwarding,
      ...(this.tunnel === undefined ? {} : { tunnel: this.tunnel }),
      weight: this.weight,
      upperThreshold: this.upperThreshold,
      lowerThreshold: this.lowerThreshold,
      activeConnections: this.activeConnections,
      inactiveConnections: this.inactiveConnections,
      persistentConnections: this.persistentConnections,
      statistics: statisticsToJSON(this.statistics),
    };
  }

  /** Formats the server as `ipvsadm -Ln` does. */
  toString(): string {
    return serverLine(this);
  }

  /** @internal */
  [inspect.custom](): string {
    return this.toString();
  }
}

/** @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` @internal */
export function checkUpdate(options: UpdateOptions): { readonly ifUnchanged: boolean; readonly call: CallOptions } {
  checkCallOptions(options, ['ifUnchanged']);
  const { ifUnchanged = false, ...call } = options;
  return { ifUnchanged: checkFlag('ifUnchanged', ifUnchanged), call };
}

/** Returns true if two readings of a server have equal settings. @internal */
export function sameServer(a: ServerSettings, b: ServerSettings): boolean {
  return (
    a.forwarding === b.forwarding &&
    a.weight === b.weight &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold &&
    a.tunnelType === b.tunnelType &&
    a.tunnelPort === b.tunnelPort &&
    a.tunnelChecksum === b.tunnelChecksum
  );
}

function changed(server: RealServer): IpvsError {
  const object = describeServerOf(server.key, server.service);
  return new IpvsError(
    'ERR_IPVS_CHANGED',
    `cannot update server ${object}: another program changed it since it was read. Nothing was sent`,
    {
      request: { action: 'update server', object },
    },
  );
}

/** @internal */
export async function readServer(
  context: Context,
  service: ServiceKey,
  key: ServerKey,
  options?: CallOptions,
): Promise<RealServer> {
  return new RealServer(context, service, await readServerEntry(context, service, key, options));
}

/** Reads a server after a change: a kernel ignores a tunnel type that it does not support. @internal */
export async function readBack(
  context: Context,
  service: ServiceKey,
  written: Pick<ServerEntry, 'key' | 'forwarding' | 'tunnelType'>,
  options?: CallOptions,
): Promise<RealServer> {
  const entry = await readServerEntry(context, service, written.key, options);
  if (written.forwarding === 'tunnel' && written.tunnelType !== 'ipip' && !entry.knowsTunnels) {
    throw new IpvsError(
      'ERR_IPVS_NOT_SUPPORTED',
      `cannot set the tunnel of server ${describeServerOf(written.key, service)}: this kernel supports only ipip tunnels and has set one. A ${written.tunnelType} tunnel requires Linux 5.3`,
      { request: { action: 'set the tunnel of server', object: describeServerOf(written.key, service) } },
    );
  }
  return new RealServer(context, service, entry);
}
