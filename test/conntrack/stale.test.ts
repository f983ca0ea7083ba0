// A UDP sender that keeps talking to a server that is gone, and what ends it.
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Flow, StaleOptions } from '../../src/index.js';
import { addresses, useNetwork } from './world.js';

const SERVER_PORT = 8080;
const network = useNetwork([SERVER_PORT, 8081], 2);
const [a, b] = addresses.servers;
/** Of the client, and of the virtual address: each test has its own. */
let from = 20_000;
let port = 2000;

// Without a rule that looks at flows none is tracked.
beforeAll(() => {
  network.rules(`
    table inet track {
      chain in { type filter hook prerouting priority 0; ct state new; }
    }`);
});

beforeEach(() => {
  from += 10;
  port += 10;
});

type Family = 'ipv4' | 'ipv6';

/** Rules that give what comes to the virtual address to one server; or to none. */
function serveBy(family: Family, server: string | undefined, ports: readonly number[] = [port]): void {
  const [table, match] = family === 'ipv4' ? ['ip', 'ip daddr'] : ['ip6', 'ip6 daddr'];
  const to = family === 'ipv4' ? `${server}:${SERVER_PORT}` : `[${server}]:${SERVER_PORT}`;
  const rule = `${match} ${addresses.virtual[family]} meta l4proto { tcp, udp } th dport { ${ports.join(', ')} }`;
  network.rules(`
    add table ${table} nat
    delete table ${table} nat
    table ${table} nat {
      chain in { type nat hook prerouting priority dstnat; ${server === undefined ? '' : `${rule} dnat to ${to}`}; }
    }`);
}

function ask(family: Family, source = from, to = port): Promise<string | null> {
  const address = addresses.virtual[family];
  return network.client.ask({ kind: 'ask', address, port: to, from: source, patience: 2000 });
}

function connect(family: Family, to = port): Promise<string> {
  return network.client.ask({ kind: 'connect', address: addresses.virtual[family], port: to });
}

function query(family: Family, options: Partial<StaleOptions> & Pick<StaleOptions, 'servers'>): StaleOptions {
  return { address: addresses.virtual[family], port, ...options };
}

const stale = (options: StaleOptions): Promise<Flow[]> => network.conntrack.staleFlows(options);
const remove = (options: StaleOptions): Promise<number> => network.conntrack.deleteStaleFlows(options);
const sources = (flows: readonly Flow[]): (number | undefined)[] =>
  flows.map((flow) => flow.original.sourcePort).sort();

describe.each(['ipv4', 'ipv6'] as const)('%s', (family) => {
  test('a sender gets to the new server once its stale flow is deleted', async () => {
    serveBy(family, a[family]);
    expect(await ask(family)).toBe('server1');
    serveBy(family, b[family]);
    expect(await ask(family), 'the flow outlives the rule').toBe('server1');

    const [flow, ...others] = await stale(query(family, { servers: [b[family]] }));
    expect(others).toEqual([]);
    expect(flow).toMatchObject({
      protocol: 'udp',
      family,
      original: { destination: addresses.virtual[family], destinationPort: port, sourcePort: from },
      reply: { source: a[family], sourcePort: SERVER_PORT },
    });
    expect(await ask(family), 'looking changes nothing').toBe('server1');

    expect(await remove(query(family, { servers: [b[family]] }))).toBe(1);
    expect(await ask(family)).toBe('server2');
    expect(await stale(query(family, { servers: [b[family]] }))).toEqual([]);
    expect(await remove(query(family, { servers: [b[family]] }))).toBe(0);
    expect(await ask(family)).toBe('server2');
  });

  test('flows to servers that are alive stay', async () => {
    serveBy(family, a[family]);
    expect(await ask(family, from)).toBe('server1');
    serveBy(family, b[family]);
    expect(await ask(family, from + 1)).toBe('server2');
    const [kept] = await stale(query(family, { servers: [a[family]] }));
    expect(await remove(query(family, { servers: [b[family]] }))).toBe(1);
    const [same] = await stale(query(family, { servers: [] }));
    expect([same?.id, same?.original.sourcePort]).toEqual([kept?.id, from + 1]);
    expect(await remove(query(family, { servers: [a[family], b[family]] }))).toBe(0);
  });

  test('TCP connections end only when asked', async () => {
    serveBy(family, a[family]);
    expect(await connect(family)).toBe('server1');
    expect(await ask(family)).toBe('server1');
    serveBy(family, b[family]);
    expect(await remove(query(family, { servers: [b[family]] }))).toBe(1);
    const tcp = await stale(query(family, { servers: [b[family]], protocol: 'tcp' }));
    expect(tcp).toMatchObject([{ protocol: 'tcp', state: 'ESTABLISHED', reply: { source: a[family] } }]);
    expect(await remove(query(family, { servers: [b[family]], protocol: 'tcp' }))).toBe(1);
    expect(await stale(query(family, { servers: [b[family]], protocol: 'tcp' }))).toEqual([]);
    expect(await connect(family)).toBe('server2');
  });

  test('what was not translated is stale, or is to be kept', async () => {
    serveBy(family, undefined);
    expect(await ask(family), 'nobody is there').toBeNull();
    serveBy(family, b[family]);
    expect(await ask(family), 'the flow began before the rule').toBeNull();
    const servers = [b[family]];
    expect(await stale(query(family, { servers, untranslated: 'keep' }))).toEqual([]);
    expect(await remove(query(family, { servers, untranslated: 'keep' }))).toBe(0);
    expect(await ask(family)).toBeNull();
    expect(await stale(query(family, { servers }))).toMatchObject([{ reply: { source: addresses.virtual[family] } }]);
    expect(await remove(query(family, { servers, untranslated: 'stale' }))).toBe(1);
    expect(await ask(family)).toBe('server2');
  });

  test('keeping what was not translated deletes the rest', async () => {
    serveBy(family, undefined);
    expect(await ask(family)).toBeNull();
    serveBy(family, a[family]);
    expect(await ask(family, from + 1)).toBe('server1');
    expect(sources(await stale(query(family, { servers: [b[family]] })))).toEqual([from, from + 1]);
    expect(await remove(query(family, { servers: [b[family]], untranslated: 'keep' }))).toBe(1);
    expect(sources(await stale(query(family, { servers: [b[family]] })))).toEqual([from]);
  });
});

