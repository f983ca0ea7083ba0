// What the library reads is what `conntrack -L`, `-C` and `-S` print.
import { inspect } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Flow, ProcessorStatistics } from '../../src/index.js';
import { created, populate, ports } from './population.js';
import { conntrackTool, fieldsOf, parseLine, sortFields, steady, type ToolFlow, toolLines, toolList } from './tool.js';
import { addresses, byId, type Network, useNetwork } from './world.js';

const network = useNetwork(ports);
const [server] = addresses.servers;

async function read(): Promise<Flow[]> {
  return byId(await network.conntrack.flows().toArray());
}

/** What both say, read one right after the other. */
async function both(): Promise<{ ours: ToolFlow[]; theirs: ToolFlow[] }> {
  const theirs = toolList(network.namespace);
  return { ours: sortFields((await read()).map((flow) => fieldsOf(flow))), theirs };
}

function expectSame({ ours, theirs }: { ours: ToolFlow[]; theirs: ToolFlow[] }): void {
  expect(ours.map(steady)).toEqual(theirs.map(steady));
  for (const [index, { id, timeout }] of ours.entries()) {
    const other = theirs[index]?.timeout;
    expect(typeof timeout, `timeout of ${id}`).toBe(typeof other);
    if (timeout !== undefined) expect(Math.abs(timeout - (other ?? 0)), `timeout of ${id}`).toBeLessThanOrEqual(5);
  }
}

const statisticNames: Readonly<Record<string, string>> = {
  insert_failed: 'insertFailed',
  early_drop: 'earlyDrop',
  search_restart: 'searchRestart',
  clash_resolve: 'clashResolve',
  chaintoolong: 'chainTooLong',
  delete_list: 'deleteList',
};

function parseStatistics(text: string): ProcessorStatistics[] {
  return toolLines(text).map((line) => {
    const [[, processor] = [], ...fields] = line.split(/\s+/).map((word) => word.split('='));
    const values = fields.map(([name = '', value]) => [statisticNames[name] ?? name, Number(value)]);
    return { processor: Number(processor), ...Object.fromEntries(values) };
  });
}

