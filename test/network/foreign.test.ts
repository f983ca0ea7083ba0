// Rules and routes that `ip` makes: each is read, and deleted as it was read, or refused with the reason.
import { execFileSync } from 'node:child_process';
import { beforeAll, expect, test } from 'vitest';
import { until } from '../until.js';
import { ownsMachine } from '../user-namespace.js';
import { failure, usePlaces } from './world.js';

const [here] = usePlaces(1);
if (!here) throw new Error('no place');

/** Commands of `ip -6`. */
function ip6(...commands: readonly string[]): void {
  execFileSync('ip', ['-6', '-n', here?.name ?? '', '-batch', '-'], { input: commands.join('\n'), stdio: 'pipe' });
}

beforeAll(async () => {
  here.ip(
    'link add e0 type veth peer name e1',
    'link set e0 up',
    'link set e1 up',
    'addr add 10.0.0.1/24 dev e0',
    'addr add fd00::1/64 dev e0 nodad',
  );
  // The kernel gives both a link-local address, which has its routes once it is no longer tentative.
  await until(
    () => here.run('ip', '-6', 'route', 'show', 'table', 'local'),
    (routes) => (routes.match(/^local fe80::/gm) ?? []).length === 2,
  );
});

const selectors = [
  'from 10.0.0.0/8',
  'from 10.0.0.1 to 10.2.0.0/16',
  'not from 10.0.0.0/8',
  'from fd00::/16',
  'fwmark 1',
  'fwmark 0x10/0xf0',
  'fwmark 0/1',
  'iif e0',
  'oif e0',
  'iif lo oif missing',
  'tos 0x10',
  // In a user namespace of its own only root has a number.
  ...(ownsMachine ? ['uidrange 0-0', 'uidrange 1000-2000'] : []),
  'ipproto tcp',
  'ipproto tcp dport 80',
  'ipproto udp sport 53',
  'ipproto tcp sport 1-65534 dport 8000-9000',
  'ipproto sctp sport 5 dport 6',
  'dport 443',
  'not ipproto udp dport 53 fwmark 7 from 10.0.0.0/8',
  'ipproto tcp dport 80 iif e0',
];
const actions = [
  'lookup 7',
  'lookup main suppress_prefixlength 0',
  'blackhole',
  'goto 30000',
  'nop',
  'lookup 70000 proto 99',
];
/** As `ip` names what the library does not support. */
const unsupported = [
  ['l3mdev', 'l3mdev'],
  ['fwmark 9 lookup 7 realms 3', 'realms'],
  ['fwmark 9 lookup 7 suppress_ifgroup 5', 'suppress_ifgroup'],
] as const;

test.each(['ipv4', 'ipv6'] as const)('%s rules of `ip rule` are deleted as they are read', async (family) => {
  const ip = family === 'ipv4' ? here.ip : ip6;
  const other = family === 'ipv4' ? 'fd00' : '10.';
  ip('rule add priority 30000 lookup main');
  const list = (): string => here.run('ip', family === 'ipv4' ? '-4' : '-6', 'rule');
  const before = list();
  const fit = selectors.filter((selector) => !selector.includes(other));
  const commands = fit.flatMap((selector, index) =>
    actions.map((action, at) => `rule add priority ${100 + index * 10 + at} ${selector} ${action}`),
  );
  ip(...commands);
  const rules = (await here.network.rules({ family })).filter(({ priority }) => priority >= 100 && priority < 30_000);
  expect(rules).toHaveLength(commands.length);
  expect(rules.filter(({ further }) => further)).toEqual([]);
  const results = await here.network.apply(rules.toReversed().map((rule) => ({ change: 'delete-rule', rule })));
  expect(results.flatMap((result) => (result.ok ? [] : [result.error.message]))).toEqual([]);
  expect(list()).toBe(before);
});

test.each(unsupported)('a rule with %s is refused with the reason', async (text, name) => {
  const before = here.run('ip', 'rule');
  here.ip(`rule add priority 60 ${text}`);
  const rule = (await here.network.rules({ family: 'ipv4' })).find(({ priority }) => priority === 60);
  if (!rule) throw new Error('no rule');
  const error = await failure(here.network.deleteRule(rule));
  expect(error.code).toBe('ERR_IPVS_INVALID_ARGUMENT');
  expect(error.message).toBe(
    `cannot delete rule 60: it has ${name}, which this library does not support. Use \`ip rule delete\``,
  );
  here.ip('rule delete priority 60');
  expect(here.run('ip', 'rule')).toBe(before);
});

