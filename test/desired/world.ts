// A namespace that a document is applied to, with things in it that others made.
import {
  type DesiredDocument,
  DesiredState,
  type DesiredStateOptions,
  Ipvs,
  Netfilter,
  Network,
} from '../../src/index.js';
import type { Kernel } from '../../src/kernel/index.js';

export const INTERFACE = 'lan';
const FOREIGN = 'others';

/** What others made: it is never touched. */
export async function makeForeign(kernel: Kernel, namespace: string | undefined): Promise<void> {
  await using ipvs = await Ipvs.open({ kernel, namespace });
  const service = await ipvs.addService({ fwmark: 999, scheduler: 'sh' });
  await service.addServer({ address: '10.1.0.1', weight: 7 });
  await (await ipvs.addService({ protocol: 'tcp', address: '192.0.2.1', port: 8443 })).addServer({
    address: '10.1.0.2',
    port: 443,
  });
  await using network = await Network.open({ kernel, namespace });
  await network.addAddress({ interface: INTERFACE, address: '198.51.100.99/32' });
  await using netfilter = await Netfilter.open({ kernel, namespace, owner: FOREIGN });
  await netfilter.addMark({ destination: '192.0.2.200', mark: 999 });
}

/** Reads, again and again, all that documents and others may make, without counters. */
export class Observer {
  readonly #ipvs: Ipvs;
  readonly #network: Network;
  /** Of the owner of documents, and of others. */
  readonly #tables: readonly [Netfilter, Netfilter];

  private constructor(ipvs: Ipvs, network: Network, tables: readonly [Netfilter, Netfilter]) {
    this.#ipvs = ipvs;
    this.#network = network;
    this.#tables = tables;
  }

  static async open(kernel: Kernel, namespace: string | undefined, owner: string): Promise<Observer> {
    const where = { kernel, namespace };
    return new Observer(await Ipvs.open(where), await Network.open(where), [
      await Netfilter.open({ ...where, owner: `ipvs-${owner}` }),
      await Netfilter.open({ ...where, owner: FOREIGN }),
    ]);
  }

  async state(): Promise<string> {
    const [ipvs, network, [ours, theirs]] = [this.#ipvs, this.#network, this.#tables];
    const rows = (await ipvs.table()).map(({ service, servers }) => {
      const { schedulerFlags, persistence, onePacket, scheduler, key } = service;
      const list = servers.map(({ key: server, weight, forwarding, upperThreshold, lowerThreshold }) =>
        JSON.stringify({ server, weight, forwarding, upperThreshold, lowerThreshold }),
      );
      return [JSON.stringify({ key, scheduler, schedulerFlags, persistence, onePacket }), ...list.sort()];
    });
    const marks = async (table: Netfilter) =>
      (await table.marks()).map(({ selector, mark }) => JSON.stringify([selector, mark])).sort();
    const addresses = await network.addresses({ interface: INTERFACE, family: 'ipv4' });
    return JSON.stringify(
      {
        rows: rows.sort((a, b) => ((a[0] ?? '') < (b[0] ?? '') ? -1 : 1)),
        addresses: addresses.map(({ address }) => address).sort(),
        marks: [await marks(ours), await marks(theirs)],
        rules: (await ours.rules()).map(({ text }) => text),
        timeouts: await ipvs.timeouts(),
        sysctls: [await network.sysctl('net.ipv4.ip_forward'), await ipvs.sysctl('conntrack')],
      },
      undefined,
      1,
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.#ipvs, this.#network, ...this.#tables].map((handle) => handle.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export async function stateOf(kernel: Kernel, namespace: string | undefined, owner: string): Promise<string> {
  await using observer = await Observer.open(kernel, namespace, owner);
  return await observer.state();
}

export async function withState<T>(
  document: DesiredDocument,
  options: DesiredStateOptions,
  work: (state: DesiredState) => Promise<T>,
): Promise<T> {
  await using state = await DesiredState.open(document, options);
  return await work(state);
}