describe.each([
  ['without', false],
  ['with', true],
] as const)('%s accounting and timestamps', (_, on) => {
  beforeAll(async () => {
    await network.conntrack.flush();
    await network.conntrack.setSettings({ accounting: on, timestamps: on });
    await populate(network);
  });

  test('flows are those of conntrack -L', async () => {
    const result = await both();
    expect(result.theirs.length).toBeGreaterThan(created().length + 20);
    expectSame(result);
  });

  test.each(['ipv4', 'ipv6'] as const)('flows of %s are those of conntrack -L -f', async (family) => {
    const theirs = toolList(network.namespace, '-f', family);
    const ours = byId(await network.conntrack.flows({ family }).toArray()).map((flow) => fieldsOf(flow));
    expect(ours.map(steady)).toEqual(theirs.map(steady));
    expect(new Set(ours.map((flow) => flow.family))).toEqual(new Set([family]));
  });

  test('there is some of everything', async () => {
    const flows = await read();
    const protocols = new Set(flows.map((flow) => `${flow.family} ${flow.protocol}`));
    for (const name of ['tcp', 'udp', 'sctp', 'icmp', 'gre', 200]) expect(protocols).toContain(`ipv4 ${name}`);
    for (const name of ['tcp', 'udp', 'sctp', 'icmpv6', 200]) expect(protocols).toContain(`ipv6 ${name}`);
    expect(new Set(flows.map((flow) => flow.zone))).toEqual(new Set([0, 1, 2, 7, 9, 65535]));
    expect(new Set(flows.flatMap((flow) => flow.original.zone ?? []))).toEqual(new Set([8, 21]));
    expect(new Set(flows.flatMap((flow) => flow.reply.zone ?? []))).toEqual(new Set([22]));
    expect(new Set(flows.flatMap((flow) => flow.labels ?? []))).toEqual(new Set([0, 3, 31, 32, 100, 127]));
    const statuses = new Set(flows.flatMap((flow) => flow.status));
    for (const name of ['source-nat', 'destination-nat', 'seen-reply', 'assured', 'fixed-timeout'])
      expect(statuses).toContain(name);
  });

  test('packets made these flows', async () => {
    const find = async (destination: string, port: number): Promise<Flow | undefined> =>
      (await read()).find(({ original }) => original.destination === destination && original.destinationPort === port);
    const udp = await find(server.ipv4, 5000);
    expect(udp).toMatchObject({ mark: 0x11, status: ['seen-reply', 'confirmed', ...natDone(udp)] });
    expect(await find(server.ipv4, 5002)).toMatchObject({ zone: 7 });
    expect(await find(server.ipv4, 5003)).toMatchObject({ zone: 0, original: { zone: 8 } });
    expect(await find(server.ipv4, 5004)).toMatchObject({ reply: { destination: addresses.router.ipv4 } });
    expect(await find(addresses.virtual.ipv4, 53)).toMatchObject({
      mark: 0x11,
      reply: { source: server.ipv4, sourcePort: 5000, destination: addresses.client.ipv4, destinationPort: 4200 },
    });
    const tcp = await find(addresses.virtual.ipv6, 80);
    expect(tcp).toMatchObject({
      protocol: 'tcp',
      state: 'ESTABLISHED',
      mark: 0x22,
      labels: [3],
      reply: { source: server.ipv6, sourcePort: 8080 },
      tcp: { windowScale: { original: expect.any(Number), reply: expect.any(Number) } },
    });
    const echo = (await read()).filter((flow) => flow.original.icmp?.id === 0x29);
    expect(echo.map((flow) => [flow.protocol, flow.original.icmp, flow.reply.icmp, flow.mark])).toEqual(
      expect.arrayContaining([
        ['icmp', { type: 8, code: 0, id: 0x29 }, { type: 0, code: 0, id: 0x29 }, 0],
        ['icmpv6', { type: 128, code: 0, id: 0x29 }, { type: 129, code: 0, id: 0x29 }, 0],
      ]),
    );
  });

  test(`counters and times are ${on ? 'there' : 'absent, not zero'}`, async () => {
    const flows = await read();
    if (!on) {
      expect(flows.filter((flow) => flow.counters !== undefined || flow.started !== undefined)).toEqual([]);
      return;
    }
    expect(flows.filter((flow) => flow.counters === undefined || flow.started === undefined)).toEqual([]);
    const tcp = flows.find((flow) => flow.protocol === 'tcp' && flow.original.destination === server.ipv4);
    expect(tcp?.counters?.original.packets).toBeGreaterThanOrEqual(3n);
    expect(tcp?.counters?.reply.bytes).toBeGreaterThan(100n);
    // Of what was created no packet has come.
    const none = { packets: 0n, bytes: 0n };
    expect(flows.find((flow) => flow.mark === 0x101)?.counters).toEqual({ original: none, reply: none });
    const xml = conntrackTool(network.namespace, '-L', '-o', 'xml,id,ktimestamp');
    const started = [...xml.matchAll(/<id>(\d+)<\/id>.*?<start>(\d+)<\/start>/g)];
    expect(flows.map((flow) => [flow.id, flow.started])).toEqual(
      started.map(([, id, start]) => [Number(id), BigInt(start ?? 0)]).sort((a, b) => Number(a[0]) - Number(b[0])),
    );
  });

  test('flow() reads the same as the list', async () => {
    for (const flow of (await read()).filter(({ protocol }) => protocol !== 'udplite' && protocol !== 'dccp')) {
      expect(steady(fieldsOf(await network.conntrack.flow(flow)))).toEqual(steady(fieldsOf(flow)));
      const { reply, zone } = flow;
      expect((await network.conntrack.flow({ reply, zone })).id).toBe(flow.id);
    }
  });

  test('a flow as text is the line of conntrack', async () => {
    const lines = (await read()).map((flow) => String(flow).replace(/ labels=$/, ''));
    const theirs = toolLines(conntrackTool(network.namespace, '-L', '-o', 'extended,id'));
    const shape = (line: string): string =>
      line
        .replace(/ +/g, ' ')
        .replace(/ labels=\S+/, '')
        .replaceAll(' sport=0 dport=0', '')
        .replace(/ (delta-time|use)=\d+/g, '')
        .replace(/^(\S+ \d+ \S+ \d+) \d+/, '$1');
    expect(lines.map(shape).sort()).toEqual(theirs.map(shape).sort());
    expect(steady(parseLine(inspect((await read())[0])))).toEqual(steady(parseLine(lines[0] ?? '')));
  });

  test('a flow as JSON has all that is known', async () => {
    for (const flow of await read()) {
      const json = JSON.parse(JSON.stringify(flow)) as Record<string, unknown>;
      const { counters, started, original, status, id } = flow;
      expect(json).toMatchObject({ id, status, original: { source: original.source, protocol: original.protocol } });
      const text = (value: bigint | undefined): string | undefined => (value === undefined ? undefined : String(value));
      expect(json.started).toEqual(text(started));
      const bytes = (json.counters as Flow['counters'])?.reply.bytes;
      expect(bytes).toEqual(text(counters?.reply.bytes));
    }
    const groups = await network.conntrack.groups({ by: ['protocol'] });
    expect(JSON.parse(JSON.stringify(groups))).toHaveLength(groups.length);
  });

  test('batches hold what the list does, and a loop may be broken off', async () => {
    const flows = network.conntrack.flows();
    let count = 0;
    for await (const batch of flows.batches()) count += batch.length;
    expect(count).toBe((await read()).length);
    const seen = [];
    for await (const flow of flows) {
      seen.push(flow.id);
      if (seen.length === 3) break;
    }
    expect(seen).toHaveLength(3);
    expectSame(await both());
  });
});

