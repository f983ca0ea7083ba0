import { checkCallOptions, checkInteger, checkKernel, checkOptions, show } from '../kernel/check.js';
import { IpvsError, invalid } from '../kernel/errors.js';
import type { IpvsPort } from '../kernel/ipvs/port.js';
import type {
  Change,
  ConnectionEntry,
  Daemon,
  DaemonRole,
  Info,
  ServiceKey,
  Statistics,
  TableEntry,
  Timeouts,
} from '../kernel/ipvs/types.js';
import type { CallOptions, Kernel, OpenOptions } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native-kernel.js';
import { type ChangeResult, type TableChange, toKernelChanges } from './changes.js';
import { type ConnectionFilter, readConnections } from './connections.js';
import { Context } from './context.js';
import { checkRole, type DaemonOptions, daemonSettings } from './daemon.js';
import { describeService } from './describe.js';
import { translate } from './errors.js';
import { checkServiceKey, newServiceSettings, type ServiceOptions, type ServiceSelector } from './service-options.js';
import { type IpvsStatus, readStatus } from './status.js';
import { readFile, readSysctl, readSysctls, type SysctlName, type Sysctls, writeSysctl } from './sysctls.js';
import { readTable, type TableOptions, type TableRow } from './table.js';
import { type ProcessorTotals, parseTotals, parseTotalsByProcessor } from './totals.js';
import { readService, VirtualService } from './virtual-service.js';

export interface IpvsOptions extends OpenOptions {
  /** Another kernel than this machine's, for tests. */
  readonly kernel?: Pick<Kernel, 'openIpvs'> | undefined;
}

const MAX_TIMEOUT = 2_147_483; // INT_MAX / HZ, for the fastest clock there is (1000)

/**
 * IPVS in one network namespace. Every method asks the kernel anew, in a thread of its own, and
 * rejects with an {@link IpvsError}; all can fail with `ERR_IPVS_PERMISSION`,
 * `ERR_IPVS_NOT_AVAILABLE`, `ERR_IPVS_CLOSED` and `ERR_IPVS_TIMEOUT`.
 */
export class Ipvs {
  readonly #context: Context;
  readonly #port: IpvsPort;

  private constructor(port: IpvsPort) {
    this.#port = port;
    this.#context = new Context(port);
  }

  /**
   * Opens a handle; it keeps its namespace, even when the file that named it is gone. The kernel
   * loads ip_vs by itself where it may. An open handle does not keep the process alive.
   * @throws IpvsError `ERR_IPVS_NOT_AVAILABLE`, `ERR_IPVS_NO_SUCH_NAMESPACE`, `ERR_IPVS_PERMISSION`
   * where entering the namespace takes CAP_SYS_ADMIN (that CAP_NET_ADMIN is missing shows with the
   * first request), `ERR_IPVS_ADDON_NOT_LOADED`
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
      return new Ipvs(await (options.kernel ?? nativeKernel).openIpvs(options));
    } catch (error) {
      throw error instanceof IpvsError ? error : translate(request, error);
    }
  }

  async info(options?: CallOptions): Promise<Info> {
    return this.#context.ask('GET_INFO', 'read the version of', 'IPVS', () => this.#port.info(options), options);
  }

  /**
   * All services, in the kernel's order. While the table changes some may be left out, and from Linux
   * 7.2 also while the kernel makes room for more by itself: see {@link table}, `consistent`.
   */
  async services(options?: CallOptions): Promise<VirtualService[]> {
    const entries = await this.#context.ask(
      'GET_SERVICE',
      'list',
      'services',
      () => this.#port.services(options),
      options,
    );
    return entries.map((entry) => new VirtualService(this.#context, entry));
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_SERVICE` */
  async service(selector: ServiceSelector, options?: CallOptions): Promise<VirtualService> {
    return readService(this.#context, checkServiceKey(selector), options);
  }

  /** @throws IpvsError `ERR_IPVS_SERVICE_EXISTS`, `ERR_IPVS_UNKNOWN_SCHEDULER`, `ERR_IPVS_UNKNOWN_ENGINE` */
  async addService(service: ServiceOptions, options?: CallOptions): Promise<VirtualService> {
    const settings = newServiceSettings(service);
    await this.#context.change({ command: 'NEW_SERVICE', service: settings }, options);
    return readService(this.#context, settings.key, options);
  }

  /**
   * All services with their servers. The kernel gives them piece by piece: ask for `consistent`
   * if others may change the table meanwhile.
   */
  async table(options?: TableOptions): Promise<TableRow[]> {
    return readTable(this.#context, options);
  }

  /**
   * Many changes in as few calls as the kernel takes, each with its own result: one that fails
   * does not stop those behind it, and nothing is undone. All are checked before any is sent.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`, with the place of the change in the list
   */
  async apply(changes: readonly TableChange[], options?: CallOptions): Promise<ChangeResult[]> {
    const errors = await this.#context.changes(toKernelChanges(changes), options);
    return errors.map((error) => (error ? { ok: false, error } : { ok: true }));
  }

  /** The table as the kernel gives it, without objects that can change it. @internal */
  async entries(options?: CallOptions): Promise<readonly TableEntry[]> {
    return this.#context.ask('GET_SERVICE', 'read', 'the table', () => this.#port.table(options), options);
  }

  /** One service of it; `undefined` if it is not there. @internal */
  async entry(key: ServiceKey, options?: CallOptions): Promise<TableEntry | undefined> {
    const read = async (): Promise<TableEntry> => ({
      service: await this.#port.service(key, options),
      servers: await this.#port.servers(key, options),
    });
    try {
      return await this.#context.ask('GET_SERVICE', 'read', describeService(key), read, options);
    } catch (error) {
      if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SUCH_SERVICE') return undefined;
      throw error;
    }
  }

  /** Changes that were checked already; for each its error, if it failed. @internal */
  send(changes: readonly Change[], options?: CallOptions): Promise<(IpvsError | undefined)[]> {
    return this.#context.changes(changes, options);
  }

  /** Deletes every service of the namespace, whoever made it. */
  async flush(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'FLUSH' }, options);
  }

