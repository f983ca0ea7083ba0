// Changes leave what they do not name as it is: counters, handles, and packets on their way.
import { spawn } from 'node:child_process';
import { beforeEach, expect, test } from 'vitest';
import type { FwmarkOptions, NetfilterRuleOptions } from '../../src/index.js';
import { addresses, until, useNetwork } from './world.js';

const network = useNetwork([80]);
const { virtual, server1, other } = addresses;
const COUNT = 1000;

beforeEach(() => network.load('flush ruleset'));

const hex = (value: number): string => value.toString(16).padStart(4, '0');
const udp = (to: string, port: number): string => `${to} 17 9c40${hex(port)}00080000`;
const port = (number: number): FwmarkOptions => ({ protocol: 'udp', port: number, mark: number });

async function counters(): Promise<Map<string, string>> {
  const marks = await network.netfilter.marks();
  return new Map(marks.map((mark) => [String(mark), `${mark.counter.packets} ${mark.counter.bytes}`]));
}
/** Rules by their handle. */
function handles(): string[] {
  return network
    .list('table inet ipvs', '-a')
    .split('\n')
    .filter((line) => line.includes('# handle') && !/^\s*(table|chain|map|set) /.test(line))
    .map((line) => line.trim());
}

test('counters count exactly the packets, and stay through a thousand changes of others', async () => {
  const { netfilter } = network;
  const kept: FwmarkOptions[] = [
    port(7),
    { destination: virtual.ipv4, protocol: 'udp', port: 8, mark: 8 },
    { destination: '10.9.1.0/24', protocol: 'udp', port: { from: 10, to: 11 }, mark: 10 },
    { destination: virtual.ipv6, mark: 11 },
  ];
  const rules: NetfilterRuleOptions[] = [
    { type: 'masquerade', destination: '10.77.0.0/24' },
    { type: 'masquerade', destination: '10.78.0.0/24' },
    { type: 'masquerade', mark: 5 },
  ];
  const many = Array.from({ length: COUNT }, (_, i) => port(1000 + i));
  await netfilter.set({ marks: [...kept, ...many.slice(0, 500)], rules });
  const packets = [
    ...Array.from({ length: 3 }, () => udp(virtual.ipv4, 7)),
    ...Array.from({ length: 4 }, () => udp(virtual.ipv4, 8)),
    ...Array.from({ length: 5 }, () => udp(virtual.ipv4, 11)),
    ...Array.from({ length: 2 }, () => udp(virtual.ipv6, 9)),
    udp(virtual.ipv4, 1003),
  ];
  network.send('client', packets);
  const seen = async (): Promise<(string | undefined)[]> => {
    const all = await counters();
    const names = [
      'prerouting udp dport 7 mark set 0x7',
      'prerouting ip daddr 10.9.1.100 udp dport 8 mark set 0x8',
      'prerouting ip daddr 10.9.1.0/24 udp dport 10-11 mark set 0xa',
      'prerouting ip6 daddr fd09:1::100 mark set 0xb',
    ];
    return names.map((name) => all.get(name));
  };
  const wanted = ['3 84', '4 112', '5 140', '2 96'];
  expect(await seen()).toEqual(wanted);
  expect((await counters()).get('prerouting udp dport 1003 mark set 0x3eb')).toBe('1 28');
  const before = handles();
  const same = async (after: string): Promise<void> => {
    expect(await seen(), after).toEqual(wanted);
    expect(handles(), after).toEqual(expect.arrayContaining(before));
  };
  const add = (marks: readonly FwmarkOptions[]) => marks.map((mark) => ({ change: 'add-mark', mark }) as const);
  await netfilter.apply(add(many.slice(500)));
  await same('adding 500');
  const { mark: _, ...first } = port(1000);
  await netfilter.setMark(first, 5);
  await same('another mark for one');
  await netfilter.apply(
    many.slice(1, 1 + 400).map(({ mark: _, ...mark }) => ({ change: 'delete-mark', mark }) as const),
  );
  await same('removing 400');
  for (const destination of ['10.79.0.0/24', '10.80.0.0/16', '10.76.1.1'])
    await netfilter.addRule({ type: 'masquerade', destination });
  await same('adding rules');
  await netfilter.addMark({ destination: '10.9.3.0/24', mark: 1 });
  await netfilter.addMark({ destination: '10.9.1.0/24', mark: 0x100, mask: 0x100 });
  await same('adding marks that are rules');
  await netfilter.deleteRule({ type: 'masquerade', destination: '10.79.0.0/24' });
  await same('removing a rule');
  await netfilter.set({ marks: [...many.slice(200), ...kept].reverse(), rules: [...rules].reverse() });
  await same('setting all, in another order');
  await netfilter.set({ marks: kept, rules });
  await same('setting only these');
  expect(handles()).toEqual(expect.arrayContaining(before.filter((line) => !line.includes('@prerouting_ip '))));
  expect(await netfilter.verify({ marks: kept, rules })).toEqual([]);
});

test('rules that are as wide as each other keep their places, however they came', async () => {
  const { netfilter } = network;
  const nets = ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16', '10.4.0.0/16'];
  for (const destination of nets) {
    const before = nets[0] === destination ? [] : handles();
    await netfilter.addRule({ type: 'masquerade', destination });
    expect(handles()).toEqual(expect.arrayContaining(before));
    expect(handles()).toHaveLength(before.length + 1);
  }
  const before = handles();
  const rules = nets.map((destination) => ({ type: 'masquerade', destination }) as const);
  for (const order of [rules, rules.toReversed()]) {
    expect(await netfilter.verify({ rules: order })).toEqual([]);
    await netfilter.set({ rules: order });
    expect(handles()).toEqual(before);
  }
});

