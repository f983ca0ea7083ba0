import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ConntrackEvent, Expectation, FlowFilter } from '../../src/index.js';
import { eventFields, inOrder, listen, ToolListener, viewOf } from './listeners.js';
import { matches } from './matches.js';
import { populate, ports, rules } from './population.js';
import { parseLine, steady } from './tool.js';
import { addresses, udpFlow, udpName, until, useNetwork } from './world.js';

const network = useNetwork(ports);
const [server] = addresses.servers;

// The rules make it track, and the setting tell of all flows, whoever listens when they begin.
beforeAll(async () => {
  network.rules(rules);
  await network.conntrack.setSettings({ events: true });
});
afterEach(() => network.conntrack.flush());

/** Flows that come, change and go, by packets and by request. */
async function live(): Promise<void> {
  const { conntrack, client } = network;
  await populate(network);
  await client.ask({ kind: 'connect', address: server.ipv4, port: 8080 });
  await client.ask({ kind: 'hang-up' });
  for (const port of [1, 2, 3]) await conntrack.create(udpFlow(port, { mark: port }));
  await conntrack.update(udpName(1), { mark: 0x50 });
  await conntrack.update(udpName(2), { mark: 6, status: ['assured', 'seen-reply'] });
  await conntrack.update(udpName(2), { mark: 0 });
  await conntrack.delete(udpName(3));
  await conntrack.deleteMatching({ zone: 9 });
  await conntrack.flush({ family: 'ipv6' });
}

test.each([false, true])('events are those of conntrack -E (accounting and timestamps: %s)', async (on) => {
  const { conntrack, namespace } = network;
  await conntrack.setSettings({ accounting: on, timestamps: on });
  const tool = await ToolListener.startFlows(namespace, conntrack);
  const before = tool.lines.length;
  const ours = await listen(conntrack);
  await live();
  const events = await ours.finish(conntrack);
  const lines = (await tool.finishFlows(conntrack)).map(parseLine);
  expect(before).toBeGreaterThan(0);

  expect(eventFields(events).map(steady)).toEqual(inOrder(lines).map(steady));
  const types = new Map<string, number>();
  for (const { type } of events) types.set(type, (types.get(type) ?? 0) + 1);
  expect(types.get('new')).toBeGreaterThan(60);
  expect(types.get('update')).toBeGreaterThan(10);
  expect(types.get('destroy')).toBeGreaterThan(25);
  expect(events.filter(({ recovered }) => recovered)).toEqual([]);
  // From Linux 6.14, where there are timestamps.
  const times = events.filter(({ time }) => time !== undefined);
  if (!on) expect(times).toEqual([]);
  else expect([0, events.length]).toContain(times.length);
  for (const { time = 0n } of times) expect(Math.abs(Number(time / 1_000_000n) - Date.now())).toBeLessThan(300_000);
  for (const event of events) expect(JSON.parse(JSON.stringify(event))).toMatchObject({ type: event.type });
});

test('a TCP connection is told from its beginning to its end', async () => {
  const { conntrack, client } = network;
  const ours = await listen(conntrack, { filter: { protocol: 'tcp' } });
  await client.ask({ kind: 'connect', address: server.ipv4, port: 8080 });
  await client.ask({ kind: 'hang-up' });
  await until(
    () => ours.flows.map(({ flow }) => flow.state),
    (states) => states.includes('TIME_WAIT'),
  );
  await conntrack.flush();
  await until(
    () => ours.flows,
    (flows) => flows.some(({ type }) => type === 'destroy'),
  );
  await ours.close();
  const flow = ours.flows[0]?.flow;
  expect(flow).toMatchObject({ mark: 0x22, state: 'SYN_SENT', original: { destination: server.ipv4 } });
  const own = ours.flows.filter((event) => event.flow.id === flow?.id);
  const story = own.map((event) => `${event.type} ${event.flow.state}`);
  expect(story[0]).toBe('new SYN_SENT');
  expect(story).toEqual(expect.arrayContaining(['update SYN_RECV', 'update ESTABLISHED', 'update TIME_WAIT']));
  expect(own.filter(({ type }) => type === 'destroy')).toHaveLength(1);
  expect(own.at(-1)?.type).toBe('destroy');
  const established = own.find((event) => event.flow.state === 'ESTABLISHED');
  expect(established?.flow.status).toEqual(expect.arrayContaining(['seen-reply', 'assured']));
});

