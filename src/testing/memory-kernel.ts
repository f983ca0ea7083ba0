import { checkFlag, checkInteger, checkList, checkName, checkOptions, show, valueOr } from '../kernel/check.js';
import type { ConntrackPort } from '../kernel/conntrack/port.js';
import { Errno } from '../kernel/errno.js';
import { invalid, KernelFailure } from '../kernel/errors.js';
import type { IpvsPort } from '../kernel/ipvs/port.js';
import type { OpenJournal, ReadJournals } from '../kernel/journal.js';
import type { Clock, Kernel, OpenOptions } from '../kernel/kernel.js';
import { limits } from '../kernel/limits.js';
import { type NetworkNamespace, namespacePath } from '../kernel/namespace.js';
import type { NetfilterPort } from '../kernel/netfilter/port.js';
import type { NamespacePort, NetworkPort } from '../kernel/network/port.js';
import { checkFault, type Fault, type KernelPart } from './faults.js';
import { Handle, Machine, type RequestRecord } from './machine.js';
import type { ConntrackSizes } from './memory-conntrack.js';
import { kernelSchedulers } from './memory-ipvs.js';
import { MemoryJournals } from './memory-journal.js';
import { MemoryNamespace, type MemoryParts } from './memory-namespace.js';

/** What the kernel in memory is to be like. */
export interface MemoryKernelOptions {
  /** Schedulers of IPVS. Default: those of Linux 7.2. Naming another one fails with ENOENT. */
  readonly schedulers?: readonly string[] | undefined;
  /** Persistence engines. Default: `sip`. */
  readonly engines?: readonly string[] | undefined;
  /** Parts that are `false` are not there, as where a module is not loaded. Default: all are. */
  readonly available?: Partial<Record<'ipvs' | 'conntrack' | 'netfilter', boolean>> | undefined;
  /** Whether the program may do anything: without CAP_NET_ADMIN it gets EPERM. Default: true. */
  readonly permission?: boolean | undefined;
  /** The most flows there may be. Default: 262 144. */
  readonly maximumFlows?: number | undefined;
}

const BOOT_ID = '00000000-0000-4000-8000-000000000000\n';

/** The namespace that programs run in. */
const HOST = '/proc/self/ns/net';
const named = '/run/netns';

/**
 * A kernel in memory, for the tests of programs that use this library: give it to `Ipvs.open()`,
 * `Conntrack.open()` and the others as `kernel`. It answers as Linux does, with its errors, in a
 * machine of its own, without privileges. Time stands still: it passes with {@link MemoryKernel.advance}.
 */
export class MemoryKernel implements Kernel {
  readonly clock: Clock;
  readonly openJournal: OpenJournal;
  readonly readJournals: ReadJournals;
  /** Whether the program may do anything, from now on. */
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
    this.#add(HOST).network.change({ operation: 'set-link', name: 'lo', changes: { up: true } });
  }

  // --- what the library asks of a kernel

  openIpvs(options: OpenOptions): Promise<IpvsPort> {
    return this.#open('ipvs', options, (namespace) => namespace.ipvs.open());
  }

  openConntrack(options: OpenOptions): Promise<ConntrackPort> {
    return this.#open('conntrack', options, (namespace) => namespace.conntrack.open());
  }

  openNetfilter(options: OpenOptions): Promise<NetfilterPort> {
    return this.#open('netfilter', options, (namespace) => namespace.netfilter.open());
  }

  openNetwork(options: OpenOptions): Promise<NetworkPort> {
    return this.#open('network', options, (namespace) => namespace.network.open());
  }

  /** Always the same: a machine in memory is never started again. */
  async bootId(): Promise<string> {
    return BOOT_ID;
  }

  /** At once: here, packets are through before anything else happens. */
  async gracePeriod(): Promise<void> {}

  readonly namespaces: NamespacePort = {
    create: (name, options) =>
      this.#ask(
        'create',
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
          // Handles on it stay open: they keep it.
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

  // --- what a test does with it

  /** Milliseconds that have passed since it was made. */
  get now(): number {
    return this.#machine.now;
  }

  /**
   * Time passes: what ends with time ends, in this call.
   * @param milliseconds from 0
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  advance(milliseconds: number): void {
    if (typeof milliseconds !== 'number' || !(milliseconds >= 0) || milliseconds > Number.MAX_SAFE_INTEGER)
      throw invalid(`advance takes milliseconds from 0, not ${show(milliseconds)}`);
    this.#machine.advance(milliseconds);
  }

  /**
   * A failure that is to come. Several may wait: each request has the first that fits. {@link requests} tells how
   * requests are named; one that never comes never fails.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT`
   */
  fail(fault: Fault): void {
    checkFault(fault);
    this.#machine.faults.add(fault);
  }

  /** No failure comes any more. */
  clearFaults(): void {
    this.#machine.faults.clear();
  }

  /** The program dies, as of SIGKILL: all its handles are dead, and all it did stays. Open new ones to go on. */
  kill(): void {
    this.#machine.kill();
  }

  /** What was asked, in order; each change of a batch is a request of its own. */
  get requests(): readonly RequestRecord[] {
    return this.#machine.requests;
  }

  clearRequests(): void {
    this.#machine.requests.length = 0;
  }

  /**
   * Makes a namespace that may lie at any path, such as `/run/docker/netns/ingress_sbox`; by
   * its name it is one of `ip netns`. Of one that is there already: that one.
   */
  addNamespace(namespace: NetworkNamespace): MemoryNamespace {
    const path = namespacePath(namespace);
    return this.#find(path) ?? this.#add(path);
  }

  /**
   * The controls of a namespace. Default: that which the program runs in.
   * @throws KernelFailure ENOENT
   */
  namespace(namespace?: NetworkNamespace): MemoryNamespace {
    const path = namespace === undefined ? HOST : namespacePath(namespace);
    const found = this.#find(path);
    if (!found) throw new KernelFailure(Errno.ENOENT, path);
    return found;
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

/** Until so much time has passed. */
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
