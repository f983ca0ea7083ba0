import { expect, test } from 'vitest';
import { Ipvs, type ServerChanges } from '../../../src/index.js';
import type { ServerSettings } from '../../../src/kernel/ipvs/types.js';
import { failure } from '../place.js';
import { key, names, server, tcp, tcp6, type World } from './world.js';

export function serverConformance(world: () => World): void {
  const ways: ServerChanges[] = [
    { forwarding: 'nat', weight: 0 },
    { forwarding: 'direct', weight: 65535 },
    { forwarding: 'tunnel', weight: 2147483647 },
    { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'checksum' } },
    { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6081, checksum: 'remote' } },
    { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } },
    { upperThreshold: 100, lowerThreshold: 0 },
    { upperThreshold: 2147483647, lowerThreshold: 2147483647 },
  ];
  test.each(ways)('a server reads as it was made: %j', async (way) => {
    const { ipvs } = world();
    for (const [virtual, address] of [
      [tcp, '10.1.0.1'],
      [tcp6, 'fd00:1::1'],
    ] as const) {
      const made = await (await ipvs.addService(virtual)).addServer({ address, ...way });
      expect(made).toMatchObject(way);
      expect(await made.read()).toMatchObject(way);
      expect(made).toMatchObject({ activeConnections: 0, inactiveConnections: 0, persistentConnections: 0 });
    }
  });

  test('set-server replaces all settings, the tunnel too', async () => {
    const { ipvs, port, send } = world();
    const made = await ipvs.addService(tcp);
    await made.addServer({ address: '10.1.0.1', forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 }, weight: 9 });
    const set = (forwarding: 'tunnel' | 'nat') =>
      ipvs.apply([{ change: 'set-server', service: tcp, server: { address: '10.1.0.1', forwarding } }]);
    expect(await set('tunnel')).toEqual([{ ok: true }]);
    expect(await made.server({ address: '10.1.0.1' })).toMatchObject({ weight: 1, tunnel: { type: 'ipip' } });
    await made.addServer({ address: '10.1.0.2', forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } });
    expect(
      await send({
        command: 'SET_DEST',
        service: key,
        server: { ...server, key: { ...server.key, address: '10.1.0.2' } },
      }),
    ).toBe(0);
    const [raw] = (await port.servers(key)).filter((entry) => entry.key.address === '10.1.0.2');
    expect(raw).toMatchObject({ forwarding: 'nat', tunnelType: 'ipip', tunnelPort: 0, tunnelChecksum: 'none' });
  });

  test('setServer adds a server, then replaces all its settings', async () => {
    const { ipvs } = world();
    const web = await ipvs.addService(tcp);
    const tunnel = { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 } } as const;
    const added = await web.setServer({ address: '10.1.0.1', weight: 9, upperThreshold: 100, ...tunnel });
    expect(added).toMatchObject({ port: 80, weight: 9, upperThreshold: 100, ...tunnel });
    const replaced = await web.setServer({ address: '10.1.0.1' });
    expect(replaced.key).toEqual(added.key);
    expect(replaced).toMatchObject({ forwarding: 'nat', tunnel: undefined, weight: 1, upperThreshold: 0 });
    expect(await web.servers()).toHaveLength(1);
    expect(await failure(web.setServer({ address: '224.0.0.5' }))).toMatchObject({ code: 'ERR_IPVS_REJECTED' });
    await web.delete();
    expect(await failure(web.setServer({ address: '10.1.0.1' }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE' });
  });

  test('drain deletes a server without connections, and reports one reading', async () => {
    const { ipvs } = world();
    const web = await ipvs.addService(tcp);
    const server = await web.addServer({ address: '10.1.0.1', weight: 3, upperThreshold: 10 });
    const readings: unknown[] = [];
    await server.drain({ onProgress: ({ weight, upperThreshold }) => readings.push([weight, upperThreshold]) });
    expect(readings).toEqual([[0, 10]]);
    expect(await web.servers()).toEqual([]);
    expect(await failure(server.drain())).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVER' });
  });

  test('servers come the newest first, also one that was added again', async () => {
    const { ipvs } = world();
    const made = await ipvs.addService(tcp);
    for (const end of [1, 2, 3]) await made.addServer({ address: `10.1.0.${end}` });
    expect(names(await made.servers())).toEqual(['10.1.0.3 80', '10.1.0.2 80', '10.1.0.1 80']);
    await (await made.server({ address: '10.1.0.2' })).update({ weight: 5 });
    await (await made.server({ address: '10.1.0.1' })).delete();
    await made.addServer({ address: '10.1.0.1' });
    expect(names(await made.servers())).toEqual(['10.1.0.1 80', '10.1.0.3 80', '10.1.0.2 80']);
  });

  test('an address on two ports is two servers', async () => {
    const { ipvs } = world();
    const made = await ipvs.addService(tcp);
    await made.addServer({ address: '10.1.0.1', port: 8080 });
    const two = await made.addServer({ address: '10.1.0.1', port: 8081, weight: 2 });
    await (await made.server({ address: '10.1.0.1', port: 8080 })).update({ weight: 9 });
    expect((await two.read()).weight).toBe(2);
  });

  test('EEXIST and ENOENT of servers', async () => {
    const { ipvs, send } = world();
    const made = await ipvs.addService(tcp);
    const real = await made.addServer({ address: '10.1.0.1' });
    expect(await failure(made.addServer({ address: '10.1.0.1' }))).toMatchObject({
      code: 'ERR_IPVS_SERVER_EXISTS',
      errno: 17,
    });
    await real.delete();
    expect(await failure(real.delete())).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVER', errno: 2 });
    expect(await send({ command: 'SET_DEST', service: key, server })).toBe(2);
  });

  test('ERANGE and EINVAL of servers, and what is looked at first', async () => {
    const { ipvs, send, newServer } = world();
    await ipvs.addService(tcp);
    expect(await newServer({ weight: -1 })).toBe(34);
    expect(await newServer({ lowerThreshold: 2, upperThreshold: 1 })).toBe(34);
    expect(await newServer({ forwarding: 'tunnel', tunnelType: 'gue' })).toBe(22);
    expect(await newServer({ key: { family: 'ipv6', address: 'fd00:1::5', port: 80 } })).toBe(22);
    expect(await newServer({ key: { family: 'ipv6', address: 'fd00:1::5', port: 80 }, weight: -1 })).toBe(22);
    expect(await newServer({})).toBe(0);
    expect(await newServer({ weight: -1 })).toBe(34);
    expect(await send({ command: 'SET_DEST', service: key, server: { ...server, weight: -1 } })).toBe(34);
    const missing = { ...server, key: { ...server.key, address: '10.1.0.99' } };
    expect(await send({ command: 'SET_DEST', service: key, server: { ...missing, weight: -1 } })).toBe(34);
    expect(await send({ command: 'SET_DEST', service: key, server: missing })).toBe(2);
  });

  test.each(['224.0.0.5', '0.0.0.0', '255.255.255.255'])('no server is %s', async (address) => {
    const { ipvs } = world();
    const made = await ipvs.addService(tcp);
    expect(await failure(made.addServer({ address }))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
  });

  test.each(['::', 'ff02::1', 'fe80::1234'])('no server is %s', async (address) => {
    const { ipvs } = world();
    const made = await ipvs.addService(tcp6);
    expect(await failure(made.addServer({ address }))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
  });

  test("the namespace's own address is a server as any other", async () => {
    const { ipvs } = world();
    const made = await ipvs.addService(tcp);
    for (const address of ['127.0.0.1', '10.255.255.1', '0.1.2.3', '240.0.0.1'])
      expect(await made.addServer({ address, forwarding: 'direct' })).toMatchObject({ forwarding: 'direct' });
    expect(await (await ipvs.addService(tcp6)).addServer({ address: '::1' })).toMatchObject({ forwarding: 'nat' });
  });

  test('a namespace whose lo is down takes no server of IPv4', async () => {
    const { place } = world();
    const lonely = await Ipvs.open({ kernel: place.kernel, namespace: place.empty });
    const made = await lonely.addService(tcp);
    for (const address of ['127.0.0.1', '10.1.0.1'])
      expect(await failure(made.addServer({ address }))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
    await (await lonely.addService(tcp6)).addServer({ address: 'fd00:1::1' });
    await lonely.close();
  });

  test('a server of the other family takes a tunnel', async () => {
    const { ipvs, send } = world();
    const made = await ipvs.addService(tcp);
    const real = await made.addServer({ address: 'fd00:1::1', forwarding: 'tunnel' });
    expect(real.key.family).toBe('ipv6');
    const nat: ServerSettings = { ...server, key: { family: 'ipv6', address: 'fd00:1::1', port: 80 } };
    expect(await send({ command: 'SET_DEST', service: key, server: nat })).toBe(22);
    // A daemon cannot tell others of it.
    expect(await failure(ipvs.startDaemon({ role: 'master', interface: 'd0' }))).toMatchObject({ errno: 22 });
    await real.delete();
  });
}
