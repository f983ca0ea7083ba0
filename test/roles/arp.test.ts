// Scenario 3: who answers when somebody asks for the virtual address.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RealServerRole, Role } from '../../src/index.js';
import { CLIENT, changed, director, inside, Lan, records, snapshot, VIP } from './lan.js';

const description: RealServerRole = { role: 'real-server', vip: VIP, interface: 'lan' };
const settings = ['all', 'lan'].flatMap((name) => [
  `sysctl net/ipv4/conf/${name}/arp_ignore: 1`,
  `sysctl net/ipv4/conf/${name}/arp_announce: 2`,
]);
const address = `address ${VIP}/32 on lo`;

let lan: Lan;
let directorMac: string;
let roles: Role[];

beforeAll(async () => {
  lan = await Lan.make();
  directorMac = await lan.mac('director');
  roles = await Promise.all(lan.servers.map(({ name }) => lan.role(name, description)));
});

afterAll(() => lan?.close());

test('the director tells its neighbours that the address is now here', async () => {
  const client = lan.lab.host('client');
  const entry = (): string => client.ip(`neigh show ${VIP} dev lan`);
  client.ip(`neigh add ${VIP} lladdr 02:00:00:00:00:99 dev lan nud reachable`);
  const role = await lan.role('director', director);
  await role.apply();
  await expect.poll(entry, { timeout: 5000 }).toContain(`lladdr ${directorMac}`);
});

test('without the settings all servers answer; with them only the director', async () => {
  const host = lan.lab.host('server1');
  const macs = await Promise.all(['director', 'server1', 'server2', 'server3'].map((name) => lan.mac(name)));
  for (const { namespace } of lan.servers) inside(namespace, 'ip', 'addr', 'add', `${VIP}/32`, 'dev', 'lo');
  const before = snapshot(host.namespace);
  expect(await lan.probe()).toEqual(macs.sort());

  // The address is there: it stays, and is not the role's.
  for (const role of roles) {
    expect((await role.plan()).filter(({ action }) => action === 'keep')).toEqual([
      { action: 'keep', what: 'link lo up' },
      { action: 'keep', what: address },
    ]);
    expect((await role.apply()).map(({ action, what, is }) => [action, what, is])).toEqual(
      settings.map((what) => ['change', what, '0']),
    );
  }
  expect(await lan.probe()).toEqual([directorMac]);
  expect(await roles[0]?.verify()).toEqual([]);

  for (const role of roles) await role.remove();
  expect(snapshot(host.namespace)).toBe(before);
  expect(await lan.probe()).toEqual(macs);
  for (const { namespace } of lan.servers) inside(namespace, 'ip', 'addr', 'del', `${VIP}/32`, 'dev', 'lo');
});

test('while roles come and go, no server ever answers', async () => {
  const [role] = roles;
  expect(changed((await role?.plan()) ?? [])).toEqual([...settings.map((what) => `change ${what}`), `make ${address}`]);
  const number = await lan.ask('keep probing', 'client', { interface: 'lan', address: VIP });
  for (let round = 0; round < 3; round++) {
    await Promise.all(roles.map((role) => role.apply()));
    await Promise.all(roles.map((role) => role.remove()));
  }
  await Promise.all(roles.map((role) => role.apply()));
  const { asked, answers, by } = await lan.ask<{ asked: number; answers: number; by: string[] }>('probed', undefined, {
    number,
  });
  expect(by).toEqual([directorMac]);
  expect(asked).toBeGreaterThan(10);
  expect(answers).toBeGreaterThan(asked / 2);
});

test('a server never asks in the name of the virtual address', async () => {
  const [first] = lan.servers;
  const ask = async (): Promise<string[]> => {
    first?.ip('neigh flush dev lan');
    const listening = await lan.capture('client');
    await lan.ask('send', 'server1', { address: CLIENT, source: VIP });
    const frames = await listening();
    return frames
      .filter(({ type, operation, out }) => type === 'arp' && operation === 1 && !out)
      .map(({ from }) => from);
  };
  expect(new Set(await ask())).toEqual(new Set(['192.168.1.101']));
  first &&
    inside(
      first.namespace,
      'sh',
      '-c',
      'cd /proc/sys/net/ipv4/conf; echo 0 >all/arp_announce; echo 0 >lan/arp_announce',
    );
  expect(new Set(await ask())).toEqual(new Set([VIP]));
});

test('what somebody breaks is named and mended, and nothing else', async () => {
  const [role] = roles;
  inside(
    lan.lab.host('server1').namespace,
    'sh',
    '-c',
    `ip addr del ${VIP}/32 dev lo; cd /proc/sys/net/ipv4/conf; echo 0 >all/arp_ignore; echo 0 >lan/arp_ignore`,
  );
  expect(await role?.verify()).toEqual([
    ...settings.map((what) => ({ problem: 'changed', what, is: '0' })),
    { problem: 'missing', what: address },
  ]);
  expect(changed((await role?.apply()) ?? [])).toEqual([
    ...settings.map((what) => `change ${what}`),
    `make ${address}`,
  ]);
  expect(await role?.apply()).toEqual([]);
  expect(await lan.probe()).toEqual([directorMac]);
});

test('a setting that somebody else has changed since is not set back', async () => {
  const [role] = roles;
  const name = 'net/ipv4/conf/lan/arp_announce';
  const { namespace } = lan.lab.host('server1');
  inside(namespace, 'sh', '-c', `echo 1 >/proc/sys/${name}`);
  expect(await role?.verify()).toEqual([{ problem: 'changed', what: `sysctl ${name}: 2`, is: '1' }]);
  await role?.remove();
  expect(inside(namespace, 'sh', '-c', `cd /proc/sys/net/ipv4/conf; cat lan/arp_announce all/arp_announce`)).toBe(
    '1\n0\n',
  );
  for (const other of roles) await other.remove();
  expect(records().filter((file) => file.includes('real-server'))).toEqual([]);
});
