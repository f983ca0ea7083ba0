import { expect, test } from 'vitest';
import { failure } from '../place.js';
import { tcp, type World } from './world.js';

export function daemonConformance(world: () => World): void {
  test('synchronisation daemons', async () => {
    const { ipvs, newServer } = world();
    await ipvs.startDaemon({ role: 'master', interface: 'd0', syncId: 7 });
    await ipvs.startDaemon({ role: 'backup', interface: 'd0', maxLength: 1400, group: 'ff02::51', port: 9000, ttl: 3 });
    expect(await ipvs.daemons()).toEqual([
      { role: 'master', interface: 'd0', syncId: 7, maxLength: 1472, group: '224.0.0.81', port: 8848, ttl: 1 },
      { role: 'backup', interface: 'd0', syncId: 0, maxLength: 1400, group: 'ff02::51', port: 9000, ttl: 3 },
    ]);
    expect(await failure(ipvs.startDaemon({ role: 'master', interface: 'd0' }))).toMatchObject({
      code: 'ERR_IPVS_DAEMON_RUNNING',
    });
    for (const [maxLength, taken] of [
      [1, 1024],
      [65535, 65507],
      [undefined, 1472],
    ] as const) {
      await ipvs.stopDaemon('backup');
      await ipvs.startDaemon({ role: 'backup', interface: 'd0', ...(maxLength && { maxLength }) });
      expect((await ipvs.daemons())[1]?.maxLength).toBe(taken);
    }
    // Servers of the other family cannot be told of.
    await ipvs.addService(tcp);
    expect(await newServer({ key: { family: 'ipv6', address: 'fd00:1::1', port: 80 }, forwarding: 'tunnel' })).toBe(22);
    await ipvs.stopDaemon('backup');
    await ipvs.stopDaemon('master');
    expect(await ipvs.daemons()).toEqual([]);
    expect(await failure(ipvs.stopDaemon('master'))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_DAEMON', errno: 3 });
    expect(await failure(ipvs.startDaemon({ role: 'master', interface: 'nope' }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_INTERFACE',
    });
  });
}
