// A kernel in memory, handles on it, and connections through it.
import { Conntrack, Ipvs } from '../../../src/index.js';
import { MemoryKernel, type TrafficConnection, type TrafficOptions } from '../../../src/memory/index.js';

export const virtual = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
export const addresses = ['10.1.0.1', '10.1.0.2', '10.1.0.3'];

export const last = (connection: TrafficConnection): string => connection.server.address.slice(-1);
export const times = (count: number): null[] => Array.from({ length: count }, () => null);

export async function start() {
  const kernel = new MemoryKernel();
  const ipvs = await Ipvs.open({ kernel });
  const conntrack = await Conntrack.open({ kernel });

  async function serve(service: Parameters<Ipvs['addService']>[0], weights: readonly number[] = [1, 1, 1]) {
    const made = await ipvs.addService(service);
    for (const [index, weight] of weights.entries())
      await made.addServer({ address: addresses[index] ?? '', ...('fwmark' in service ? {} : { port: 8080 }), weight });
    return made;
  }

  function connect(options: Partial<TrafficOptions> = {}): TrafficConnection {
    const connection = kernel.namespace().connect({ ...virtual, ...options });
    if (!connection) throw new Error('no server');
    return connection;
  }

  async function connections() {
    const all = [];
    for await (const connection of ipvs.connections()) all.push(connection);
    return all;
  }

  /** Active, inactive and persistent connections of each server, by its address. */
  async function counts(service: Parameters<Ipvs['service']>[0]): Promise<number[][]> {
    const servers = await (await ipvs.service(service)).servers();
    return servers
      .toSorted((a, b) => (a.address < b.address ? -1 : 1))
      .map((server) => [server.activeConnections, server.inactiveConnections, server.persistentConnections]);
  }

  return { kernel, ipvs, conntrack, serve, connect, connections, counts };
}
