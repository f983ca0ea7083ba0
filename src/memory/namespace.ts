import { isText, show } from '../common/check.js';
import { invalid } from '../common/errors.js';
import { limits } from '../common/limits.js';
import { type ConntrackSizes, MemoryConntrack } from './conntrack/port.js';
import { MemoryFiles } from './files.js';
import { MemoryIpvs, type MemoryIpvsOptions } from './ipvs/port.js';
import type { Machine } from './machine.js';
import { MemoryNetfilter } from './netfilter/port.js';
import { MemoryNetwork } from './network/port.js';
import { FlowTracker, MemoryTraffic, type TrafficConnection, type TrafficOptions } from './traffic.js';

/** The objects that all namespaces of a machine share. */
export interface MemoryParts extends MemoryIpvsOptions {
  readonly machine: Machine;
  readonly sizes: ConntrackSizes;
  readonly network: (path: string) => MemoryNetwork | undefined;
}

/**
 * One network namespace of the in-memory kernel: the controls for tests, which a program does not have.
 *
 * @example
 * ```ts
 * import { MemoryKernel } from 'ipvs/testing';
 *
 * const kernel = new MemoryKernel();
 * kernel.addNamespace('blue');
 * console.log(kernel.namespace('blue').network.hasAddress('10.0.0.1'));
 * ```
 */
export class MemoryNamespace {
  /** @internal */
  readonly ipvs: MemoryIpvs;
  /** @internal */
  readonly conntrack: MemoryConntrack;
  /** The nf_tables tables, for changes by other programs. */
  readonly netfilter: MemoryNetfilter;
  /** The interfaces and addresses, for changes by other programs. */
  readonly network: MemoryNetwork;
  readonly #files: MemoryFiles;
  readonly #traffic: MemoryTraffic;
  #localRoutes = false;

  /** @internal */
  constructor(parts: MemoryParts, cookie: bigint, isFirst: boolean) {
    const { machine, sizes } = parts;
    const files = new MemoryFiles();
    this.#files = files;
    this.network = new MemoryNetwork(machine, cookie, parts.network, files);
    this.netfilter = new MemoryNetfilter(machine, (name) => this.network.mainName(name));
    this.conntrack = new MemoryConntrack(machine, files, sizes, isFirst, parts.permission);
    const interfaces = {
      hasAddress: (address: string) => this.network.hasAddress(address),
      hasLink: (name: string) => files.has(`/proc/sys/net/ipv4/conf/${name}/forwarding`),
      hasLocalRoutes: () => this.#hasLocalRoutes(),
    };
    this.ipvs = new MemoryIpvs(machine, files, interfaces, new FlowTracker(this.conntrack), parts);
    this.#traffic = new MemoryTraffic(this.ipvs, (packet) => {
      const local = this.network.hasAddress(packet.destination);
      const mark = this.netfilter.mark({ hook: 'prerouting', ...packet, local });
      return this.netfilter.mark({ hook: 'input', ...packet, local, mark });
    });
  }

  /**
   * Starts a connection of a client, as if its packets arrived: IPVS finds the service (first by the mark), and its
   * scheduler selects the server. Returns `undefined` if there is none. Connection tracking gets a flow if the sysctl
   * `net.ipv4.vs.conntrack` is on, as in the kernel. The counters change with the kernel's next sample, at the next
   * multiple of 2 s.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` for an invalid address
   */
  connect(options: TrafficOptions): TrafficConnection | undefined {
    return this.#traffic.connect(options);
  }

  /**
   * Makes all listeners for conntrack events lose their pending events and those during `during`, as if their buffers
   * were full; they get an overrun event.
   */
  async overrunEvents(during?: () => unknown): Promise<void> {
    await this.conntrack.streams.lose(during);
  }

  /** Acts as if a rule used labels (`ct label`): only then new flows can have labels. */
  useLabels(): void {
    this.conntrack.labels = true;
  }

  /** Returns the text of a file of /proc or /sys in this namespace; `undefined` if there is no such file. */
  file(path: string): string | undefined {
    checkPath(path);
    const [text] = this.#files.read([path]);
    return typeof text === 'string' ? text : undefined;
  }

  /** Creates such a file or changes its text; `undefined` deletes it, as on a kernel without it. */
  setFile(path: string, text: string | undefined): void {
    checkPath(path);
    if (text !== undefined && typeof text !== 'string')
      throw invalid(`the content of a file must be a text, not ${show(text)}`);
    if (text === undefined) this.#files.delete(path);
    else this.#files.set(path, text);
  }

  /**
   * Returns true if the table of local routes exists. The kernel creates it with the first IPv4 address, and keeps it.
   * The in-memory kernel has it once lo is up or another interface exists.
   */
  #hasLocalRoutes(): boolean {
    const settings = /^\/proc\/sys\/net\/ipv4\/conf\/(?!all\/|default\/|lo\/)/;
    this.#localRoutes ||= this.network.hasAddress('127.0.0.1') || this.#files.some((path) => settings.test(path));
    return this.#localRoutes;
  }
}

function checkPath(path: unknown): void {
  if (!isText(path, limits.path) || !path.startsWith('/')) throw invalid(`a file has a path from /, not ${show(path)}`);
}
