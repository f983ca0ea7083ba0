// What tests do with the network in memory that no program can: other programs, failures, many of them.
import { beforeEach, expect, test, vi } from 'vitest';
import { Network, type NetworkChange } from '../../src/index.js';
import type { Kernel } from '../../src/kernel/kernel.js';
import { MemoryKernel } from '../../src/memory/kernel.js';
import { Machine } from '../../src/memory/machine.js';
import { MemoryNetwork } from '../../src/memory/network/port.js';

let machine: Machine;
let memory: MemoryNetwork;
const open = () => Network.open({ kernel: { openNetwork: async () => memory.open() } as unknown as Kernel });

beforeEach(() => {
  machine = new Machine();
  memory = new MemoryNetwork(machine, 1n, () => undefined);
});

test('which addresses are of this host', async () => {
  const network = await open();
  expect(memory.hasAddress('127.0.0.1')).toBe(false);
  await network.updateLink('lo', { up: true });
  await network.addAddress({ interface: 'lo', address: '192.168.1.100/32' });
  await network.addAddress({ interface: 'lo', address: 'fd00::1/64' });
  const known = ['127.0.0.1', '127.9.9.9', '192.168.1.100', 'fd00::1', '::1'];
  for (const address of known) expect(memory.hasAddress(address), address).toBe(true);
  for (const address of ['192.168.1.101', 'fd00::2', 'nonsense']) expect(memory.hasAddress(address)).toBe(false);
  await network.deleteAddress({ interface: 'lo', address: '192.168.1.100/32' });
  expect(memory.hasAddress('192.168.1.100')).toBe(false);
});

test('a route is deleted by an alternative name of its interface', async () => {
  const network = await open();
  await network.addLink({ kind: 'bridge', name: 'br0', up: true });
  await network.addAddress({ interface: 'br0', address: '10.0.0.1/24' });
  const long = `a${'b'.repeat(126)}`;
  memory.addAlternativeName('br0', long);
  await network.addRoute({ destination: '10.1.0.0/16', via: '10.0.0.2', interface: long });
  await network.addRoute({
    destination: '10.2.0.0/16',
    nexthops: [{ via: '10.0.0.2', interface: long }, { via: '10.0.0.3' }],
  });
  await network.deleteRoute({ destination: '10.1.0.0/16', interface: long });
  await network.deleteRoute({
    destination: '10.2.0.0/16',
    nexthops: [
      { via: '10.0.0.2', interface: long },
      { via: '10.0.0.3', interface: 'br0' },
    ],
  });
  expect((await network.routes({ family: 'ipv4' })).map(({ destination }) => destination)).toEqual(['10.0.0.0/24']);
  await expect(network.deleteRoute({ destination: '10.1.0.0/16', interface: long })).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_ROUTE',
  });
});

test('a fault at one change fails that alone; a program that is killed leaves what it has done', async () => {
  const network = await open();
  const add = (number: number): NetworkChange => ({
    change: 'add-address',
    address: { interface: 'lo', address: `10.0.0.${number}/32` },
  });
  machine.faults.add({ command: 'add-address', object: '10.0.0.2/32 on lo', errno: 12 });
  const results = await network.apply([1, 2, 3].map(add));
  expect(results.map((result) => (result.ok ? 'ok' : result.error.errnoName))).toEqual(['ok', 'ENOMEM', 'ok']);
  machine.faults.add({ command: 'add-address', object: '10.0.0.5/32', errno: 'killed' });
  await expect(network.apply([4, 5, 6].map(add))).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  await expect(network.links()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  const read = await (await open()).addresses();
  expect(read.map(({ address }) => address)).toEqual(['10.0.0.1/32', '10.0.0.3/32', '10.0.0.4/32']);
});

test('other programs, kinds that are not there, other names, frames', async () => {
  const network = await open();
  const watch = await network.watch({ types: ['link-added'] });
  memory.change({
    operation: 'add-link',
    link: { name: 'br0', details: { kind: 'bridge' }, up: true },
  });
  const events = watch[Symbol.asyncIterator]();
  expect((await events.next()).value).toMatchObject({ type: 'link-added', link: { name: 'br0' } });
  memory.overrun();
  expect((await events.next()).value).toEqual({ type: 'overrun' });
  memory.remove('dummy');
  await expect(network.addLink({ kind: 'dummy', name: 'd' })).rejects.toMatchObject({ code: 'ERR_IPVS_NOT_AVAILABLE' });
  memory.remove('fou');
  await expect(network.udpTunnels()).rejects.toMatchObject({ code: 'ERR_IPVS_NOT_AVAILABLE' });
  memory.addAlternativeName('br0', 'a-name-that-is-longer-than-usual');
  await network.announce({ interface: 'a-name-that-is-longer-than-usual', address: '10.0.0.1' });
  expect(memory.frames).toMatchObject([{ interface: 'br0' }]);
});

test('announcements repeat by the clock of the kernel', async () => {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0' });
  await network.updateLink('eth0', { up: true });
  const { frames } = kernel.namespace().network;
  const options = { interface: 'eth0', address: '10.0.0.1', count: 3, interval: 3_600_000 };
  const announcing = network.announce(options);
  for (const count of [1, 2, 3]) {
    await vi.waitUntil(() => frames.length === count);
    await new Promise((resolve) => setImmediate(resolve));
    expect(frames.length).toBe(count);
    kernel.advance(3_600_000);
  }
  await announcing;
  const stop = new AbortController();
  const stopped = network.announce(options, { signal: stop.signal });
  await vi.waitUntil(() => frames.length === 4);
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort(new Error('enough'));
  await expect(stopped).rejects.toThrow('enough');
});

test('who does not listen loses events', async () => {
  const network = await open();
  memory.eventCapacity = 10;
  const watch = await network.watch({ types: ['address-added'] });
  const add = (_: unknown, i: number): NetworkChange => ({
    change: 'add-address',
    address: { interface: 'lo', address: `10.0.0.${i}/32` },
  });
  await network.apply(Array.from({ length: 20 }, add));
  const types: string[] = [];
  for await (const { type } of watch) {
    types.push(type);
    if (types.length === 11) break;
  }
  // As a socket tells it: first that some were lost, then those that fit.
  expect(types).toEqual(['overrun', ...Array.from({ length: 10 }, () => 'address-added')]);
});

test('holds 20 000 addresses and routes', async () => {
  const network = await open();
  await network.updateLink('lo', { up: true });
  const changes = Array.from({ length: 10_000 }, (_, i): NetworkChange[] => [
    { change: 'add-address', address: { interface: 'lo', address: `10.0.${i >> 8}.${i & 255}/32` } },
    { change: 'add-route', route: { destination: `172.16.${i >> 8}.${i & 255}`, interface: 'lo', table: 100 } },
  ]).flat();
  const results = await network.apply(changes);
  expect(results.every(({ ok }) => ok)).toBe(true);
}, 60_000);
