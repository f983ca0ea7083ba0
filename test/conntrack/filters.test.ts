// Filters and groups give what one would find in the whole list, wherever they are worked out.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Flow, FlowFilter, FlowGroup, GroupField, GroupOptions } from '../../src/index.js';
import { matches } from './matches.js';
import { populate, ports } from './population.js';
import { addresses, byId, useNetwork } from './world.js';

const network = useNetwork(ports);
const [server] = addresses.servers;
const { client, virtual, router } = addresses;
let all: readonly Flow[] = [];

beforeAll(async () => {
  await network.conntrack.setSettings({ accounting: true });
  await populate(network);
  all = byId(await network.conntrack.flows().toArray());
  expect(all.length).toBeGreaterThan(60);
});

// Nothing has changed meanwhile: else results would be of different tables.
afterAll(async () => expect(ids(await network.conntrack.flows().toArray())).toEqual(ids(all)));

const ids = (flows: readonly Flow[]): (number | undefined)[] => byId(flows).map((flow) => flow.id);

const filters: FlowFilter[] = [
  { family: 'ipv4' },
  { family: 'ipv6' },
  ...(['tcp', 'udp', 'icmp', 'icmpv6', 'sctp', 'gre', 'udplite', 200, 17] as const).map((protocol) => ({ protocol })),
  { family: 'ipv6', protocol: 'tcp' },
  { family: 'ipv4', protocol: 200 },
  { source: client.ipv4 },
  { source: client.ipv6 },
  { source: '10.20.0.0/24' },
  { source: '10.20.0.4/30' },
  { source: '10.0.0.0/8' },
  { source: '0.0.0.0/0' },
  { source: 'fd20::/16' },
  { source: 'fd20::110/124' },
  { source: 'fd20::4/128' },
  { source: '::/0' },
  { destination: server.ipv4 },
  { destination: virtual.ipv6 },
  { destination: '10.9.0.0/16' },
  { destination: 'fd09:2::/64' },
  { source: client.ipv4, destination: virtual.ipv4 },
  { source: client.ipv6, destination: server.ipv6, protocol: 'udp' },
  { sourcePort: 4000 },
  { destinationPort: 5000 },
  { destinationPort: 80, protocol: 'tcp' },
  { sourcePort: 4001, destinationPort: 5001, family: 'ipv6' },
  { replySource: server.ipv4 },
  { replySource: server.ipv6, protocol: 'tcp' },
  { replySource: '10.40.0.0/16' },
  { replySource: 'fd40::/16' },
  { replyDestination: router.ipv4 },
  { replyDestination: '10.50.0.0/24' },
  { replyDestination: client.ipv6 },
  { replySourcePort: 8053 },
  { replySourcePort: 8080 },
  { replyDestinationPort: 4200 },
  { destination: virtual.ipv6, replySource: server.ipv6 },
  { mark: 0x11 },
  { mark: 0 },
  { mark: 0xffffffff },
  { mark: 0x100, markMask: 0xf00 },
  { mark: 0x101, markMask: 0x101 },
  { mark: 0, markMask: 0xff },
  { mark: 1, markMask: 1, family: 'ipv6' },
  ...[0, 1, 2, 7, 9, 65535].map((zone) => ({ zone })),
  { zone: 0, mark: 0x11 },
  { zone: 9, family: 'ipv6' },
  { zone: 7, source: client.ipv6 },
  { status: ['seen-reply'] },
  { status: ['seen-reply', 'assured'] },
  { status: ['destination-nat'] },
  { status: ['source-nat'] },
  { status: ['fixed-timeout'] },
  { notStatus: ['seen-reply'] },
  { notStatus: ['assured'] },
  { status: ['seen-reply'], notStatus: ['assured'] },
  { status: ['confirmed'], notStatus: ['source-nat', 'destination-nat'], family: 'ipv4' },
  { protocol: 'tcp', state: 'ESTABLISHED' },
  { protocol: 'tcp', state: 'syn_sent' },
  { protocol: 'tcp', state: 'TIME_WAIT' },
  { protocol: 'sctp', state: 'SHUTDOWN_SENT' },
  { protocol: 'tcp', state: 'ESTABLISHED', mark: 0x22, family: 'ipv6', replySourcePort: 8080 },
];

test.each(filters.map((filter) => [JSON.stringify(filter), filter] as const))('%s', async (_, filter) => {
  const expected = ids(all.filter((flow) => matches(filter, flow)));
  expect(expected.length).toBeGreaterThan(0);
  expect(expected.length).toBeLessThan(all.length);
  const read = async (options: FlowFilter): Promise<unknown> => ids(await network.conntrack.flows(options).toArray());
  expect(await read(filter)).toEqual(expected);
  expect(await read({ ...filter, filterIn: 'kernel' })).toEqual(expected);
  expect(await read({ ...filter, filterIn: 'here' })).toEqual(expected);
});

test.each([
  { protocol: 'tcp', state: 'LAST_ACK' },
  { mark: 0x777 },
  { zone: 4711 },
  { source: '10.99.0.0/16' },
  { source: 'fd99::/16' },
  { sourcePort: 9, protocol: 'icmp' },
  { status: ['dying'] },
  { notStatus: ['confirmed'] },
] as FlowFilter[])('nothing is %j', async (filter) => {
  expect(await network.conntrack.flows(filter).toArray()).toEqual([]);
  expect(await network.conntrack.flows({ ...filter, filterIn: 'here' }).toArray()).toEqual([]);
});

