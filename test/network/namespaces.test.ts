import { execFileSync } from 'node:child_process';
import { readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { addNamespace, deleteNamespace, Network, namespaces } from '../../src/index.js';
import { failure, holdings, newName, removeFile } from './world.js';

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });
const own = (): number => statSync('/proc/self/ns/net').ino;

test('made here, used and deleted by ip; and the other way round', async () => {
  const name = newName();
  const before = own();
  await addNamespace(name);
  expect(own()).toBe(before);
  expect(ip('netns', 'list')).toContain(name);
  expect(ip('-n', name, 'link')).toMatch(/1: lo: <LOOPBACK> .* state DOWN/);
  expect((await failure(addNamespace(name))).code).toBe('ERR_IPVS_NAMESPACE_EXISTS');
  expect(() => ip('netns', 'add', name)).toThrow('File exists');
  ip('netns', 'delete', name);
  expect((await failure(deleteNamespace(name))).code).toBe('ERR_IPVS_NO_SUCH_NAMESPACE');
  ip('netns', 'add', name);
  expect((await failure(addNamespace(name))).code).toBe('ERR_IPVS_NAMESPACE_EXISTS');
  await deleteNamespace(name);
  expect(ip('netns', 'list')).not.toContain(name);
});

test('listed, with the number that the kernel has given', async () => {
  const name = newName();
  await addNamespace(name);
  expect((await namespaces()).find((entry) => entry.name === name)).toEqual({ name });
  ip('netns', 'set', name, 'auto');
  const entry = (await namespaces()).find((each) => each.name === name);
  expect(ip('netns', 'list-id')).toContain(`nsid ${entry?.id} `);
  const stale = newName();
  writeFileSync(`/run/netns/${stale}`, '');
  expect((await namespaces()).map((each) => each.name)).not.toContain(stale);
  await deleteNamespace(stale);
  await deleteNamespace(name);
});

test('what is no namespace stays; of a link only the link goes', async () => {
  const [name, link, notes] = [newName(), newName(), newName()];
  await addNamespace(name);
  symlinkSync(`/run/netns/${name}`, `/run/netns/${link}`);
  await deleteNamespace(link);
  await (await Network.open({ namespace: name })).close();
  writeFileSync(`/run/netns/${notes}`, 'mine');
  const error = await failure(deleteNamespace(notes));
  expect(error).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_NAMESPACE', message: expect.stringContaining('EINVAL') });
  expect(readdirSync('/run/netns')).toContain(notes);
  removeFile(`/run/netns/${notes}`);
  await deleteNamespace(name);
  for (const bad of ['', '.', '..', 'a/b', 'x'.repeat(256)])
    expect((await failure(addNamespace(bad))).code).toBe('ERR_IPVS_INVALID_ARGUMENT');
});

test('two hundred come and go, and nothing is left', async () => {
  const first = newName();
  await addNamespace(first);
  await deleteNamespace(first);
  const before = holdings();
  const listed = readdirSync('/run/netns').length;
  for (let round = 0; round < 20; round++) {
    const names = Array.from({ length: 10 }, newName);
    await Promise.all(names.map((name) => addNamespace(name)));
    await Promise.all(names.map((name) => deleteNamespace(name)));
  }
  // Other programs may make some meanwhile.
  expect(Math.abs(holdings().mounts - before.mounts)).toBeLessThan(20);
  expect(holdings().files).toBeLessThanOrEqual(before.files + 1);
  expect(Math.abs(readdirSync('/run/netns').length - listed)).toBeLessThan(20);
});

test('an open handle keeps a namespace that has lost its name', async () => {
  const name = newName();
  await addNamespace(name);
  await using network = await Network.open({ namespace: name });
  await deleteNamespace(name);
  expect((await network.links())[0]).toMatchObject({ name: 'lo', up: false });
});
