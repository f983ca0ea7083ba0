// Scenario 1: a virtual service by address, with real packets between network namespaces.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addDirector, type Helper, Lab } from '../../scripts/lab.mjs';
import { type ConnectionEntry, Ipvs, type ServiceOptions, type VirtualService } from '../../src/index.js';
import { until } from '../until.js';
import { runIn } from './world.js';

const SERVER_PORT = 8080;
/** Of the service under test. Connections outlive their service: each test has a port of its own. */
let port = 1000;
const lab = new Lab();
let network: ReturnType<typeof addDirector>;
let client: Helper;
let servers: Helper[];
let ipvs: Ipvs;

beforeEach(() => {
  port++;
});

beforeAll(async () => {
  network = addDirector(lab);
  const program = (name: string): URL => new URL(`../../examples/programs/${name}.mjs`, import.meta.url);
  [client, ...servers] = (await Promise.all([
    network.client.start(program('client')),
    ...network.servers.map(({ host }) => host.start(program('server'), host.name, SERVER_PORT)),
  ])) as [Helper, ...Helper[]];
  ipvs = await Ipvs.open({ namespace: network.director.namespace });
}, 120_000);

afterEach(async () => {
  await client.ask({ kind: 'drop' });
  await ipvs.flush();
  await ipvs.setTimeouts({ tcp: 900, tcpFin: 120, udp: 300 });
});

afterAll(async () => {
  await ipvs?.close();
  await lab.close();
  expect(lab.namespaces).toEqual([]);
});

function director(...command: [string, ...string[]]): string {
  return runIn(network.director.namespace, ...command);
}

type Family = 'ipv4' | 'ipv6';

async function serve(
  family: Family,
  protocol: 'tcp' | 'udp',
  settings: Omit<ServiceOptions, 'fwmark' | 'address'>,
  weights: readonly number[] = [1, 1, 1],
): Promise<VirtualService> {
  const address = network.virtual[family];
  const service = await ipvs.addService({ ...settings, protocol, address, port } as ServiceOptions);
  for (const [index, server] of network.servers.entries()) {
    await service.addServer({ address: server[family], port: SERVER_PORT, weight: weights[index] ?? 1 });
  }
  return service;
}

async function meet(family: Family, kind: string, count = 1): Promise<string[]> {
  return client.ask({ kind, address: network.virtual[family], port, count });
}

/** How many times each server was met, most first. */
function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

async function connections(): Promise<ConnectionEntry[]> {
  const found = [];
  for await (const connection of ipvs.connections({ virtualPort: port })) found.push(connection);
  return found;
}

describe.each([
  ['ipv4', 'tcp'],
  ['ipv4', 'udp'],
  ['ipv6', 'tcp'],
  ['ipv6', 'udp'],
] as const)('%s %s', (family, protocol) => {
  test('rr spreads 30 connections 10/10/10', async () => {
    await serve(family, protocol, { scheduler: 'rr' });
    expect(tally(await meet(family, protocol, 30))).toEqual({ server1: 10, server2: 10, server3: 10 });
  });

  test('wrr spreads 30 connections 15/10/5 by weight', async () => {
    await serve(family, protocol, { scheduler: 'wrr' }, [3, 2, 1]);
    expect(tally(await meet(family, protocol, 30))).toEqual({ server1: 15, server2: 10, server3: 5 });
  });

  test('source hashing keeps a client on one server', async () => {
    await serve(family, protocol, { scheduler: 'sh' });
    expect(Object.values(tally(await meet(family, protocol, 12)))).toEqual([12]);
  });

  test('persistence keeps a client on one server', async () => {
    const service = await serve(family, protocol, { scheduler: 'rr', persistence: 60 });
    expect(Object.values(tally(await meet(family, protocol, 12)))).toEqual([12]);
    const persistent = (await service.servers()).map((server) => server.persistentConnections);
    expect(persistent.sort()).toEqual([0, 0, 1]);
    const templates = (await connections()).filter((connection) => connection.clientPort === 0);
    expect(templates).toEqual([
      expect.objectContaining({ virtualAddress: network.virtual[family], serverPort: SERVER_PORT }),
    ]);
  });
});

test('persistence ends with its timeout', async () => {
  // A template lives on while it has connections: those must end first.
  await ipvs.setTimeouts({ udp: 1 });
  await serve('ipv4', 'udp', { scheduler: 'rr', persistence: 5 });
  const [first] = await meet('ipv4', 'udp');
  expect(await meet('ipv4', 'udp')).toEqual([first]);
  await until(connections, (found) => found.length === 0, 30_000);
  expect(await meet('ipv4', 'udp')).not.toEqual([first]);
});

test.each(['ipv4', 'ipv6'] as const)('one-packet scheduling spreads the datagrams of one port, %s', async (family) => {
  const counts = async (): Promise<number[]> => Promise.all(servers.map((server) => server.ask('count')));
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  const collect = async (): Promise<number[]> => {
    const totals = [0, 0, 0];
    await until(
      async () => {
        for (const [index, count] of (await counts()).entries()) totals[index] = (totals[index] ?? 0) + count;
        return totals;
      },
      (values) => sum(values) >= 30,
      5000,
    );
    return totals.sort((a, b) => a - b);
  };
  const service = await serve(family, 'udp', { scheduler: 'rr' });
  await counts();
  await meet(family, 'stream', 30);
  expect(await collect()).toEqual([0, 0, 30]);
  await service.update({ onePacket: true });
  await meet(family, 'stream', 30);
  expect(await collect()).toEqual([10, 10, 10]);
});

