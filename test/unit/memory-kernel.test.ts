// The kernel in memory, in what the real one can not be made to do in a test: failures, time, traffic.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { Conntrack, type ConntrackEvent, createNamespace, deleteNamespace, Ipvs, namespaces } from '../../src/index.js';
import { MemoryKernel, type TrafficConnection, type TrafficOptions } from '../../src/testing/index.js';
import { failure } from '../conformance/place.js';

const virtual = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
const addresses = ['10.1.0.1', '10.1.0.2', '10.1.0.3'];

let kernel: MemoryKernel;
let ipvs: Ipvs;
let conntrack: Conntrack;

beforeEach(async () => {
  kernel = new MemoryKernel();
  ipvs = await Ipvs.open({ kernel });
  conntrack = await Conntrack.open({ kernel });
});

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

const last = (connection: TrafficConnection): string => connection.server.address.slice(-1);
const times = (count: number): null[] => Array.from({ length: count }, () => null);

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

describe('failures', () => {
  test('of a change in a batch: those behind it are done', async () => {
    kernel.fail({ part: 'ipvs', command: 'NEW_DEST', object: '10.1.0.2', errno: 12 });
    const results = await ipvs.apply([
      { change: 'add-service', service: virtual },
      ...addresses.map((address) => ({ change: 'add-server', service: virtual, server: { address } }) as const),
    ]);
    expect(results.map((result) => (result.ok ? 0 : result.error.errno))).toEqual([0, 0, 12, 0]);
    expect(await (await ipvs.service(virtual)).servers()).toHaveLength(2);
  });

  test('after some, so often, and until they are cleared', async () => {
    kernel.fail({ command: 'services', after: 1, times: 2, errno: 105 });
    await ipvs.services();
    for (const _ of times(2)) expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_OVERRUN' });
    await ipvs.services();
    kernel.fail({ part: 'conntrack', times: Number.POSITIVE_INFINITY });
    for (const _ of times(3)) expect(await failure(conntrack.usage())).toMatchObject({ errnoName: 'EIO' });
    await ipvs.services();
    kernel.clearFaults();
    await conntrack.usage();
  });

  test('of what is carried out nevertheless', async () => {
    kernel.fail({ command: 'NEW_SERVICE', carriedOut: true, errno: 105 });
    expect(await failure(ipvs.addService(virtual))).toMatchObject({ code: 'ERR_IPVS_OVERRUN' });
    expect(await ipvs.services()).toHaveLength(1);
  });

  test('a program that is killed leaves what it has done', async () => {
    kernel.fail({ command: 'NEW_DEST', after: 1, errno: 'killed' });
    const work = ipvs.apply([
      { change: 'add-service', service: virtual },
      ...addresses.map((address) => ({ change: 'add-server', service: virtual, server: { address } }) as const),
    ]);
    expect(await failure(work)).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
    expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
    expect(await failure(conntrack.usage())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
    const next = await Ipvs.open({ kernel });
    expect(await (await next.service(virtual)).servers()).toHaveLength(1);
  });

  test('kill() kills all handles', async () => {
    await ipvs.addService(virtual);
    const stream = await conntrack.events();
    kernel.kill();
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
    expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
    expect(await (await Ipvs.open({ kernel })).services()).toHaveLength(1);
  });

  test('without privileges, without IPVS, without a scheduler', async () => {
    kernel.permission = false;
    expect(await failure(ipvs.services())).toMatchObject({ code: 'ERR_IPVS_PERMISSION' });
    expect(await failure(ipvs.addService(virtual))).toMatchObject({ code: 'ERR_IPVS_PERMISSION' });
    const bare = new MemoryKernel({ available: { ipvs: false }, schedulers: ['rr'] });
    expect(await failure(Ipvs.open({ kernel: bare }))).toMatchObject({ code: 'ERR_IPVS_NOT_AVAILABLE' });
    expect(bare.namespace().file('/proc/sys/net/ipv4/vs/conntrack')).toBeUndefined();
    const simple = await Ipvs.open({ kernel: new MemoryKernel({ schedulers: ['rr'] }) });
    expect(await failure(simple.addService(virtual))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_SCHEDULER' });
  });

  test('requests are told, each change by itself', async () => {
    kernel.clearRequests();
    await ipvs.apply([
      { change: 'add-service', service: { fwmark: 258 } },
      { change: 'add-server', service: { fwmark: 258 }, server: { address: '10.0.0.17' } },
    ]);
    expect(kernel.requests).toEqual([
      { part: 'ipvs', command: 'apply', object: '2 changes' },
      { part: 'ipvs', command: 'NEW_SERVICE', object: 'FWM 258' },
      { part: 'ipvs', command: 'NEW_DEST', object: '10.0.0.17:0 of FWM 258' },
    ]);
  });
});

describe('namespaces', () => {
  test('come and go by name, or lie anywhere', async () => {
    await createNamespace('blue', { kernel });
    expect(await failure(createNamespace('blue', { kernel }))).toMatchObject({ code: 'ERR_IPVS_NAMESPACE_EXISTS' });
    expect((await namespaces({ kernel })).map(({ name }) => name)).toEqual(['blue']);
    const path = '/run/docker/netns/ingress_sbox';
    expect(await failure(Ipvs.open({ kernel, namespace: path }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_NAMESPACE' });
    kernel.addNamespace(path);
    const ingress = await Ipvs.open({ kernel, namespace: path });
    await ingress.addService(virtual);
    expect(await ipvs.services()).toEqual([]);
    const blue = await Ipvs.open({ kernel, namespace: '/var/run/netns/blue' });
    await deleteNamespace('blue', { kernel });
    expect(await failure(Ipvs.open({ kernel, namespace: 'blue' }))).toMatchObject({ errno: 2 });
    expect(await blue.services()).toEqual([]);
    expect(await failure(deleteNamespace('blue', { kernel }))).toMatchObject({ errno: 2 });
  });
});

describe('traffic', () => {
  test('rr goes round, in the order of the list', async () => {
    await serve({ ...virtual, scheduler: 'rr' });
    expect(times(6).map(() => last(connect()))).toEqual(['3', '2', '1', '3', '2', '1']);
    expect(await counts(virtual)).toEqual([
      [2, 0, 0],
      [2, 0, 0],
      [2, 0, 0],
    ]);
  });

  test('wrr gives by weight, wlc by connections for their weight', async () => {
    for (const scheduler of ['wrr', 'wlc'] as const) {
      await serve({ ...virtual, scheduler }, [3, 1, 0]);
      for (const _ of times(8)) connect();
      expect((await counts(virtual)).map(([active]) => active)).toEqual([6, 2, 0]);
      await ipvs.flush();
      kernel.advance(86_400_000);
    }
  });

  test('lc takes the one with the least', async () => {
    await serve({ ...virtual, scheduler: 'lc' });
    const [one] = times(3).map(() => connect());
    one?.close();
    expect(connect().server).toEqual(one?.server);
  });

  test('sh keeps a client on a server, and takes no other unless it may', async () => {
    const service = await serve({ ...virtual, scheduler: 'sh' });
    const client = '198.51.100.7';
    const { server } = connect({ client });
    expect(times(5).map(() => connect({ client }).server)).toEqual(times(5).map(() => server));
    await (await service.server(server)).update({ weight: 0 });
    expect(kernel.namespace().connect({ ...virtual, client })).toBeUndefined();
    await service.update({ schedulerFlags: ['sh-fallback'] });
    expect(connect({ client }).server.address).not.toBe(server.address);
    const clients = Array.from({ length: 100 }, (_, i) => `198.51.100.${i}`);
    expect(new Set(clients.map((address) => connect({ client: address }).server.address)).size).toBe(2);
  });

  test('rr goes on where it was when a server was removed', async () => {
    const service = await serve({ ...virtual, scheduler: 'rr' });
    expect(times(2).map(() => last(connect()))).toEqual(['3', '2']);
    await (await service.server({ address: '10.1.0.2', port: 8080 })).delete();
    expect(times(3).map(() => last(connect()))).toEqual(['1', '3', '1']);
  });

  test('nobody takes it: no service, no server, weight 0, above the threshold', async () => {
    const try_ = () => kernel.namespace().connect(virtual);
    expect(try_()).toBeUndefined();
    const service = await ipvs.addService({ ...virtual, scheduler: 'rr' });
    expect(try_()).toBeUndefined();
    const server = await service.addServer({ address: '10.1.0.1', weight: 0 });
    expect(try_()).toBeUndefined();
    await server.update({ weight: 1, upperThreshold: 4 });
    const four = times(4).map(() => connect());
    expect(try_()).toBeUndefined();
    // Again below three quarters of it, and what is inactive counts.
    four[0]?.close();
    expect(try_()).toBeUndefined();
    kernel.advance(121_000);
    expect(try_()).toBeUndefined();
    four[1]?.close();
    kernel.advance(121_000);
    expect(try_()).toBeDefined();
  });

  test('a service by mark comes first, and its port is that of the packet', async () => {
    await serve({ ...virtual, scheduler: 'rr' });
    const marked = await ipvs.addService({ fwmark: 80, scheduler: 'rr' });
    await marked.addServer({ address: '10.1.0.9', forwarding: 'direct' });
    expect(connect({ fwmark: 80, port: 81 }).server).toEqual({ address: '10.1.0.9', port: 81 });
    expect(last(connect({ fwmark: 81 }))).toBe('3');
    expect(kernel.namespace().connect({ ...virtual, port: 81 })).toBeUndefined();
  });

  test('a connection of TCP: its entry, its end', async () => {
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
    await serve({ ...virtual, protocol: 'udp', scheduler: 'rr', onePacket: true });
    const connection = connect({ protocol: 'udp' });
    expect(times(3).map(() => connection.packet() && last(connection))).toEqual(['2', '1', '3']);
    expect(await connections()).toEqual([]);
  });

  test('persistence keeps a network of clients on a server, as long as it has connections', async () => {
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
    const service = await serve({ ...virtual, scheduler: 'rr', persistence: 50 });
    const { server } = connect();
    await (await service.server(server)).update({ weight: 0 });
    expect(connect().server).toEqual(server);
    await ipvs.setSysctl('expire_quiescent_template', true);
    expect(connect().server).not.toEqual(server);
    expect((await connections()).filter(({ virtualPort }) => virtualPort === 65535)).toHaveLength(1);
  });

  test('a removed server: packets are dropped, the connection waits for it to come back', async () => {
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

  test('with expire_nodest_conn the connections of a removed server end, and their templates', async () => {
    await ipvs.setSysctl('expire_nodest_conn', true);
    const service = await serve({ ...virtual, scheduler: 'rr', persistence: 50 });
    const connection = connect();
    await (await service.server(connection.server)).delete();
    expect(await connections()).toEqual([]);
    expect(connection.packet()).toBe(false);
    expect(connect().server).not.toEqual(connection.server);
  });

  test('a port that is used again', async () => {
    await serve({ ...virtual, scheduler: 'rr' });
    const client = { client: '198.51.100.9', clientPort: 5000 };
    const first = connect(client);
    expect(connect(client).server).toEqual(first.server);
    first.close();
    expect(connect(client).server).not.toEqual(first.server);
    expect(await connections()).toHaveLength(1);
  });

  test('counters and rates come with the sample, and freeze without estimation', async () => {
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
        kernel = new MemoryKernel();
        ipvs = await Ipvs.open({ kernel });
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

describe('connection tracking', () => {
  const udp = (sourcePort: number) =>
    ({ protocol: 'udp', source: '10.0.0.1', destination: '10.0.0.2', sourcePort, destinationPort: 53 }) as const;
  const create = (port: number, timeout = 100) => conntrack.create({ original: udp(port), timeout });

  async function take(stream: AsyncIterable<ConntrackEvent>, count: number): Promise<string[]> {
    const said: string[] = [];
    for await (const event of stream) {
      const recovered = 'recovered' in event && event.recovered ? ' recovered' : '';
      const port = 'flow' in event ? ` ${event.flow.original.sourcePort}` : '';
      const flows = event.type === 'resynchronised' ? ` ${event.flows}` : '';
      if (said.push(`${event.type}${port}${flows}${recovered}`) === count) break;
    }
    return said;
  }

  test('flows end with time, and it is told', async () => {
    const stream = await conntrack.events();
    await create(1, 10);
    await create(2, 20);
    kernel.advance(9_999);
    expect((await conntrack.flow({ original: udp(1) })).timeout).toBe(0);
    kernel.advance(1);
    expect(await failure(conntrack.flow({ original: udp(1) }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_FLOW' });
    await conntrack.update({ original: udp(2) }, { timeout: 50 });
    kernel.advance(49_000);
    expect((await conntrack.usage()).count).toBe(1);
    kernel.advance(1000);
    expect(await take(stream, 5)).toEqual(['new 1', 'new 2', 'destroy 1', 'update 2', 'destroy 2']);
  });

  test('a full table', async () => {
    await conntrack.setSettings({ maximum: 2 });
    await create(1);
    await create(2);
    expect(await failure(create(3))).toMatchObject({ code: 'ERR_IPVS_TABLE_FULL', errno: 12 });
    expect(await conntrack.usage()).toMatchObject({ count: 2, maximum: 2, ratio: 1 });
    expect((await conntrack.statistics())[0]).toMatchObject({ insert: 2, drop: 1 });
  });

  test('an overrun: what waits is lost, and a stream that resynchronises finds it', async () => {
    const plain = await conntrack.events();
    const whole = await conntrack.events({ resynchronise: true });
    await create(1);
    expect(await take(await conntrack.events({ resynchronise: true }), 2)).toEqual([
      'new 1 recovered',
      'resynchronised 1',
    ]);
    await kernel.namespace().overrunEvents(async () => {
      await create(2);
      await conntrack.delete({ original: udp(1) });
    });
    await create(3);
    expect(await take(plain, 2)).toEqual(['overrun', 'new 3']);
    expect(await take(whole, 4)).toEqual(['overrun', 'new 3', 'new 2 recovered', 'resynchronised 2']);
  });

  test('a stream that resynchronises tells the end of what it had told of', async () => {
    const stream = await conntrack.events({ resynchronise: true });
    await create(1);
    await create(2);
    const iterator = stream[Symbol.asyncIterator]();
    for (const _ of times(3)) await iterator.next();
    await kernel.namespace().overrunEvents(async () => {
      await conntrack.delete({ original: udp(1) });
      await conntrack.update({ original: udp(2) }, { mark: 7 });
    });
    const types = [];
    for (const _ of times(4)) types.push((await iterator.next()).value?.type);
    expect(types).toEqual(['overrun', 'update', 'destroy', 'resynchronised']);
    await iterator.return?.();
  });

  test('labels, where a rule uses them', async () => {
    kernel.namespace().useLabels();
    await conntrack.create({ original: udp(1), timeout: 10, labels: [1, 127] });
    await conntrack.update({ original: udp(1) }, { labels: { set: [2], clear: [1] } });
    expect((await conntrack.flow({ original: udp(1) })).labels).toEqual([2, 127]);
  });

  test('expectations end with time', async () => {
    const master = { ...udp(1), protocol: 'tcp', destinationPort: 21 } as const;
    await conntrack.create({ original: master, timeout: 1000, helper: 'ftp' });
    await conntrack.createExpectation({ tuple: { ...master, destinationPort: 5000 }, master, timeout: 5 });
    kernel.advance(299_000);
    expect(await conntrack.expectations()).toHaveLength(1);
    kernel.advance(1000);
    expect(await conntrack.expectations()).toEqual([]);
  });
});

describe('the rest', () => {
  test('sleep ends with advance, or with its signal', async () => {
    let woken = false;
    const sleeping = kernel.clock.sleep(1000).then(() => {
      woken = true;
    });
    kernel.advance(999);
    await Promise.resolve();
    expect(woken).toBe(false);
    kernel.advance(1);
    await sleeping;
    expect(kernel.clock.now()).toBe(1000);
    await expect(kernel.clock.sleep(1, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });

  test('files, as another program or another kernel has them', async () => {
    const here = kernel.namespace();
    here.setFile('/proc/sys/net/ipv4/vs/conn_max', '16777216\n');
    here.setFile('/proc/sys/net/ipv4/vs/est_nice', undefined);
    expect(await ipvs.sysctl('conn_max')).toBe(16_777_216);
    expect(await failure(ipvs.sysctl('est_nice'))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SYSCTL' });
    await ipvs.setSysctl('conntrack', true);
    expect(here.file('/proc/sys/net/ipv4/vs/conntrack')).toBe('1\n');
    expect(here.file('/proc/nope')).toBeUndefined();
  });

  test('a large table is cheap', async () => {
    const begin = performance.now();
    const services = Array.from({ length: 1000 }, (_, i) => ({ fwmark: i + 1, scheduler: 'rr' }));
    const servers = Array.from({ length: 10 }, (_, i) => ({ address: `10.1.0.${i + 1}` }));
    const results = await ipvs.apply(
      services.flatMap((service) => [
        { change: 'add-service', service } as const,
        ...servers.map((server) => ({ change: 'add-server', service, server }) as const),
      ]),
    );
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect((await ipvs.table()).reduce((sum, row) => sum + row.servers.length, 0)).toBe(10_000);
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});