/** Kernels without DCCP (6.16) and UDPLite (7.1) keep such flows without ports, as those of any unknown protocol. */
test.each(['dccp', 'udplite'] as const)('a flow of %s can be named by what was read', async (protocol) => {
  const { conntrack } = network;
  const [flow, ...others] = (await read()).filter(
    (flow) => flow.protocol === protocol && flow.original.source.startsWith('10.20'),
  );
  expect(others).toEqual([]);
  if (!flow) return expect.unreachable('there is one');
  expect((await conntrack.flow(flow)).id).toBe(flow.id);
  await conntrack.update(flow, { mark: 99 });
  expect((await conntrack.flow(flow)).mark).toBe(99);
  await conntrack.delete(flow);
  await expect(conntrack.flow(flow)).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_FLOW' });
});

/** NAT looks at every flow while there are rules of it. */
function natDone(flow: Flow | undefined): string[] {
  return (flow?.status ?? []).filter((name) => name.endsWith('-done'));
}

test('the count is that of conntrack -C', async () => {
  const usage = await network.conntrack.usage();
  expect(usage.count).toBe(Number(network.run('conntrack', '-C')));
  expect(usage.count).toBeGreaterThanOrEqual((await read()).length);
  const [maximum, buckets] = ['max', 'buckets'].map((name) =>
    Number(network.run('cat', `/proc/sys/net/netfilter/nf_conntrack_${name}`)),
  );
  expect(usage).toMatchObject({ maximum, buckets, ratio: usage.count / (maximum ?? 0) });
});

test('statistics are those of conntrack -S', async () => {
  const flow = created()[0];
  // Something to count: a tuple that is taken, and packets that are nothing.
  if (flow) await expect(network.conntrack.create(flow)).rejects.toThrow();
  network.send(`${server.ipv4} 6 00500050000000000000000050ff000000000000`, `${server.ipv4} 17 0050`);
  const theirs = parseStatistics(network.run('conntrack', '-S'));
  const ours = await network.conntrack.statistics();
  expect(ours).toEqual(theirs);
  expect(ours.reduce((sum, { invalid = 0 }) => sum + invalid, 0)).toBeGreaterThan(0);
});

/** The flows' bytes, by id. */
async function bytes(of: Network): Promise<Map<number, bigint>> {
  const flows = await of.conntrack.flows().toArray();
  return new Map(
    flows.map(({ id = 0, counters }) => [id, (counters?.original.bytes ?? -1n) + (counters?.reply.bytes ?? 0n)]),
  );
}

test('zeroedFlows returns the counters and resets them, as conntrack -L -z does', async () => {
  const before = await both();
  const sum = [...(await bytes(network)).values()].reduce((total, value) => total + value, 0n);
  expect(sum).toBeGreaterThan(0n);
  const given = sortFields((await network.conntrack.zeroedFlows().toArray()).map((flow) => fieldsOf(flow)));
  expect(given.map(steady)).toEqual(before.theirs.map(steady));
  expect([...(await bytes(network)).values()].filter((value) => value !== 0n)).toEqual([]);
  expectSame(await both());

  const ask = { kind: 'ask', address: server.ipv4, port: 5000, from: 4000 };
  expect(await network.client.ask(ask)).toBe('server1');
  const counted = await read();
  const theirs = conntrackTool(network.namespace, '-L', '-z', '-o', 'extended,id,ktimestamp,labels');
  // The tool's way loses the counters of a flow where a datagram ends: only the flows are the same.
  expect(toolLines(theirs)).toHaveLength(counted.length);
  expect(counted.filter((flow) => flow.counters?.reply.packets === 1n)).toHaveLength(1);
  expect([...(await bytes(network)).values()].filter((value) => value !== 0n)).toEqual([]);
});

test('zeroedFlows with a filter resets what matches only, and zero() resets the rest', async () => {
  for (const port of [5000, 5001]) {
    await network.client.ask({ kind: 'ask', address: server.ipv4, port, from: port - 1000 });
  }
  expect([...(await bytes(network)).values()].filter((value) => value !== 0n)).toHaveLength(2);
  const given = await network.conntrack.zeroedFlows({ destinationPort: 5001 }).toArray();
  expect(given.length).toBeGreaterThan(0);
  expect(given.filter((flow) => flow.original.destinationPort !== 5001)).toEqual([]);
  expect(given.some((flow) => flow.counters?.original.packets === 1n)).toBe(true);
  expect([...(await bytes(network)).values()].filter((value) => value !== 0n)).toHaveLength(1);
  const all = await network.conntrack.flows().toArray();
  expect(await network.conntrack.zero()).toBe(all.length);
  expect([...(await bytes(network)).values()].filter((value) => value !== 0n)).toEqual([]);
});