// --- groups

const fields: Readonly<Record<GroupField, (flow: Flow) => string | number | undefined>> = {
  family: (flow) => flow.family,
  protocol: (flow) => flow.protocol,
  source: ({ original }) => original.source,
  destination: ({ original }) => original.destination,
  sourcePort: ({ original }) => original.sourcePort ?? 0,
  destinationPort: ({ original }) => original.destinationPort ?? 0,
  replySource: ({ reply }) => reply.source,
  replySourcePort: ({ reply }) => reply.sourcePort ?? 0,
  mark: (flow) => flow.mark ?? 0,
  zone: (flow) => flow.zone,
  state: (flow) => flow.state,
};

interface Sum {
  flows: number;
  counted: number;
  counters: bigint[];
}

/** By the fields; a state goes with its protocol. */
function key(by: readonly GroupField[], value: (field: GroupField) => unknown): string {
  const names = by.includes('state') ? [...new Set([...by, 'protocol' as const])] : by;
  return names
    .toSorted()
    .map((field) => `${field}=${value(field)}`)
    .join(' ');
}

function sums(flows: readonly Flow[], by: readonly GroupField[]): Record<string, Sum> {
  const groups: Record<string, Sum> = {};
  for (const flow of flows) {
    const group = key(by, (field) => fields[field](flow));
    groups[group] ??= { flows: 0, counted: 0, counters: [0n, 0n, 0n, 0n] };
    const sum = groups[group];
    sum.flows++;
    if (flow.counters) sum.counted++;
    sum.counters = countersOf(flow).map((value, index) => value + (sum.counters[index] ?? 0n));
  }
  return groups;
}

function countersOf({ counters }: Pick<Flow, 'counters'>): bigint[] {
  const [original, reply] = [counters?.original, counters?.reply];
  return [original?.packets, original?.bytes, reply?.packets, reply?.bytes].map((value) => value ?? 0n);
}

function named(groups: readonly FlowGroup[], by: readonly GroupField[]): Record<string, Sum> {
  const entries = groups.map((group) => [
    key(by, (field) => group[field]),
    { flows: group.flows, counted: group.counted, counters: countersOf(group) },
  ]);
  expect(new Set(entries.map(([name]) => name)).size).toBe(entries.length);
  return Object.fromEntries(entries) as Record<string, Sum>;
}

describe('groups', () => {
  const groups = (options: GroupOptions): Promise<FlowGroup[]> => network.conntrack.groups(options);

  const single = Object.keys(fields) as GroupField[];
  const several: GroupField[][] = [
    ['family', 'protocol'],
    ['protocol', 'state'],
    ['destination', 'destinationPort'],
    ['replySource', 'replySourcePort', 'protocol'],
    ['mark', 'zone'],
    single,
  ];
  test.each([...single.map((field) => [field]), ...several].map((by) => [by]))('by %j', async (by) => {
    const expected = sums(all, by);
    expect(Object.keys(expected).length).toBeGreaterThan(1);
    expect(named(await groups({ by }), by)).toEqual(expected);
  });

  test('by nothing there is one, of all', async () => {
    expect(named(await groups({ by: [] }), [])).toEqual(sums(all, []));
  });

  test.each([
    { family: 'ipv6' },
    { protocol: 'udp', zone: 0 },
    { source: 'fd20::/16' },
    { mark: 1, markMask: 1, filterIn: 'here' },
    { notStatus: ['assured'] },
  ] as FlowFilter[])('of %j', async (filter) => {
    const expected = sums(
      all.filter((flow) => matches(filter, flow)),
      ['protocol'],
    );
    expect(named(await groups({ by: ['protocol'], filter }), ['protocol'])).toEqual(expected);
  });

  test.each(['bytes', 'packets', 'flows'] as const)('the largest by %s', async (order) => {
    const by = ['source', 'destinationPort'] as const;
    const size = ({ flows, counters }: Sum): bigint => {
      const [packets = 0n, bytes = 0n, replyPackets = 0n, replyBytes = 0n] = counters;
      return order === 'flows' ? BigInt(flows) : order === 'bytes' ? bytes + replyBytes : packets + replyPackets;
    };
    const expected = Object.values(sums(all, by))
      .map(size)
      .sort((a, b) => Number(b - a))
      .slice(0, 5);
    const top = await groups({ by, top: 5, order });
    expect(top.map((group) => size({ ...group, counters: countersOf(group) }))).toEqual(expected);
    expect(expected[0]).toBeGreaterThan(expected[4] ?? 0n);
  });

  test('flows without counters are not in the sums, but in the number', async () => {
    const { conntrack } = network;
    const mark = 0xabcdef;
    const original = { protocol: 'udp', source: '10.1.1.1', destination: '10.1.1.2', destinationPort: 1 } as const;
    for (const accounting of [true, false]) {
      await conntrack.setSettings({ accounting });
      await conntrack.create({ original: { ...original, sourcePort: accounting ? 1 : 2 }, mark, timeout: 100 });
    }
    await conntrack.setSettings({ accounting: true });
    const zero = { packets: 0n, bytes: 0n };
    const counters = { original: zero, reply: zero };
    expect(await groups({ by: ['mark'], filter: { mark } })).toEqual([{ mark, flows: 2, counted: 1, counters }]);
    expect(await conntrack.deleteMatching({ mark })).toBe(2);
  });
});