test('counters, rates and connections are those of ipvsadm and of /proc', async () => {
  const service = await serve('ipv4', 'tcp', { scheduler: 'rr' });
  await sleep(4500); // what the tests before sent is sampled by now, and so can be zeroed
  await ipvs.zero();
  await meet('ipv4', 'tcp', 30);
  await meet('ipv4', 'hold');
  // The kernel takes counters from the packet path every 2 s.
  await until(
    () => service.read(),
    ({ statistics }) => statistics.connections === 31n,
  );
  await sleep(4500);

  const columns = (option: string): string[][] =>
    director('ipvsadm', '-Ln', option, '--exact')
      .split('\n')
      .slice(3)
      .filter((line) => line !== '')
      .map((line) => line.trim().split(/\s+/).slice(-5))
      .sort();
  const [row] = await ipvs.table();
  const entries = row ? [row.service, ...row.servers] : [];
  const counters = entries.map(({ statistics: s }) =>
    [s.connections, s.incomingPackets, s.outgoingPackets, s.incomingBytes, s.outgoingBytes].map(String),
  );
  expect(counters.sort()).toEqual(columns('--stats'));
  expect(entries.map(({ statistics }) => statistics.connections)).toEqual([
    31n,
    expect.anything(),
    expect.anything(),
    expect.anything(),
  ]);
  expect(
    entries
      .slice(1)
      .map(({ statistics }) => statistics.connections)
      .sort(),
  ).toEqual([10n, 10n, 11n]);
  expect(entries.every(({ statistics }) => statistics.incomingBytes > 1000n && statistics.outgoingBytes > 1000n)).toBe(
    true,
  );
  expect(row?.servers.reduce((active, server) => active + server.activeConnections, 0)).toBe(1);

  const totals = await ipvs.totals();
  expect(totals.connections).toBe(31n);
  const processors = await ipvs.totalsByProcessor();
  const sum = (name: 'connections' | 'incomingBytes'): bigint =>
    processors.reduce((total, processor) => total + processor[name], 0n);
  expect(processors.map(({ processor }) => processor)).toEqual(processors.map((_, index) => index));
  // Zeroing moves the base of the totals, not the counters of the processors.
  expect(sum('connections')).toBeGreaterThanOrEqual(totals.connections);
  expect(sum('incomingBytes')).toBeGreaterThanOrEqual(totals.incomingBytes);

  const theirs = director('ipvsadm', '-Lnc')
    .split('\n')
    .slice(2)
    .filter((line) => line !== '')
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.at(-2)?.endsWith(`:${port}`))
    .map(([protocol, , ...rest]) => [protocol, ...rest].join(' '));
  const ours = (await connections()).map(
    (c) =>
      `${c.protocol} ${c.state} ${c.clientAddress}:${c.clientPort} ${c.virtualAddress}:${c.virtualPort} ${c.serverAddress}:${c.serverPort}`,
  );
  expect(ours.sort()).toEqual(theirs.sort());
  const established = [];
  for await (const connection of ipvs.connections({ state: 'established', protocol: 'tcp', virtualPort: port })) {
    established.push(connection);
  }
  expect(established).toEqual([expect.objectContaining({ clientAddress: '10.1.0.2', state: 'ESTABLISHED' })]);

  await meet('ipv4', 'tcp', 3); // rates are above 0 for a while
  const rate = await until(
    () => service.read(),
    ({ statistics }) => statistics.incomingPacketRate > 0n,
  );
  expect(rate.statistics.incomingPacketRate).toBeGreaterThan(0n);
  await service.zero();
  expect((await service.read()).statistics.connections).toBe(0n);
  expect((await service.servers()).map(({ statistics }) => statistics.incomingBytes)).toEqual([0n, 0n, 0n]);
});

test('weight 0 takes no new connections and keeps the old one; so does a threshold', async () => {
  const service = await serve('ipv4', 'tcp', { scheduler: 'rr' });
  const [name = ''] = await meet('ipv4', 'hold');
  const address = network.servers.find(({ host }) => host.name === name)?.ipv4 ?? '';
  const server = await service.server({ address, port: SERVER_PORT });
  expect(server.activeConnections).toBe(1);
  await server.update({ weight: 0 });
  expect(tally(await meet('ipv4', 'tcp', 12))[name]).toBeUndefined();
  expect(await meet('ipv4', 'held')).toEqual([name]);

  await server.update({ weight: 1, upperThreshold: 1 });
  // Older kernels notice a threshold that is passed already with the next connection.
  expect(tally(await meet('ipv4', 'tcp', 12))[name] ?? 0).toBeLessThanOrEqual(1);
  expect(tally(await meet('ipv4', 'tcp', 12))[name]).toBeUndefined();
  await server.update({ upperThreshold: 0 });
  expect(tally(await meet('ipv4', 'tcp', 12))[name]).toBe(4);
});
