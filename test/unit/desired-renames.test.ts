// Interfaces that get other names while a document is applied, on the kernel in memory.
import { describe, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState, Network } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

async function machine() {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  for (const name of ['eth0', 'eth1']) await network.addLink({ kind: 'dummy', name, up: true });
  const addresses = async (): Promise<string[]> =>
    (await network.addresses({ family: 'ipv4' })).map((one) => `${one.interface} ${one.address}`).slice(1);
  const open = (document: DesiredDocument) => DesiredState.open(document, { kernel, record: '/owner.json' });
  return { kernel, network, addresses, open };
}

const on = (...interfaces: string[]): DesiredDocument => ({
  owner: 'a',
  addresses: interfaces.map((name) => ({ interface: name, address: '192.0.2.1' })),
});

describe('an address of the owner', () => {
  test('goes with remove() from an interface that got another name', async () => {
    const { network, addresses, open } = await machine();
    const state = await open(on('eth0'));
    await state.apply();
    await network.updateLink('eth0', { name: 'lan0' });
    expect((await state.remove()).map(({ action, what }) => `${action} ${what}`)).toEqual([
      'take-back address 192.0.2.1/32 on lan0',
    ]);
    expect(await addresses()).toEqual([]);
  });

  test('stays if the document follows the name', async () => {
    const { network, addresses, open } = await machine();
    await (await open(on('eth0'))).apply();
    await network.updateLink('eth0', { name: 'lan0' });
    const state = await open(on('lan0'));
    expect((await state.plan()).empty).toBe(true);
    expect(await state.apply()).toEqual([]);
    expect(await addresses()).toEqual(['lan0 192.0.2.1/32']);
    await state.remove();
    expect(await addresses()).toEqual([]);
  });

  test('is found when two interfaces swap their names', async () => {
    const { network, addresses, open } = await machine();
    const state = await open(on('eth0'));
    await state.apply();
    await network.addAddress({ interface: 'eth1', address: '192.0.2.1/32' }); // another program's
    await network.updateLink('eth0', { name: 'tmp0' });
    await network.updateLink('eth1', { name: 'eth0' });
    await network.updateLink('tmp0', { name: 'eth1' });
    await state.remove();
    expect(await addresses()).toEqual(['eth0 192.0.2.1/32']);
  });

  test('is gone with its interface: one of another program on a new one stays', async () => {
    const { network, addresses, open } = await machine();
    const state = await open(on('eth0'));
    await state.apply();
    await network.deleteLink('eth0');
    await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
    await network.addAddress({ interface: 'eth0', address: '192.0.2.1/32' });
    await state.remove();
    expect(await addresses()).toEqual(['eth0 192.0.2.1/32']);
  });

  test('is made again on an interface that is made again', async () => {
    const { network, addresses, open } = await machine();
    const state = await open(on('eth0'));
    await state.apply();
    await network.deleteLink('eth0');
    await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
    await state.apply();
    expect(await addresses()).toEqual(['eth0 192.0.2.1/32']);
    await network.updateLink('eth0', { name: 'lan0' });
    await state.remove();
    expect(await addresses()).toEqual([]);
  });

  test('the missing name is told, and nothing is done', async () => {
    const { network, addresses, open } = await machine();
    const state = await open(on('eth0', 'eth1'));
    await state.apply();
    await network.updateLink('eth0', { name: 'lan0' });
    await expect(state.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_INTERFACE' });
    expect((await addresses()).sort()).toEqual(['eth1 192.0.2.1/32', 'lan0 192.0.2.1/32']);
  });

  test('an announcement that is owed follows the name', async () => {
    const { kernel, network, open } = await machine();
    await network.updateLink('eth0', { up: false });
    const announced = (name: string): DesiredDocument => ({
      owner: 'a',
      addresses: [{ interface: name, address: '192.0.2.1', announce: true }],
    });
    await (await open(announced('eth0'))).apply();
    await network.updateLink('eth0', { name: 'lan0' });
    await network.updateLink('lan0', { up: true });
    const state = await open(announced('lan0'));
    await state.apply();
    expect(kernel.namespace().network.frames).toMatchObject([{ interface: 'lan0' }]);
  });
});

describe('a link of the owner', () => {
  const tunnel = (...fields: object[]): DesiredDocument => ({
    owner: 'a',
    roles: [
      {
        role: 'real-server',
        vip: '192.0.2.1',
        interface: 'eth0',
        device: 'vip0',
        tunnel: { type: 'ipip', local: '10.0.0.1', name: 'tun0' },
      },
    ],
    ...Object.assign({}, ...fields),
  });
  const names = async (network: Network): Promise<string[]> => (await network.links()).map(({ name }) => name).sort();

  test('goes with remove() under its other name', async () => {
    const { network, open } = await machine();
    const before = await names(network);
    const state = await open(tunnel());
    await state.apply();
    const made = (await names(network)).filter((name) => !before.includes(name));
    expect(made).toContain('tun0');
    await network.updateLink('vip0', { name: 'foo0' });
    await network.updateLink('tun0', { name: 'bar0' });
    await state.remove();
    // The kernel makes tunl0 by itself, and keeps it.
    expect((await names(network)).filter((name) => !before.includes(name) && name !== 'tunl0')).toEqual([]);
  });

  test('is made again under the name that is wanted, with what stands on it', async () => {
    const { network, addresses, open } = await machine();
    const state = await open(tunnel());
    await state.apply();
    const before = [await names(network), (await addresses()).sort()];
    await network.updateLink('vip0', { name: 'foo0' });
    await network.updateLink('tun0', { name: 'bar0' });
    expect((await state.plan()).changes).toContainEqual({
      action: 'change',
      what: 'ipip link tun0',
      is: 'named bar0',
    });
    await state.apply();
    expect([await names(network), (await addresses()).sort()]).toEqual(before);
    expect((await state.plan()).empty).toBe(true);
    await state.remove();
  });

  test('of another program that has the name of one that is gone stays', async () => {
    const { network, open } = await machine();
    const state = await open(tunnel());
    await state.apply();
    await network.deleteLink('vip0');
    await network.addLink({ kind: 'dummy', name: 'vip0', up: true });
    await state.remove();
    expect(await network.link('vip0')).toMatchObject({ up: true });
  });
});

test('an interface that was set up goes down under its other name', async () => {
  const { network, open } = await machine();
  await network.updateLink('lo', { up: false });
  const state = await open({ owner: 'a', roles: [{ role: 'real-server', vip: '192.0.2.1', interface: 'eth0' }] });
  await state.apply();
  expect((await network.link('lo')).up).toBe(true);
  await network.updateLink('lo', { name: 'loop0' }).catch(() => {});
  await state.remove();
  const [first] = await network.links();
  expect(first?.up).toBe(false);
});

describe('a setting of an interface', () => {
  const path = (name: string): string => `net/ipv4/conf/${name}/arp_ignore`;
  const setting = (owner: string, ...interfaces: string[]): DesiredDocument => ({
    owner,
    sysctls: Object.fromEntries(interfaces.map((name) => [path(name), 1])),
  });
  const openOf = (kernel: MemoryKernel, document: DesiredDocument) => DesiredState.open(document, { kernel });

  test('goes back under the other name, also for a program that starts later', async () => {
    const { kernel, network } = await machine();
    await (await openOf(kernel, setting('a', 'eth0', 'eth1'))).apply();
    await network.updateLink('eth0', { name: 'lan0' });
    const state = await openOf(kernel, setting('a', 'eth1'));
    expect((await state.apply()).map(({ action, what }) => `${action} ${what}`)).toEqual([
      `take-back sysctl ${path('lan0')}`,
    ]);
    expect([await network.sysctl(path('lan0')), await network.sysctl(path('eth1'))]).toEqual(['0', '1']);
  });

  test('is claimed under its current name, also by owners that did not see the other one', async () => {
    const { kernel, network } = await machine();
    const a = await openOf(kernel, setting('a', 'eth0'));
    await a.apply();
    await network.updateLink('eth0', { name: 'lan0' });
    const b = await openOf(kernel, setting('b', 'lan0'));
    expect((await b.apply()).map(({ action }) => action)).toEqual(['adopt']);
    await a.remove();
    expect(await network.sysctl(path('lan0'))).toBe('1');
    await b.remove();
    expect(await network.sysctl(path('lan0'))).toBe('0');
  });

  test('is claimed by nobody once its interface is gone and another one has the name', async () => {
    const { kernel, network } = await machine();
    const a = await openOf(kernel, setting('a', 'eth0'));
    await a.apply();
    await network.deleteLink('eth0');
    await network.addLink({ kind: 'dummy', name: 'eth0' });
    await network.setSysctl(path('eth0'), 2);
    expect(await a.remove()).toEqual([]);
    expect(await network.sysctl(path('eth0'))).toBe('2');
    expect((await a.plan({ owner: 'a' })).empty).toBe(true);
  });

  test('is made on another interface that has the name, and goes back there', async () => {
    const { kernel, network } = await machine();
    const a = await openOf(kernel, setting('a', 'eth0'));
    await a.apply();
    await network.deleteLink('eth0');
    await network.addLink({ kind: 'dummy', name: 'eth0' });
    await network.setSysctl(path('eth0'), 2);
    await a.apply();
    expect(await network.sysctl(path('eth0'))).toBe('1');
    await a.remove();
    expect(await network.sysctl(path('eth0'))).toBe('2');
  });

  test('goes back from a value whose change was not known to be complete', async () => {
    const { kernel, network, open } = await machine();
    const { index } = await network.link('eth0');
    const item = (value: string) => ({ kind: 'sysctl', name: path('eth0'), value });
    const before = { kind: 'sysctl', texts: { [path('eth0')]: '0' } };
    const put = { id: JSON.stringify(['sysctl', path('eth0')]), item: item('2'), before, tried: [item('1')], index };
    const journal = await kernel.openJournal('/owner.json');
    await journal.replace(`{"version":2}\n${JSON.stringify({ put })}\n`);
    await journal.close();
    await network.setSysctl(path('eth0'), 1);
    await network.updateLink('eth0', { name: 'lan0' });
    await (await open(setting('a', 'eth1'))).plan();
    await (await open({ owner: 'a' })).remove();
    expect(await network.sysctl(path('lan0'))).toBe('0');
  });
});

describe('alternative names', () => {
  const named = async (interfaceName: string, name: string) => {
    const made = await machine();
    made.kernel.namespace().network.addAlternativeName(interfaceName, name);
    return made;
  };
  const document = (sysctls: DesiredDocument['sysctls'], ...interfaces: string[]): DesiredDocument => ({
    ...on(...interfaces),
    sysctls,
  });

  test('make one object of an address and a setting under two names', async () => {
    const { network, addresses, open } = await named('eth0', 'wan');
    const state = await open(
      document({ 'net/ipv4/conf/wan/arp_ignore': 1, 'net/ipv4/conf/eth0/arp_ignore': '0x1' }, 'eth0', 'wan'),
    );
    expect((await state.apply()).map(({ what }) => what)).toEqual([
      'sysctl net/ipv4/conf/eth0/arp_ignore: 1',
      'address 192.0.2.1/32 on eth0',
    ]);
    expect((await state.plan()).empty).toBe(true);
    await state.remove();
    expect(await addresses()).toEqual([]);
    expect(await network.sysctl('net/ipv4/conf/eth0/arp_ignore')).toBe('0');
  });

  test('of a setting with two values are refused before anything is done', async () => {
    const { addresses, open } = await named('eth0', 'wan');
    const state = await open(
      document({ 'net/ipv4/conf/wan/arp_ignore': 1, 'net/ipv4/conf/eth0/arp_ignore': 2 }, 'eth0'),
    );
    await expect(state.apply()).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
      message: expect.stringContaining('net/ipv4/conf/wan/arp_ignore and net/ipv4/conf/eth0/arp_ignore'),
    });
    expect(await addresses()).toEqual([]);
  });
});
