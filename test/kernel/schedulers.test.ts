import { describe, expect, test } from 'vitest';
import type { NewServiceKey } from '../../src/index.js';
import { hasModule, saveText, sortedLines, useWorld } from './world.js';

const all = ['rr', 'wrr', 'lc', 'wlc', 'fo', 'ovf', 'lblc', 'lblcr', 'dh', 'sh', 'mh', 'sed', 'nq', 'twos'];
const schedulers = all.filter((name) => hasModule(`ip_vs_${name}`));

const selectors: Record<string, NewServiceKey> = {
  'TCP IPv4': { protocol: 'tcp', address: '10.0.0.1', port: 80 },
  'TCP IPv6': { protocol: 'tcp', address: 'fd00::1', port: 80 },
  'UDP IPv4': { protocol: 'udp', address: '10.0.0.1', port: 53 },
  'UDP IPv6': { protocol: 'udp', address: 'fd00::1', port: 53 },
  'SCTP IPv4': { protocol: 'sctp', address: '10.0.0.1', port: 9899 },
  'SCTP IPv6': { protocol: 'sctp', address: 'fd00::1', port: 9899 },
  'fwmark IPv4': { fwmark: 80 },
  'fwmark IPv6': { fwmark: 2147483647, family: 'ipv6' }, // ipvsadm takes a larger one for negative
};

test('the kernel under test has the usual schedulers', () => {
  expect(schedulers).toEqual(expect.arrayContaining(['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh']));
});

describe.each(Object.entries(selectors))('%s', (_name, selector) => {
  const world = useWorld();

  test.each(schedulers)('%s: made, listed, updated to every other scheduler, deleted', async (scheduler) => {
    const { ipvs } = world;
    const service = await ipvs.addService({ ...selector, scheduler });
    expect(service.scheduler).toBe(scheduler);
    expect((await ipvs.services()).map((entry) => entry.key)).toEqual([service.key]);
    expect(sortedLines(world.ipvsadm('-Sn'))).toEqual(saveText(await ipvs.table()));

    for (const other of schedulers.filter((name) => name !== scheduler)) {
      const updated = await service.update({ scheduler: other });
      expect(updated.toJSON()).toEqual({ ...service.toJSON(), scheduler: other });
    }
    // ipvsadm pads its columns: words are what both agree in.
    const words = world
      .ipvsadm('-Ln', '--stats', '--exact')
      .split('\n')
      .slice(3)
      .map((line) => line.trim().split(/\s+/));
    const { statistics } = await service.read();
    const counters = [
      statistics.connections,
      statistics.incomingPackets,
      statistics.outgoingPackets,
      statistics.incomingBytes,
      statistics.outgoingBytes,
    ];
    expect(words[0]?.slice(-5)).toEqual(counters.map(String));

    await service.delete();
    expect(await ipvs.services()).toEqual([]);
    await expect(service.read()).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE' });
    expect(world.ipvsadm('-Sn')).toBe('');
  });
});

describe('settings of a service', () => {
  const world = useWorld();

  test('persistence with timeout, netmask and engine; flags by name; kept by an update of something else', async () => {
    const { ipvs } = world;
    const options = [
      { protocol: 'udp', address: '10.0.0.2', port: 5060, persistence: { timeout: 66, engine: 'sip' } },
      { protocol: 'tcp', address: '10.0.0.2', port: 0, persistence: { timeout: 77, netmask: 24 } },
      { protocol: 'tcp', address: '10.0.0.3', port: 80, persistence: { netmask: '255.0.255.0' } },
      { protocol: 'tcp', address: 'fd00::2', port: 80, persistence: { timeout: 2678400, netmask: 64 } },
      { fwmark: 7, family: 'ipv6', persistence: 5 },
      { fwmark: 7, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
      { fwmark: 8, scheduler: 'mh', schedulerFlags: ['mh-port'] },
      { fwmark: 9, scheduler: 'rr', schedulerFlags: ['flag-1', 'flag-2', 'flag-3'] },
      { protocol: 'udp', address: '10.0.0.4', port: 53, onePacket: true },
    ] as const;
    for (const option of options) {
      const service = await ipvs.addService(option);
      const { persistence, schedulerFlags, onePacket } = service;
      const kept = await service.update({ scheduler: service.scheduler === 'rr' ? 'wrr' : service.scheduler });
      expect(kept).toMatchObject({ persistence, schedulerFlags, onePacket });
    }
    expect(await ipvs.service({ protocol: 'udp', address: '10.0.0.2', port: 5060 })).toMatchObject({
      persistence: { timeout: 66, netmask: 32, engine: 'sip' },
    });
    expect(await ipvs.service({ protocol: 'tcp', address: '10.0.0.3', port: 80 })).toMatchObject({
      persistence: { timeout: 300, netmask: '255.0.255.0' },
    });
    expect(sortedLines(world.ipvsadm('-Sn'))).toEqual(saveText(await ipvs.table()).sort());

    const sip = await ipvs.service({ protocol: 'udp', address: '10.0.0.2', port: 5060 });
    expect((await sip.update({ persistence: false })).persistence).toBeUndefined();
    const ops = await ipvs.service({ protocol: 'udp', address: '10.0.0.4', port: 53 });
    expect((await ops.update({ onePacket: false })).onePacket).toBe(false);
    const flags = await ipvs.service({ fwmark: 9 });
    expect((await flags.update({ schedulerFlags: ['flag-2'] })).schedulerFlags).toEqual(['flag-2']);
    expect(sortedLines(world.ipvsadm('-Sn'))).toEqual(saveText(await ipvs.table()).sort());
    await ipvs.flush();
    expect(world.ipvsadm('-Sn')).toBe('');
  });

  test('an update can be refused if another program was faster', async () => {
    const { ipvs } = world;
    const service = await ipvs.addService({ fwmark: 5, scheduler: 'rr' });
    world.ipvsadm('-E', '-f', '5', '-s', 'wrr');
    await expect(service.update({ scheduler: 'lc' }, { ifUnchanged: true })).rejects.toMatchObject({
      code: 'ERR_IPVS_CHANGED',
    });
    expect((await service.read()).scheduler).toBe('wrr');
    expect((await (await service.read()).update({ scheduler: 'lc' }, { ifUnchanged: true })).scheduler).toBe('lc');
    await service.delete();
  });
});
