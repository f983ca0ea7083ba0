import { checkCallOptions, checkKernel, checkOptions, checkRange, show } from '../common/check.js';
import { IpvsError, invalid } from '../common/errors.js';
import { ranges } from '../common/ranges.js';
import { type Result, resultsOf } from '../common/result.js';
import type { CallOptions } from '../kernel/call.js';
import { describeService } from '../kernel/ipvs/describe.js';
import type { IpvsPort } from '../kernel/ipvs/port.js';
import type {
  ConnectionEntry,
  Daemon,
  DaemonRole,
  Info,
  IpvsChange,
  IpvsStatistics,
  IpvsTableEntry,
  ServiceKey,
  Timeouts,
} from '../kernel/ipvs/types.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import { nativeKernel } from '../linux/linux-kernel.js';
import { type IpvsTableChange, toKernelChanges } from './changes.js';
import { type ConnectionFilter, readConnections } from './connections.js';
import { Context } from './context.js';
import { checkRole, type DaemonOptions, daemonSettings } from './daemon.js';
import { translate } from './errors.js';
import { checkServiceKey, newServiceSettings, type ServiceOptions, type ServiceSelector } from './service-options.js';
import { type IpvsStatus, readStatus } from './status.js';
import { readFile, readSysctl, readSysctls, type SysctlName, type Sysctls, writeSysctl } from './sysctls.js';
import { readTable, type TableOptions, type TableRow } from './table.js';
import { type ProcessorTotals, parseTotals, parseTotalsByProcessor } from './totals.js';
import { readService, VirtualService } from './virtual-service.js';

export interface IpvsOptions extends OpenOptions {
  /**
   * Kernel to use instead of this machine's, for tests, for example a `MemoryKernel`. {@link RealServer.drain} uses
   * its clock and its grace period; the default of each is this machine's.
   */
  readonly kernel?: (Pick<Kernel, 'openIpvs'> & Partial<Pick<Kernel, 'clock' | 'gracePeriod'>>) | undefined;
}

/** Returns the clock and the grace period of a kernel; this machine's for a kernel without them. */
function clockOf(kernel: IpvsOptions['kernel']): Pick<Kernel, 'clock' | 'gracePeriod'> {
  return {
    clock: kernel?.clock ?? nativeKernel.clock,
    gracePeriod: () => (kernel?.gracePeriod ? kernel.gracePeriod() : nativeKernel.gracePeriod()),
  };
}

const timeoutNames = Object.keys({ tcp: true, tcpFin: true, udp: true } satisfies Record<keyof Timeouts, true>);

/**
 * IPVS in one network namespace. Every method reads from the kernel, in a separate thread, and
 * rejects with an {@link IpvsError}; all can fail with `ERR_IPVS_PERMISSION`,
 * `ERR_IPVS_NOT_AVAILABLE`, `ERR_IPVS_CLOSED` and `ERR_IPVS_TIMEOUT`.
 *
 * @example
 * ```ts
 * import { Ipvs } from 'ipvs';
 *
 * const ipvs = await Ipvs.open({ namespace: '/run/netns/director' });
 * const web = await ipvs.addService({ protocol: 'tcp', address: '198.51.100.1', port: 80, scheduler: 'wrr' });
 * await web.addServer({ address: '10.0.0.11', port: 8080, weight: 3 });
 * for (const row of await ipvs.table()) console.log(String(row)); // as `ipvsadm -Ln`
 * await ipvs.close();
 * ```
 */
export class Ipvs {
  readonly #context: Context;
  readonly #port: IpvsPort;

  private constructor(port: IpvsPort, context: Context) {
    this.#port = port;
    this.#context = context;
  }

  /**
   * Opens a handle. The handle keeps its namespace, even if the file of the namespace is deleted. The kernel
   * loads ip_vs automatically if it can. An open handle does not keep the process alive.
   * @throws IpvsError `ERR_IPVS_NOT_AVAILABLE`, `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_PERMISSION` (entering a
   * namespace requires CAP_SYS_ADMIN; without CAP_NET_ADMIN the first request fails), `ERR_IPVS_ADDON_NOT_LOADED`
   */
  static async open(options: IpvsOptions = {}): Promise<Ipvs> {
    if (typeof options !== 'object') throw invalid(`open takes options: Ipvs.open({ namespace: ${show(options)} })`);
    checkOptions('a handle', options, ['namespace', 'kernel', 'signal', 'timeout']);
    const { namespace: _namespace, kernel, ...call } = options;
    checkCallOptions(call);
    checkKernel(kernel, 'openIpvs');
    const object = options.namespace === undefined ? undefined : `namespace ${show(options.namespace)}`;
    const request = { command: 'OPEN', action: 'open IPVS', ...(object === undefined ? {} : { object }) } as const;
    try {
      const port = await (kernel ?? nativeKernel).openIpvs(options);
      return new Ipvs(port, new Context(port, clockOf(kernel)));
    } catch (error) {
      throw error instanceof IpvsError ? error : translate(request, error);
    }
  }

