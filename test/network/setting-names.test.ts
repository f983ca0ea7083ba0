// Settings with several names, and settings that the kernel resets when another is written: what `sysctl` of the
// kernel says after owners came and went.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DesiredState } from '../../src/index.js';
import { ownsMachine } from '../user-namespace.js';
import { usePlaces } from './world.js';

const [place] = usePlaces(1) as [ReturnType<typeof usePlaces>[number]];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-names-'));
afterAll(() => rmSync(directory, { recursive: true }));
beforeAll(() =>
  place.ip('link add e0 type veth peer name e1', 'link add e2.5 type bridge', 'addr add 10.9.0.1/24 dev e0'),
);

const read = (name: string): Promise<string> => place.network.sysctl(name);
const write = (name: string, value: string | number): Promise<string> => place.network.setSysctl(name, value);

/** Everything below net.ipv4 and net.ipv6 that can be read. */
function everything(): string {
  const paths = ['/proc/sys/net/ipv4', '/proc/sys/net/ipv6'];
  const lines = place.run('grep', '-rs', '', ...paths, '--exclude=stable_secret', '--exclude=flush').split('\n');
  return lines.sort().join('\n');
}

type Sysctls = Readonly<Record<string, string | number>>;
function open(owner: string, sysctls: Sysctls = {}): Promise<DesiredState> {
  const document = { owner, namespace: place.name, sysctls };
  return DesiredState.open(document, { record: join(directory, `${owner}.json`) });
}

