import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TrafficConnection } from '../../../src/memory/index.js';
import { addresses, last, start, times, virtual } from './world.js';

export function connectionTests(): void {
  describe('traffic', () => {
    test('a connection of TCP: its entry, its end', async () => {
      const { kernel, ipvs, serve, connect, connections, counts } = await start();
      await serve({ ...virtual, scheduler: 'rr' }, [1]);
      const connection = connect({ client: '198.51.100.1', clientPort: 4000 });
      expect(await connections()).toEqual([
        {
          protocol: 'TCP',
          clientAddress: '198.51.100.1',
          clientPort: 4000,
          virtualAddress: '192.0.2.1',
          virtualPort: 80,
          serverAddress: '10.1.0.1',
          serverPort: 8080,
          state: 'ESTABLISHED',
          expires: 900,
        },
      ]);
      kernel.advance(800_000);
      expect(connection.packet()).toBe(true);
      kernel.advance(800_000);
      expect(connection.established).toBe(true);
      connection.close();
      expect(connection.established).toBe(false);
      expect(await connections()).toMatchObject([{ state: 'FIN_WAIT', expires: 120 }]);
      expect(await counts(virtual)).toEqual([[0, 1, 0]]);
      kernel.advance(120_000);
      expect(await connections()).toEqual([]);
      expect(connection.packet()).toBe(false);
      // An idle one dies by the timeout of IPVS.
      await ipvs.setTimeouts({ tcp: 10 });
      const idle = connect();
      kernel.advance(9_999);
      expect(idle.established).toBe(true);
      kernel.advance(1);
      expect(idle.established).toBe(false);
    });

    test('UDP is inactive, and begins anew by itself', async () => {
      const { kernel, serve, connect, connections, counts } = await start();
      await serve({ ...virtual, protocol: 'udp', scheduler: 'rr' });
      const connection = connect({ protocol: 'udp' });
      expect(await connections()).toMatchObject([{ protocol: 'UDP', state: 'UDP', expires: 300 }]);
      expect((await counts({ ...virtual, protocol: 'udp' }))[2]).toEqual([0, 1, 0]);
      kernel.advance(300_000);
      const before = connection.server;
      expect(connection.packet()).toBe(true);
      expect(connection.server).not.toEqual(before);
    });

    test('one packet by itself leaves no entry', async () => {
      const { serve, connect, connections } = await start();
      await serve({ ...virtual, protocol: 'udp', scheduler: 'rr', onePacket: true });
      const connection = connect({ protocol: 'udp' });
      expect(times(3).map(() => connection.packet() && last(connection))).toEqual(['2', '1', '3']);
      expect(await connections()).toEqual([]);
    });

    test('with expire_nodest_conn the connections of a removed server end, and their templates', async () => {
      const { ipvs, serve, connect, connections } = await start();
      await ipvs.setSysctl('expire_nodest_conn', true);
      const service = await serve({ ...virtual, scheduler: 'rr', persistence: 50 });
      const connection = connect();
      await (await service.server(connection.server)).delete();
      expect(await connections()).toEqual([]);
      expect(connection.packet()).toBe(false);
      expect(connect().server).not.toEqual(connection.server);
    });

    test('a port that is used again', async () => {
      const { serve, connect, connections } = await start();
      await serve({ ...virtual, scheduler: 'rr' });
      const client = { client: '198.51.100.9', clientPort: 5000 };
      const first = connect(client);
      expect(connect(client).server).toEqual(first.server);
      first.close();
      expect(connect(client).server).not.toEqual(first.server);
      expect(await connections()).toHaveLength(1);
    });

    test('counters and rates come with the sample, and freeze without estimation', async () => {
      const { kernel, ipvs, serve, connect } = await start();
      const service = await serve({ ...virtual, scheduler: 'rr' }, [1]);
      const connection = connect({ bytes: 100 });
      for (const _ of times(99)) connection.packet(100);
      connection.reply(1000);
      expect((await service.read()).statistics.connections).toBe(0n);
      kernel.advance(2000);
      const { statistics } = await service.read();
      expect(statistics).toMatchObject({
        connections: 1n,
        incomingPackets: 100n,
        outgoingPackets: 1n,
        incomingBytes: 10_000n,
        outgoingBytes: 1000n,
        incomingPacketRate: 12n, // a quarter of 50 at the first sample
      });
      expect(await ipvs.totals()).toMatchObject({ connections: 1n, incomingBytes: 10_000n, incomingPacketRate: 12n });
      await service.zero();
      expect((await service.read()).statistics).toMatchObject({ incomingPackets: 0n, incomingPacketRate: 0n });
      expect((await ipvs.totals()).incomingPackets).toBe(100n);
      connection.packet(100);
      kernel.advance(2000);
      expect((await service.servers())[0]?.statistics.incomingPackets).toBe(1n);
      kernel.advance(600_000);
      expect((await ipvs.totals()).incomingByteRate).toBe(0n);
      await ipvs.setSysctl('run_estimation', false);
      connection.packet(100);
      kernel.advance(10_000);
      expect((await service.read()).statistics.incomingPackets).toBe(1n);
    });

    test('connection tracking sees it where the sysctl is on', async () => {
      const { kernel, ipvs, conntrack, serve, connect } = await start();
      await serve({ ...virtual, scheduler: 'rr' }, [1]);
      connect();
      expect(await conntrack.flows().toArray()).toEqual([]);
      await ipvs.setSysctl('conntrack', true);
      await conntrack.setSettings({ accounting: true });
      const connection = connect({ client: '198.51.100.1', clientPort: 4000 });
      connection.reply(500);
      const [flow] = await conntrack.flows().toArray();
      expect(flow).toMatchObject({
        state: 'ESTABLISHED',
        original: { source: '198.51.100.1', destination: '192.0.2.1', destinationPort: 80 },
        reply: { source: '10.1.0.1', sourcePort: 8080, destinationPort: 4000 },
        counters: { original: { packets: 1n, bytes: 60n }, reply: { packets: 1n, bytes: 500n } },
      });
      connection.close();
      kernel.advance(120_000);
      expect(await conntrack.flows().toArray()).toEqual([]);
    });

    test('no number of changes and connections makes the counts of a server wrong', async () => {
      const step = fc.oneof(
        fc.record({ do: fc.constant('connect' as const), protocol: fc.constantFrom('tcp' as const, 'udp' as const) }),
        fc.record({ do: fc.constantFrom('close' as const, 'packet' as const), which: fc.nat(20) }),
        fc.record({ do: fc.constantFrom('remove' as const, 'add' as const), which: fc.nat(2) }),
        fc.record({ do: fc.constant('advance' as const), seconds: fc.nat(400) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), fc.boolean(), async (steps, expire, keep) => {
          const { kernel, ipvs, serve, connections } = await start();
          await ipvs.setSysctl('expire_nodest_conn', expire);
          const persistence = keep ? 30 : false;
          const tcp = await serve({ ...virtual, scheduler: 'wlc', persistence });
          await serve({ ...virtual, protocol: 'udp', scheduler: 'rr', persistence });
          const open: TrafficConnection[] = [];
          for (const now of steps) {
            if (now.do === 'advance') kernel.advance(now.seconds * 1000);
            else if (now.do === 'connect') {
              const connection = kernel.namespace().connect({ ...virtual, protocol: now.protocol });
              if (connection) open.push(connection);
            } else if (now.do === 'remove' || now.do === 'add') {
              const server = { address: addresses[now.which] ?? '', port: 8080 };
              await ipvs.apply([{ change: now.do === 'add' ? 'add-server' : 'delete-server', service: tcp, server }]);
            } else if (now.do === 'close') open[now.which]?.close();
            else open[now.which]?.packet();
          }
          const all = await connections();
          for (const service of [tcp, await ipvs.service({ ...virtual, protocol: 'udp' })]) {
            for (const server of await service.servers()) {
              const own = all.filter(
                ({ protocol, serverAddress }) =>
                  protocol.toLowerCase() === service.protocol && serverAddress === server.address,
              );
              const templates = own.filter(({ clientPort }) => clientPort === 0);
              const active = own.filter(({ clientPort, state }) => clientPort !== 0 && state === 'ESTABLISHED');
              expect(server).toMatchObject({
                activeConnections: active.length,
                inactiveConnections: own.length - templates.length - active.length,
                persistentConnections: templates.length,
              });
            }
          }
        }),
        { numRuns: 200 },
      );
    });
  });
}
