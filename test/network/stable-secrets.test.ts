// The secrets of stable IPv6 addresses: the kernel has no value until one is written, and cannot delete one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DesiredState } from '../../src/index.js';
import { usePlaces } from './world.js';

const [place] = usePlaces(1) as [ReturnType<typeof usePlaces>[number]];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-secrets-'));
afterAll(() => rmSync(directory, { recursive: true }));
beforeAll(() => place.ip(...[0, 1, 2, 3, 4, 5].map((number) => `link add d${number} type veth peer name p${number}`)));

const read = (name: string): Promise<string> => place.network.sysctl(name);
const conf = (name: string, setting = 'stable_secret'): string => `net.ipv6.conf.${name}.${setting}`;
const document = (sysctls: Readonly<Record<string, string | number>> = {}) => ({
  owner: 'a',
  namespace: place.name,
  sysctls,
});
const open = (sysctls: Readonly<Record<string, string | number>>): Promise<DesiredState> =>
  DesiredState.open(document(sysctls), { record: join(directory, 'a.json') });

const SECRET = '2001:db8::1';
const READ = '2001:0db8:0000:0000:0000:0000:0000:0001';

test('a secret that was never set reads as an empty text', async () => {
  for (const name of ['all', 'default', 'lo', 'd0']) expect(await read(conf(name))).toBe('');
  expect(await place.network.setSysctl(conf('d0'), SECRET)).toBe('');
  expect(await place.network.setSysctl(conf('d0'), SECRET)).toBe(READ);
});

test.each(['lo', 'd1'])('the secret of %s is set once; its removal restores what the kernel allows', async (name) => {
  await using a = await open({ [conf(name)]: SECRET });
  await a.apply();
  expect(await read(conf(name))).toBe(READ);
  expect(await read(conf(name, 'addr_gen_mode'))).toBe('2');
  expect((await a.plan()).changes).toEqual([]);
  await a.close();
  await using later = await open({ [conf(name)]: SECRET });
  expect(await later.apply()).toEqual([]);
  await later.remove();
  // The kernel rejects an empty secret; without the mode, it has no effect.
  expect(await read(conf(name))).toBe(READ);
  expect(await read(conf(name, 'addr_gen_mode'))).toBe('0');
  expect((await later.plan(document())).changes).toEqual([]);
});

test('a secret that replaces another one is replaced by that again', async () => {
  await place.network.setSysctl(conf('d2'), '2001:db8::2');
  await using a = await open({ [conf('d2')]: SECRET });
  await a.apply();
  await a.remove();
  expect(await read(conf('d2'))).toBe('2001:0db8:0000:0000:0000:0000:0000:0002');
  expect(await read(conf('d2', 'addr_gen_mode'))).toBe('2');
});

test('a secret and the mode that it changes are both wanted', async () => {
  await using a = await open({ [conf('d3')]: SECRET, [conf('d3', 'addr_gen_mode')]: 0 });
  await a.apply();
  expect(await read(conf('d3'))).toBe(READ);
  expect(await read(conf('d3', 'addr_gen_mode'))).toBe('0');
  expect((await a.plan()).changes).toEqual([]);
  await a.remove();
  expect(await read(conf('d3', 'addr_gen_mode'))).toBe('0');
});

test('a roll-back restores what the kernel allows', async () => {
  await using a = await open({ [conf('d4')]: SECRET, 'net.ipv4.ip_default_ttl': 1000 });
  await expect(a.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_STEP_FAILED', left: [] });
  expect(await read(conf('d4', 'addr_gen_mode'))).toBe('0');
  expect(await a.remove()).toEqual([]);
});

test('the kernel accepts no secret of all interfaces, so a document has none', async () => {
  await expect(open({ [conf('all')]: SECRET })).rejects.toMatchObject({
    code: 'ERR_IPVS_INVALID_ARGUMENT',
    message: expect.stringContaining('net/ipv6/conf/all/stable_secret'),
  });
});

test('an empty secret is no value for a document', async () => {
  await expect(open({ [conf('d5')]: '' })).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
});

// Last: the kernel gives later interfaces this secret.
test('the default secret is set, and the modes of the interfaces are restored', async () => {
  await using a = await open({ [conf('default')]: SECRET });
  await a.apply();
  expect(await read(conf('default'))).toBe(READ);
  expect(await read(conf('d5', 'addr_gen_mode'))).toBe('2');
  expect(await a.apply()).toEqual([]);
  await a.remove();
  expect(await read(conf('d5', 'addr_gen_mode'))).toBe('0');
});
