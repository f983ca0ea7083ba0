import { familyOf } from '../../common/address.js';
import { Errno } from '../../common/errno.js';
import { KernelFailure } from '../../common/errors.js';
import { mapInSlices } from '../../common/slices.js';
import type { CallOptions } from '../../kernel/call.js';
import { describeObject, describeService } from '../../kernel/ipvs/describe.js';
import type { IpvsPort } from '../../kernel/ipvs/port.js';
import type {
  ConnectionEntry,
  Daemon,
  DaemonRole,
  DaemonSettings,
  IpvsChange,
  IpvsTableEntry,
  Protocol,
  ServerEntry,
  ServiceEntry,
  ServiceKey,
  Timeouts,
} from '../../kernel/ipvs/types.js';
import type { MemoryFiles } from '../files.js';
import { Handle, type Machine } from '../machine.js';
import { MemoryConnections, type MemoryEntry, type Packet, type Tracker } from './connections.js';
import { type MemoryCounters, SAMPLE_MILLISECONDS, totalsByProcessorText, totalsText } from './counters.js';
import { statusText } from './status.js';
import { ipvsSysctl, setIpvsSysctls } from './sysctls.js';
import { MemoryTable } from './table.js';

/** Schedulers of Linux 6.1 to 7.2. */
export const kernelSchedulers = 'rr wrr lc wlc fo ovf lblc lblcr dh sh mh sed nq twos'.split(' ');

/** The properties of the namespace's network that IPVS reads. */
export interface MemoryInterfaces {
  /** Returns true if the address belongs to the namespace. */
  hasAddress(address: string): boolean;
  hasLink?(name: string): boolean;
  /** Returns true if the table of local routes exists, which is after the first address of any interface. */
  hasLocalRoutes?(family: 'ipv4' | 'ipv6'): boolean;
}

export interface MemoryIpvsOptions {
  readonly schedulers: ReadonlySet<string>;
  readonly engines: ReadonlySet<string>;
  readonly permission: () => boolean;
  /** True if the kernel has IPVS. */
  readonly hasIpvs: boolean;
}

/** Maximum timeout in seconds: INT_MAX / HZ, with HZ = 250 as in most kernels. */
const MOST_SECONDS = Math.floor(0x7fffffff / 250);
const UDP_HEADERS = { ipv4: 28, ipv6: 48 } as const;

/** IPVS of one network namespace. */
export class MemoryIpvs {
  readonly machine: Machine;
  readonly files: MemoryFiles;
  readonly table: MemoryTable;
  readonly connections: MemoryConnections;
  readonly daemons = new Map<DaemonRole, Daemon>();
  readonly options: MemoryIpvsOptions;
  readonly #network: MemoryInterfaces;
  readonly #busy = new Set<MemoryCounters>();
  #sampledAt: number;