  /**
   * Sets the counters of every service to 0, and the totals. What the kernel has not sampled yet
   * (up to 2 s of traffic) still comes to them.
   */
  async zero(options?: CallOptions): Promise<void> {
    await this.#context.change({ command: 'ZERO' }, options);
  }

  async timeouts(options?: CallOptions): Promise<Timeouts> {
    return this.#context.ask('GET_CONFIG', 'read', 'timeouts', () => this.#port.timeouts(options), options);
  }

  /**
   * Changes what is named, in whole seconds from 1 to 2 147 483. (The kernel takes 0 for "leave
   * it", so 0 is refused here.) TCP's default of 900 s is shorter than the keepalive of most
   * systems (7200 s): idle connections are cut.
   */
  async setTimeouts(timeouts: Partial<Timeouts>, options?: CallOptions): Promise<void> {
    checkOptions('a set of timeouts', timeouts, ['tcp', 'tcpFin', 'udp']);
    const seconds = (name: keyof Timeouts): number =>
      timeouts[name] === undefined ? 0 : checkInteger(`the timeout ${name}`, timeouts[name], 1, MAX_TIMEOUT);
    const settings = { tcp: seconds('tcp'), tcpFin: seconds('tcpFin'), udp: seconds('udp') };
    await this.#context.ask('SET_CONFIG', 'set', 'timeouts', () => this.#port.setTimeouts(settings, options), options);
  }

  /** The counters of all services, also of those that are gone, since ip_vs was loaded or zeroed. */
  async totals(options?: CallOptions): Promise<Statistics> {
    return parseTotals(await readFile(this.#context, '/proc/thread-self/net/ip_vs_stats', options));
  }

  /** The same for each processor, as they are now; rates are kept for all together only, and are 0 here. */
  async totalsByProcessor(options?: CallOptions): Promise<ProcessorTotals[]> {
    return parseTotalsByProcessor(await readFile(this.#context, '/proc/thread-self/net/ip_vs_stats_percpu', options));
  }

  /**
   * Hash tables and estimator threads of this namespace: /proc/net/ip_vs_status. Requires Linux 7.1 and root.
   * @throws IpvsError `ERR_IPVS_NOT_SUPPORTED` on older kernels
   */
  async status(options?: CallOptions): Promise<IpvsStatus> {
    return readStatus(this.#context, options);
  }

  /**
   * The connections, as many as match. They are read from /proc/net/ip_vs_conn (netlink does not
   * tell them) a piece at a time; while they change, one may be missed or come twice. Leaving a
   * `for await` closes the file; an iterator that is only dropped keeps it open until `close()`.
   */
  connections(filter: ConnectionFilter = {}, options?: CallOptions): AsyncGenerator<ConnectionEntry, void, void> {
    return readConnections(this.#context, filter, options);
  }

  /** All settings `net.ipv4.vs.*` that this kernel has. */
  async sysctls(options?: CallOptions): Promise<Partial<Sysctls>> {
    return readSysctls(this.#context, options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL` */
  async sysctl<N extends SysctlName>(name: N, options?: CallOptions): Promise<Sysctls[N]> {
    return readSysctl(this.#context, name, options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_SYSCTL`, `ERR_IPVS_REJECTED` */
  async setSysctl<N extends SysctlName>(name: N, value: Sysctls[N], options?: CallOptions): Promise<void> {
    return writeSysctl(this.#context, name, value, options);
  }

  /** The synchronisation daemons that run: none, a master, a backup, or both. */
  async daemons(options?: CallOptions): Promise<readonly Daemon[]> {
    return this.#context.ask(
      'GET_DAEMON',
      'list',
      'synchronisation daemons',
      () => this.#port.daemons(options),
      options,
    );
  }

  /** @throws IpvsError `ERR_IPVS_DAEMON_RUNNING`, `ERR_IPVS_NO_SUCH_INTERFACE`, `ERR_IPVS_REJECTED` */
  async startDaemon(daemon: DaemonOptions, options?: CallOptions): Promise<void> {
    const settings = daemonSettings(daemon);
    const object = `the ${settings.role} daemon on ${settings.interface}`;
    await this.#context.ask('NEW_DAEMON', 'start', object, () => this.#port.startDaemon(settings, options), options);
  }

  /** @throws IpvsError `ERR_IPVS_NO_SUCH_DAEMON` */
  async stopDaemon(role: DaemonRole, options?: CallOptions): Promise<void> {
    checkRole(role);
    await this.#context.ask(
      'DEL_DAEMON',
      'stop',
      `the ${role} daemon`,
      () => this.#port.stopDaemon(role, options),
      options,
    );
  }

  /**
   * Closes the handle. What is under way ends with `ERR_IPVS_CLOSED`. Closing has no time limit, never rejects, and
   * does nothing when it is repeated.
   */
  async close(): Promise<void> {
    await this.#port.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
