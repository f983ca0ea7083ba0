// Settings of interfaces that get other names while owners want them, with what the kernel has in the end.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState, Role } from '../../src/index.js';
import { usePlaces } from './world.js';

const [place] = usePlaces(1) as [ReturnType<typeof usePlaces>[number]];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-renames-'));
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => place.ip('link add d0 type veth peer name p0', 'link set d0 up', 'link set p0 up'));
afterEach(async () => {
  for (const { name, kind } of await place.network.links())
    if (kind === 'veth' && /^[dw]/.test(name)) place.ip(`link del ${name}`);
});

const read = (name: string): Promise<string> => place.network.sysctl(name);
const write = (name: string, value: number): Promise<string> => place.network.setSysctl(name, value);
const rename = (from: string, to: string): void =>
  place.ip(`link set ${from} down`, `link set ${from} name ${to}`, `link set ${to} up`);
const addStranger = (): void => place.ip('link add d0 type veth peer name p1', 'link set d0 up');

function open(
  owner: string,
  document: Omit<DesiredDocument, 'owner'>,
  record: string | false = join(directory, `${owner}.json`),
) {
  return DesiredState.open({ owner, namespace: place.name, ...document }, { record });
}

/** Settings of each kind of path, with another value than the kernel's. */
const settings = [
  ['net/ipv4/conf/NAME/log_martians', 1],
  ['net/ipv6/conf/NAME/accept_ra', 2],
  ['net/ipv4/neigh/NAME/base_reachable_time', 31],
  ['net/ipv4/neigh/NAME/base_reachable_time_ms', 31_000],
  ['net/ipv6/neigh/NAME/gc_stale_time', 61],
] as const;

describe.each(settings)('%s', (template, value) => {
  const on = (name: string): string => template.replace('NAME', name);

  test('goes back on an interface that was renamed', async () => {
    const before = await read(on('d0'));
    const state = await open('a', { sysctls: { [on('d0')]: value } });
    await state.apply();
    rename('d0', 'w0');
    const steps = await state.remove();
    expect(steps.map(({ what }) => what)).toEqual([`sysctl ${on('w0')}`]);
    expect(await read(on('w0'))).toBe(before);
  });

  test('stays as wanted if the document follows the name', async () => {
    const before = await read(on('d0'));
    await (await open('a', { sysctls: { [on('d0')]: value } })).apply();
    rename('d0', 'w0');
    const state = await open('a', { sysctls: { [on('w0')]: value } });
    expect((await state.plan()).changes).toEqual([]);
    expect(await state.apply()).toEqual([]);
    await state.remove();
    expect(await read(on('w0'))).toBe(before);
  });

  test('of another interface that has the name is never written', async () => {
    const before = await read(on('d0'));
    const state = await open('a', { sysctls: { [on('d0')]: value } });
    await state.apply();
    place.ip('link del d0');
    addStranger();
    await place.network.setSysctl(on('d0'), value);
    expect(await state.remove()).toEqual([]);
    expect(await read(on('d0'))).toBe(String(value));
    // The claim of the owner has ended: the next owner remembers the text of the new interface.
    const next = await open('b', { sysctls: { [on('d0')]: Number(value) + 1 } });
    await next.apply();
    await next.remove();
    expect(await read(on('d0'))).toBe(String(value));
    expect(before).not.toBe(String(value));
  });
});

const silent = async (name: string): Promise<string[]> => [
  await read(`net/ipv4/conf/${name}/arp_ignore`),
  await read(`net/ipv4/conf/${name}/arp_announce`),
];