test('the virtual port counts, and without one all do', async () => {
  serveBy('ipv4', a.ipv4, [port, port + 1]);
  expect(await ask('ipv4', from, port)).toBe('server1');
  expect(await ask('ipv4', from, port + 1)).toBe('server1');
  serveBy('ipv4', b.ipv4, [port, port + 1]);
  const [servers, address] = [[b.ipv4], addresses.virtual.ipv4];
  expect(await remove({ address, port, servers })).toBe(1);
  expect(await ask('ipv4', from, port)).toBe('server2');
  expect(await ask('ipv4', from, port + 1)).toBe('server1');
  expect((await stale({ address, servers })).map((flow) => flow.original.destinationPort)).toContain(port + 1);
  await remove({ address, servers });
  expect(await stale({ address, servers })).toEqual([]);
  expect(await ask('ipv4', from, port + 1)).toBe('server2');
});

test('the port of a server counts if it is given', async () => {
  serveBy('ipv4', a.ipv4);
  expect(await ask('ipv4')).toBe('server1');
  const server = (at: number): StaleOptions => query('ipv4', { servers: [{ address: a.ipv4, port: at }] });
  expect(await stale(server(SERVER_PORT))).toEqual([]);
  expect(await stale(query('ipv4', { servers: [a.ipv4] }))).toEqual([]);
  expect(await stale(server(8081))).toHaveLength(1);
  const both = [8081, SERVER_PORT].map((at) => ({ address: a.ipv4, port: at }));
  expect(await stale(query('ipv4', { servers: both }))).toEqual([]);
  expect(await remove(query('ipv4', { servers: [...both.slice(0, 1), b.ipv4] }))).toBe(1);
});

test('a server is known however its address is written', async () => {
  serveBy('ipv6', a.ipv6);
  expect(await ask('ipv6')).toBe('server1');
  expect(await stale(query('ipv6', { address: 'FD09:1:0::0100', servers: ['fd09:0002:0:0::0011'] }))).toEqual([]);
  expect(await stale(query('ipv6', { address: 'FD09:1:0::0100', servers: ['fd09:2::12'] }))).toHaveLength(1);
});

test('other addresses and other zones are left alone', async () => {
  serveBy('ipv4', a.ipv4);
  expect(await ask('ipv4')).toBe('server1');
  const address = '10.77.0.1';
  const original = {
    protocol: 'udp',
    source: '10.77.1.1',
    destination: address,
    sourcePort: 1,
    destinationPort: port,
  } as const;
  const nat = { destination: { address: a.ipv4, port: SERVER_PORT } };
  for (const zone of [0, 3]) await network.conntrack.create({ original, nat, zone, timeout: 300 });
  expect(await stale({ address: '10.77.0.2', servers: [] })).toEqual([]);
  expect((await stale({ address, servers: [b.ipv4] })).map((flow) => flow.zone).sort()).toEqual([0, 3]);
  expect(await remove({ address, servers: [b.ipv4], zone: 3 })).toBe(1);
  expect((await stale({ address, servers: [b.ipv4] })).map((flow) => flow.zone)).toEqual([0]);
  expect(await stale(query('ipv4', { servers: [b.ipv4] }))).toHaveLength(1);
});
