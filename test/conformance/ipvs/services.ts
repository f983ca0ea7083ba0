import { expect, test } from 'vitest';
import type { ServiceOptions } from '../../../src/index.js';
import type { ServiceSettings } from '../../../src/kernel/ipvs/types.js';
import { failure } from '../place.js';
import { key, service, tcp, tcp6, type World } from './world.js';

export function serviceConformance(world: () => World): void {
  test('a namespace begins empty', async () => {
    const { ipvs } = world();
    expect(await ipvs.services()).toEqual([]);
    expect(await ipvs.table()).toEqual([]);
    expect(await ipvs.daemons()).toEqual([]);
    for await (const connection of ipvs.connections()) expect.unreachable(connection.protocol);
    expect((await ipvs.info()).version).toMatch(/^1\.2\.\d+$/);
  });

  const options: ServiceOptions[] = [
    { ...tcp },
    { ...tcp, scheduler: 'rr' },
    { ...tcp, protocol: 'udp', onePacket: true },
    { ...tcp, protocol: 'sctp', scheduler: 'wrr' },
    { ...tcp, persistence: true },
    { ...tcp, persistence: { timeout: 77, netmask: 24 } },
    { ...tcp, persistence: { netmask: '255.0.255.0' } },
    { ...tcp, port: 0, persistence: 60 },
    { ...tcp6, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
    { ...tcp6, persistence: { timeout: 5, netmask: 64 } },
    { fwmark: 1, scheduler: 'lc' },
    { fwmark: 0xffffffff },
    { fwmark: 80, family: 'ipv6', persistence: { netmask: 56 } },
  ];
  test.each(options)('a service reads as it was made: %j', async (wanted) => {
    const { ipvs, port } = world();
    const made = await ipvs.addService(wanted);
    expect(made.matches(wanted)).toBe(true);
    expect((await ipvs.service(made)).matches(wanted)).toBe(true);
    expect((await ipvs.services()).map((read) => read.key)).toEqual([made.key]);
    expect(made.statistics.connections).toBe(0n);
    const [entry] = await port.services();
    expect((entry?.flags ?? 0) & 2).toBe(2); // hashed
  });

  test('set-service replaces all settings', async () => {
    const { ipvs } = world();
    const made = await ipvs.addService({ ...tcp, scheduler: 'rr', persistence: { timeout: 99, netmask: 24 } });
    expect(await ipvs.apply([{ change: 'set-service', service: { ...tcp, scheduler: 'lc' } }])).toEqual([{ ok: true }]);
    const read = await made.read();
    expect(read.scheduler).toBe('lc');
    expect(read.persistence).toBeUndefined();
  });

  test('setService creates a service, then replaces all its settings and leaves its servers', async () => {
    const { ipvs } = world();
    for (const at of [tcp, tcp6, { fwmark: 7 }, { fwmark: 7, family: 'ipv6' } as const]) {
      const first = { ...at, scheduler: 'rr', persistence: { timeout: 99 }, schedulerFlags: ['flag-3'] } as const;
      const created = await ipvs.setService(first);
      expect(created.matches(first)).toBe(true);
      const address = created.family === 'ipv6' ? 'fd00:1::1' : '10.1.0.1';
      await created.addServer({ address, weight: 7 });
      const replaced = await ipvs.setService({ ...at, scheduler: 'lc' });
      expect(replaced.key).toEqual(created.key);
      expect(replaced).toMatchObject({ scheduler: 'lc', schedulerFlags: [], persistence: undefined });
      expect((await ipvs.setService(at)).scheduler).toBe('wlc');
      expect(await replaced.servers()).toMatchObject([{ address, weight: 7 }]);
    }
    expect(await ipvs.services()).toHaveLength(4);
  });

  test('setService with an unknown scheduler neither creates nor changes a service', async () => {
    const { ipvs } = world();
    const unknown = { ...tcp, scheduler: 'nope' };
    expect(await failure(ipvs.setService(unknown))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_SCHEDULER' });
    expect(await ipvs.services()).toEqual([]);
    const created = await ipvs.setService(tcp);
    expect(await failure(ipvs.setService(unknown))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_SCHEDULER' });
    expect((await created.read()).scheduler).toBe('wlc');
  });

  test('an update keeps what it does not name', async () => {
    const { ipvs } = world();
    const made = await ipvs.addService({ ...tcp, scheduler: 'rr', persistence: { timeout: 99, netmask: 24 } });
    const updated = await made.update({ scheduler: 'wlc' });
    expect(updated.persistence).toEqual({ timeout: 99, netmask: 24 });
    expect(updated.scheduler).toBe('wlc');
  });

  test('EEXIST: a service, by address and by mark; the other family is another', async () => {
    const { ipvs } = world();
    for (const wanted of [tcp, tcp6, { fwmark: 7 }, { fwmark: 7, family: 'ipv6' } as const]) {
      await ipvs.addService(wanted);
      expect(await failure(ipvs.addService(wanted))).toMatchObject({ code: 'ERR_IPVS_SERVICE_EXISTS', errno: 17 });
    }
    expect(await ipvs.services()).toHaveLength(4);
  });

  test('ENOENT: a scheduler, an engine; nothing has changed', async () => {
    const { ipvs } = world();
    expect(await failure(ipvs.addService({ ...tcp, scheduler: 'nope' }))).toMatchObject({
      code: 'ERR_IPVS_UNKNOWN_SCHEDULER',
      errno: 2,
    });
    expect(await failure(ipvs.addService({ ...tcp, persistence: { engine: 'nope' } }))).toMatchObject({
      code: 'ERR_IPVS_UNKNOWN_ENGINE',
    });
    const made = await ipvs.addService(tcp);
    expect(await failure(made.update({ scheduler: 'nope' }))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_SCHEDULER' });
    expect((await made.read()).scheduler).toBe('wlc');
  });

  test('EEXIST comes before ENOENT', async () => {
    const { ipvs, send } = world();
    await ipvs.addService(tcp);
    expect(await failure(ipvs.addService({ ...tcp, scheduler: 'nope' }))).toMatchObject({ errno: 17 });
    expect(await send({ command: 'SET_SERVICE', service: { ...service, scheduler: 'nope' } })).toBe(2);
  });

  test('ESRCH: a service that is not there', async () => {
    const { ipvs, send, newServer } = world();
    const made = await ipvs.addService(tcp);
    const real = await made.addServer({ address: '10.1.0.1' });
    await made.delete();
    const gone = [
      () => made.read(),
      () => made.update({ scheduler: 'rr' }),
      () => made.zero(),
      () => made.delete(),
      () => made.servers(),
      () => made.addServer({ address: '10.1.0.2' }),
      () => real.read(),
      () => real.update({ weight: 2 }),
      () => real.delete(),
    ];
    for (const work of gone)
      expect(await failure(work())).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE', errno: 3 });
    expect(await send({ command: 'SET_SERVICE', service })).toBe(3);
    expect(await send({ command: 'ZERO', service: key })).toBe(3);
    // The service is looked for first.
    expect(await newServer({ weight: -1 })).toBe(3);
  });

  test('EINVAL: a netmask of IPv6 that is no prefix length', async () => {
    const { send } = world();
    const six: ServiceSettings = { ...service, key: { family: 'ipv6', ...tcp6 }, netmask: 128 };
    for (const netmask of [0, 129]) {
      expect(await send({ command: 'NEW_SERVICE', service: { ...six, netmask } })).toBe(22);
    }
    expect(await send({ command: 'NEW_SERVICE', service: six })).toBe(0);
    expect(await send({ command: 'SET_SERVICE', service: { ...six, netmask: 0 } })).toBe(22);
    expect(await send({ command: 'NEW_SERVICE', service: { ...six, netmask: 0, scheduler: 'nope' } })).toBe(17);
  });

  test('the scheduler none is one that takes nobody', async () => {
    const { ipvs } = world();
    expect((await ipvs.addService({ ...tcp, scheduler: 'none' })).scheduler).toBe('none');
  });
}