test('a steady stream of packets is never without its mark', async () => {
  const { netfilter } = network;
  network.load(`table inet probe {
    counter every { packets 0 bytes 0; }
    counter bare { packets 0 bytes 0; }
    chain pre { type filter hook prerouting priority -140; udp dport { 7777, 7778 } counter name "every"; udp dport { 7777, 7778 } meta mark 0 counter name "bare"; }
  }`);
  const count = (name: string): number =>
    Number(/packets (\d+)/.exec(network.list(`counter inet probe ${name}`))?.[1] ?? Number.NaN);
  const wide = { destination: '10.9.1.0/24', protocol: 'udp', port: { from: 7778, to: 7779 } } as const;
  await netfilter.set({ marks: [port(7777), { ...wide, mark: 2 }] });
  const program = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for port in (7777, 7778):
        s.sendto(b'x', ('${virtual.ipv4}', port))
    time.sleep(0.0002)
`;
  const args = [`--net=/run/netns/${network.host('client').namespace}`, '/usr/bin/python3', '-c', program];
  const sender = spawn('nsenter', args, { stdio: 'ignore' });
  try {
    await until(
      () => count('every'),
      (packets) => packets > 10,
    );
    const before = count('every');
    for (let i = 0; i < 25; i++) {
      await netfilter.addMark(port(100 + i));
      await netfilter.setMark({ protocol: 'udp', port: 7777 }, 1 + i);
      await netfilter.setMark(wide, 1 + i);
      const marks: FwmarkOptions[] = [{ ...port(7777), mark: i + 1 }, { ...wide, mark: i + 1 }, port(300 + i)];
      // Other prefixes and maps come and go, too.
      marks.push({ destination: i % 2 ? '10.9.0.0/16' : server1.ipv4, mark: 9, mask: 0xff });
      await netfilter.set({ marks });
    }
    await until(
      () => count('every'),
      (packets) => packets > before + 20,
    );
    expect(count('every')).toBeGreaterThan(before + 20);
    expect(count('bare')).toBe(0);
  } finally {
    sender.kill();
  }
});

/** All orders of a list. */
function orders<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((first, i) => orders(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));
}

test('the narrowest mark wins, whatever came first', async () => {
  const { netfilter } = network;
  const marks: FwmarkOptions[] = [
    { protocol: 'udp', port: 80, mark: 1 },
    { destination: '10.9.1.0/24', mark: 2 },
    { destination: virtual.ipv4, protocol: 'udp', port: 80, mark: 4 },
    { destination: '10.9.0.0/16', mark: 0x100, mask: 0xff00 },
  ];
  const seen = new Set<string>();
  const rulesOf = (): string => network.list('chain inet ipvs mark_prerouting');
  for (const order of orders(marks)) {
    await netfilter.deleteTable();
    for (const mark of order) await netfilter.addMark(mark);
    seen.add(rulesOf());
    expect(await netfilter.verify({ marks })).toEqual([]);
  }
  expect([...seen]).toHaveLength(1);
  network.load(`table inet probe {
    set seen { type ipv4_addr . inet_service . mark; flags dynamic; size 65535; }
    chain c { type filter hook prerouting priority -140; meta l4proto udp add @seen { ip daddr . th dport . meta mark }; }
  }`);
  await netfilter.addMark({ destination: '10.9.1.1', mark: 3 });
  network.send('client', [
    udp(virtual.ipv4, 80),
    udp('10.9.1.1', 80),
    udp('10.9.1.1', 81),
    udp(virtual.ipv4, 81),
    udp(server1.ipv4, 80),
    udp(server1.ipv4, 81),
  ]);
  const marked = [...network.list('set inet probe seen').matchAll(/([\d.]+) \. (\d+) \. (0x\w+)/g)];
  expect(Object.fromEntries(marked.map(([, to, port, mark]) => [`${to}:${port}`, Number(mark)]))).toEqual({
    '10.9.1.100:80': 0x104,
    '10.9.1.1:80': 0x103,
    '10.9.1.1:81': 0x103,
    '10.9.1.100:81': 0x102,
    '10.9.2.11:80': 0x101,
    '10.9.2.11:81': 0x100,
  });
});

test('the narrowest NAT rule wins, whatever came first', async () => {
  const { netfilter, connect } = network;
  const rules: NetfilterRuleOptions[] = [
    { type: 'masquerade', destination: '10.9.0.0/16' },
    { type: 'snat', to: other.ipv4, destination: server1.ipv4, protocol: 'tcp', port: { from: 80, to: 90 } },
    { type: 'snat', to: '10.9.2.77', destination: server1.ipv4, protocol: 'tcp', port: 80, source: '10.9.9.0/24' },
    { type: 'masquerade', destination: server1.ipv4, mark: 77 },
  ];
  const seen = new Set<string>();
  for (const order of orders(rules)) {
    await netfilter.deleteTable();
    for (const rule of order) await netfilter.addRule(rule);
    seen.add(network.list('table inet ipvs'));
    expect((await netfilter.rules())[0]?.rule).toMatchObject({ to: '10.9.2.77' });
  }
  expect([...seen]).toHaveLength(1);
  expect(await connect('client', server1.ipv4, 80)).toMatchObject({ name: 'server1', remote: other.ipv4 });
  const counts = (await netfilter.rules()).map(({ rule, counter }) => [
    rule.type,
    'to' in rule && rule.to,
    counter.packets,
  ]);
  expect(counts).toEqual([
    ['snat', '10.9.2.77', 0n],
    ['snat', other.ipv4, 1n],
    ['masquerade', false, 0n],
    ['masquerade', false, 0n],
  ]);
});
