import { describe, expect, test } from 'vitest';
import type { ServerChanges } from '../../src/index.js';
import { saveText, sortedLines, useWorld } from './world.js';

const world = useWorld();

/** Every way to reach a server, by what `ipvsadm -Sn` says of it. */
const ways: Record<string, ServerChanges> = {
  '-m': { forwarding: 'nat' },
  '-g': { forwarding: 'direct' },
  '-i': { forwarding: 'tunnel', tunnel: { type: 'ipip' } },
  '--tun-type gue --tun-port 6080 --tun-nocsum': {
    forwarding: 'tunnel',
    tunnel: { type: 'gue', port: 6080, checksum: 'none' },
  },
  '--tun-type gue --tun-port 6081 --tun-csum': {
    forwarding: 'tunnel',
    tunnel: { type: 'gue', port: 6081, checksum: 'checksum' },
  },
  '--tun-type gue --tun-port 6082 --tun-remcsum': {
    forwarding: 'tunnel',
    tunnel: { type: 'gue', port: 6082, checksum: 'remote' },
  },
  '--tun-type gre --tun-nocsum': { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'none' } },
  '--tun-type gre --tun-csum': { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } },
};

/** What ipvsadm says of the table is what we say. */
async function compare(): Promise<string> {
  const text = world.ipvsadm('-Sn');
  expect(saveText(await world.ipvs.table({ consistent: true })).sort()).toEqual(sortedLines(text));
  return text;
}

describe.each([
  ['IPv4', '10.0.0.1', '10.1.0.1'],
  ['IPv6', 'fd00::1', 'fd00:1::1'],
  ['an IPv4 service with an IPv6 server', '10.0.0.1', 'fd00:1::1'],
  ['an IPv6 service with an IPv4 server', 'fd00::1', '10.1.0.1'],
])('%s', (_name, virtual, real) => {
  test('every forwarding method and tunnel type, switched in place', async () => {
    const service = await world.ipvs.addService({ protocol: 'tcp', address: virtual, port: 80, scheduler: 'wlc' });
    const mixed = virtual.includes(':') !== real.includes(':');
    const usable = Object.entries(ways).filter(([, way]) => !mixed || way.forwarding === 'tunnel');
    const server = await service.addServer({ address: real, ...usable[0]?.[1] });
    for (const [flags, way] of [...usable, ...usable.toReversed()]) {
      const updated = await server.update(way);
      expect(updated).toMatchObject(way);
      expect(await compare()).toContain(flags);
    }
    await service.delete();
  });
});

test('weights and thresholds, kept by an update of something else', async () => {
  const service = await world.ipvs.addService({ protocol: 'tcp', address: '10.0.0.1', port: 80 });
  for (const weight of [0, 1, 65535, 2147483647]) {
    const address = `10.1.0.${(weight % 200) + 1}`;
    const server = await service.addServer({ address, port: 8080, weight, upperThreshold: 100, lowerThreshold: 75 });
    expect(server).toMatchObject({ weight, upperThreshold: 100, lowerThreshold: 75, forwarding: 'nat' });
    await compare();
    // Columns: upper and lower threshold, active and inactive connections.
    expect(world.ipvsadm('-Ln', '--thresholds')).toMatch(new RegExp(`-> ${address}:8080 +100 +75 +0 +0`));
    expect(await server.update({ weight: 7 })).toMatchObject({ weight: 7, upperThreshold: 100, lowerThreshold: 75 });
    expect(await server.update({ upperThreshold: 2147483647, lowerThreshold: 0 })).toMatchObject({
      weight: 7,
      upperThreshold: 2147483647,
      lowerThreshold: 0,
    });
    await server.delete();
    await expect(server.read()).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVER' });
  }
  expect(await service.servers()).toEqual([]);
  await service.delete();
});

