import { describe, expect, test } from 'vitest';
import { start, virtual } from './world.js';

export function persistenceTests(): void {
  describe('traffic', () => {
    test('persistence keeps a network of clients on a server, as long as it has connections', async () => {
      const { kernel, serve, connect, connections, counts } = await start();
      await serve({ ...virtual, scheduler: 'rr', persistence: { timeout: 50, netmask: 24 } });
      const [one, two] = ['198.51.100.1', '198.51.100.200'].map((client) => connect({ client }));
      expect(two?.server).toEqual(one?.server);
      expect(connect({ client: '203.0.113.1' }).server).not.toEqual(one?.server);
      expect(await counts(virtual)).toEqual([
        [0, 0, 0],
        [1, 0, 1],
        [2, 0, 1],
      ]);
      expect((await connections()).filter(({ clientPort }) => clientPort === 0)).toMatchObject([
        {
          protocol: 'TCP',
          clientAddress: '198.51.100.0',
          virtualPort: 80,
          serverPort: 8080,
          state: 'ASSURED',
          expires: 50,
        },
        { clientAddress: '203.0.113.0' },
      ]);
      kernel.advance(60_000);
      expect(connect({ client: '198.51.100.3' }).server).toEqual(one?.server);
      kernel.advance(1_000_000);
      expect(await connections()).toEqual([]);
    });

    test('persistence of a mark holds for all ports', async () => {
      const { serve, connect, connections } = await start();
      await serve({ fwmark: 258, scheduler: 'rr', persistence: 50 });
      const servers = [80, 443, 8080].map((port) => connect({ fwmark: 258, port }).server);
      expect(new Set(servers.map(({ address }) => address)).size).toBe(1);
      expect(servers.map(({ port }) => port)).toEqual([80, 443, 8080]);
      expect((await connections()).find(({ clientPort }) => clientPort === 0)).toMatchObject({
        protocol: 'IP',
        virtualAddress: '0.0.1.2',
        virtualPort: 0,
        serverPort: 0,
      });
    });

    test('a server of weight 0 keeps its clients, unless expire_quiescent_template is on', async () => {
      const { ipvs, serve, connect, connections } = await start();
      const service = await serve({ ...virtual, scheduler: 'rr', persistence: 50 });
      const { server } = connect();
      await (await service.server(server)).update({ weight: 0 });
      expect(connect().server).toEqual(server);
      await ipvs.setSysctl('expire_quiescent_template', true);
      expect(connect().server).not.toEqual(server);
      expect((await connections()).filter(({ virtualPort }) => virtualPort === 65535)).toHaveLength(1);
    });

    test('a removed server: packets are dropped, the connection waits for it to come back', async () => {
      const { kernel, serve, connect, connections, counts } = await start();
      const service = await serve({ ...virtual, scheduler: 'rr' }, [1]);
      const connection = connect();
      kernel.advance(2000);
      const server = await service.server({ address: '10.1.0.1', port: 8080 });
      expect(server.statistics).toMatchObject({ connections: 1n, incomingPackets: 1n, incomingBytes: 60n });
      await server.delete();
      expect(connection.packet()).toBe(false);
      expect(await connections()).toHaveLength(1);
      const again = await service.addServer({ address: '10.1.0.1', port: 8080 });
      // The same service finds the old counters, too.
      expect(again).toMatchObject({ activeConnections: 1, statistics: { connections: 1n } });
      expect(connection.packet()).toBe(true);
      await service.delete();
      const other = await serve({ ...virtual, scheduler: 'rr' }, [1]);
      expect((await other.servers())[0]).toMatchObject({ activeConnections: 1, statistics: { connections: 0n } });
      await other.delete();
      kernel.advance(1_000_000);
      kernel.advance(1_000_000);
      await serve({ ...virtual, scheduler: 'rr' }, [1]);
      expect(await counts(virtual)).toEqual([[0, 0, 0]]);
    });
  });
}
