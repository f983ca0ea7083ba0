import { resolve } from 'node:path';
import { checkFlag, checkInteger, checkList, checkName, checkOptions, show, valueOr } from '../common/check.js';
import { Errno } from '../common/errno.js';
import { IpvsError, invalid, KernelFailure } from '../common/errors.js';
import { limits } from '../common/limits.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import type { IpvsPort } from '../kernel/ipvs/port.js';
import type { JournalPath, OpenJournal, ReadJournals } from '../kernel/journal.js';
import type { Clock, Kernel, OpenOptions } from '../kernel/kernel.js';
import { type NetworkNamespace, namespacePath } from '../kernel/namespace.js';
import type { NetfilterPort } from '../kernel/netfilter/port.js';
import type { NamespacePort, NetworkPort } from '../kernel/network/port.js';
import type { ConntrackSizes } from './conntrack/port.js';
import { checkFault, type Fault, type KernelPart } from './faults.js';
import { kernelSchedulers } from './ipvs/port.js';
import { MemoryJournals } from './journal.js';
import { Handle, Machine, type RequestRecord } from './machine.js';
import { MemoryNamespace, type MemoryParts } from './namespace.js';

/** Options of the in-memory kernel. */
export interface MemoryKernelOptions {
  /** IPVS schedulers. Default: those of Linux 7.2. A service with another scheduler fails with ENOENT. */
  readonly schedulers?: readonly string[] | undefined;
  /** Persistence engines. Default: `sip`. */
  readonly engines?: readonly string[] | undefined;
  /** A part that is `false` is missing, as if its module were not loaded. Default: all parts are available. */
  readonly available?: Partial<Record<'ipvs' | 'conntrack' | 'netfilter', boolean>> | undefined;
  /** True if the program has CAP_NET_ADMIN; without it, requests fail with EPERM. Default: true. */
  readonly permission?: boolean | undefined;
  /** Maximum number of flows (`nf_conntrack_max`). Default: 262144. */
  readonly maximumFlows?: number | undefined;
}

const BOOT_ID = '00000000-0000-4000-8000-000000000000\n';

/** The namespace in which the program runs. */
const HOST = '/proc/self/ns/net';
const named = '/run/netns';

/**
 * An in-memory kernel for the tests of programs that use this library: pass it to `Ipvs.open()`, `Conntrack.open()` and
 * the others as `kernel`. It behaves like Linux, with the same errors, but needs no privileges. Each instance is a
 * separate machine. The clock is manual: it moves only with {@link MemoryKernel.advance}.
 *
 * @example
 * ```ts
 * import { Ipvs } from 'ipvs';
 * import { MemoryKernel } from 'ipvs/testing';
 *
 * const kernel = new MemoryKernel();
 * const ipvs = await Ipvs.open({ kernel });
 * const web = await ipvs.addService({ protocol: 'tcp', address: '198.51.100.1', port: 80 });
 * await web.addServer({ address: '10.0.0.11' });
 * kernel.namespace().connect({ protocol: 'tcp', address: '198.51.100.1', port: 80 });
 * kernel.advance(60_000); // a minute passes
 * ```
 */
export class MemoryKernel implements Kernel {
  /** The manual clock: it moves only with {@link MemoryKernel.advance}. */
  readonly clock: Clock;
  /** Returns the absolute path. There are no symbolic links. */
  readonly journalPath: JournalPath = async (path) => resolve('/', path);
  /** Opens a journal that is kept in memory. */
  readonly openJournal: OpenJournal;
  /** Reads the journals in memory. */
  readonly readJournals: ReadJournals;
  /** True if the program has CAP_NET_ADMIN from now on. */
  permission: boolean;
  readonly #machine = new Machine();
  readonly #journals: MemoryJournals;
  readonly #parts: MemoryParts;
  readonly #namespaces = new Map<string, MemoryNamespace>();
  readonly #missing: ReadonlySet<KernelPart>;
  #lastCookie = 0n;

