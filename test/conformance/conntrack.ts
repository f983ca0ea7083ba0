// What every kernel that tracks connections does: the real one, and the one in memory.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  Conntrack,
  type ConntrackEvent,
  type Flow,
  type FlowChanges,
  type FlowFilter,
  type FlowOptions,
  type TupleOptions,
} from '../../src/index.js';
import { failure, type Place } from './place.js';

const tuple = (sourcePort: number, more: Partial<TupleOptions> = {}): TupleOptions => ({
  protocol: 'tcp',
  source: '10.0.0.1',
  destination: '10.0.0.2',
  sourcePort,
  destinationPort: 80,
  ...more,
});
const six = (sourcePort: number): TupleOptions => tuple(sourcePort, { source: 'fd00::1', destination: 'fd00::2' });
const udp = (sourcePort: number): TupleOptions => tuple(sourcePort, { protocol: 'udp' });
const ports = (flows: readonly Flow[]): (number | undefined)[] => flows.map((flow) => flow.original.sourcePort).sort();
const missing = { code: 'ERR_IPVS_NO_SUCH_FLOW', errno: 2 };

/** @param open a namespace where no packet goes */
export function conntrackConformance(open: () => Promise<Place>): void {
  let place: Place;
  let conntrack: Conntrack;

  beforeAll(async () => {
    place = await open();
    conntrack = await Conntrack.open({ kernel: place.kernel, namespace: place.namespace });
  });
  beforeEach(async () => {
    await conntrack.setSettings({ accounting: false, timestamps: false, events: 'auto' });
    await conntrack.flush();
  });
  afterAll(async () => {
    await conntrack?.close();
    await place?.dispose();
  });

  const create = (original: TupleOptions, more: Partial<FlowOptions> = {}): Promise<void> =>
    conntrack.create({ original, timeout: 300, ...more });
  const read = (original: TupleOptions, zone?: number): Promise<Flow> =>
    conntrack.flow({ original, ...(zone !== undefined && { zone }) });
  const list = async (filter: FlowFilter = {}): Promise<(number | undefined)[]> =>
    ports(await conntrack.flows(filter).toArray());

  // --- what is made reads as it was made

  test('a flow of TCP', async () => {
    await create(tuple(1));
    const flow = await read(tuple(1));
    expect(flow.toString()).toMatch(
      /^ipv4 +2 tcp +6 (300|299) ESTABLISHED src=10\.0\.0\.1 dst=10\.0\.0\.2 sport=1 dport=80 \[UNREPLIED\] src=10\.0\.0\.2 dst=10\.0\.0\.1 sport=80 dport=1 mark=0 use=\d id=\d+$/,
    );
    expect(JSON.parse(JSON.stringify(flow))).toMatchObject({
      family: 'ipv4',
      protocol: 'tcp',
      zone: 0,
      status: ['confirmed'],
      mark: 0,
      state: 'ESTABLISHED',
      tcp: { windowScale: { original: 0, reply: 0 }, flags: { original: 0, reply: 0 } },
    });
    expect(flow.counters).toBeUndefined();
    expect(flow.started).toBeUndefined();
    expect(flow.labels ?? []).toEqual([]);
  });

  test.each([
    [{ protocol: 'udp' }, undefined],
    [{ protocol: 'sctp' }, 'ESTABLISHED'],
    [{ protocol: 'gre', sourcePort: 5, destinationPort: 6 }, undefined],
    [
      { protocol: 'icmp', icmp: { type: 8, code: 0, id: 77 }, sourcePort: undefined, destinationPort: undefined },
      undefined,
    ],
    [{ protocol: 200, sourcePort: undefined, destinationPort: undefined }, undefined],
  ] as const)('a flow of %j', async (more, state) => {
    const original = tuple(3, more);
    await create(original, { mark: 9 });
    const flow = await read(original);
    expect(flow).toMatchObject({ protocol: more.protocol, mark: 9 });
    expect(flow.state).toBe(state);
    expect(flow.tcp).toBeUndefined();
    expect(flow.original).toMatchObject(
      Object.fromEntries(Object.entries(original).filter(([, value]) => value !== undefined)),
    );
    if (more.protocol === 'icmp') expect(flow.reply.icmp).toEqual({ type: 0, code: 0, id: 77 });
  });

  test('a flow of IPv6, with all that can be given', async () => {
    await create(six(4), {
      mark: 0xffffffff,
      status: ['seen-reply', 'assured', 'fixed-timeout'],
      state: 'SYN_SENT',
      tcp: { windowScale: { original: 3, reply: 4 }, flags: { original: 9, reply: 1 } },
      sequenceAdjustment: { original: { position: 1, before: 2, after: 3 } },
      synproxy: { initialSequence: 1, initialTimestamp: 2, timestampOffset: 3 },
    });
    const flow = await read(six(4));
    expect(flow.status).toEqual(['seen-reply', 'assured', 'confirmed', 'sequence-adjust', 'fixed-timeout']);
    expect(flow.tcp).toEqual({ windowScale: { original: 3, reply: 4 }, flags: { original: 9, reply: 1 } });
    expect(flow.sequenceAdjustment).toEqual({
      original: { position: 1, before: 2, after: 3 },
      reply: { position: 0, before: 0, after: 0 },
    });
    expect(flow.synproxy).toEqual({ initialSequence: 1, initialTimestamp: 2, timestampOffset: 3 });
    expect(flow).toMatchObject({ mark: 0xffffffff, state: 'SYN_SENT' });
  });

  test('a flow is found by either tuple, whatever it is called', async () => {
    await create(tuple(1));
    const flow = await read(tuple(1));
    expect((await conntrack.flow({ reply: flow.reply })).id).toBe(flow.id);
    expect((await conntrack.flow({ original: flow.reply })).id).toBe(flow.id);
    expect(await failure(conntrack.flow({ original: tuple(2) }))).toMatchObject(missing);
    expect(await failure(conntrack.flow({ original: tuple(1), id: ((flow.id ?? 0) ^ 1) >>> 0 }))).toMatchObject(
      missing,
    );
  });

  test('zones are tables of their own', async () => {
    await create(tuple(1), { zone: 5, mark: 5 });
    await create(tuple(1), { mark: 1 });
    await create(tuple(2, { zone: 6 }));
    expect((await read(tuple(1), 5)).mark).toBe(5);
    expect((await read(tuple(1))).mark).toBe(1);
    expect(await failure(read(tuple(1), 7))).toMatchObject(missing);
    expect(await failure(read(tuple(2)))).toMatchObject(missing);
    expect((await read(tuple(2, { zone: 6 }))).zone).toBe(0);
    expect((await read(tuple(2), 6)).original.zone).toBe(6);
    expect(await list({ zone: 5 })).toEqual([1]);
    expect(await list({ zone: 0 })).toEqual([1, 2]);
    await conntrack.flush({ zone: 5 });
    expect(await list()).toEqual([1, 2]);
  });

  // --- NAT, masters, helpers

  test('destination NAT turns the reply, and two flows never have one reply', async () => {
    const nat = { destination: { address: '10.0.0.9', port: 8080 } };
    await create(tuple(1), { nat });
    const one = await read(tuple(1));
    expect(one.reply).toMatchObject({
      source: '10.0.0.9',
      sourcePort: 8080,
      destination: '10.0.0.1',
      destinationPort: 1,
    });
    expect(one.status).toEqual(['confirmed', 'destination-nat', 'source-nat-done', 'destination-nat-done']);
    const other = tuple(1, { destination: '10.0.0.3' });
    await create(other, { nat });
    const two = await read(other);
    expect(two.reply.destinationPort).not.toBe(1);
    expect(two.status).toContain('source-nat');
  });

  test('source NAT, to a range of ports', async () => {
    await create(tuple(1), { nat: { source: { address: '10.0.0.8', port: [4000, 4001] } } });
    const flow = await read(tuple(1));
    expect(flow.reply.destination).toBe('10.0.0.8');
    expect([4000, 4001]).toContain(flow.reply.destinationPort);
    expect(flow.status).toEqual(['confirmed', 'source-nat', 'source-nat-done', 'destination-nat-done']);
  });

  test('a master has to be there', async () => {
    await create(udp(1));
    await create(tuple(2), { master: udp(1) });
    const flow = await read(tuple(2));
    expect(flow.master).toMatchObject({ protocol: 'udp', sourcePort: 1 });
    expect(flow.status).toEqual(['expected', 'confirmed']);
    expect(await failure(create(tuple(3), { master: udp(99) }))).toMatchObject(missing);
  });

  test('helpers: known, of its protocol, and not for a flow that has no room', async () => {
    const unknown = { code: 'ERR_IPVS_UNKNOWN_HELPER', errno: 95 };
    await create(tuple(1), { helper: 'ftp' });
    expect(await read(tuple(1))).toMatchObject({ helper: 'ftp', status: ['confirmed', 'helper'] });
    expect(await failure(create(tuple(2), { helper: 'nosuch' }))).toMatchObject(unknown);
    expect(await failure(create(udp(2), { helper: 'ftp' }))).toMatchObject(unknown);
    await conntrack.update({ original: tuple(1) }, { helper: 'ftp' });
    await conntrack.update({ original: tuple(1) }, { helper: '' });
    const { helper, status } = await read(tuple(1));
    expect([helper, status]).toEqual([undefined, ['confirmed', 'helper']]);
    await create(tuple(3));
    expect(await failure(conntrack.update({ original: tuple(3) }, { helper: 'ftp' }))).toMatchObject(unknown);
    await conntrack.update({ original: tuple(3) }, { helper: '' });
  });

  // --- errnos

  test('EEXIST: one of the tuples, in either direction', async () => {
    await create(tuple(1));
    const flow = await read(tuple(1));
    const exists = { code: 'ERR_IPVS_FLOW_EXISTS', errno: 17 };
    expect(await failure(create(tuple(1)))).toMatchObject(exists);
    expect(await failure(create(flow.reply))).toMatchObject(exists);
    expect(await failure(create(tuple(2, { destination: '10.0.0.7' }), { reply: flow.reply }))).toMatchObject(exists);
    // The flow that is there is looked for before what is asked.
    expect(await failure(create(tuple(1), { helper: 'nosuch' }))).toMatchObject(exists);
    expect(await list()).toEqual([1]);
  });

  test('ENOENT: what is not there', async () => {
    expect(await failure(conntrack.update({ original: tuple(1) }, { mark: 1 }))).toMatchObject(missing);
    expect(await failure(conntrack.delete({ original: tuple(1) }))).toMatchObject(missing);
    await create(tuple(1));
    const { id = 0 } = await read(tuple(1));
    expect(await failure(conntrack.delete({ original: tuple(1), id: (id ^ 1) >>> 0 }))).toMatchObject(missing);
    await conntrack.delete({ original: tuple(1), id });
    expect(await failure(conntrack.delete({ original: tuple(1), id }))).toMatchObject(missing);
  });

  test('ENOSPC: no labels where no rule uses them', async () => {
    await create(tuple(1), { labels: [1] });
    expect((await read(tuple(1))).labels ?? []).toEqual([]);
    expect(await failure(conntrack.update({ original: tuple(1) }, { labels: [1] }))).toMatchObject({ errno: 28 });
  });

  test('EPERM: the timeout of a flow that has it fixed', async () => {
    await create(tuple(1));
    await conntrack.update({ original: tuple(1) }, { timeout: 600, status: ['fixed-timeout'] });
    expect((await read(tuple(1))).timeout).toBeGreaterThan(500);
    expect(await failure(conntrack.update({ original: tuple(1) }, { timeout: 5 }))).toMatchObject({ errno: 1 });
  });

  test('EBUSY: what of a status can not change', async () => {
    await create(tuple(1), { status: ['seen-reply', 'assured'] });
    const port = await place.kernel.openConntrack({ namespace: place.namespace });
    const key = { original: (await read(tuple(1))).original };
    const bits = async (statusBits: number): Promise<number | undefined> =>
      (await port.apply([{ verb: 'update', key, settings: { statusBits } }]))[0];
    expect(await bits(0b1110)).toBe(0);
    expect(await bits(0b0110)).toBe(16); // confirmed
    expect(await bits(0b1111)).toBe(16); // expected
    expect(await bits(0b1000)).toBe(16); // seen-reply, assured
    expect(await bits(0b1110 | (1 << 4))).toBe(0); // source-nat: without a word
    expect((await read(tuple(1))).status).toEqual(['seen-reply', 'assured', 'confirmed']);
    await port.close();
  });

  test('EOPNOTSUPP: what only a new flow can be given', async () => {
    await create(tuple(1));
    const port = await place.kernel.openConntrack({ namespace: place.namespace });
    const { original } = await read(tuple(1));
    const settings = { natSource: { address: ['10.0.0.8', '10.0.0.8'] } } as const;
    expect((await port.apply([{ verb: 'update', key: { original }, settings }]))[0]).toBe(95);
    expect((await port.apply([{ verb: 'update', key: { original }, settings: { master: original } }]))[0]).toBe(95);
    await port.close();
  });

  // --- changes

  test.each([
    [0x30, 0xf0, 0xab3d],
    [0, 0xff, 0xab00],
    [0xffffffff, undefined, 0xffffffff],
    [0, undefined, 0],
  ])('a mark of %j in %j', async (mark, markMask, result) => {
    await create(tuple(1), { mark: 0xab0d });
    await conntrack.update({ original: tuple(1) }, { mark: 0x0d, markMask: 0xff });
    await conntrack.update({ original: tuple(1) }, { mark, markMask } as FlowChanges);
    expect((await read(tuple(1))).mark).toBe(result);
  });

  test('a status is added to; a state, timeouts and windows are set', async () => {
    await create(tuple(1), { nat: { destination: { address: '10.0.0.9' } } });
    const before = (await read(tuple(1))).status;
    await conntrack.update({ original: tuple(1) }, { status: ['seen-reply'] });
    await conntrack.update({ original: tuple(1) }, { status: ['assured'], state: 'TIME_WAIT', timeout: 100 });
    const after = await read(tuple(1));
    expect(after.status).toEqual(expect.arrayContaining([...before, 'seen-reply', 'assured']));
    expect(after.status).toHaveLength(before.length + 2);
    expect(after.state).toBe('TIME_WAIT');
    expect([99, 100]).toContain(after.timeout);
    const tcp = { windowScale: { original: 7, reply: 6 }, flags: { original: 8, reply: 1 } };
    await conntrack.update({ original: tuple(1) }, { state: 'ESTABLISHED', tcp });
    // Without its flag a scale is not taken.
    expect((await read(tuple(1))).tcp).toEqual({ windowScale: { original: 0, reply: 0 }, flags: tcp.flags });
  });

  test('a flow without a time is over at once', async () => {
    await create(tuple(1), { timeout: 0 });
    expect(await failure(read(tuple(1)))).toMatchObject(missing);
    await create(tuple(1));
    await conntrack.update({ original: tuple(1) }, { timeout: 0 });
    expect(await list()).toEqual([]);
  });

  test('a batch goes on behind what fails, and in its order', async () => {
    const results = await conntrack.apply([
      { change: 'create', flow: { original: tuple(1), timeout: 100 } },
      { change: 'create', flow: { original: tuple(1), timeout: 100 } },
      { change: 'update', flow: { original: tuple(1) }, set: { status: ['assured'], mark: 5 } },
      { change: 'update', flow: { original: tuple(2) }, set: { mark: 5 } },
      { change: 'delete', flow: { original: tuple(3) } },
      { change: 'create', flow: { original: tuple(4), timeout: 100 } },
    ]);
    expect(results.map((result) => (result.ok ? 0 : result.error.errno))).toEqual([0, 17, 0, 2, 2, 0]);
    expect(await list({ mark: 5, status: ['assured'] })).toEqual([1]);
    expect(await list()).toEqual([1, 4]);
  });

  // --- lists

  const flows: FlowOptions[] = [
    { original: tuple(1), timeout: 300, mark: 0x11, status: ['seen-reply', 'assured'] },
    { original: tuple(2, { destinationPort: 443 }), timeout: 300, mark: 0x100, state: 'SYN_SENT' },
    { original: udp(3), timeout: 300, nat: { destination: { address: '10.40.0.9', port: 5353 } } },
    { original: six(4), timeout: 300, mark: 0x101 },
    { original: tuple(5, { source: '10.20.0.77' }), timeout: 300, zone: 9 },
    { original: { ...six(6), protocol: 'udp' }, timeout: 300, nat: { source: { address: 'fd50::8' } } },
  ];
  const filters: [FlowFilter, number[]][] = [
    [{}, [1, 2, 3, 4, 5, 6]],
    [{ family: 'ipv6' }, [4, 6]],
    [{ protocol: 'udp' }, [3, 6]],
    [{ protocol: 17, family: 'ipv4' }, [3]],
    [{ source: '10.0.0.1' }, [1, 2, 3]],
    [{ source: '10.20.0.64/28' }, [5]],
    [{ source: '10.0.0.0/8' }, [1, 2, 3, 5]],
    [{ source: '0.0.0.0/0' }, [1, 2, 3, 5]],
    [{ source: 'fd00::1' }, [4, 6]],
    [{ destination: 'fd00::/120' }, [4, 6]],
    [{ sourcePort: 2 }, [2]],
    [{ destinationPort: 80, protocol: 'tcp' }, [1, 4, 5]],
    [{ replySource: '10.40.0.0/16' }, [3]],
    [{ replySourcePort: 5353 }, [3]],
    [{ replyDestination: 'fd50::8' }, [6]],
    [{ replyDestinationPort: 4 }, [4]],
    [{ mark: 0 }, [3, 5, 6]],
    [{ mark: 0x100, markMask: 0x100 }, [2, 4]],
    [{ mark: 0, markMask: 0xf }, [2, 3, 5, 6]],
    [{ zone: 9 }, [5]],
    [{ zone: 0, protocol: 'tcp' }, [1, 2, 4]],
    [{ status: ['assured'] }, [1]],
    [{ notStatus: ['seen-reply'], family: 'ipv4' }, [2, 3, 5]],
    [{ status: ['destination-nat'] }, [3]],
    [{ status: ['source-nat'], notStatus: ['assured'] }, [6]],
    [{ protocol: 'tcp', state: 'SYN_SENT' }, [2]],
    [{ protocol: 'tcp', state: 'LAST_ACK' }, []],
    [{ sourcePort: 2, destinationPort: 80 }, []],
  ];
  test('filters', async () => {
    await conntrack.createAll(flows);
    for (const [filter, expected] of filters) {
      for (const filterIn of ['kernel', 'here'] as const)
        expect(await list({ ...filter, filterIn }), JSON.stringify(filter)).toEqual(expected);
    }
    expect(await conntrack.flows({}, { list: 'dying' }).toArray()).toEqual([]);
  });

  test('groups', async () => {
    await conntrack.setSettings({ accounting: true });
    await conntrack.createAll(flows);
    const none = { original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } };
    const byName = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    const groups = await conntrack.groups({ by: ['family', 'protocol'] });
    expect([...groups].sort(byName)).toEqual([
      { family: 'ipv4', protocol: 'tcp', flows: 3, counted: 3, counters: none },
      { family: 'ipv4', protocol: 'udp', flows: 1, counted: 1, counters: none },
      { family: 'ipv6', protocol: 'tcp', flows: 1, counted: 1, counters: none },
      { family: 'ipv6', protocol: 'udp', flows: 1, counted: 1, counters: none },
    ]);
    const states = await conntrack.groups({ by: ['state'], filter: { zone: 0 } });
    expect(states.map(({ protocol, state, flows: count }) => `${protocol} ${state} ${count}`).sort()).toEqual([
      'tcp ESTABLISHED 2',
      'tcp SYN_SENT 1',
      'udp undefined 2',
    ]);
    expect(await conntrack.groups({ by: ['destinationPort'], top: 1, order: 'flows' })).toEqual([
      { destinationPort: 80, flows: 5, counted: 5, counters: none },
    ]);
    expect(await conntrack.groups({ by: [], filter: { sourcePort: 99 } })).toEqual([]);
  });

  test('deletes of all that match, and a flush of one family', async () => {
    await conntrack.createAll(flows);
    expect(await conntrack.deleteMatching({ protocol: 'udp' })).toBe(2);
    expect(await list()).toEqual([1, 2, 4, 5]);
    await conntrack.flush({ family: 'ipv6' });
    expect(await list()).toEqual([1, 2, 5]);
    await conntrack.flush();
    expect(await list()).toEqual([]);
  });

  test('stale flows are those that no server answers', async () => {
    await create(udp(1), { nat: { destination: { address: '10.0.0.11' } } });
    await create(udp(2), { nat: { destination: { address: '10.0.0.12' } } });
    await create(udp(3));
    const query = { address: '10.0.0.2', servers: ['10.0.0.11'] };
    expect(ports(await conntrack.staleFlows(query))).toEqual([2, 3]);
    expect(await conntrack.deleteStaleFlows({ ...query, untranslated: 'keep' })).toBe(1);
    expect(await list()).toEqual([1, 3]);
  });

  test('many flows', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => ({ original: tuple(i + 1), timeout: 300 }));
    const { created, failures } = await conntrack.createAll([...many, { original: tuple(17), timeout: 300 }]);
    expect([created, failures.length]).toEqual([3000, 1]);
    expect(new Set(await list()).size).toBe(3000);
    expect((await conntrack.usage()).count).toBe(3000);
  });

  // --- settings, counters

  test('accounting and timestamps hold for flows that begin later', async () => {
    await create(tuple(1));
    await conntrack.setSettings({ accounting: true, timestamps: true });
    await create(tuple(2));
    expect(await conntrack.settings()).toMatchObject({ accounting: true, timestamps: true, events: 'auto' });
    expect((await read(tuple(1))).counters).toBeUndefined();
    const flow = await read(tuple(2));
    expect(flow.counters).toEqual({ original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } });
    expect(flow.started).toBeTypeOf('bigint');
    expect(ports(await conntrack.zero({}).toArray())).toEqual([1, 2]);
    expect(await conntrack.groups({ by: [] })).toMatchObject([{ flows: 2, counted: 1 }]);
  });

  test('sizes belong to the first namespace', async () => {
    const usage = await conntrack.usage();
    expect(usage.maximum).toBeGreaterThan(0);
    expect(usage.buckets).toBeGreaterThan(0);
    for (const settings of [{ maximum: 4242 }, { buckets: 4242 }, { expectationMaximum: 42 }])
      expect(await failure(conntrack.setSettings(settings))).toMatchObject({ code: 'ERR_IPVS_PERMISSION', errno: 13 });
    expect((await conntrack.usage()).maximum).toBe(usage.maximum);
    expect((await conntrack.settings()).expectationMaximum).toBeGreaterThan(0);
  });

  test('statistics count what was added', async () => {
    const inserted = async (): Promise<number> =>
      (await conntrack.statistics()).reduce((sum, { insert = 0 }) => sum + insert, 0);
    const before = await inserted();
    for (const port of [1, 2, 3]) await create(tuple(port));
    expect((await inserted()) - before).toBe(3);
  });

  // --- expectations

  const master = tuple(90, { destinationPort: 21 });
  const data = (destinationPort: number): TupleOptions =>
    tuple(0, { source: '10.0.0.2', destination: '10.0.0.1', destinationPort });

  test('an expectation is of a flow that has a helper', async () => {
    const expected = (port: number, of = master): Promise<void> =>
      conntrack.createExpectation({ tuple: data(port), master: of, timeout: 30 });
    expect(await failure(expected(5000))).toMatchObject(missing);
    await create(tuple(1));
    expect(await failure(expected(5000, tuple(1)))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_HELPER', errno: 95 });
    await create(master, { helper: 'ftp' });
    await expected(5000);
    const [found] = await conntrack.expectations();
    // The timeout is that of the helper's policy.
    expect(JSON.parse(JSON.stringify(found))).toMatchObject({
      tuple: { destinationPort: 5000 },
      mask: { source: '255.255.255.255', sourcePort: 0, destinationPort: 65535 },
      master: { sourcePort: 90 },
      timeout: expect.toSatisfy((timeout: number) => timeout === 299 || timeout === 300),
      flags: 0,
      class: 0,
      helper: 'ftp',
    });
    expect(await failure(expected(5000))).toMatchObject({ code: 'ERR_IPVS_EXPECTATION_EXISTS', errno: 17 });
    // FTP expects one at a time: the other goes.
    await expected(5001);
    expect((await conntrack.expectations()).map((one) => one.tuple.destinationPort)).toEqual([5001]);
    expect(await conntrack.expectations({ family: 'ipv6' })).toEqual([]);
  });

  test('what of an expectation is refused', async () => {
    await create(master, { helper: 'ftp' });
    const settings = { tuple: data(5000), master, timeout: 30 };
    const rejected = { code: 'ERR_IPVS_REJECTED', errno: 22 };
    expect(await failure(conntrack.createExpectation({ ...settings, class: 7 }))).toMatchObject(rejected);
    expect(await failure(conntrack.createExpectation({ ...settings, function: 'nope' }))).toMatchObject(rejected);
    expect(await failure(conntrack.deleteExpectation({ tuple: data(5000) }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_EXPECTATION',
      errno: 2,
    });
    await conntrack.createExpectation(settings);
    const [found] = await conntrack.expectations();
    const id = ((found?.id ?? 0) ^ 1) >>> 0;
    expect(await failure(conntrack.deleteExpectation({ tuple: data(5000), id }))).toMatchObject({ errno: 2 });
    await conntrack.deleteExpectation({ tuple: data(5000), id: found?.id ?? 0 });
    expect(await conntrack.expectations()).toEqual([]);
  });

  test('expectations go with their master, and with a flush', async () => {
    await create(master, { helper: 'ftp' });
    await conntrack.createExpectation({ tuple: data(5000), master, timeout: 30 });
    await conntrack.delete({ original: master });
    expect(await conntrack.expectations()).toEqual([]);
    await create(master, { helper: 'ftp' });
    await conntrack.createExpectation({ tuple: data(5000), master, timeout: 30 });
    await conntrack.flushExpectations();
    expect(await conntrack.expectations()).toEqual([]);
  });

  // --- events

  /** So many of a stream. */
  async function take(stream: AsyncIterable<ConntrackEvent>, count: number): Promise<ConntrackEvent[]> {
    const events: ConntrackEvent[] = [];
    for await (const event of stream) if (events.push(event) === count) break;
    return events;
  }
  const say = (event: ConntrackEvent): string =>
    'flow' in event ? `${event.type} ${event.flow.original.sourcePort} ${event.flow.mark}` : event.type;

  test('events tell how a flow begins, changes and ends', async () => {
    const stream = await conntrack.events();
    await create(tuple(1), { mark: 3 });
    await conntrack.update({ original: tuple(1) }, { mark: 4 });
    await conntrack.delete({ original: tuple(1) });
    await create(udp(2));
    await conntrack.flush({ family: 'ipv4' });
    const events = await take(stream, 5);
    expect(events.map(say)).toEqual(['new 1 3', 'update 1 4', 'destroy 1 4', 'new 2 0', 'destroy 2 undefined']);
    const [first, , last] = events.map((event) => ('flow' in event ? event.flow : undefined));
    expect(first).toMatchObject({ state: 'ESTABLISHED', status: ['confirmed'], protocol: 'tcp' });
    expect(first?.counters).toBeUndefined();
    expect(last).toMatchObject({ status: ['confirmed', 'dying'], id: first?.id });
    expect(last?.tcp).toBeUndefined();
    expect(events.every((event) => 'recovered' in event && !event.recovered)).toBe(true);
  });

  test('the end tells the counters and times', async () => {
    await conntrack.setSettings({ accounting: true, timestamps: true });
    const stream = await conntrack.events({ types: ['destroy'] });
    await create(tuple(1));
    await conntrack.delete({ original: tuple(1) });
    const [event] = await take(stream, 1);
    if (event?.type !== 'destroy') throw new Error(event?.type);
    expect(event.flow.counters).toEqual({ original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } });
    expect(event.flow.stopped ?? 0n).toBeGreaterThanOrEqual(event.flow.started ?? 1n);
  });

  test('events of some types, and of some flows', async () => {
    const destroyed = await conntrack.events({ types: ['destroy'] });
    const marked = await conntrack.events({ filter: { mark: 7 } });
    await create(tuple(1), { mark: 1 });
    await create(tuple(2), { mark: 7 });
    await conntrack.update({ original: tuple(1) }, { mark: 7 });
    await conntrack.update({ original: tuple(2) }, { mark: 2 });
    await conntrack.delete({ original: tuple(2) });
    await conntrack.delete({ original: tuple(1) });
    expect((await take(destroyed, 2)).map(say)).toEqual(['destroy 2 2', 'destroy 1 7']);
    expect((await take(marked, 3)).map(say)).toEqual(['new 2 7', 'update 1 7', 'destroy 1 7']);
  });

  test('of a flow that began while nobody listened nothing is told; with events on it is', async () => {
    await create(tuple(1));
    await conntrack.setSettings({ events: true });
    await create(tuple(2));
    const stream = await conntrack.events();
    await conntrack.delete({ original: tuple(1) });
    await conntrack.delete({ original: tuple(2) });
    await conntrack.setSettings({ events: false });
    await create(tuple(3));
    await conntrack.setSettings({ events: true });
    await create(tuple(4));
    expect((await take(stream, 2)).map(say)).toEqual(['destroy 2 undefined', 'new 4 0']);
  });

  test('a stream that is resynchronised begins with the table', async () => {
    await create(tuple(1), { mark: 1 });
    await create(six(2));
    const stream = await conntrack.events({ resynchronise: true, filter: { family: 'ipv4' } });
    expect(await take(stream, 2)).toMatchObject([
      { type: 'new', recovered: true, flow: { mark: 1 } },
      { type: 'resynchronised', flows: 1 },
    ]);
  });

  test('events of expectations: of flows of which there are events, too', async () => {
    const other = tuple(91, { destinationPort: 21 });
    await create(other, { helper: 'ftp' });
    const stream = await conntrack.events({ types: ['expectation'] });
    // It began while nobody listened: of this one nothing is told.
    await conntrack.createExpectation({ tuple: data(5000), master: other, timeout: 30 });
    await create(master, { helper: 'ftp' });
    await conntrack.createExpectation({ tuple: data(5001), master, timeout: 30 });
    await conntrack.createExpectation({ tuple: data(5002), master, timeout: 30 });
    await conntrack.deleteExpectation({ tuple: data(5002) });
    const events = await take(stream, 4);
    const told = events.map((event) =>
      'expectation' in event ? `${event.type} ${event.expectation.tuple.destinationPort}` : '',
    );
    expect(told).toEqual([
      'expectation-new 5001',
      'expectation-destroy 5001',
      'expectation-new 5002',
      'expectation-destroy 5002',
    ]);
  });

  test('a stream ends with its signal, with close, and with the handle', async () => {
    const controller = new AbortController();
    const stream = await conntrack.events({}, { signal: controller.signal });
    const loop = take(stream, 1);
    controller.abort(new Error('enough'));
    await expect(loop).rejects.toThrow('enough');

    const closed = await conntrack.events();
    const waiting = take(closed, 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await closed.close();
    expect(await waiting).toEqual([]);

    const other = await Conntrack.open({ kernel: place.kernel, namespace: place.namespace });
    const last = take(await other.events(), 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await other.close();
    await last.catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_IPVS_CLOSED' }));
    expect(await failure(other.usage())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  });

  test('a namespace that is not there', async () => {
    const { kernel } = place;
    expect(await failure(Conntrack.open({ kernel, namespace: 'no-such-name' }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
      errno: 2,
    });
  });
}
