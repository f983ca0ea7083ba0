// Senders of UDP that never pause, on the kernel in memory: which flows a document deletes, and which it keeps.
import { describe, expect, test } from 'vitest';
import {
  Conntrack,
  type DesiredDocument,
  DesiredState,
  type FwmarkSelector,
  Ipvs,
  type NetfilterRuleOptions,
  Network,
  planDocument,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

interface Tuple {
  readonly from?: string;
  readonly to: string;
  readonly port?: number;
  readonly protocol?: 'udp' | 'tcp';
  /** Where replies come from, and go to: default, untranslated. */
  readonly by?: string;
  readonly byPort?: number;
  readonly as?: string;
}

async function machine() {
  const kernel = new MemoryKernel();
  const conntrack = await Conntrack.open({ kernel });
  const network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  await network.addAddress({ interface: 'eth0', address: '192.0.2.254/24' });
  let client = 20_000;
  const track = async ({ from = '198.51.100.1', to, port = 53, protocol = 'udp', ...reply }: Tuple): Promise<void> => {
    const sourcePort = ++client;
    const { by = to, byPort = port, as = from } = reply;
    await conntrack.create({
      original: { protocol, source: from, destination: to, sourcePort, destinationPort: port },
      reply: { protocol, source: by, destination: as, sourcePort: byPort, destinationPort: sourcePort },
      timeout: 100,
      ...(protocol === 'tcp' && { state: 'ESTABLISHED' }),
    });
  };
  const left = async (): Promise<string[]> => {
    const list: string[] = [];
    for await (const { protocol, original, reply } of conntrack.flows()) {
      const words = `${original.destination}:${original.destinationPort} ${reply.source}:${reply.sourcePort}`;
      list.push(protocol === 'udp' ? words : `${protocol} ${words}`);
    }
    return list.sort();
  };
  const open = (document: DesiredDocument) => DesiredState.open(document, { kernel, record: '/owner.json' });
  return { kernel, track, left, open };
}

describe('a service by mark deletes the flows that its marks match, however they are written', () => {
  const VIP = '192.0.2.1';
  const stale: Tuple = { to: VIP, by: '10.0.0.1' };
  const cases: readonly (readonly [FwmarkSelector, deleted: readonly Tuple[], kept: readonly Tuple[]])[] = [
    [
      { destination: VIP, protocol: 'udp', port: 53 },
      [stale],
      [
        { ...stale, port: 54 },
        { ...stale, to: '192.0.2.2' },
      ],
    ],
    [{ destination: `${VIP}/32`, protocol: 'udp', port: 53 }, [stale], [{ ...stale, port: 54 }]],
    [{ destination: VIP, protocol: 'udp', port: { from: 53, to: 53 } }, [stale], [{ ...stale, port: 54 }]],
    [
      { destination: VIP, protocol: 'udp', port: { from: 50, to: 53 } },
      [stale, { ...stale, port: 50 }],
      [
        { ...stale, port: 49 },
        { ...stale, port: 54 },
      ],
    ],
    [
      { destination: '192.0.2.0/24', protocol: 'udp' },
      [stale, { ...stale, to: '192.0.2.9', port: 9 }],
      [{ ...stale, to: '192.0.3.1' }],
    ],
    [{ destination: '192.0.2.0/25', protocol: 'udp' }, [stale], [{ ...stale, to: '192.0.2.128' }]],
    [{ destination: VIP }, [stale, { ...stale, port: 1 }], [{ ...stale, protocol: 'tcp' }]],
    [{ destination: VIP, protocol: 'udp', source: '198.51.100.0/24' }, [stale], [{ ...stale, from: '203.0.113.1' }]],
    // Flows that only pass have the same port: what nobody translated stays.
    [
      { protocol: 'udp', port: 53 },
      [stale, { ...stale, to: '203.0.113.5' }],
      [{ to: '203.0.113.5' }, { ...stale, port: 54 }],
    ],
    [{ destination: VIP, protocol: 'udp', inputInterface: 'eth0' }, [stale], [{ to: VIP }]],
    [{ destination: VIP, protocol: 'tcp' }, [], [stale]],
  ];

  test.each(cases)('%j', async (selector, deleted, kept) => {
    const { track, left, open } = await machine();
    const of = (server: string): DesiredDocument => ({
      owner: 'a',
      services: [{ fwmark: 7, marks: [selector], servers: [{ address: server }] }],
    });
    const state = await open(of('10.0.0.1'));
    await state.apply();
    for (const tuple of kept) await track(tuple);
    const wanted = await left();
    for (const tuple of deleted) await track(tuple);
    // A flow to the server that comes.
    await state.apply(of('10.0.0.2'));
    expect(await left()).toEqual(wanted);
    expect((await state.plan()).empty).toBe(true);
  });

  test('also if a role, or the list of marks, makes the marks', async () => {
    const { track, left, open } = await machine();
    const of = (server: string): DesiredDocument => ({
      owner: 'a',
      roles: [
        {
          role: 'ingress',
          interface: 'eth0',
          network: '10.0.0.0/24',
          source: '10.0.0.254',
          services: [{ mark: 256, ports: [{ protocol: 'udp', port: 53 }], servers: [server] }],
        },
      ],
      services: [{ fwmark: 7, servers: [server] }],
      marks: [{ destination: VIP, protocol: 'udp', port: 5000, mark: 7 }],
    });
    const state = await open(of('10.0.0.1'));
    await state.apply();
    await track({ to: '192.0.2.9', by: '10.0.0.1' });
    await track({ to: VIP, port: 5000, by: '10.0.0.1' });
    await state.apply(of('10.0.0.2'));
    expect(await left()).toEqual([]);
  });

  test('and those of a mark that comes later', async () => {
    const { track, left, open } = await machine();
    const of = (...marks: FwmarkSelector[]): DesiredDocument => ({
      owner: 'a',
      services: [{ fwmark: 7, marks, servers: ['10.0.0.1'] }],
    });
    const state = await open(of({ destination: VIP, protocol: 'udp' }));
    await state.apply();
    await track({ to: '192.0.2.2' });
    await track({ to: VIP, by: '10.0.0.1' });
    await state.apply(of({ destination: VIP, protocol: 'udp' }, { destination: '192.0.2.2', protocol: 'udp' }));
    expect(await left()).toEqual([`${VIP}:53 10.0.0.1:53`]);
  });
});

describe('NAT rules that come, change or go delete the flows of UDP that they leave behind', () => {
  const VIP = '192.0.2.1';
  const dnat = (to: string, more: object = {}): NetfilterRuleOptions => ({
    type: 'dnat',
    destination: VIP,
    protocol: 'udp',
    port: 53,
    to,
    ...more,
  });
  const doc = (...nat: NetfilterRuleOptions[]): DesiredDocument => ({ owner: 'a', nat });
  const cases: readonly (readonly [
    string,
    NetfilterRuleOptions[],
    NetfilterRuleOptions[],
    deleted: Tuple[],
    kept: Tuple[],
  ])[] = [
    [
      'added',
      [],
      [dnat('10.0.0.1')],
      [{ to: VIP }],
      [
        { to: VIP, by: '10.0.0.1' },
        { to: VIP, port: 54 },
      ],
    ],
    ['changed', [dnat('10.0.0.1')], [dnat('10.0.0.2')], [{ to: VIP, by: '10.0.0.1' }], [{ to: VIP, by: '10.0.0.2' }]],
    [
      'to another port',
      [dnat('10.0.0.1', { toPort: 5353 })],
      [dnat('10.0.0.1', { toPort: 5454 })],
      [{ to: VIP, by: '10.0.0.1', byPort: 5353 }],
      [{ to: VIP, by: '10.0.0.1', byPort: 5454 }],
    ],
    [
      'removed',
      [dnat('10.0.0.1')],
      [],
      [{ to: VIP, by: '10.0.0.1' }],
      // By another program, and never.
      [{ to: VIP, by: '10.0.0.9' }, { to: VIP }],
    ],
    [
      'narrower than another',
      [dnat('10.0.0.1', { destination: '192.0.2.0/24' })],
      [dnat('10.0.0.1', { destination: '192.0.2.0/24' }), dnat('10.0.0.2')],
      [{ to: VIP, by: '10.0.0.1' }],
      [{ to: '192.0.2.2', by: '10.0.0.1' }],
    ],
    [
      'a range of ports',
      [],
      [dnat('10.0.0.1', { port: { from: 50, to: 60 } })],
      [{ to: VIP }, { to: VIP, port: 60 }],
      [{ to: VIP, port: 61 }],
    ],
    [
      'with an interface',
      [],
      [dnat('10.0.0.1', { inputInterface: 'eth0' })],
      [{ to: VIP }],
      [{ to: VIP, by: '10.0.0.9' }],
    ],
    ['of TCP', [], [dnat('10.0.0.1', { protocol: 'tcp' })], [], [{ to: VIP }, { to: VIP, protocol: 'tcp' }]],
    ['of established TCP', [dnat('10.0.0.1')], [dnat('10.0.0.2')], [], [{ to: VIP, by: '10.0.0.1', protocol: 'tcp' }]],
    [
      'what this machine sends',
      [],
      [dnat('10.0.0.1', { hook: 'output' })],
      [{ from: '192.0.2.254', to: VIP }],
      [{ to: VIP }],
    ],
    [
      'redirect',
      [],
      [{ type: 'redirect', protocol: 'udp', port: 53, toPort: 5353 }],
      [{ to: VIP }, { to: '203.0.113.1' }],
      [
        { to: VIP, by: '192.0.2.254', byPort: 5353 },
        { from: '192.0.2.254', to: VIP },
      ],
    ],
    [
      'redirect removed',
      [{ type: 'redirect', protocol: 'udp', port: 53, toPort: 5353 }],
      [],
      [{ to: VIP, by: '192.0.2.254', byPort: 5353 }],
      [{ to: VIP }, { to: VIP, by: '10.0.0.9' }],
    ],
    [
      'snat',
      [],
      [{ type: 'snat', destination: '10.0.0.0/24', to: '192.0.2.254' }],
      [{ to: VIP, by: '10.0.0.1' }],
      [{ to: VIP, by: '10.0.0.1', as: '192.0.2.254' }, { to: VIP }],
    ],
    [
      'snat changed',
      [{ type: 'snat', source: '198.51.100.0/24', to: '192.0.2.254' }],
      [{ type: 'snat', source: '198.51.100.0/24', to: '192.0.2.253' }],
      [{ to: '203.0.113.1', as: '192.0.2.254' }],
      [
        { to: '203.0.113.1', as: '192.0.2.253' },
        { from: '10.9.9.9', to: '203.0.113.1' },
      ],
    ],
    [
      'masquerade',
      [],
      [{ type: 'masquerade', source: '198.51.100.0/24' }],
      [{ to: '203.0.113.1' }],
      [
        { to: '203.0.113.1', as: '192.0.2.254' },
        { from: '10.9.9.9', to: '203.0.113.1' },
      ],
    ],
    [
      'masquerade removed',
      [{ type: 'masquerade', source: '198.51.100.0/24' }],
      [],
      [{ to: '203.0.113.1', as: '192.0.2.254' }],
      [{ to: '203.0.113.1' }, { to: '203.0.113.1', as: '203.0.113.9' }],
    ],
    [
      'of another family',
      [],
      [{ type: 'dnat', destination: 'fd00::1', protocol: 'udp', to: 'fd00::2' }],
      [{ from: 'fd01::1', to: 'fd00::1' }],
      [{ to: VIP }],
    ],
  ];

  test.each(cases)('%s', async (_, before, after, deleted, kept) => {
    const { track, left, open } = await machine();
    const state = await open(doc(...before));
    await state.apply();
    for (const tuple of kept) await track(tuple);
    const wanted = await left();
    for (const tuple of deleted) await track(tuple);
    await state.apply(doc(...after));
    expect(await left()).toEqual(wanted);
    expect((await state.plan()).empty).toBe(true);
    expect(await state.apply()).toEqual([]);
  });

  test('those for a mark go by the packets that get it', async () => {
    const { track, left, open } = await machine();
    const marks = [{ destination: VIP, protocol: 'udp', mark: 7 }] as const;
    const of = (...nat: NetfilterRuleOptions[]): DesiredDocument => ({ owner: 'a', marks, nat });
    const state = await open(of());
    await state.apply();
    await track({ to: VIP, by: '10.0.0.1' });
    await track({ to: '203.0.113.1' });
    await state.apply(of({ type: 'masquerade', mark: 7 }));
    expect(await left()).toEqual(['203.0.113.1:53 203.0.113.1:53']);
  });

  test('also by remove(), by a roll-back, and after the program is killed', async () => {
    const { kernel, track, left, open } = await machine();
    const state = await open(doc(dnat('10.0.0.1')));
    await state.apply();
    kernel.fail({ command: 'writeFile' });
    await expect(
      state.apply({ ...doc(dnat('10.0.0.2')), sysctls: { 'net.ipv4.conf.eth0.rp_filter': 2 } }),
    ).rejects.toThrow();
    await track({ to: VIP, by: '10.0.0.1' });
    kernel.fail({ part: 'conntrack', errno: 'killed' });
    await Promise.allSettled([state.apply(doc(dnat('10.0.0.2')))]);
    kernel.clearFaults();
    const next = await open(doc(dnat('10.0.0.2')));
    await next.apply();
    expect(await left().catch(() => 'closed')).toBeDefined();
    const conntrack = await Conntrack.open({ kernel });
    const flows = async (): Promise<string[]> => {
      const list: string[] = [];
      for await (const { reply } of conntrack.flows()) list.push(reply.source);
      return list;
    };
    expect(await flows()).toEqual([]);
    await next.remove();
    expect(await flows()).toEqual([]);
  });
});

describe('a document with services of UDP sets expire_nodest_conn', () => {
  const EXPIRE = 'net.ipv4.vs.expire_nodest_conn';
  const udp = (server: string, more: Partial<DesiredDocument> = {}): DesiredDocument => ({
    owner: 'a',
    services: [{ protocol: 'udp', address: '192.0.2.1', port: 53, servers: [server] }],
    ...more,
  });

  test('and sets it back, also by a mark; a document without leaves it alone', async () => {
    const { kernel, open } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    const state = await open({ owner: 'a', services: [{ protocol: 'tcp', address: '192.0.2.1', port: 53 }] });
    await state.apply();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    await state.apply(udp('10.0.0.1'));
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(true);
    await state.apply({
      owner: 'a',
      services: [{ fwmark: 7, marks: [{ destination: '192.0.2.0/24', protocol: 'udp' }] }],
    });
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(true);
    await state.apply({ owner: 'a' });
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    await state.apply(udp('10.0.0.1'));
    await state.remove();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
  });

  test('so that a sender gets the new server at once', async () => {
    const { kernel, open } = await machine();
    const state = await open(udp('10.0.0.1'));
    await state.apply();
    const send = () =>
      kernel.namespace().connect({ protocol: 'udp', address: '192.0.2.1', port: 53, clientPort: 5353 })?.server.address;
    expect(send()).toBe('10.0.0.1');
    await state.apply(udp('10.0.0.2'));
    expect(send()).toBe('10.0.0.2');
  });

  test('is kept by two owners until the last one goes', async () => {
    const { kernel, open } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    const one = await DesiredState.open(udp('10.0.0.1'), { kernel });
    const two = await DesiredState.open(
      { owner: 'b', services: [{ protocol: 'udp', address: '192.0.2.2', port: 53 }] },
      { kernel },
    );
    await one.apply();
    await two.apply();
    await one.remove();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(true);
    await two.remove();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    void open;
  });

  test('stays 0 where the document says so, and the plan tells what that does', async () => {
    const { kernel, open } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    const off = { sysctls: { [EXPIRE]: 0 } };
    const state = await open(udp('10.0.0.1', off));
    await state.apply();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    const plan = await state.plan(udp('10.0.0.2', off));
    expect(plan.changes.at(-1)).toMatchObject({
      action: 'take-back',
      is: expect.stringContaining('expire_nodest_conn'),
    });
    expect(String(await planDocument(udp('10.0.0.2', off), await state.snapshot()))).toBe(String(plan));
  });

  test('is no conflict where another owner wants 0', async () => {
    const { kernel } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    await ipvs.setSysctl('expire_nodest_conn', true);
    const other = await DesiredState.open({ owner: 'b', sysctls: { [EXPIRE]: 0 } }, { kernel });
    await other.apply();
    const state = await DesiredState.open(udp('10.0.0.1'), { kernel });
    await state.apply();
    expect((await ipvs.table()).length).toBe(1);
    expect((await state.plan()).steps).toMatchObject([
      {
        action: 'foreign',
        what: expect.stringContaining('expire_nodest_conn: 1'),
        is: expect.stringContaining('b wants'),
        differences: [{ path: 'value', is: '0', wanted: '1' }],
      },
    ]);
  });
});

test('staleFlows() takes servers of the other family where nothing is translated', async () => {
  const { kernel, track } = await machine();
  const conntrack = await Conntrack.open({ kernel });
  await track({ to: '192.0.2.1' });
  await track({ to: '192.0.2.1', by: '10.0.0.9' });
  const query = { address: '192.0.2.1', servers: ['fd00::9'] };
  const found = await conntrack.staleFlows({ ...query, untranslated: 'keep' });
  expect(found.map(({ reply }) => reply.source)).toEqual(['10.0.0.9']);
  await expect(conntrack.staleFlows(query)).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
});