describe.each<[string, string | false]>([
  ['in a file', join(directory, 'role.json')],
  ['in memory', false],
])('the role real-server, with a record %s', (_, record) => {
  const openRole = (name: string) =>
    Role.open({ role: 'real-server', vip: '192.168.1.100', interface: name }, { namespace: place.name, record });

  test('leaves the interface that another program made under the old name', async () => {
    const role = await openRole('d0');
    await role.apply();
    expect(await silent('d0')).toEqual(['1', '2']);
    rename('d0', 'w0');
    addStranger();
    await write('net/ipv4/conf/d0/arp_ignore', 1);
    await write('net/ipv4/conf/d0/arp_announce', 2);
    await role.remove();
    expect(await silent('w0')).toEqual(['0', '0']);
    expect(await silent('d0')).toEqual(['1', '2']);
  });

  test('moves to that interface with an apply, and from it with remove()', async () => {
    const role = await openRole('d0');
    await role.apply();
    rename('d0', 'w0');
    addStranger();
    await role.apply();
    expect(await role.verify()).toEqual([]);
    expect([await silent('w0'), await silent('d0')]).toEqual([
      ['0', '0'],
      ['1', '2'],
    ]);
    await role.remove();
    expect([await silent('w0'), await silent('d0')]).toEqual([
      ['0', '0'],
      ['0', '0'],
    ]);
  });
});

test('two interfaces that swap their names keep their settings apart', async () => {
  const path = (name: string): string => `net/ipv4/conf/${name}/log_martians`;
  place.ip('link add w0 type veth peer name p1', 'link set w0 up');
  await write(path('w0'), 1);
  const state = await open('a', { sysctls: { [path('d0')]: 1 } });
  await state.apply();
  rename('d0', 'd1');
  rename('w0', 'd0');
  rename('d1', 'w0');
  await state.remove();
  expect([await read(path('d0')), await read(path('w0'))]).toEqual(['1', '0']);
});

describe('claims of several owners', () => {
  const path = (name: string): string => `net/ipv4/conf/${name}/log_martians`;

  test('follow the name: the last owner that leaves restores the value', async () => {
    await using a = await open('a', { sysctls: { [path('d0')]: 1 } });
    await using b = await open('b', { sysctls: { [path('d0')]: 1 } });
    await a.apply();
    await b.apply();
    rename('d0', 'w0');
    await a.remove();
    expect(await read(path('w0'))).toBe('1');
    const rival = await open('c', { sysctls: { [path('w0')]: 0 } });
    await expect(rival.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
    expect((await b.remove()).map(({ what }) => what)).toEqual([`sysctl ${path('w0')}`]);
    expect(await read(path('w0'))).toBe('0');
  });

  test('in another unit follow the name', async () => {
    const name = (on: string): string => `net/ipv4/neigh/${on}/base_reachable_time`;
    const before = await read(`${name('d0')}_ms`);
    await using a = await open('a', { sysctls: { [name('d0')]: 31 } });
    await using b = await open('b', { sysctls: { [`${name('d0')}_ms`]: 31_000 } });
    await a.apply();
    await b.apply();
    rename('d0', 'w0');
    await a.remove();
    expect(await read(`${name('w0')}_ms`)).toBe('31000');
    await b.remove();
    expect(await read(`${name('w0')}_ms`)).toBe(before);
  });

  test('end with their interface', async () => {
    await using a = await open('a', { sysctls: { [path('d0')]: 1 } });
    await using b = await open('b', { sysctls: { [path('d0')]: 1 } });
    await a.apply();
    await b.apply();
    place.ip('link del d0');
    addStranger();
    await using c = await open('c', { sysctls: { [path('d0')]: 2 } });
    expect((await c.plan()).conflicts).toEqual([]);
    await a.remove();
    await b.remove();
    await c.remove();
  });
});

test('settings that a write resets go back on a renamed interface, and not on another of its name', async () => {
  await write('net/ipv4/conf/d0/forwarding', 1);
  await using a = await open('a', { sysctls: { 'net/ipv4/ip_forward': 1 } });
  await a.apply();
  rename('d0', 'w0');
  addStranger();
  await a.remove();
  expect(await read('net/ipv4/ip_forward')).toBe('0');
  expect(await read('net/ipv4/conf/w0/forwarding')).toBe('1');
  expect(await read('net/ipv4/conf/d0/forwarding')).toBe('0');
});
