import { IpvsError } from '../common/errors.js';
import { Conntrack } from '../conntrack/conntrack.js';
import { Ipvs } from '../ipvs/ipvs.js';
import type { Clock, Kernel, OpenOptions } from '../kernel/kernel.js';
import { nativeKernel } from '../linux/linux-kernel.js';
import { Netfilter } from '../netfilter/netfilter.js';
import { Network } from '../network/network.js';

/** The handles of one network namespace, each opened when it is first needed. */
export class World {
  readonly kernel: Kernel;
  readonly #options: OpenOptions;
  readonly #handles = new Map<string, Promise<{ close(): Promise<void> }>>();
  #closed = false;

  constructor({ kernel = nativeKernel, ...options }: OpenOptions & { readonly kernel?: Kernel | undefined }) {
    this.kernel = kernel;
    this.#options = options;
  }

  get clock(): Clock {
    return this.kernel.clock;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get network(): Promise<Network> {
    return this.#handle('network', (options) => Network.open(options));
  }

  get ipvs(): Promise<Ipvs> {
    return this.#handle('ipvs', (options) => Ipvs.open(options));
  }

  get conntrack(): Promise<Conntrack> {
    return this.#handle('conntrack', (options) => Conntrack.open(options));
  }

  netfilter(owner: string): Promise<Netfilter> {
    return this.#handle(`netfilter ${owner}`, (options) => Netfilter.open({ ...options, owner }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const handles = await Promise.allSettled(this.#handles.values());
    this.#handles.clear();
    await Promise.all(handles.map((handle) => (handle.status === 'fulfilled' ? handle.value.close() : undefined)));
  }

  #handle<T extends { close(): Promise<void> }>(
    name: string,
    open: (options: OpenOptions & { readonly kernel: Kernel }) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) return Promise.reject(new IpvsError('ERR_IPVS_CLOSED', 'the handle is closed'));
    const known = this.#handles.get(name) as Promise<T> | undefined;
    if (known) return known;
    const opening = open({ ...this.#options, kernel: this.kernel });
    this.#handles.set(name, opening);
    // The next call retries a failed open.
    opening.catch(() => this.#handles.delete(name));
    return opening;
  }
}
