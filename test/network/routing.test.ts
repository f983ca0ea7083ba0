import { expect, test } from 'vitest';
import type { RouteOptions, RoutingRuleOptions } from '../../src/index.js';
import { failure, usePlaces } from './world.js';

const [here, far] = usePlaces(2);
if (!here || !far) throw new Error('no places');

interface IpAddress {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number; readonly scope: string }[];
}
interface IpRoute {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly metric?: number;
  readonly scope?: string;
  readonly prefsrc?: string;
}

test('setting the scene: a wire to another namespace', async () => {
  await here.network.addLink({
    kind: 'veth',
    name: 'eth0',
    up: true,
    peer: { name: 'eth0', namespace: far.name, up: true },
  });
  await here.network.setSysctl({ family: 'ipv6', interface: 'eth0', name: 'accept_dad' }, 0);
});

test('addresses are what ip says they are', async () => {
  await here.network.addAddress({ interface: 'lo', address: '192.168.1.100/32', protocol: 77, label: 'lo:vip' });
  await here.network.addAddress({ interface: 'eth0', address: '10.1.0.1/24' });
  await here.network.addAddress({ interface: 'eth0', address: '10.1.0.2/24' });
  await here.network.addAddress({ interface: 'eth0', address: 'FD00::0001/64', noDad: true });
  const addresses = await here.network.addresses();
  const theirs = here
    .json<IpAddress>('ip', '-j', 'addr')
    .flatMap(({ ifname, addr_info: list }) =>
      list.map(({ local, prefixlen, scope }) => `${ifname} ${local}/${prefixlen} ${scope}`),
    );
  expect(addresses.map(({ interface: name, address, scope }) => `${name} ${address} ${scope}`).toSorted()).toEqual(
    theirs.toSorted(),
  );
  expect(addresses.find(({ address }) => address === '192.168.1.100/32')).toEqual({
    interface: 'lo',
    family: 'ipv4',
    address: '192.168.1.100/32',
    scope: 'global',
    label: 'lo:vip',
    protocol: 77,
    secondary: false,
    tentative: false,
    duplicate: false,
    deprecated: false,
    noDad: false,
    noPrefixRoute: false,
  });
  expect(addresses.find(({ address }) => address === '10.1.0.2/24')).toMatchObject({ secondary: true });
  expect(addresses.find(({ address }) => address === 'fd00::1/64')).toMatchObject({ noDad: true, tentative: false });
  expect(await here.network.addresses({ interface: 'lo', family: 'ipv4' })).toHaveLength(2);
  expect((await here.network.addresses({ family: 'ipv6' })).every(({ family }) => family === 'ipv6')).toBe(true);
});

