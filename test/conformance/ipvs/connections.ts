import { expect, test } from 'vitest';
import type { ConnectionEntry, RealServer, ServiceOptions } from '../../../src/index.js';
import { until } from '../../until.js';
import type { World } from './world.js';

export function connectionConformance(world: () => World): void {
  // Each test with a port of its own, as connections outlive their service.
  let lastPort = 5000;
  const farm = async (options: Partial<ServiceOptions> = {}, count = 3) => {
    const { ipvs, place } = world();
    const at = { protocol: 'udp', address: '10.0.0.1', port: ++lastPort } as const;
    const made = await ipvs.addService({ ...at, scheduler: 'rr', ...options } as ServiceOptions);
    for (let end = 1; end <= count; end++) await made.addServer({ address: `10.1.7.${end}`, port: 53 });
    const list = async (): Promise<ConnectionEntry[]> => {
      const all: ConnectionEntry[] = [];
      for await (const entry of ipvs.connections({ protocol: 'udp', virtualPort: at.port })) all.push(entry);
      return all;
    };
    const send = async (): Promise<void> => place.datagram(at.address, at.port);
    /** Inactive and persistent ones, by the last part of the server's address. */
    const counts = async (): Promise<Record<string, string>> => {
      const servers = await made.servers();
      const rows = servers.map((one) => [
        one.address.slice(-1),
        `${one.inactiveConnections} ${one.persistentConnections}`,
      ]);
      return Object.fromEntries(rows) as Record<string, string>;
    };
    return { made, list, send, counts };
  };

  test('a drain that is aborted restores the weight, and keeps the connection', async () => {
    const { made, send, counts } = await farm({}, 1);
    const server = await (await made.server({ address: '10.1.7.1', port: 53 })).update({
      weight: 4,
      upperThreshold: 9,
    });
    await send();
    expect(await counts()).toEqual({ 1: '1 0' });
    const aborting = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ weight, inactiveConnections }: RealServer): void => {
      expect([weight, inactiveConnections]).toEqual([0, 1]);
      aborting.abort(reason);
    };
    await expect(server.drain({ signal: aborting.signal, onProgress })).rejects.toBe(reason);
    expect(await server.read()).toMatchObject({ weight: 4, upperThreshold: 9, inactiveConnections: 1 });
  });

  test('connections: a datagram makes one, and rr goes round', async () => {
    const { list, send, counts } = await farm();
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      const before = new Set((await list()).map(({ clientPort }) => clientPort));
      await send();
      order.push((await list()).find(({ clientPort }) => !before.has(clientPort))?.serverAddress.slice(-1));
    }
    expect(order).toEqual(['3', '2', '1', '3']);
    expect(await counts()).toEqual({ 1: '1 0', 2: '1 0', 3: '2 0' });
    const [one] = await list();
    expect(one).toMatchObject({
      protocol: 'UDP',
      clientAddress: '10.255.255.1',
      virtualAddress: '10.0.0.1',
      serverPort: 53,
      state: 'UDP',
    });
    expect(one?.expires).toBeGreaterThan(290);
    expect(one?.expires).toBeLessThanOrEqual(300);
  });

  test('connections: a server of weight 0, or with enough, gets no new one', async () => {
    const { made, list, send, counts } = await farm();
    await (await made.server({ address: '10.1.7.3', port: 53 })).update({ weight: 0 });
    await (await made.server({ address: '10.1.7.2', port: 53 })).update({ upperThreshold: 2 });
    for (let i = 0; i < 6; i++) await send().catch(() => {});
    expect(await counts()).toEqual({ 1: '4 0', 2: '2 0', 3: '0 0' });
    // Nor has it room again before a connection ends; without its threshold it has.
    await (await made.server({ address: '10.1.7.1', port: 53 })).update({ weight: 0 });
    await send().catch(() => {});
    expect(await list()).toHaveLength(6);
    await (await made.server({ address: '10.1.7.2', port: 53 })).update({ upperThreshold: 0 });
    await send();
    expect((await counts())[2]).toBe('3 0');
  });

  test('connections: one packet by itself leaves none', async () => {
    const { list, send, counts } = await farm({ onePacket: true });
    for (let i = 0; i < 3; i++) await send();
    expect(await list()).toEqual([]);
    expect(await counts()).toEqual({ 1: '0 0', 2: '0 0', 3: '0 0' });
  });

  test('connections: persistence has a template, and keeps the server also at weight 0', async () => {
    const { ipvs } = world();
    const { made, list, send, counts } = await farm({ persistence: { timeout: 60, netmask: 24 } });
    await send();
    await send();
    expect(await counts()).toEqual({ 1: '0 0', 2: '0 0', 3: '2 1' });
    const [template, ...others] = (await list()).filter(({ clientPort }) => clientPort === 0);
    expect(others).toEqual([]);
    expect(template).toMatchObject({
      clientAddress: '10.255.255.0',
      virtualAddress: '10.0.0.1',
      serverAddress: '10.1.7.3',
      serverPort: 53,
      state: 'NONE',
    });
    await (await made.server({ address: '10.1.7.3', port: 53 })).update({ weight: 0 });
    await send();
    expect((await counts())[3]).toBe('3 1');
    await ipvs.setSysctl('expire_quiescent_template', true);
    await send();
    await ipvs.setSysctl('expire_quiescent_template', false);
    // The old template is put aside, and counts until it ends.
    expect(await counts()).toEqual({ 1: '0 0', 2: '1 1', 3: '3 1' });
    // Newer kernels leave it its virtual port.
    const templates = [];
    for await (const entry of ipvs.connections())
      if (entry.clientPort === 0) templates.push(`${entry.serverAddress} ${entry.serverPort}`);
    expect(templates).toContain('10.1.7.2 53');
    expect(templates).toContain('10.1.7.3 65535');
  });

  test('connections: a server that comes back has those it had', async () => {
    const { ipvs } = world();
    const { made, list, send, counts } = await farm({}, 1);
    await send();
    const server = await made.server({ address: '10.1.7.1', port: 53 });
    await server.delete();
    expect(await list()).toHaveLength(1);
    await made.addServer({ address: '10.1.7.1', port: 53 });
    expect(await counts()).toEqual({ 1: '1 0' });
    await made.delete();
    expect(await list()).toHaveLength(1);
    const again = await ipvs.addService({ protocol: 'udp', address: '10.0.0.1', port: lastPort, scheduler: 'wlc' });
    expect(await again.addServer({ address: '10.1.7.1', port: 53 })).toMatchObject({ inactiveConnections: 1 });
    // Under another port it is another one.
    expect(await again.addServer({ address: '10.1.7.1', port: 54 })).toMatchObject({ inactiveConnections: 0 });
  });

  test('connections: with expire_nodest_conn they end with their server, their template too', async () => {
    const { ipvs } = world();
    const { made, list, send } = await farm({ persistence: 60 }, 1);
    await send();
    expect(await list()).toHaveLength(2);
    await ipvs.setSysctl('expire_nodest_conn', true);
    await (await made.server({ address: '10.1.7.1', port: 53 })).delete();
    await until(list, (rows) => rows.length === 0);
    await ipvs.setSysctl('expire_nodest_conn', false);
  });

  test('connections: port 0 takes every port, of persistent services alone', async () => {
    const { place, ipvs } = world();
    await farm({ port: 0, persistence: 60 } as Partial<ServiceOptions>);
    const asked = ++lastPort;
    await place.datagram('10.0.0.1', asked);
    const found = [];
    for await (const one of ipvs.connections({ protocol: 'udp', virtualPort: asked })) found.push(one);
    // A server that has a port of its own keeps the client's all the same.
    expect(found).toMatchObject([{ serverAddress: '10.1.7.3', serverPort: asked }]);
    const templates = [];
    for await (const one of ipvs.connections({ protocol: 'udp', virtualPort: 0 })) templates.push(one);
    expect(templates).toMatchObject([{ clientAddress: '10.255.255.1', clientPort: 0, serverPort: 0 }]);
  });
}
