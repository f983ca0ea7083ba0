import { describeServer, describeService } from '../ipvs/describe.js';
import { Ipvs } from '../ipvs/ipvs.js';
import type { RealServer } from '../ipvs/real-server.js';
import type { VirtualService } from '../ipvs/virtual-service.js';
import { IpvsError } from '../kernel/errors.js';
import type { Kernel, OpenOptions } from '../kernel/kernel.js';
import { Netfilter } from '../netfilter/netfilter.js';
import { Network } from '../network/network.js';

/** A service of the table with its servers, by what {@link describeServer} says of them. */
export interface ServiceReading {
  readonly service: VirtualService;
  readonly servers: ReadonlyMap<string, RealServer>;
}

/** The handles of one network namespace, each opened when it is first needed. */
export class World {
  readonly #options: OpenOptions & { readonly kernel?: Kernel | undefined };
  readonly #handles = new Map<string, Promise<{ close(): Promise<void> }>>();
  #closed = false;

  constructor(options: OpenOptions & { readonly kernel?: Kernel | undefined }) {
    this.#options = options;
  }

  get network(): Promise<Network> {
    return this.#handle('network', () => Network.open(this.#options));
  }

  get ipvs(): Promise<Ipvs> {
    return this.#handle('ipvs', () => Ipvs.open(this.#options));
  }

  netfilter(owner: string): Promise<Netfilter> {
    return this.#handle(`netfilter ${owner}`, () => Netfilter.open({ ...this.#options, owner }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const handles = await Promise.allSettled(this.#handles.values());
    this.#handles.clear();
    await Promise.all(handles.map((handle) => (handle.status === 'fulfilled' ? handle.value.close() : undefined)));
  }

  #handle<T extends { close(): Promise<void> }>(name: string, open: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new IpvsError('ERR_IPVS_CLOSED', 'the role is closed'));
    const known = this.#handles.get(name) as Promise<T> | undefined;
    if (known) return known;
    const opening = open();
    this.#handles.set(name, opening);
    // What could not be opened is tried again.
    opening.catch(() => this.#handles.delete(name));
    return opening;
  }
}

/** What there is, each read once, when it is first needed: for one plan. */
export class Readings {
  readonly world: World;
  readonly #read = new Map<string, Promise<unknown>>();

  constructor(world: World) {
    this.world = world;
  }

  /** By what {@link describeService} says of them. */
  get services(): Promise<ReadonlyMap<string, ServiceReading>> {
    return this.#once('services', async () => {
      const table = await (await this.world.ipvs).table();
      return new Map(
        table.map(({ service, servers }) => [
          describeService(service.key),
          { service, servers: new Map(servers.map((server) => [describeServer(server.key), server])) },
        ]),
      );
    });
  }

  get links(): ReturnType<Network['links']> {
    return this.#once('links', async () => (await this.world.network).links());
  }

  /** Each as `ADDRESS/LENGTH INTERFACE`. */
  get addresses(): Promise<ReadonlySet<string>> {
    return this.#once('addresses', async () => {
      const addresses = await (await this.world.network).addresses();
      // With another end it is another address.
      const plain = addresses.filter(({ peer }) => peer === undefined);
      return new Set(plain.map(({ address, interface: name }) => `${address} ${name}`));
    });
  }

  get routingRules(): ReturnType<Network['rules']> {
    return this.#once('rules', async () => (await this.world.network).rules());
  }

  #once<T>(name: string, read: () => Promise<T>): Promise<T> {
    const known = this.#read.get(name) as Promise<T> | undefined;
    if (known) return known;
    const reading = read();
    this.#read.set(name, reading);
    return reading;
  }
}