const filters: FlowFilter[] = [
  { family: 'ipv4' },
  { family: 'ipv6' },
  { protocol: 'tcp' },
  { protocol: 200 },
  { family: 'ipv6', protocol: 'udp' },
  { mark: 0x22 },
  { mark: 0 },
  { mark: 0x50 },
  { mark: 0x100, markMask: 0x100 },
  { mark: 0, markMask: 3 },
  { family: 'ipv4', protocol: 'udp', mark: 0x11 },
  { source: addresses.client.ipv4 },
  { source: 'fd20::/16' },
  { destination: server.ipv6, destinationPort: 5000 },
  { replySource: server.ipv4, protocol: 'udp' },
  { zone: 9 },
  { zone: 0 },
  { status: ['assured'] },
  { notStatus: ['seen-reply'] },
];

test('filters deliver what one would find in all events', async () => {
  const { conntrack } = network;
  const all = await listen(conntrack, { receiveBuffer: 1 << 23 });
  const filtered = await Promise.all(
    filters.flatMap((filter) =>
      (['kernel', 'here'] as const).map(async (filterIn) => {
        const listener = await listen(conntrack, { filter: { ...filter, filterIn }, receiveBuffer: 1 << 23 });
        return { filter, listener, name: `${JSON.stringify(filter)} in ${filterIn}` };
      }),
    ),
  );
  await live();
  const events = await all.finish(conntrack);
  expect(all.events.filter(({ type }) => type === 'overrun')).toEqual([]);
  for (const { filter, listener, name } of filtered) {
    const expected = eventFields(events.filter(({ flow }) => matches(filter, flow)));
    expect(expected.length, name).toBeGreaterThan(0);
    expect(expected.length, name).toBeLessThan(events.length);
    await until(
      () => listener.flows.length,
      (length) => length >= expected.length,
      5000,
    );
    await listener.close();
    expect(eventFields(listener.flows), name).toEqual(expected);
  }
});

test.each([[['new']], [['update']], [['destroy']], [['new', 'destroy']]] as ('new' | 'update' | 'destroy')[][][])(
  'types %j',
  async (types = []) => {
    const { conntrack } = network;
    const all = await listen(conntrack);
    const some = await listen(conntrack, { types });
    for (const port of [1, 2, 3]) await conntrack.create(udpFlow(port));
    await conntrack.update(udpName(2), { mark: 1 });
    await conntrack.delete(udpName(3));
    const events = (await all.finish(conntrack)).filter(({ type }) => types.includes(type));
    expect(events.length).toBeGreaterThan(0);
    await until(
      () => some.flows.length,
      (length) => length >= events.length,
      5000,
    );
    await some.close();
    expect(eventFields(some.flows)).toEqual(eventFields(events));
  },
);