  constructor(
    machine: Machine,
    files: MemoryFiles,
    network: MemoryInterfaces,
    tracker: Tracker,
    options: MemoryIpvsOptions,
  ) {
    this.machine = machine;
    this.files = files;
    this.options = options;
    this.#network = network;
    const { schedulers, engines } = options;
    this.table = new MemoryTable(
      {
        reaches: (address) => this.#reaches(address),
        synchronises: () => this.daemons.size > 0,
        now: () => machine.now,
        schedulers,
        engines,
      },
      this.#busy,
    );
    this.connections = new MemoryConnections(
      this.table,
      (name) => ipvsSysctl(files, name),
      () => machine.now,
      tracker,
    );
    if (options.hasIpvs) this.#defineFiles();
    this.#sampledAt = this.#samples;
    machine.onAdvance(() => this.#advanced());
  }

  open(): IpvsPort {
    return new MemoryIpvsPort(this);
  }

  connect(packet: Packet): MemoryEntry | undefined {
    return this.connections.connect(packet);
  }

  /** Returns true if a packet in the middle of a connection can start a new entry. */
  beginsAnywhere(protocol: Protocol): boolean {
    return protocol === 'udp' || (protocol === 'tcp' && ipvsSysctl(this.files, 'sloppy_tcp') !== 0);
  }

  change(change: IpvsChange): number {
    const { table } = this;
    switch (change.command) {
      case 'NEW_SERVICE':
      case 'SET_SERVICE': {
        const { service } = change;
        const errno = change.command === 'NEW_SERVICE' ? table.newService(service) : table.setService(service);
        // The kernel loads the module of the named scheduler, even if the request then fails.
        if (this.options.schedulers.has(service.scheduler))
          this.files.set(`/sys/module/ip_vs_${service.scheduler}/refcnt`, '1\n');
        return errno;
      }
      case 'DEL_SERVICE':
        return this.#removing(table.deleteService(change.service));
      case 'NEW_DEST':
        return table.newServer(change.service, change.server);
      case 'SET_DEST':
        return table.setServer(change.service, change.server);
      case 'DEL_DEST':
        return this.#removing(table.deleteServer(change.service, change.server));
      case 'ZERO':
        return table.zero(change.service);
      case 'FLUSH':
        table.flush();
        return this.#removing(0);
    }
  }

  setTimeouts({ tcp, tcpFin, udp }: Timeouts): void {
    if (tcp > MOST_SECONDS || tcpFin > MOST_SECONDS || udp > MOST_SECONDS)
      throw new KernelFailure(Errno.EINVAL, 'SET_CONFIG');
    const before = this.connections.timeouts;
    this.connections.timeouts = { tcp: tcp || before.tcp, tcpFin: tcpFin || before.tcpFin, udp: udp || before.udp };
  }

  startDaemon(settings: DaemonSettings): void {
    const { role, interface: name, syncId, maxLength, group = '224.0.0.81', port = 8848, ttl = 1 } = settings;
    if (this.table.hasMixedFamilies()) throw new KernelFailure(Errno.EINVAL, 'NEW_DAEMON');
    if (this.#network.hasLink && !this.#network.hasLink(name)) throw new KernelFailure(Errno.ENODEV, name);
    if (this.daemons.has(role)) throw new KernelFailure(Errno.EEXIST, role);
    const headers = UDP_HEADERS[familyOf(group) ?? 'ipv4'];
    const least = role === 'backup' ? 1024 : 1;
    const length = maxLength === undefined ? 1500 - headers : Math.max(least, Math.min(maxLength, 65535 - headers));
    this.daemons.set(role, { role, interface: name, syncId, maxLength: length, group, port, ttl });
  }

  #defineFiles(): void {
    const { files, table } = this;
    setIpvsSysctls(files);
    files.define('/proc/thread-self/net/ip_vs_stats', { read: () => totalsText(table.totals.read()) });
    const read = (): string => totalsByProcessorText(table.totals.read());
    files.define('/proc/thread-self/net/ip_vs_stats_percpu', { read });
    const { connections } = this;
    files.define('/proc/thread-self/net/ip_vs_status', {
      read: () => statusText(table.services.size, connections.size, table.hasBegun),
    });
  }

  /** Handles removed servers after a successful change; returns the errno unchanged. */
  #removing(errno: number): number {
    if (errno === 0) this.connections.serverRemoved();
    return errno;
  }

  /** Returns true for unicast and local addresses, like inet_addr_type() and ipv6_addr_type(). */
  #reaches(address: string): boolean {
    const network = this.#network;
    if (familyOf(address) === 'ipv6') {
      const linkLocal = /^fe[89ab]/.test(address);
      if (address !== '::' && !address.startsWith('ff') && !linkLocal) return true;
      return network.hasAddress(address);
    }
    if (network.hasLocalRoutes?.('ipv4') === false) return false;
    const first = Number.parseInt(address, 10);
    return address !== '0.0.0.0' && (first < 224 || (first >= 240 && address !== '255.255.255.255'));
  }

  get #samples(): number {
    return Math.floor(this.machine.now / SAMPLE_MILLISECONDS);
  }

  #advanced(): void {
    const due = this.#samples - this.#sampledAt;
    this.#sampledAt = this.#samples;
    if (due > 0 && ipvsSysctl(this.files, 'run_estimation') !== 0) {
      for (const counters of this.#busy) if (!counters.sample(due)) this.#busy.delete(counters);
    }
    this.connections.expire();
    this.table.emptyTrash();
  }
}

/** A handle for IPVS. */
class MemoryIpvsPort implements IpvsPort {
  readonly #ipvs: MemoryIpvs;
  readonly #handle: Handle;

  constructor(ipvs: MemoryIpvs) {
    this.#ipvs = ipvs;
    this.#handle = new Handle(ipvs.machine, 'ipvs');
  }