test('the same address on two ports, and the same mark in both families', async () => {
  const service = await world.ipvs.addService({ protocol: 'tcp', address: '10.0.0.1', port: 80 });
  const one = await service.addServer({ address: '10.1.0.1', port: 8080 });
  const two = await service.addServer({ address: '10.1.0.1', port: 8081, weight: 2 });
  await one.update({ weight: 9 });
  expect((await two.read()).weight).toBe(2);
  expect((await service.server({ address: '10.1.0.1', port: 8080 })).weight).toBe(9);

  const four = await world.ipvs.addService({ fwmark: 80, scheduler: 'lc' });
  const six = await world.ipvs.addService({ fwmark: 80, family: 'ipv6', scheduler: 'rr' });
  await four.addServer({ address: '10.1.0.1', forwarding: 'direct' });
  await six.addServer({ address: 'fd00:1::1', forwarding: 'direct' });
  await compare();
  await four.delete();
  expect((await six.read()).scheduler).toBe('rr');
  expect((await six.servers()).map((server) => server.address)).toEqual(['fd00:1::1']);
  await world.ipvs.flush();
});

test('the table of an operator reads as that of ipvsadm', async () => {
  const service = await world.ipvs.addService({ fwmark: 80, scheduler: 'lc' });
  for (const address of ['10.1.0.101', '10.1.0.102']) await service.addServer({ address, forwarding: 'direct' });
  const { inspect } = await import('node:util');
  const ours = (await world.ipvs.table()).map((row) => inspect(row)).join('\n');
  const theirs = world.ipvsadm('-Ln').split('\n').slice(3).join('\n');
  expect(sortedLines(ours)).toEqual(sortedLines(theirs));
  await world.ipvs.flush();
});

test('many changes at once, each with its own result', async () => {
  const service = { protocol: 'tcp', address: '10.0.0.9', port: 80 } as const;
  const servers = Array.from({ length: 500 }, (_, i) => ({ address: `10.2.${i >> 8}.${i & 255}`, port: 80 }));
  const missing = { fwmark: 12345 } as const;
  const results = await world.ipvs.apply([
    { change: 'add-service', service: { ...service, scheduler: 'rr' } },
    ...servers.map((server) => ({ change: 'add-server', service, server }) as const),
    { change: 'add-server', service, server: servers[7] ?? { address: '' } },
    { change: 'delete-service', service: missing },
    { change: 'set-server', service, server: { address: '10.2.0.3', weight: 5 } },
    { change: 'delete-server', service, server: { address: '10.2.0.4' } },
    { change: 'delete-server', service, server: { address: '10.9.9.9' } },
    { change: 'set-service', service: { ...service, scheduler: 'wrr' } },
    { change: 'zero-service', service },
  ]);
  const failed = results.flatMap((result, index) => (result.ok ? [] : [[index, result.error]]));
  expect(failed).toEqual([
    [501, expect.objectContaining({ code: 'ERR_IPVS_SERVER_EXISTS' })],
    [502, expect.objectContaining({ code: 'ERR_IPVS_NO_SUCH_SERVICE' })],
    [505, expect.objectContaining({ code: 'ERR_IPVS_NO_SUCH_SERVER' })],
  ]);
  const [row] = await world.ipvs.table({ consistent: true });
  expect(row?.service.scheduler).toBe('wrr');
  expect(row?.servers.length).toBe(499);
  expect(row?.servers.find((server) => server.address === '10.2.0.3')?.weight).toBe(5);
  await compare();

  // One bad change: nothing at all is sent.
  await expect(
    world.ipvs.apply([
      { change: 'delete-service', service },
      { change: 'add-server', service, server: { address: '10.1.0.1', weight: -1 } },
    ]),
  ).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT', message: expect.stringContaining('change 1') });
  expect((await world.ipvs.services()).length).toBe(1);
  await world.ipvs.flush();
});

test('a table with long lists comes whole', async () => {
  const services = Array.from({ length: 300 }, (_, i) => ({ fwmark: i + 1, scheduler: 'rr' }));
  const servers = Array.from({ length: 1000 }, (_, i) => ({ address: `10.3.${i >> 8}.${i & 255}` }));
  const added = await world.ipvs.apply([
    ...services.map((service) => ({ change: 'add-service', service }) as const),
    ...servers.map((server) => ({ change: 'add-server', service: { fwmark: 17 }, server }) as const),
  ]);
  expect(added.filter((result) => !result.ok)).toEqual([]);
  const table = await world.ipvs.table();
  expect(table.length).toBe(300);
  const row = table.find(({ service }) => service.fwmark === 17);
  expect(new Set(row?.servers.map((server) => server.address))).toEqual(new Set(servers.map(({ address }) => address)));
  await compare();
  await world.ipvs.flush();
});