test('an address that is there, one that is not, and one that would take others along', async () => {
  const twice = await failure(here.network.addAddress({ interface: 'lo', address: '192.168.1.100/32' }));
  expect(twice.code).toBe('ERR_IPVS_ADDRESS_EXISTS');
  expect(twice.message).toMatch(/^cannot add address 192\.168\.1\.100\/32 to lo: .*\(EEXIST/);
  for (const address of ['192.168.1.101/32', '192.168.1.100/24', 'fd00::2/64'])
    expect((await failure(here.network.deleteAddress({ interface: 'lo', address }))).code).toBe(
      'ERR_IPVS_NO_SUCH_ADDRESS',
    );
  // Duplicate address detection may end meanwhile.
  const addresses = (): string => here.run('ip', 'addr').replaceAll(' tentative', '');
  const before = addresses();
  const primary = await failure(here.network.deleteAddress({ interface: 'eth0', address: '10.1.0.1/24' }));
  expect(primary.code).toBe('ERR_IPVS_AMBIGUOUS');
  expect(primary.message).toContain('10.1.0.2/24');
  expect(addresses()).toBe(before);
  const results = await here.network.apply([
    { change: 'delete-address', address: { interface: 'eth0', address: '10.1.0.2/24' } },
    { change: 'delete-address', address: { interface: 'eth0', address: '10.1.0.1/24' } },
    { change: 'add-address', address: { interface: 'eth0', address: '10.1.0.1/24' } },
  ]);
  expect(results.map(({ ok }) => ok)).toEqual([true, true, true]);
  // One that was read will do.
  const [vip] = (await here.network.addresses({ interface: 'lo' })).filter(({ label }) => label === 'lo:vip');
  if (!vip) throw new Error('no address');
  await here.network.deleteAddress(vip);
  expect(here.run('ip', 'addr', 'show', 'lo')).not.toContain('192.168.1.100');
});

const table = 100;
const cases: readonly RouteOptions[] = [
  { destination: '10.9.0.0/16', via: '10.1.0.254', table },
  { destination: '10.9.0.0/16', via: '10.1.0.253', table, metric: 5, source: '10.1.0.1', mtu: 1300 },
  { destination: '10.8.0.1', interface: 'eth0', table },
  { destination: '10.7.0.0/16', type: 'blackhole', table },
  { destination: '10.6.0.0/16', type: 'unreachable', table, metric: 7 },
  { destination: '10.5.0.0/16', type: 'prohibit', table },
  { destination: '10.4.0.0/16', type: 'throw', table },
  { destination: '10.3.0.0/16', via: '172.16.0.1', interface: 'eth0', onlink: true, table, protocol: 186 },
  { destination: '10.2.0.0/16', via: 'fd00::99', interface: 'eth0', table },
  { destination: '10.10.0.0/16', nexthops: [{ via: '10.1.0.7', weight: 3 }, { via: '10.1.0.8' }], table },
  { destination: 'fd01::/32', via: 'fd00::99', table },
  { destination: 'fd03::/32', via: 'fd00::98', table, metric: 5 },
  { destination: 'default', family: 'ipv6', type: 'local', interface: 'lo', table: 101 },
  { destination: 'fd02::/32', type: 'blackhole', table: 70_000 },
  // Last: the kernel looks nexthops up in the table of the route first.
  { destination: 'default', type: 'local', interface: 'lo', table },
];

test('routes: add, compare with ip, add twice, delete what was read', async () => {
  const results = await here.network.apply(cases.map((route) => ({ change: 'add-route', route })));
  expect(results.map((result) => (result.ok ? 'ok' : result.error.message))).toEqual(cases.map(() => 'ok'));
  const again = await here.network.apply(cases.map((route) => ({ change: 'add-route', route })));
  expect(again.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual(
    cases.map(() => 'ERR_IPVS_ROUTE_EXISTS'),
  );
  const routes = await here.network.routes({ table: 'all' });
  const theirs = [
    ...here.json<IpRoute>('ip', '-j', '-4', 'route', 'show', 'table', 'all'),
    ...here.json<IpRoute>('ip', '-j', '-6', 'route', 'show', 'table', 'all'),
  ];
  const short = (text: string): string => text.replace(text.includes(':') ? /\/128$/ : /\/32$/, '');
  const named: Record<string, number> = { main: 254, local: 255 };
  const host = (dst: string): string => (dst.includes('/') || dst === 'default' ? dst : short(dst));
  // The link-local address comes by itself a second or two after its link, perhaps just now.
  const comes = (destination: string): boolean => destination.startsWith('fe80:') && !destination.includes('/64');
  const ours = routes.filter((route) => !comes(route.destination));
  expect(ours.map((route) => `${route.type} ${short(route.destination)} ${route.table}`).toSorted()).toEqual(
    theirs
      .filter((route) => !comes(route.dst))
      .map((route) => {
        const number = named[route.table ?? 'main'] ?? Number(route.table);
        return `${route.type ?? 'unicast'} ${host(route.dst)} ${number}`;
      })
      .toSorted(),
  );
  expect(here.run('ip', 'route', 'show', 'table', '100')).toContain('local default dev lo');
  const mine = routes.filter((route) => [100, 101, 70_000].includes(route.table));
  expect(mine).toHaveLength(cases.length);
  expect(mine.find(({ metric, family }) => metric === 5 && family === 'ipv4')).toMatchObject({
    destination: '10.9.0.0/16',
    via: '10.1.0.253',
    source: '10.1.0.1',
    mtu: 1300,
    interface: 'eth0',
    protocol: 4,
    scope: 'global',
  });
  expect(mine.find(({ destination }) => destination === '10.10.0.0/16')?.nexthops).toEqual([
    { via: '10.1.0.7', interface: 'eth0', weight: 3, onlink: false, dead: false },
    { via: '10.1.0.8', interface: 'eth0', weight: 1, onlink: false, dead: false },
  ]);
  expect(mine.find(({ destination }) => destination === '10.2.0.0/16')).toMatchObject({ via: 'fd00::99' });
  expect(mine.find(({ destination }) => destination === '10.3.0.0/16')).toMatchObject({ onlink: true, protocol: 186 });
  expect(await here.network.routes({ table: 100, family: 'ipv6' })).toHaveLength(2);
  expect(await here.network.routes({ table: 100, protocol: 186 })).toHaveLength(1);
  const before = here.run('ip', 'route', 'show', 'table', 'main');
  const deleted = await here.network.apply(mine.map((route) => ({ change: 'delete-route', route })));
  expect(deleted.map((result) => (result.ok ? 'ok' : result.error.message))).toEqual(mine.map(() => 'ok'));
  expect(await here.network.routes({ table: 100 })).toEqual([]);
  expect(here.run('ip', 'route', 'show', 'table', 'main')).toBe(before);
});

test('a delete that does not name all hits nothing but what it names', async () => {
  await here.network.addRoute({ destination: '10.20.0.0/16', via: '10.1.0.5', metric: 50 });
  // The kernel alone would delete the one with metric 50.
  const error = await failure(here.network.deleteRoute({ destination: '10.20.0.0/16', via: '10.1.0.5' }));
  expect(error.code).toBe('ERR_IPVS_NO_SUCH_ROUTE');
  here.run('ip', 'route', 'append', '10.20.0.0/16', 'via', '10.1.0.5', 'metric', '50', 'proto', '99');
  const two = await failure(here.network.deleteRoute({ destination: '10.20.0.0/16', via: '10.1.0.5', metric: 50 }));
  expect(two.code).toBe('ERR_IPVS_AMBIGUOUS');
  await here.network.deleteRoute({ destination: '10.20.0.0/16', via: '10.1.0.5', metric: 50, protocol: 4 });
  expect(here.run('ip', 'route', 'show', '10.20.0.0/16')).toMatch(/proto (99|openr) metric 50/);
  here.run('ip', 'route', 'delete', '10.20.0.0/16');
  // Of IPv6 the kernel does not compare the type.
  await here.network.addRoute({ destination: 'fd20::/32', via: 'fd00::99' });
  const other = await failure(here.network.deleteRoute({ destination: 'fd20::/32', type: 'blackhole' }));
  expect(other.code).toBe('ERR_IPVS_NO_SUCH_ROUTE');
  await here.network.deleteRoute({ destination: 'fd20::/32', via: 'fd00::99' });
  for (const nothing of [{ destination: '10.0.0.0/8' }, { destination: 'default' }])
    expect((await failure(here.network.deleteRoute(nothing))).code).toBe('ERR_IPVS_INVALID_ARGUMENT');
});

test('replaced, refused, asked for', async () => {
  await here.network.setRoute({ destination: 'default', via: '10.1.0.254' });
  await here.network.setRoute({ destination: 'default', via: '10.1.0.253', source: '10.1.0.1' });
  expect(await here.network.routes({ family: 'ipv4' })).toMatchObject([
    { destination: 'default', via: '10.1.0.253' },
    { destination: '10.1.0.0/24', protocol: 2, scope: 'link' },
  ]);
  expect(await here.network.routeTo('8.8.8.8')).toMatchObject({ via: '10.1.0.253', interface: 'eth0', table: 254 });
  expect(await here.network.routeTo('10.1.0.77', { interface: 'eth0' })).toMatchObject({ source: '10.1.0.1' });
  expect(await here.network.routeTo('127.0.0.1')).toMatchObject({ type: 'local', interface: 'lo' });
  expect(await here.network.routeTo('fd00::5')).toMatchObject({ interface: 'eth0', family: 'ipv6' });
  const far = await failure(here.network.addRoute({ destination: '10.30.0.0/16', via: '172.31.0.1' }));
  expect(far.code).toMatch(/ERR_IPVS_REJECTED/);
  expect((await failure(here.network.routeTo('fd99::1'))).code).toBe('ERR_IPVS_NO_SUCH_ROUTE');
  await here.network.deleteRoute({ destination: 'default', via: '10.1.0.253' });
  expect((await failure(here.network.routeTo('8.8.8.8'))).code).toBe('ERR_IPVS_NO_SUCH_ROUTE');
});

test('marked packets are local: the rule and the table of a director without the address', async () => {
  await here.network.addRule({ family: 'ipv4', mark: 80, table: 100 });
  await here.network.addRoute({ destination: 'default', type: 'local', interface: 'lo', table: 100 });
  expect(await here.network.routeTo('192.168.1.100', { mark: 80 })).toMatchObject({ type: 'local', table: 100 });
  expect((await failure(here.network.routeTo('192.168.1.100'))).code).toBe('ERR_IPVS_NO_SUCH_ROUTE');
  await here.network.deleteRule({ family: 'ipv4', mark: 80, table: 100 });
  await here.network.deleteRoute({ destination: 'default', type: 'local', interface: 'lo', table: 100 });
});

const ruleCases: readonly RoutingRuleOptions[] = [
  { family: 'ipv4', mark: 0x50, table: 100, priority: 1000 },
  { family: 'ipv4', mark: 0x10, mask: 0xf0, table: 'main', priority: 1001, protocol: 77 },
  { source: '10.1.0.0/24', destination: '10.2.0.0/16', table: 70_000, priority: 1002 },
  { family: 'ipv6', inputInterface: 'eth0', outputInterface: 'not-there-yet', action: 'blackhole', priority: 1003 },
  { family: 'ipv4', table: 'main', suppressPrefixLength: 0, priority: 1004, invert: true, mark: 3 },
  { destination: 'fd00::/16', action: 'unreachable', priority: 1005 },
  { family: 'ipv4', action: 'prohibit', mark: 0, mask: 1, priority: 1006 },
];

test('rules: add, compare with ip, add twice, delete', async () => {
  const theirs = here.run('ip', 'rule') + here.run('ip', '-6', 'rule');
  const results = await here.network.apply(ruleCases.map((rule) => ({ change: 'add-rule', rule })));
  expect(results.map((result) => (result.ok ? 'ok' : result.error.message))).toEqual(ruleCases.map(() => 'ok'));
  const again = await here.network.apply(ruleCases.map((rule) => ({ change: 'add-rule', rule })));
  expect(again.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual(
    ruleCases.map(() => 'ERR_IPVS_RULE_EXISTS'),
  );
  expect(here.run('ip', 'rule')).toContain('1001:	from all fwmark 0x10/0xf0 lookup main proto 77');
  expect(here.run('ip', 'rule')).toContain('1002:	from 10.1.0.0/24 to 10.2.0.0/16 lookup 70000');
  expect(here.run('ip', 'rule')).toMatch(/1004:\tnot from all fwmark 0x3 lookup main suppress_prefixlength 0/);
  expect(here.run('ip', '-6', 'rule')).toMatch(/1003:\tfrom all iif eth0 oif not-there-yet .*blackhole/);
  const rules = await here.network.rules();
  for (const rule of ruleCases) {
    const { table: named, family: _, ...rest } = rule;
    const found = rules.find(({ priority }) => priority === rule.priority);
    expect(found).toMatchObject({ ...rest, further: false });
    if (typeof named === 'number') expect(found?.table).toBe(named);
  }
  expect(await here.network.rules({ family: 'ipv6' })).toHaveLength(2 + 2);
  const deleted = await here.network.apply(ruleCases.map((rule) => ({ change: 'delete-rule', rule })));
  expect(deleted.map((result) => (result.ok ? 'ok' : result.error.message))).toEqual(ruleCases.map(() => 'ok'));
  expect(here.run('ip', 'rule') + here.run('ip', '-6', 'rule')).toBe(theirs);
});

test("a rule's delete hits no other's", async () => {
  here.ip(
    'rule add priority 500 from 10.0.0.0/8 fwmark 9 lookup 9',
    'rule add priority 501 fwmark 9 ipproto tcp lookup 9',
    'rule add priority 502 fwmark 8 lookup 9',
    'rule add priority 503 fwmark 8 lookup 9',
    'rule add priority 504 fwmark 7 lookup 9',
    'rule add priority 504 from 10.0.0.0/8 fwmark 7 lookup 9',
  );
  const before = here.run('ip', 'rule');
  const none = await failure(here.network.deleteRule({ family: 'ipv4', mark: 9, table: 9 }));
  expect(none.code).toBe('ERR_IPVS_NO_SUCH_RULE');
  const several = await failure(here.network.deleteRule({ family: 'ipv4', mark: 8, table: 9 }));
  expect(several.code).toBe('ERR_IPVS_AMBIGUOUS');
  expect((await failure(here.network.deleteRule({ family: 'ipv4' }))).code).toBe('ERR_IPVS_INVALID_ARGUMENT');
  expect(here.run('ip', 'rule')).toBe(before);
  // One that was read will do, with what cannot be written here.
  const tcp = (await here.network.rules()).find(({ ipProtocol }) => ipProtocol === 6);
  if (!tcp) throw new Error('no rule');
  await here.network.deleteRule(tcp);
  expect(here.run('ip', 'rule')).toBe(before.replace(/501:.*\n/, ''));
  await here.network.deleteRule({ family: 'ipv4', mark: 7, table: 9 });
  expect(here.run('ip', 'rule')).toMatch(/504:\tfrom 10\.0\.0\.0\/8 fwmark 0x7 lookup 9/);
});

test('settings', async () => {
  const { network } = here;
  expect(await network.setSysctl({ family: 'ipv4', interface: 'all', name: 'arp_ignore' }, 1)).toBe('0');
  expect(await network.sysctl('net.ipv4.conf.all.arp_ignore')).toBe('1');
  expect(here.run('cat', '/proc/sys/net/ipv4/conf/all/arp_ignore')).toBe('1\n');
  await network.addLink({ kind: 'bridge', name: 'eth0.100' });
  expect(await network.setSysctl('net/ipv4/conf/eth0.100/rp_filter', '2')).toMatch(/^[012]$/);
  expect(await network.sysctl({ family: 'ipv4', interface: 'eth0.100', name: 'rp_filter' })).toBe('2');
  expect(await network.setSysctl('net.ipv4.ip_forward', true)).toBe('0');
  expect(await network.sysctl('net.ipv4.tcp_rmem')).toMatch(/^\d+\t\d+\t\d+$/);
  for (const name of [
    'net.ipv4.nothing',
    { family: 'ipv4', interface: 'none', name: 'arp_ignore' } as const,
    'net.ipv4',
  ])
    expect((await failure(network.sysctl(name))).code).toBe('ERR_IPVS_NO_SUCH_SYSCTL');
  for (const name of [
    'kernel.hostname',
    'net/../kernel/hostname',
    '/proc/sys/net/ipv4/ip_forward',
    'net',
    'net..x',
    '',
  ])
    expect((await failure(network.sysctl(name))).code).toBe('ERR_IPVS_INVALID_ARGUMENT');
  expect((await failure(network.setSysctl('net.ipv4.ip_forward', 'x'))).code).toBe('ERR_IPVS_REJECTED');
  expect((await failure(network.setSysctl('net.ipv4.ip_forward', '1\n0'))).code).toBe('ERR_IPVS_INVALID_ARGUMENT');
  await network.deleteLink('eth0.100');
});
