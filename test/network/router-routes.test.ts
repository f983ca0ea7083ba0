// A machine with a default route from a router advertisement goes on using it when it forwards IPv6. The routes are
// compared with `ip -6 route`; a router in another namespace advertises itself with a raw socket.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { DesiredState } from '../../src/index.js';
import { usePlaces } from './world.js';

type Place = ReturnType<typeof usePlaces>[number];
const [host, router] = usePlaces(2) as [Place, Place];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-routers-'));
afterAll(() => rmSync(directory, { recursive: true }));

const program = `
import socket, struct, sys
advertiser = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
index = socket.if_nametoindex(sys.argv[1])
advertiser.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
advertiser.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
advertiser.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, index))
`;

/** The interfaces with a default route from a router advertisement, as `ip` lists them. */
function routed(): string[] {
  const routes = host.json<{ dev: string; protocol: string }>('ip', '-j', '-6', 'route', 'show', 'default');
  return routes.flatMap(({ dev, protocol }) => (protocol === 'ra' ? [dev] : [])).sort();
}

async function advertise(...names: readonly string[]): Promise<void> {
  const attempt = (): string[] => {
    for (const name of names)
      if (!routed().includes(name)) router.run('python3', '-c', program, name.replace('wan', 'up'));
    return routed().filter((name) => names.includes(name));
  };
  await expect.poll(attempt, { timeout: 20_000, interval: 100 }).toEqual(names);
}

const accept = (name: string): Promise<string> => host.network.sysctl(`net/ipv6/conf/${name}/accept_ra`);

function open(owner: string, sysctls: Readonly<Record<string, string | number>>): Promise<DesiredState> {
  const document = { owner, namespace: host.name, sysctls };
  return DesiredState.open(document, { record: join(directory, `${owner}.json`) });
}

beforeAll(async () => {
  for (const name of ['wan1', 'wan2']) {
    const upstream = name.replace('wan', 'up');
    host.ip(`link add ${name} type veth peer name ${upstream} netns ${router.name}`);
    await host.network.setSysctl(`net/ipv6/conf/${name}/accept_dad`, 0);
    await router.network.setSysctl(`net/ipv6/conf/${upstream}/accept_dad`, 0);
    host.ip(`link set ${name} up`);
    router.ip(`link set ${upstream} up`);
  }
});
/** The kernel deletes such routes only if one was added since it did so last (RT6_TABLE_HAS_DFLT_ROUTER). */
beforeEach(async () => {
  for (const name of routed()) host.run('ip', '-6', 'route', 'del', 'default', 'dev', name, 'proto', 'ra');
  await advertise('wan1', 'wan2');
});

const ALL = 'net.ipv6.conf.all.forwarding';

test('the kernel deletes such routes whenever forwarding is written', async () => {
  for (const path of [ALL, 'net.ipv6.conf.wan2.forwarding', 'net.ipv6.conf.lo.forwarding']) {
    await advertise('wan1', 'wan2');
    await host.network.setSysctl(path, 1);
    expect([path, routed()]).toEqual([path, []]);
    await host.network.setSysctl(path, 0);
  }
});

test.each([ALL, 'net.ipv6.conf.wan2.forwarding', 'net.ipv6.conf.lo.forwarding'])(
  'the routes stay when a document sets %s, and when it is removed',
  async (name) => {
    await using state = await open('a', { [name]: 1 });
    const plan = await state.plan();
    expect(plan.steps.map(({ what }) => what)).toEqual([
      'sysctl net/ipv6/conf/wan1/accept_ra: 2',
      'sysctl net/ipv6/conf/wan2/accept_ra: 2',
      `sysctl ${name.replaceAll('.', '/')}: 1`,
    ]);
    await state.apply();
    expect(routed()).toEqual(['wan1', 'wan2']);
    expect((await state.plan()).changes).toEqual([]);
    await state.remove();
    expect(routed()).toEqual(['wan1', 'wan2']);
    expect([await accept('wan1'), await accept('wan2')]).toEqual(['1', '1']);
    expect(await host.network.sysctl(name)).toBe('0');
  },
);

test('an interface without such a route, or that accepts none, is left alone', async () => {
  await host.network.setSysctl('net.ipv6.conf.wan2.accept_ra', 0);
  await using state = await open('a', { [ALL]: 1 });
  await state.apply();
  expect(await accept('wan1')).toBe('2');
  expect([await accept('wan2'), await accept('lo')]).toEqual(['0', '1']);
  await state.remove();
  await host.network.setSysctl('net.ipv6.conf.wan2.accept_ra', 1);
});

test('a document that declares accept_ra has what it declares', async () => {
  await using state = await open('a', { 'net.ipv6.conf.wan2.accept_ra': 1, [ALL]: 1 });
  await state.apply();
  expect([await accept('wan1'), await accept('wan2')]).toEqual(['2', '1']);
  expect(routed()).toEqual(['wan1']);
  await state.remove();
});

test('a route that ends and returns is accepted again', async () => {
  await using state = await open('a', { [ALL]: 1 });
  await state.apply();
  host.run('ip', '-6', 'route', 'del', 'default', 'dev', 'wan1', 'proto', 'ra');
  expect((await state.plan()).changes).toEqual([]);
  await advertise('wan1', 'wan2');
  await state.remove();
});

test.each([
  ['a', 'b'],
  ['b', 'a'],
])('the routes stay for the second owner when %s leaves before %s', async (first, last) => {
  await using a = await open('a', { [ALL]: 1 });
  await using b = await open('b', { [ALL]: 1 });
  const owners = { a, b };
  await a.apply();
  await b.apply();
  expect((await b.plan()).changes).toEqual([]);
  await owners[first as 'a' | 'b'].remove();
  expect([await accept('wan1'), await accept('wan2')]).toEqual(['2', '2']);
  expect((await owners[last as 'a' | 'b'].plan()).changes).toEqual([]);
  await owners[last as 'a' | 'b'].remove();
  expect([await accept('wan1'), await accept('wan2')]).toEqual(['1', '1']);
  expect(routed()).toEqual(['wan1', 'wan2']);
});