  async apply(changes: readonly IpvsChange[], options?: CallOptions): Promise<ArrayLike<number>> {
    if (changes.length === 0) return [];
    const carryOut = (change: IpvsChange): number => {
      this.#handle.alive();
      return this.#handle.change(change.command, describeObject(change), () =>
        this.#ipvs.options.permission() ? this.#ipvs.change(change) : Errno.EPERM,
      );
    };
    const work = (): Promise<number[]> => mapInSlices(changes, carryOut, options?.signal);
    return this.#handle.ask('apply', `${changes.length} changes`, work, options);
  }

  service(key: ServiceKey, options?: CallOptions): Promise<ServiceEntry> {
    const object = describeService(key);
    return this.#ask(
      'service',
      object,
      () => {
        const service = this.#ipvs.table.find(key);
        if (!service) throw new KernelFailure(Errno.ESRCH, object);
        return service.entry();
      },
      options,
    );
  }

  services(options?: CallOptions): Promise<readonly ServiceEntry[]> {
    const list = (): ServiceEntry[] => this.#ipvs.table.listed().map((service) => service.entry());
    return this.#ask('services', 'services', list, options);
  }

  servers(key: ServiceKey, options?: CallOptions): Promise<readonly ServerEntry[]> {
    const object = describeService(key);
    return this.#ask(
      'servers',
      object,
      () => {
        const service = this.#ipvs.table.find(key);
        if (!service) throw new KernelFailure(Errno.ESRCH, object);
        return service.listed().map((server) => server.entry());
      },
      options,
    );
  }

  table(options?: CallOptions): Promise<readonly IpvsTableEntry[]> {
    const list = (): Promise<IpvsTableEntry[]> =>
      mapInSlices(
        this.#ipvs.table.listed(),
        (service) => ({ service: service.entry(), servers: service.listed().map((server) => server.entry()) }),
        options?.signal,
      );
    return this.#ask('table', 'the table', list, options);
  }

  info(options?: CallOptions): Promise<{ version: string; connectionTableSize: number }> {
    return this.#ask('info', 'IPVS', () => ({ version: '1.2.1', connectionTableSize: 4096 }), options);
  }

  timeouts(options?: CallOptions): Promise<Timeouts> {
    return this.#ask('timeouts', 'timeouts', () => ({ ...this.#ipvs.connections.timeouts }), options);
  }

  setTimeouts(timeouts: Timeouts, options?: CallOptions): Promise<void> {
    return this.#ask('setTimeouts', 'timeouts', () => this.#ipvs.setTimeouts(timeouts), options);
  }

  daemons(options?: CallOptions): Promise<readonly Daemon[]> {
    const { daemons } = this.#ipvs;
    const list = (): Daemon[] =>
      [daemons.get('master'), daemons.get('backup')].filter((daemon) => daemon !== undefined);
    return this.#ask('daemons', 'daemons', list, options);
  }

  startDaemon(settings: DaemonSettings, options?: CallOptions): Promise<void> {
    return this.#ask('startDaemon', settings.role, () => this.#ipvs.startDaemon(settings), options);
  }

  stopDaemon(role: DaemonRole, options?: CallOptions): Promise<void> {
    return this.#ask(
      'stopDaemon',
      role,
      () => {
        if (!this.#ipvs.daemons.delete(role)) throw new KernelFailure(Errno.ESRCH, role);
      },
      options,
    );
  }

  async *connections(options?: CallOptions): AsyncGenerator<ConnectionEntry, void, void> {
    const list = await this.#handle.ask('connections', 'connections', () => this.#ipvs.connections.list(), options);
    for (const entry of list) {
      this.#handle.alive();
      options?.signal?.throwIfAborted();
      yield entry;
    }
  }

  readFiles(paths: readonly string[], options?: CallOptions): Promise<readonly (string | number)[]> {
    return this.#handle.ask('readFiles', paths.join(' '), () => this.#ipvs.files.read(paths), options);
  }

  writeFile(path: string, text: string, options?: CallOptions): Promise<void> {
    return this.#handle.ask(
      'writeFile',
      path,
      () => {
        const errno = this.#ipvs.options.permission() ? this.#ipvs.files.write(path, text) : Errno.EACCES;
        if (errno !== 0) throw new KernelFailure(errno, path);
      },
      options,
    );
  }

  async close(): Promise<void> {
    this.#handle.close();
  }

  /** Makes a request. Every IPVS command, including reads, requires CAP_NET_ADMIN. */
  #ask<T>(command: string, object: string, work: () => T | Promise<T>, options?: CallOptions): Promise<T> {
    const permitted = (): T | Promise<T> => {
      if (!this.#ipvs.options.permission()) throw new KernelFailure(Errno.EPERM, command);
      return work();
    };
    return this.#handle.ask(command, object, permitted, options);
  }
}
