import { inspect } from 'node:util';
import { IpvsError } from '../common/errors.js';
import type { CallOptions } from '../kernel/call.js';
import { describeService } from '../kernel/ipvs/describe.js';
import {
  type Family,
  type IpvsStatistics,
  type Protocol,
  type ServiceEntry,
  ServiceFlag,
  type ServiceKey,
  type ServiceSettings,
} from '../kernel/ipvs/types.js';
import type { Context } from './context.js';
import { serviceAgrees } from './differences.js';
import { showNetmask } from './netmask.js';
import { checkUpdate, RealServer, readBack, readServer, type UpdateOptions } from './real-server.js';
import { checkServerKey, newServerSettings, type ServerOptions, type ServerSelector } from './server-options.js';
import {
  changeService,
  checkServiceChanges,
  heldServiceSettings,
  type SchedulerFlag,
  type SchedulerName,
  type ServiceChanges,
  type ServiceOptions,
  showSchedulerFlags,
} from './service-options.js';
import { statisticsToJSON } from './statistics.js';
import { serviceLine } from './text.js';

/** The persistence of a service, which keeps clients on their servers. */
export interface Persistence {
  /** Seconds without a connection until the client may get another server. */
  readonly timeout: number;
  /** Prefix length, or the text of a mask that is no prefix. */
  readonly netmask: number | string;
  /** Persistence engine, such as `sip`; absent without one. */
  readonly engine?: string;
}

/**
 * A virtual service at the time it was read. Its properties do not change: a method that changes the
 * service returns a new object.
 *
 * @example
 * ```ts
 * import { Ipvs } from 'ipvs';
 *
 * const ipvs = await Ipvs.open();
 * const web = await ipvs.addService({ fwmark: 80, scheduler: 'wlc', persistence: { timeout: 300 } });
 * await web.addServer({ address: '10.0.0.11', forwarding: 'direct' });
 * console.log((await web.servers()).length);
 * await web.delete();
 * await ipvs.close();
 * ```
 */
export class VirtualService {
  readonly #context: Context;
  readonly #entry: ServiceEntry;
  #key: ServiceKey | undefined;

  /** @internal */
  constructor(context: Context, entry: ServiceEntry) {
    this.#context = context;
    this.#entry = entry;
  }

  /** Identity of the service: a selector for {@link Ipvs.service}. */
  get key(): ServiceKey {
    this.#key ??= this.#entry.key;
    return this.#key;
  }

