import { isText, show } from '../kernel/check.js';
import { invalid } from '../kernel/errors.js';
import { limits } from '../kernel/limits.js';
import type { Machine } from './machine.js';
import { type ConntrackSizes, MemoryConntrack } from './memory-conntrack.js';
import { MemoryFiles } from './memory-files.js';
import { MemoryIpvs, type MemoryIpvsOptions } from './memory-ipvs.js';
import { MemoryNetfilter } from './memory-netfilter.js';
import { MemoryNetwork } from './memory-network.js';
import { FlowTracker, MemoryTraffic, type TrafficConnection, type TrafficOptions } from './memory-traffic.js';

/** What all namespaces of a machine have in common. */
export interface MemoryParts extends MemoryIpvsOptions {
  readonly machine: Machine;
  readonly sizes: ConntrackSizes;
  readonly network: (path: string) => MemoryNetwork | undefined;
}

/** One network namespace of the kernel in memory: what a test does with it that no program can. */
export class MemoryNamespace {
  /** @internal */
  readonly ipvs: MemoryIpvs;
  /** @internal */
  readonly conntrack: MemoryConntrack;
  /** Tables of nf_tables, as other programs change them. */
  readonly netfilter: MemoryNetfilter;
  /** Interfaces and addresses, as other programs change them. */
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
   * A client begins a connection, as if its packets came in: IPVS looks for the service (by the mark
   * first), and its scheduler for the server. `undefined` if there is none. Connection tracking has a
   * flow of it where the sysctl `net.ipv4.vs.conntrack` is on, as in the kernel. The counters follow
   * with the kernel's next sample: once time has passed a multiple of 2 s.
   * @throws IpvsError `ERR_IPVS_INVALID_ARGUMENT` for addresses that are none
   */
  connect(options: TrafficOptions): TrafficConnection | undefined {
    return this.#traffic.connect(options);
  }

  /**
   * Listeners to events of connection tracking lose what waits for them, and what comes while
   * `during` works, as if it did not fit their buffers; they are told of an overrun.
   */
  async overrunEvents(during?: () => unknown): Promise<void> {
    await this.conntrack.streams.lose(during);
  }

  /** As if a rule used labels (`ct label`): only then flows that begin have room for them. */
  useLabels(): void {
    this.conntrack.labels = true;
  }

  /** The text of a file of /proc or /sys as this namespace has it; `undefined` if it is not there. */
  file(path: string): string | undefined {
    checkPath(path);
    const [text] = this.#files.read([path]);
    return typeof text === 'string' ? text : undefined;
  }

  /** Makes such a file, or gives it another text; `undefined` takes it away, as on a kernel that has it not. */
  setFile(path: string, text: string | undefined): void {
    checkPath(path);
    if (text !== undefined && typeof text !== 'string')
      throw invalid(`the content of a file is a text, not ${show(text)}`);
    if (text === undefined) this.#files.delete(path);
    else this.#files.set(path, text);
  }

  /**
   * The kernel makes the table of local routes with the first address of IPv4, and keeps it. Here that
   * is when lo is up, or there is any other interface.
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