describe('one setting with two names', () => {
  test.each([
    ['net.ipv4.ip_forward', 'net.ipv4.conf.all.forwarding'],
    ['net.ipv4.conf.all.forwarding', 'net.ipv4.ip_forward'],
  ])('%s stays while another owner wants %s', async (one, other) => {
    const before = everything();
    await using a = await open('a', { [one]: 1 });
    await using b = await open('b', { [other]: '01' });
    await a.apply();
    await b.apply();
    await a.remove();
    expect(await read('net.ipv4.ip_forward')).toBe('1');
    expect((await b.plan()).changes).toEqual([]);
    await b.remove();
    expect(everything()).toBe(before);
  });

  test('another owner that wants another value is in conflict, whichever name it uses', async () => {
    await using a = await open('a', { 'net.ipv4.ip_forward': 1 });
    await using b = await open('b', { 'net.ipv4.conf.all.forwarding': 0 });
    await a.apply();
    expect((await b.plan()).conflicts).toMatchObject([{ is: expect.stringMatching(/^1, as a .*wants it$/) }]);
    await expect(b.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
    await a.remove();
  });

  test('units of one setting are one setting', async () => {
    const name = 'net.ipv4.neigh.e0.base_reachable_time';
    const before = everything();
    await using a = await open('a', { [name]: 31 });
    await using b = await open('b', { [`${name}_ms`]: 31000 });
    await a.apply();
    await b.apply();
    await a.remove();
    expect(await read(name)).toBe('31');
    await b.remove();
    expect(everything()).toBe(before);
  });
});

describe('settings that a write resets', () => {
  const cases: readonly (readonly [string, string | number, Sysctls])[] = [
    ['net/ipv4/ip_forward', 1, { 'net/ipv4/conf/e0/forwarding': 1, 'net/ipv4/conf/e2.5/forwarding': 1 }],
    ['net/ipv4/ip_forward', 1, { 'net/ipv4/conf/all/accept_redirects': 0 }],
    ['net/ipv6/conf/all/forwarding', 1, { 'net/ipv6/conf/e0/forwarding': 1 }],
    ['net/ipv6/conf/all/disable_ipv6', 1, { 'net/ipv6/conf/e1/disable_ipv6': 1 }],
    ['net/ipv6/conf/all/addr_gen_mode', 1, { 'net/ipv6/conf/e0/addr_gen_mode': 3 }],
    ['net/ipv6/conf/all/ignore_routes_with_linkdown', 1, { 'net/ipv6/conf/e2.5/ignore_routes_with_linkdown': 1 }],
    ['net/ipv4/conf/default/rp_filter', 2, { 'net/ipv4/conf/e1/rp_filter': 1 }],
  ];

  test.each(cases)('%s, set to %s and back, leaves what was set before', async (name, value, set) => {
    const initial: Record<string, string> = {};
    for (const [path, text] of Object.entries(set)) initial[path] = await write(path, text);
    const before = everything();
    await using a = await open('a', { [name]: value });
    await a.apply();
    expect((await a.plan()).changes).toEqual([]);
    await a.remove();
    expect(everything()).toBe(before);
    for (const [path, text] of Object.entries(initial)) await write(path, text);
  });

  test('keeps what another program has set meanwhile', async () => {
    await using a = await open('a', { 'net.ipv4.ip_forward': 1 });
    await write('net.ipv4.conf.e0.forwarding', 0);
    await a.apply();
    await write('net.ipv4.conf.e1.forwarding', 0);
    await a.remove();
    expect(await read('net.ipv4.conf.e1.forwarding')).toBe('0');
    expect(await read('net.ipv4.ip_forward')).toBe('0');
  });

  const whole = { 'net.ipv4.ip_forward': 1 };
  for (const value of [0, 1])
    for (const pristine of [0, 1])
      for (const firstComes of ['whole', 'part'])
        for (const firstGoes of ['whole', 'part'])
          test(`e0 from ${pristine} to ${value}: the owner of the ${firstComes} comes first, that of the ${firstGoes} leaves first`, async () => {
            await write('net.ipv4.conf.e0.forwarding', pristine);
            const before = everything();
            const part = { 'net.ipv4.conf.e0.forwarding': value };
            const owners = { whole: await open('whole', whole), part: await open('part', part) };
            const order = (first: string) =>
              (first === 'whole' ? ['whole', 'part'] : ['part', 'whole']) as ('whole' | 'part')[];
            for (const owner of order(firstComes)) await owners[owner].apply();
            for (const owner of order(firstComes)) expect((await owners[owner].plan()).changes).toEqual([]);
            expect(await read('net.ipv4.conf.e0.forwarding')).toBe(String(value));
            const [first, last] = order(firstGoes) as ['whole' | 'part', 'whole' | 'part'];
            await owners[first].remove();
            expect((await owners[last].plan()).changes).toEqual([]);
            await owners[last].remove();
            expect(everything()).toBe(before);
            for (const owner of Object.values(owners)) await owner.close();
          });

  test.each([{ record: false } as const, {}])('one owner that declares both, with %j, has both', async (options) => {
    await write('net.ipv4.conf.e0.forwarding', 1);
    const before = everything();
    const sysctls = { 'net.ipv4.conf.e0.forwarding': 0, 'net.ipv4.ip_forward': 1 };
    await using a = await DesiredState.open({ owner: 'both', namespace: place.name, sysctls }, options);
    await a.apply();
    expect((await a.plan()).changes).toEqual([]);
    expect(await read('net.ipv4.conf.e0.forwarding')).toBe('0');
    await a.apply({ owner: 'both', namespace: place.name, sysctls: whole });
    expect((await a.plan()).changes).toEqual([]);
    await a.remove();
    expect(everything()).toBe(before);
  });

  const both: readonly (readonly [Sysctls, Sysctls])[] = [
    [{ 'net.ipv4.ip_forward': 1 }, { 'net.ipv4.conf.e0.forwarding': 0 }],
    [{ 'net.ipv4.ip_forward': 1 }, { 'net.ipv4.conf.default.forwarding': 0, 'net/ipv4/conf/e2.5/forwarding': 0 }],
    [{ 'net.ipv4.conf.all.forwarding': 1 }, { 'net.ipv4.conf.all.accept_redirects': 1 }],
    [
      { 'net.ipv6.conf.all.forwarding': 1 },
      { 'net.ipv6.conf.lo.forwarding': 0, 'net.ipv6.conf.default.forwarding': 0 },
    ],
    [{ 'net.ipv6.conf.all.disable_ipv6': 1 }, { 'net.ipv6.conf.lo.disable_ipv6': 0 }],
    [{ 'net.ipv6.conf.all.addr_gen_mode': 1 }, { 'net.ipv6.conf.lo.addr_gen_mode': 0 }],
    [{ 'net.ipv4.conf.default.rp_filter': 2 }, { 'net.ipv4.conf.e1.rp_filter': 0 }],
  ];
  const holds = async (...documents: readonly Sysctls[]): Promise<void> => {
    for (const [name, value] of documents.flatMap((one) => Object.entries(one)))
      expect([name, await read(name)]).toEqual([name, String(value)]);
  };

  test.each(both)('one owner that sets %j keeps %j at the first apply', async (whole, parts) => {
    const before = everything();
    await using a = await open('a', { ...parts, ...whole });
    const bad = { ...parts, ...whole, 'net.ipv4.ip_default_ttl': 1000 };
    await expect(a.apply({ owner: 'a', namespace: place.name, sysctls: bad })).rejects.toMatchObject({ left: [] });
    expect(everything()).toBe(before);
    await a.apply({ owner: 'a', namespace: place.name, sysctls: { ...parts, ...whole } });
    await holds(whole, parts);
    expect((await a.plan()).changes).toEqual([]);
    expect(await a.apply()).toEqual([]);
    await a.remove();
    expect(everything()).toBe(before);
  });

  test.each(both)(
    '%j of one owner leaves %j of another, whichever comes first and goes first',
    async (whole, parts) => {
      const before = everything();
      for (const comes of ['parts', 'whole'])
        for (const goes of ['parts', 'whole']) {
          const owners = { parts: await open('parts', parts), whole: await open('whole', whole) };
          const { parts: p, whole: w } = owners;
          for (const one of comes === 'parts' ? [p, w] : [w, p]) await one.apply();
          await holds(whole, parts);
          for (const one of [p, w]) expect((await one.plan()).changes).toEqual([]);
          const [first, last] = goes === 'parts' ? ([p, w] as const) : ([w, p] as const);
          await first.remove();
          await holds(goes === 'parts' ? whole : parts);
          expect((await last.plan()).changes).toEqual([]);
          await last.remove();
          expect(everything()).toBe(before);
          for (const one of [p, w]) await one.close();
        }
    },
  );

  test('a setting that was right stays as it is when its owner goes', async () => {
    await write('net.ipv4.conf.e0.forwarding', 0);
    const before = everything();
    await using a = await open('a', { 'net.ipv4.conf.e0.forwarding': 0 });
    expect(await a.apply()).toMatchObject([{ action: 'adopt' }]);
    expect(await a.apply()).toEqual([]);
    await write('net.ipv4.conf.e0.forwarding', 1);
    await a.remove();
    expect(await read('net.ipv4.conf.e0.forwarding')).toBe('1');
    await write('net.ipv4.conf.e0.forwarding', 0);
    expect(everything()).toBe(before);
  });

  test('a roll-back restores them', async () => {
    await using a = await open('a', whole);
    await a.apply();
    await write('net.ipv4.conf.e0.forwarding', 0);
    const before = everything();
    const sysctls = { 'net.ipv4.ip_forward': 0, 'net.ipv4.ip_default_ttl': 1000 };
    await expect(a.apply({ owner: 'a', namespace: place.name, sysctls })).rejects.toThrow();
    expect(everything()).toBe(before);
    await a.remove();
  });
});

describe('values', () => {
  test.each<[string, string]>([
    ['net.ipv4.ip_local_reserved_ports', '30000-32767'],
    ['net.ipv4.ip_local_reserved_ports', '8080,8081,9000'],
    ['net.ipv4.icmp_ratelimit', '1001'],
    ['net.ipv4.ip_local_port_range', '0x500 61000'],
    ['net.ipv4.tcp_rmem', '5000'],
    // In a user namespace of its own the groups have no numbers.
    ...(ownsMachine ? [['net.ipv4.ping_group_range', '2 0'] as [string, string]] : []),
    ['net.ipv4.ip_default_ttl', '040'],
  ])('%s is set to %s once, and set back by another program', async (name, value) => {
    const before = await read(name);
    const a = await open('a', { [name]: value });
    await a.apply();
    await a.close();
    await using later = await open('a', { [name]: value });
    expect((await later.plan()).changes).toEqual([]);
    expect(await later.apply()).toEqual([]);
    await later.apply({ owner: 'a', namespace: place.name });
    expect(await read(name)).toBe(before);
    expect(await later.remove()).toEqual([]);
  });

  test('an empty value is a value', async () => {
    await write('net.ipv4.ip_local_reserved_ports', '7000');
    await using a = await open('a', { 'net.ipv4.ip_local_reserved_ports': '' });
    await a.apply();
    expect(await read('net.ipv4.ip_local_reserved_ports')).toBe('');
    await a.remove();
    expect(await read('net.ipv4.ip_local_reserved_ports')).toBe('7000');
    expect(await write('net.ipv4.ip_local_reserved_ports', '')).toBe('7000');
    await using b = await open('b', { 'net.ipv4.ip_default_ttl': '' });
    await expect(b.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_STEP_FAILED' });
  });
});