  constructor(options: MemoryKernelOptions = {}) {
    checkOptions('a kernel in memory', options, ['schedulers', 'engines', 'available', 'permission', 'maximumFlows']);
    const { schedulers = kernelSchedulers, engines = ['sip'], available = {}, permission = true } = options;
    for (const name of checkList('schedulers', schedulers, limits.names)) checkName('a scheduler', name);
    for (const name of checkList('engines', engines, limits.names)) checkName('a persistence engine', name);
    checkOptions('available', available, ['ipvs', 'conntrack', 'netfilter']);
    for (const part of ['ipvs', 'conntrack', 'netfilter'] as const) checkFlag(part, valueOr(available[part], true));
    checkFlag('permission', permission);
    if (options.maximumFlows !== undefined) checkInteger('maximumFlows', options.maximumFlows, 0, 0x7fffffff);
    const machine = this.#machine;
    this.permission = permission;
    this.#missing = new Set((['ipvs', 'conntrack', 'netfilter'] as const).filter((part) => available[part] === false));
    this.#journals = new MemoryJournals(machine);
    this.openJournal = (path, call) => this.#journals.open(path, call);
    this.readJournals = async (prefix) => this.#journals.read(prefix);
    this.clock = { now: () => machine.now, sleep: (milliseconds, signal) => sleep(machine, milliseconds, signal) };
    const sizes: ConntrackSizes = { maximum: options.maximumFlows ?? 262_144, buckets: 262_144, expectations: 4096 };
    this.#parts = {
      machine,
      sizes,
      network: (path) => this.#find(path)?.network,
      schedulers: new Set(schedulers),
      engines: new Set(engines),
      permission: () => this.permission,
      hasIpvs: available.ipvs !== false,
    };
    this.#add(HOST).network.change({ operation: 'update-link', name: 'lo', changes: { up: true } });
  }

  // --- the Kernel interface for the library

  /** Opens IPVS of a namespace in memory. */
  openIpvs(options: OpenOptions): Promise<IpvsPort> {
    return this.#open('ipvs', options, (namespace) => namespace.ipvs.open());
  }

  /** Opens connection tracking of a namespace in memory. */
  openConntrack(options: OpenOptions): Promise<ConntrackPort> {
    return this.#open('conntrack', options, (namespace) => namespace.conntrack.open());
  }

  /** Opens nf_tables of a namespace in memory. */
  openNetfilter(options: OpenOptions): Promise<NetfilterPort> {
    return this.#open('netfilter', options, (namespace) => namespace.netfilter.open());
  }

  /** Opens links, addresses and routes of a namespace in memory. */
  openNetwork(options: OpenOptions): Promise<NetworkPort> {
    return this.#open('network', options, (namespace) => namespace.network.open());
  }

  /** Returns a constant: an in-memory machine never restarts. */
  async bootId(): Promise<string> {
    return BOOT_ID;
  }

  /** Resolves at once: the in-memory kernel handles each packet completely before the next request. */
  async gracePeriod(): Promise<void> {}

  readonly namespaces: NamespacePort = {
    add: (name, options) =>
      this.#ask(
        'add',
        name,
        () => {
          if (this.#namespaces.has(`${named}/${name}`)) throw new KernelFailure(Errno.EEXIST, name);
          this.#add(`${named}/${name}`);
        },
        options,
      ),
    delete: (name, options) =>
      this.#ask(
        'delete',
        name,
        () => {
          // Open handles keep the namespace alive.
          if (!this.#namespaces.delete(`${named}/${name}`)) throw new KernelFailure(Errno.ENOENT, name);
        },
        options,
      ),
    list: (options) =>
      this.#ask(
        'list',
        'namespaces',
        () => {
          const paths = [...this.#namespaces.keys()].filter((path) => path.startsWith(`${named}/`));
          return paths.map((path) => ({ name: path.slice(named.length + 1) })).sort(byName);
        },
        options,
      ),
  };

  // --- controls for tests

  /** Time since the kernel was created, in milliseconds. */
  get now(): number {
    return this.#machine.now;
  }

  /**
   * Advances the clock. Everything that expires in this time ends within the call.
   * @param milliseconds 0 or more
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  advance(milliseconds: number): void {
    if (typeof milliseconds !== 'number' || !(milliseconds >= 0) || milliseconds > Number.MAX_SAFE_INTEGER)
      throw invalid(`advance takes milliseconds from 0, not ${show(milliseconds)}`);
    this.#machine.advance(milliseconds);
  }

  /**
   * Makes later requests fail. Several failures may be pending: a request gets the first one that matches.
   * {@link requests} shows the names of requests; a failure for a request that is never made has no effect.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  fail(fault: Fault): void {
    checkFault(fault);
    this.#machine.faults.add(fault);
  }

  /** Removes all pending failures. */
  clearFaults(): void {
    this.#machine.faults.clear();
  }

  /** Kills the program, like SIGKILL: its handles are closed, and its changes stay. Open new handles to continue. */
  kill(): void {
    this.#machine.kill();
  }

  /** All requests so far, in order; each change of a batch is a separate request. */
  get requests(): readonly RequestRecord[] {
    return this.#machine.requests;
  }

  /** Forgets the requests that were recorded so far. */
  clearRequests(): void {
    this.#machine.requests.length = 0;
  }

  /**
   * Creates a network namespace at any path, for example `/run/docker/netns/ingress_sbox`, or by a name of `ip netns`.
   * Returns the existing one if there is one.
   */
  addNamespace(namespace: NetworkNamespace): MemoryNamespace {
    const path = namespacePath(namespace);
    return this.#find(path) ?? this.#add(path);
  }

  /**
   * Returns the controls of a namespace. Default: the namespace in which the program runs.
   * @throws IpvsError `ERR_IPVS_NO_SUCH_NAMESPACE`
   */
  namespace(namespace?: NetworkNamespace): MemoryNamespace {
    const path = namespace === undefined ? HOST : namespacePath(namespace);
    const found = this.#find(path);
    if (found) return found;
    throw new IpvsError(
      'ERR_IPVS_NO_SUCH_NAMESPACE',
      `the kernel in memory has no network namespace ${path}. Make it with kernel.addNamespace(), or addNamespace(name, { kernel })`,
    );
  }

  #find(path: string): MemoryNamespace | undefined {
    const own = path === `/proc/${process.pid}/ns/net` || path === '/proc/thread-self/ns/net';
    return this.#namespaces.get(own ? HOST : path.replace(/^\/var\/run\//, '/run/'));
  }

  #add(path: string): MemoryNamespace {
    const namespace = new MemoryNamespace(this.#parts, ++this.#lastCookie, path === HOST);
    this.#namespaces.set(path.replace(/^\/var\/run\//, '/run/'), namespace);
    return namespace;
  }

  async #open<T>(part: KernelPart, options: OpenOptions, open: (namespace: MemoryNamespace) => T): Promise<T> {
    const path = options.namespace === undefined ? HOST : namespacePath(options.namespace);
    return new Handle(this.#machine, part).ask(
      'open',
      path,
      () => {
        const namespace = this.#find(path);
        if (!namespace) throw new KernelFailure(Errno.ENOENT, `open ${path}`);
        if (!this.permission && options.namespace !== undefined) throw new KernelFailure(Errno.EPERM, 'setns');
        if (this.#missing.has(part)) throw new KernelFailure(Errno.EPROTONOSUPPORT, `no ${part}`);
        return open(namespace);
      },
      options,
    );
  }

  #ask<T>(command: string, object: string, work: () => T, options: OpenOptions | undefined): Promise<T> {
    const permitted = (): T => {
      if (!this.permission) throw new KernelFailure(Errno.EPERM, command);
      return work();
    };
    return new Handle(this.#machine, 'namespaces').ask(command, object, permitted, options);
  }
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** Resolves when the machine's clock has advanced by `milliseconds`. */
function sleep(machine: Machine, milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const end = machine.now + milliseconds;
    if (milliseconds <= 0) return resolve();
    const stop = machine.onAdvance((now) => {
      if (now < end) return;
      onEnd();
      resolve();
    });
    const onAbort = (): void => {
      onEnd();
      reject(signal?.reason);
    };
    const onEnd = (): void => {
      stop();
      signal?.removeEventListener('abort', onAbort);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