  /** Family of the address, or of the marked packets. */
  get family(): Family {
    return this.key.family;
  }
  /** Protocol; `undefined` for a fwmark service, as are address and port. */
  get protocol(): Protocol | undefined {
    return 'protocol' in this.key ? this.key.protocol : undefined;
  }
  /** Virtual address, in canonical form; `undefined` for a fwmark service. */
  get address(): string | undefined {
    return 'address' in this.key ? this.key.address : undefined;
  }
  /** Virtual port, 0 for every port; `undefined` for a fwmark service. */
  get port(): number | undefined {
    return 'port' in this.key ? this.key.port : undefined;
  }
  /** Mark of the packets, 1 to 4294967295; `undefined` for a service by address. */
  get fwmark(): number | undefined {
    return 'fwmark' in this.key ? this.key.fwmark : undefined;
  }
  /** Name of the scheduler, such as `wlc`. */
  get scheduler(): SchedulerName {
    return this.#entry.scheduler;
  }
  /** Flags of the scheduler; `sh-port` and others by name if the scheduler has names for them. */
  get schedulerFlags(): readonly SchedulerFlag[] {
    return showSchedulerFlags(this.#entry.flags, this.#entry.scheduler);
  }
  /** True if the kernel schedules each packet individually. It does so for UDP only. */
  get onePacket(): boolean {
    return (this.#entry.flags & ServiceFlag.onePacket) !== 0;
  }
  /** Persistence of clients; `undefined` for none. */
  get persistence(): Persistence | undefined {
    const { flags, timeout, netmask, engine } = this.#entry;
    if ((flags & ServiceFlag.persistent) === 0) return undefined;
    const persistence = { timeout, netmask: showNetmask(netmask, this.family) };
    return engine === '' ? persistence : { ...persistence, engine };
  }
  /** Counters since the service was added or reset. The kernel updates them every 2 s. */
  get statistics(): IpvsStatistics {
    return this.#entry.statistics;
  }

  /** Reads the service again. @throws IpvsError `ERR_IPVS_NO_SUCH_SERVICE` */
  read(options?: CallOptions): Promise<VirtualService> {
    return readService(this.#context, this.key, options);
  }

  /**
   * Changes the named settings and keeps the others (`ipvsadm -E`). It reads the service first, because the
   * kernel resets absent settings. A change of another program in between is lost (see `ifUnchanged`).
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVICE`, `ERR_IPVS_UNKNOWN_SCHEDULER`, `ERR_IPVS_CHANGED`
   */
  async update(changes: ServiceChanges, options: UpdateOptions = {}): Promise<VirtualService> {
    checkServiceChanges(changes);
    changeService(this.#entry, changes); // rejects bad changes before a request
    const { ifUnchanged, call } = checkUpdate(options);
    const current = await readServiceEntry(this.#context, this.key, call);
    if (ifUnchanged && !sameService(current, this.#entry)) throw changed(this.key);
    await this.#context.change({ command: 'SET_SERVICE', service: changeService(current, changes) }, call);
    return this.read(call);
  }

  /**
   * Returns true if the service behaves like one that {@link Ipvs.addService} creates from these options. Ignores
   * settings without effect, for example the netmask of a service without persistence.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  matches(options: ServiceOptions): boolean {
    return serviceAgrees(heldServiceSettings(options), this.#entry);
  }

  /** Sets the counters of the service and of its servers to 0 (`ipvsadm -Z`); see {@link Ipvs.zero}. */
  async zero(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'ZERO', service: this.key }, options);
  }

  /** Deletes the service with all its servers (`ipvsadm -D`). The kernel stops forwarding its connections. */
  async delete(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'DEL_SERVICE', service: this.key }, options);
  }

  /**
   * Returns the servers of the service, in the kernel's order.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVICE`; the kernel itself reports an empty list
   */
  async servers(options?: CallOptions): Promise<RealServer[]> {
    const entries = await this.#context.ask(
      { command: 'GET_DEST', action: 'list the servers of', object: describeService(this.key), options },
      () => this.#context.port.servers(this.key, options),
    );
    return entries.map((entry) => new RealServer(this.#context, this.key, entry));
  }

  /** Reads one server. @throws IpvsError `ERR_IPVS_NO_SUCH_SERVER`, `ERR_IPVS_NO_SUCH_SERVICE` */
  async server(selector: ServerSelector, options?: CallOptions): Promise<RealServer> {
    return readServer(this.#context, this.key, checkServerKey(selector, this.key), options);
  }

  /**
   * Adds a server (`ipvsadm -a`). The kernel does not check that its address can be reached.
   * @throws IpvsError `ERR_IPVS_SERVER_EXISTS`, `ERR_IPVS_NO_SUCH_SERVICE`, `ERR_IPVS_REJECTED` for an address that is
   * not unicast, `ERR_IPVS_NOT_SUPPORTED` for a tunnel that this kernel does not support (it then has added the server
   * with an ipip tunnel)
   */
  async addServer(server: ServerOptions, options?: CallOptions): Promise<RealServer> {
    const settings = newServerSettings(server, this.key);
    await this.#context.change({ command: 'NEW_DEST', service: this.key, server: settings }, options);
    return readBack(this.#context, this.key, settings, options);
  }

  /**
   * Adds a server, or replaces the settings of the one with the same address and port: all settings become those
   * given, with the defaults of {@link addServer} for absent ones (weight 1, forwarding `nat`). Use
   * {@link RealServer.update} to keep absent ones.
   *
   * The kernel changes the server in place (`ip_vs_edit_dest`), so existing connections should stay on it. Whether they
   * use new settings of forwarding and tunnel depends on the kernel: end them if it matters. With weight 0 the server
   * gets no new connections, except from clients with a persistence template, unless `expire_quiescent_template` is set.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SERVICE`, `ERR_IPVS_REJECTED` and `ERR_IPVS_NOT_SUPPORTED` as
   * {@link addServer}; `ERR_IPVS_UNSTABLE` if other programs add and delete the server during each of several attempts
   */
  async setServer(server: ServerOptions, options?: CallOptions): Promise<RealServer> {
    const settings = newServerSettings(server, this.key);
    await this.#context.setServer(this.key, settings, options);
    return readBack(this.#context, this.key, settings, options);
  }

  /** Returns the properties for JSON, the counters as strings. */
  toJSON(): Record<string, unknown> {
    return {
      ...this.key,
      scheduler: this.scheduler,
      schedulerFlags: this.schedulerFlags,
      onePacket: this.onePacket,
      ...(this.persistence === undefined ? {} : { persistence: this.persistence }),
      statistics: statisticsToJSON(this.statistics),
    };
  }

  /** Formats the service as `ipvsadm -Ln` does. */
  toString(): string {
    return serviceLine(this);
  }

  /** @internal */
  [inspect.custom](): string {
    return this.toString();
  }
}

/** Returns true if two readings of a service have equal settings. @internal */
export function sameService(a: Omit<ServiceSettings, 'key'>, b: Omit<ServiceSettings, 'key'>): boolean {
  return (
    a.scheduler === b.scheduler &&
    a.flags === b.flags &&
    a.timeout === b.timeout &&
    a.netmask === b.netmask &&
    a.engine === b.engine
  );
}

function changed(key: ServiceKey): IpvsError {
  const object = describeService(key);
  return new IpvsError(
    'ERR_IPVS_CHANGED',
    `cannot update service ${object}: another program changed it since it was read. Nothing was sent`,
    {
      request: { action: 'update service', object },
    },
  );
}

function readServiceEntry(context: Context, key: ServiceKey, options?: CallOptions): Promise<ServiceEntry> {
  return context.ask({ command: 'GET_SERVICE', action: 'read service', object: describeService(key), options }, () =>
    context.port.service(key, options),
  );
}

/** @internal */
export async function readService(context: Context, key: ServiceKey, options?: CallOptions): Promise<VirtualService> {
  return new VirtualService(context, await readServiceEntry(context, key, options));
}