test('expectation events are those of conntrack -E expect', async () => {
  const { conntrack, namespace } = network;
  const tcp = (sourcePort: number, destinationPort: number) =>
    ({ protocol: 'tcp', source: '10.70.0.1', destination: '10.70.0.2', sourcePort, destinationPort }) as const;
  const master = tcp(1024, 21);
  await conntrack.create({ original: master, timeout: 300, helper: 'ftp', status: ['seen-reply', 'assured'] });
  const expectPort = async (port: number): Promise<void> => {
    await conntrack.createExpectation({ tuple: tcp(0, port), master, timeout: 300 });
  };
  const forget = (port: number): Promise<void> => conntrack.deleteExpectation({ tuple: tcp(0, port) });
  let probe = 3000;
  const tool = await ToolListener.start(namespace, ['expect'], async () => {
    await expectPort(++probe);
    await forget(probe);
  });
  const ours = await listen(conntrack, { types: ['expectation'] });
  await expectPort(5001);
  await expectPort(5002); // FTP expects one at a time: the other goes
  await forget(5002);
  await expectPort(5999);
  const lines = await tool.finish((line) => line.includes('dport=5999'));
  type ExpectationEvent = Extract<ConntrackEvent, { expectation: Expectation }>;
  const events = await until(
    () => ours.events.filter((event): event is ExpectationEvent => 'expectation' in event),
    ({ length }) => length >= 5,
  );
  await ours.close();
  expect(ours.events).toHaveLength(5);
  const text = events.map(({ type, expectation: { tuple, mask, master } }) => {
    const part = ({ source, destination, sourcePort, destinationPort }: typeof tuple, prefix = ''): string =>
      `${prefix}src=${source} ${prefix}dst=${destination} sport=${sourcePort} dport=${destinationPort}`;
    const kind = type === 'expectation-new' ? '[NEW]' : '[DESTROY]';
    return `${kind} ${part(tuple)} ${part(mask, 'mask-')} ${part(master, 'master-')}`;
  });
  const theirs = lines
    .map((line) => line.replace(/ +/g, ' ').replace(/^(\[\w+\]) \d+ proto=6 /, '$1 '))
    .filter((line) => / dport=5\d{3} /.test(line))
    .map((line) => /^(.*? master-src=\S+ master-dst=\S+ sport=\d+ dport=\d+)/.exec(line)?.[1] ?? line);
  expect(text).toEqual(theirs);
  expect(events.map(({ expectation }) => expectation.helper)).toEqual(Array(5).fill('ftp'));
  expect(await conntrack.expectations()).toHaveLength(1);
});

describe('a stream ends', () => {
  test('with close(), also while somebody waits', async () => {
    const ours = await listen(network.conntrack);
    await network.conntrack.usage(); // the stream waits by now: requests are answered in order
    await ours.stream.close();
    await ours.ended;
    await ours.stream.close();
  });

  test('when a loop is broken off', async () => {
    const { conntrack } = network;
    const stream = await conntrack.watch();
    await conntrack.create(udpFlow(1));
    await conntrack.create(udpFlow(2));
    for await (const event of stream) {
      expect(event).toMatchObject({ type: 'new', flow: { original: { sourcePort: 1 } } });
      break;
    }
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test('with the signal it was opened with', async () => {
    const controller = new AbortController();
    const stream = await network.conntrack.watch({ signal: controller.signal });
    const loop = (async () => {
      for await (const _ of stream);
    })();
    await network.conntrack.usage();
    controller.abort(new Error('enough'));
    await expect(loop).rejects.toThrow('enough');
  });

  test('with the handle', async () => {
    const { Conntrack } = await import('../../src/index.js');
    const handle = await Conntrack.open({ namespace: network.namespace });
    const ours = await listen(handle);
    await handle.create(udpFlow(9));
    await until(
      () => ours.events.length,
      (length) => length > 0,
    );
    await handle.close();
    await ours.ended.catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_IPVS_CLOSED' }));
    expect(ours.events).toHaveLength(1);
    await ours.stream.close();
  });
});

test('two streams at once hear the same, and one ends without the other', async () => {
  const { conntrack } = network;
  const [one, two] = await Promise.all([listen(conntrack), listen(conntrack)]);
  await conntrack.createAll(Array.from({ length: 500 }, (_, port) => udpFlow(port)));
  const first = await one.finish(conntrack);
  expect(first).toHaveLength(500);
  await conntrack.deleteMatching({ sourcePort: 7 });
  const second = await two.finish(conntrack);
  expect(second).toHaveLength(501);
  expect(second.at(-1)?.type).toBe('destroy');
  expect(eventFields(second.slice(0, 500))).toEqual(eventFields(first));
  expect(viewOf(second).size).toBe(499);
});