  /** Reads the version of IPVS and the size of its connection table (the heading of `ipvsadm -Ln`). */
  async info(options?: CallOptions): Promise<Info> {
    return this.#context.ask({ command: 'GET_INFO', action: 'read the version of', object: 'IPVS', options }, () =>
      this.#port.info(options),
    );
  }

  /**
   * Returns all services, in the kernel's order (`ipvsadm -Ln`). Services may be missing while the table changes,
   * and from Linux 7.2 while the kernel resizes it automatically: see {@link table}, `consistent`.
   */
  async services(options?: CallOptions): Promise<VirtualService[]> {
    const entries = await this.#context.ask(
      { command: 'GET_SERVICE', action: 'list', object: 'services', options },
      () => this.#port.services(options),
    );
    return entries.map((entry) => new VirtualService(this.#context, entry));
  }

  /** Reads one service. @throws IpvsError `ERR_IPVS_NO_SUCH_SERVICE` */
  async service(selector: ServiceSelector, options?: CallOptions): Promise<VirtualService> {
    return readService(this.#context, checkServiceKey(selector), options);
  }

  /**
   * Adds a service (`ipvsadm -A`).
   * @throws IpvsError `ERR_IPVS_SERVICE_EXISTS`, `ERR_IPVS_UNKNOWN_SCHEDULER`, `ERR_IPVS_UNKNOWN_ENGINE`
   */
  async addService(service: ServiceOptions, options?: CallOptions): Promise<VirtualService> {
    const settings = newServiceSettings(service);
    await this.#context.change({ command: 'NEW_SERVICE', service: settings }, options);
    return readService(this.#context, settings.key, options);
  }

  /**
   * Creates a service, or replaces the settings of the one with the same identity: all settings become those given,
   * with the defaults of {@link addService} for absent ones. Use {@link VirtualService.update} to keep absent ones.
   * Does not change the servers of the service.
   *
   * The kernel changes the service in place (`ip_vs_edit_service`), so established connections should stay on their
   * servers. With another scheduler, netmask or persistence engine, or without persistence, the next connections of a
   * client may get another server.
   * @throws IpvsError `ERR_IPVS_UNKNOWN_SCHEDULER`, `ERR_IPVS_UNKNOWN_ENGINE`; `ERR_IPVS_UNSTABLE` if other programs
   * add and delete the service during each of several attempts
   */
  async setService(service: ServiceOptions, options?: CallOptions): Promise<VirtualService> {
    const settings = newServiceSettings(service);
    await this.#context.setService(settings, options);
    return readService(this.#context, settings.key, options);
  }

  /**
   * Returns all services with their servers. The kernel returns them in several messages: use `consistent`
   * if another program may change the table meanwhile.
   */
  async table(options?: TableOptions): Promise<TableRow[]> {
    return readTable(this.#context, options);
  }

  /**
   * Applies many changes in as few calls as possible and returns one result for each. A failure does not stop
   * the later changes and undoes nothing. All changes are checked before the first is sent.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, with the index of the change
   */
  async apply(changes: readonly IpvsTableChange[], options?: CallOptions): Promise<Result[]> {
    return resultsOf(await this.#context.changes(toKernelChanges(changes), options));
  }

  /** Returns the table as plain entries. @internal */
  async entries(options?: CallOptions): Promise<readonly IpvsTableEntry[]> {
    return this.#context.ask({ command: 'GET_SERVICE', action: 'read', object: 'the table', options }, () =>
      this.#port.table(options),
    );
  }

  /** Returns one service as a plain entry, or `undefined` if it does not exist. @internal */
  async entry(key: ServiceKey, options?: CallOptions): Promise<IpvsTableEntry | undefined> {
    const read = async (): Promise<IpvsTableEntry> => ({
      service: await this.#port.service(key, options),
      servers: await this.#port.servers(key, options),
    });
    try {
      return await this.#context.ask(
        { command: 'GET_SERVICE', action: 'read', object: describeService(key), options },
        read,
      );
    } catch (error) {
      if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SUCH_SERVICE') return undefined;
      throw error;
    }
  }

  /** Applies checked changes. Returns an error for each change that failed, and `undefined` otherwise. @internal */
  send(changes: readonly IpvsChange[], options?: CallOptions): Promise<(IpvsError | undefined)[]> {
    return this.#context.changes(changes, options);
  }

  /** Deletes every service of the namespace, also those of other programs (`ipvsadm -C`). */
  async flush(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'FLUSH' }, options);
  }

  /**
   * Sets the counters of every service and the totals to 0 (`ipvsadm -Z`). The kernel adds traffic that it has
   * not sampled yet (up to 2 s) afterwards.
   */
  async zero(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'ZERO' }, options);
  }

  /** Reads the timeouts of connections, in seconds (`ipvsadm -L --timeout`). */
  async timeouts(options?: CallOptions): Promise<Timeouts> {
    return this.#context.ask({ command: 'GET_CONFIG', action: 'read', object: 'timeouts', options }, () =>
      this.#port.timeouts(options),
    );
  }

  /**
   * Sets the named timeouts (`ipvsadm --set`), in whole seconds from 1 to 2 147 483. Rejects 0, which the kernel
   * reads as "unchanged". TCP's default of 900 s is shorter than the keepalive of most systems (7200 s), so idle
   * connections break.
   */
  async setTimeouts(timeouts: Partial<Timeouts>, options?: CallOptions): Promise<void> {
    checkOptions('timeouts', timeouts, timeoutNames);
    const seconds = (name: keyof Timeouts): number =>
      timeouts[name] === undefined ? 0 : checkRange(`the timeout ${name}`, timeouts[name], ranges.timeout);
    const settings = { tcp: seconds('tcp'), tcpFin: seconds('tcpFin'), udp: seconds('udp') };
    await this.#context.ask({ command: 'SET_CONFIG', action: 'set', object: 'timeouts', options }, () =>
      this.#port.setTimeouts(settings, options),
    );
  }

  /** Returns the counters of all services, also of deleted ones, since ip_vs was loaded or `zero()` was called. */
  async totals(options?: CallOptions): Promise<IpvsStatistics> {
    return parseTotals(await readFile(this.#context, '/proc/thread-self/net/ip_vs_stats', options));
  }

  /** Returns the current counters of each processor. Rates are 0, because the kernel computes them only in total. */
  async totalsByProcessor(options?: CallOptions): Promise<ProcessorTotals[]> {
    return parseTotalsByProcessor(await readFile(this.#context, '/proc/thread-self/net/ip_vs_stats_percpu', options));
  }

  /**
   * Reads the state of the hash tables and estimator threads of this namespace from /proc/net/ip_vs_status.
   * Requires Linux 7.1 and root.
   * @throws IpvsError `ERR_IPVS_NOT_SUPPORTED` on older kernels
   */
  async status(options?: CallOptions): Promise<IpvsStatus> {
    return readStatus(this.#context, options);
  }

  /**
   * Yields the connections that match (`ipvsadm -Lnc`). Reads /proc/net/ip_vs_conn in parts, because netlink does
   * not report connections. While they change, one may be missing or repeated. Leaving a `for await` closes the
   * file; an iterator that is only dropped keeps it open until `close()`.
   */
  connections(filter: ConnectionFilter = {}, options?: CallOptions): AsyncGenerator<ConnectionEntry, void, void> {
    return readConnections(this.#context, filter, options);
  }

  /**
   * Reads all settings `net.ipv4.vs.*` that this kernel has. For other sysctls use `network.sysctl()`, whose values are
   * texts.
   */
  async sysctls(options?: CallOptions): Promise<Partial<Sysctls>> {
    return readSysctls(this.#context, options);
  }

  /** Reads one setting `net.ipv4.vs.*`. @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL` */
  async sysctl<N extends SysctlName>(name: N, options?: CallOptions): Promise<Sysctls[N]> {
    return readSysctl(this.#context, name, options);
  }

  /**
   * Writes one setting `net.ipv4.vs.*` (`sysctl -w`).
   * @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL`; `ERR_IPVS_REJECTED` for a value that the kernel refuses;
   * `ERR_IPVS_PERMISSION` if /proc/sys is read-only
   */
  async setSysctl<N extends SysctlName>(name: N, value: Sysctls[N], options?: CallOptions): Promise<void> {
    return writeSysctl(this.#context, name, value, options);
  }

  /** Returns the running synchronisation daemons: none, a master, a backup, or both. */
  async daemons(options?: CallOptions): Promise<readonly Daemon[]> {
    return this.#context.ask(
      { command: 'GET_DAEMON', action: 'list', object: 'synchronisation daemons', options },
      () => this.#port.daemons(options),
    );
  }

  /**
   * Starts a synchronisation daemon (`ipvsadm --start-daemon`).
   * @throws IpvsError `ERR_IPVS_DAEMON_RUNNING`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED`
   */
  async startDaemon(daemon: DaemonOptions, options?: CallOptions): Promise<void> {
    const settings = daemonSettings(daemon);
    const object = `the ${settings.role} daemon on ${settings.interface}`;
    await this.#context.ask({ command: 'NEW_DAEMON', action: 'start', object, options }, () =>
      this.#port.startDaemon(settings, options),
    );
  }

  /** Stops a synchronisation daemon (`ipvsadm --stop-daemon`). @throws IpvsError `ERR_IPVS_NO_SUCH_DAEMON` */
  async stopDaemon(role: DaemonRole, options?: CallOptions): Promise<void> {
    checkRole(role);
    await this.#context.ask({ command: 'DEL_DAEMON', action: 'stop', object: `the ${role} daemon`, options }, () =>
      this.#port.stopDaemon(role, options),
    );
  }

  /**
   * Closes the handle. Requests under way fail with `ERR_IPVS_CLOSED`. It has no time limit, never rejects, and
   * does nothing when it is repeated.
   */
  async close(): Promise<void> {
    await this.#port.close();
  }

  /** Closes the handle: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
