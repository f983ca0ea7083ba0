import { expect, test } from 'vitest';
import { sysctlNames } from '../../src/index.js';
import { kernelVersion, run, runIn, useWorld } from './world.js';

const world = useWorld();

test('info', async () => {
  const info = await world.ipvs.info();
  expect(info.version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(world.ipvsadm('-Ln')).toContain(`version ${info.version} (size=${info.connectionTableSize})`);
});

test('timeouts: 66/66/66, then 77/-/77 leaves the middle one', async () => {
  await world.ipvs.setTimeouts({ tcp: 66, tcpFin: 66, udp: 66 });
  expect(await world.ipvs.timeouts()).toEqual({ tcp: 66, tcpFin: 66, udp: 66 });
  await world.ipvs.setTimeouts({ tcp: 77, udp: 77 });
  expect(await world.ipvs.timeouts()).toEqual({ tcp: 77, tcpFin: 66, udp: 77 });
  expect(world.ipvsadm('-Ln', '--timeout')).toContain('77 66 77');
  await expect(world.ipvs.setTimeouts({ tcp: 0 })).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
});

test('flush takes all services, of one namespace', async () => {
  for (const fwmark of [1, 2, 3]) await world.ipvs.addService({ fwmark });
  expect((await world.ipvs.services()).length).toBe(3);
  await world.ipvs.flush();
  expect(await world.ipvs.services()).toEqual([]);
});

test('sysctls by name, as this namespace has them', async () => {
  const all = await world.ipvs.sysctls();
  const listed = runIn(world.namespace, 'sysctl', '-a', '--pattern', '^net.ipv4.vs').trim().split('\n');
  const names = listed.map((line) => line.replace(/^net\.ipv4\.vs\.(\w+) =.*$/, '$1'));
  // What this library does not name is not harmful, but somebody should know.
  expect(names.filter((name) => !(sysctlNames as readonly string[]).includes(name))).toEqual([]);
  expect(Object.keys(all).sort()).toEqual(names.sort());
  for (const line of listed) {
    const [, name = '', text = ''] = /^net\.ipv4\.vs\.(\w+) = ?(.*)$/.exec(line) ?? [];
    const value = all[name as keyof typeof all];
    const shown =
      typeof value === 'boolean' ? String(Number(value)) : Array.isArray(value) ? value.join('\t') : `${value}`;
    expect(`${name} ${shown}`).toBe(`${name} ${text}`);
  }
  await world.ipvs.setSysctl('conntrack', true);
  await world.ipvs.setSysctl('conn_reuse_mode', 0);
  await world.ipvs.setSysctl('sync_threshold', [5, 60]);
  expect(await world.ipvs.sysctl('conntrack')).toBe(true);
  expect(await world.ipvs.sysctl('conn_reuse_mode')).toBe(0);
  expect(await world.ipvs.sysctl('sync_threshold')).toEqual([5, 60]);
  const read = runIn(world.namespace, 'sysctl', '-n', 'net.ipv4.vs.conntrack', 'net.ipv4.vs.conn_reuse_mode');
  expect(read.trim().split('\n')).toEqual(['1', '0']);
  // Another namespace has its own.
  expect(run('sysctl', '-n', 'net.ipv4.vs.conntrack').trim()).toBe('0');
});

test.runIf(kernelVersion() >= 6.002)('the processors of estimation can be named', async () => {
  const all = await world.ipvs.sysctl('est_cpulist');
  expect(all).toMatch(/^0/);
  await world.ipvs.setSysctl('est_cpulist', '0');
  expect(await world.ipvs.sysctl('est_cpulist')).toBe('0');
  await world.ipvs.setSysctl('est_cpulist', '0-N');
  expect(await world.ipvs.sysctl('est_cpulist')).toBe(all);
  await world.ipvs.setSysctl('est_cpulist', 'all');
  expect(await world.ipvs.sysctl('est_cpulist')).toBe(all);
});

test.runIf(kernelVersion() < 6.002)('a sysctl that this kernel does not have', async () => {
  await expect(world.ipvs.sysctl('est_cpulist')).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SYSCTL' });
  await expect(world.ipvs.setSysctl('est_nice', 1)).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SYSCTL' });
});

test('a value that the kernel refuses', async () => {
  await expect(world.ipvs.setSysctl('sync_ports', 3)).rejects.toMatchObject({ code: 'ERR_IPVS_REJECTED' });
});

test('synchronisation daemons, master and backup', async () => {
  expect(await world.ipvs.daemons()).toEqual([]);
  await world.ipvs.startDaemon({ role: 'master', interface: 'd0', syncId: 7 });
  await world.ipvs.startDaemon({
    role: 'backup',
    interface: 'd0',
    syncId: 255,
    maxLength: 1400,
    group: 'ff02::51',
    port: 9000,
    ttl: 3,
  });
  const [master, backup] = await world.ipvs.daemons();
  expect(master).toEqual({
    role: 'master',
    interface: 'd0',
    syncId: 7,
    maxLength: 1472,
    group: '224.0.0.81',
    port: 8848,
    ttl: 1,
  });
  expect(backup).toEqual({
    role: 'backup',
    interface: 'd0',
    syncId: 255,
    maxLength: 1400,
    group: 'ff02::51',
    port: 9000,
    ttl: 3,
  });
  const theirs = world.ipvsadm('-Ln', '--daemon');
  expect(theirs).toMatch(/master.*d0.*syncid=7.*224\.0\.0\.81.*8848/);
  expect(theirs).toMatch(/backup.*d0.*syncid=255.*maxlen=1400.*ff02::51.*9000.*ttl=3/);
  await expect(world.ipvs.startDaemon({ role: 'master', interface: 'd0' })).rejects.toMatchObject({
    code: 'ERR_IPVS_DAEMON_RUNNING',
  });
  await world.ipvs.stopDaemon('master');
  await world.ipvs.stopDaemon('backup');
  expect(await world.ipvs.daemons()).toEqual([]);
  await expect(world.ipvs.stopDaemon('master')).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_DAEMON' });
});