const nexthops = [
  'nexthop add id 1 blackhole',
  'nexthop add id 2 via 10.0.0.2 dev e0',
  'nexthop add id 3 via fd00::2 dev e0',
  'nexthop add id 4 dev e0',
  'nexthop add id 5 group 2',
  'nexthop add id 6 blackhole',
  'nexthop add id 7 via 10.0.0.3 dev e0',
  'nexthop add id 8 group 2,3/7,2',
  'nexthop add id 9 group 3',
  'nexthop add id 10 group 1',
  'nexthop add id 11 group 6',
  'nexthop add id 12 dev e0',
  'nexthop add id 13 group 2/7 type resilient buckets 8',
  'nexthop add id 14 via 10.0.0.99 dev e0 onlink',
  'nexthop add id 15 via fd00::3 dev e0',
  'nexthop add id 16 group 3/15',
];
const all = Array.from(nexthops, (_, index) => index + 1);
const ipv6 = [3, 6, 9, 11, 12, 15, 16];
const routes = [
  ...all.map((id) => `10.1.${id}.0/24 nhid ${id}`),
  ...ipv6.map((id) => `fd01:${id}::/32 nhid ${id}`),
  ...[1, 2, 3, 6, 8].map((id) => `10.2.${id}.0/24 nhid ${id} metric 50 proto 99 tos 0x10 mtu 1400`),
  '10.2.1.0/24 nhid 2 metric 51',
  '10.3.0.0/16 via 10.0.0.2',
  '10.3.1.0/24 via inet6 fd00::2 dev e0',
  '10.3.2.0/24 dev e0 scope link src 10.0.0.1 metric 7',
  '10.3.3.0/24 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3 dev e0 weight 256',
  '10.3.4.0/24 nexthop via 10.0.0.2 nexthop via inet6 fd00::2 dev e0',
  '10.3.5.0/24 via 192.0.2.1 dev e0 onlink',
  '10.3.6.0/24 via 10.0.0.2 mtu lock 1300 advmss 1200 window 5 rtt 100 quickack 1 initcwnd 20',
  '10.3.7.0/24 via 10.0.0.2 realm 5',
  '10.3.8.0/24 via 10.0.0.2 tos 0x10',
  '10.3.8.0/24 via 10.0.0.2 tos 0x08',
  'blackhole 10.4.0.0/24',
  'blackhole 10.4.0.0/24 metric 9',
  'unreachable 10.4.1.0/24 proto 77',
  'prohibit 10.4.2.0/24',
  'throw 10.4.3.0/24',
  'local 10.4.4.0/24 dev lo',
  'broadcast 10.4.5.255 dev e0',
  'multicast 239.0.0.0/8 dev e0',
  'default via 10.0.0.2 metric 3',
  '10.5.0.0/24 via 10.0.0.2 table 70000',
  'fd03::/32 via fd00::2',
  'fd03:1::/32 dev e0 metric 5',
  'fd03:2::/32 nexthop via fd00::2 weight 3 nexthop via fd00::3 dev e0',
  'fd03:3::/32 via fd00::2 pref high mtu 1300 hoplimit 5',
  'fd03:4::/32 via fd00::2 src fd00::1 proto 99',
  'fd03:5::/32 via fe80::5 dev e0 onlink',
  'blackhole fd04::/32',
  'unreachable fd04:1::/32 metric 9',
  'prohibit fd04:2::/32',
  'throw fd04:3::/32',
  'local fd04:4::/32 dev lo',
  'anycast fd04:5::/32 dev e0',
  'multicast ff05::/16 dev e0',
  'default via fd00::2 metric 3',
];

test('routes, addresses and neighbours are deleted by an alternative name of the interface', async () => {
  const { network } = here;
  const name = `alternative${'-x'.repeat(58)}`;
  here.ip(`link property add dev e0 altname ${name}`);
  const lists = (): string => here.run('ip', 'route') + here.run('ip', 'addr', 'show', 'e0') + here.run('ip', 'neigh');
  const before = lists();
  await network.addRoute({ destination: '10.6.0.0/16', via: '10.0.0.2', interface: name });
  await network.addAddress({ interface: name, address: '10.7.0.1/32' });
  await network.setNeighbour({ interface: name, address: '10.0.0.9', linkAddress: '02:00:00:00:00:01' });
  expect(lists()).not.toBe(before);
  await network.deleteRoute({ destination: '10.6.0.0/16', interface: name });
  await network.deleteAddress({ interface: name, address: '10.7.0.1/32' });
  await network.deleteNeighbour({ interface: name, address: '10.0.0.9' });
  expect(lists()).toBe(before);
});

test('an IPv6 address and a route of an IPv4-mapped form that were read are deleted', async () => {
  const { network } = here;
  const list = (): string => here.run('ip', '-6', 'route') + here.run('ip', '-6', 'addr', 'show', 'lo');
  const before = list();
  ip6('addr add ::ffff:10.7.0.1/128 dev lo', 'route add ::ffff:10.8.0.0/112 dev e0');
  const address = (await network.addresses({ interface: 'lo', family: 'ipv6' })).find((one) =>
    one.address.includes('ffff'),
  );
  const route = (await network.routes({ family: 'ipv6' })).find((one) => one.destination.endsWith('/112'));
  if (!address || !route) throw new Error('nothing was read');
  await network.deleteAddress(address);
  await network.deleteRoute(route);
  expect(list()).toBe(before);
});

test('routes of `ip route` are deleted as they are read', async () => {
  const isIPv6 = (text: string): boolean => /fd0|ff0|add id (6|12) /.test(text) && !text.includes('inet6');
  for (const nexthop of nexthops) (isIPv6(`${nexthop} `) ? ip6 : here.ip)(nexthop);
  const list = (): string =>
    here.run('ip', 'route', 'show', 'table', 'all') + here.run('ip', '-6', 'route', 'show', 'table', 'all');
  const before = await here.network.routes({ table: 'all' });
  const beforeText = list();
  here.ip(...routes.filter((route) => !isIPv6(route)).map((route) => `route add ${route}`));
  ip6(...routes.filter(isIPv6).map((route) => `route add ${route}`));
  const old = new Set(before.map((route) => JSON.stringify(route)));
  const made = (await here.network.routes({ table: 'all' })).filter((route) => !old.has(JSON.stringify(route)));
  expect(made).toHaveLength(routes.length);
  const results = await here.network.apply(made.map((route) => ({ change: 'delete-route', route })));
  expect(results.flatMap((result) => (result.ok ? [] : [result.error.message]))).toEqual([]);
  expect(list()).toBe(beforeText);
});
