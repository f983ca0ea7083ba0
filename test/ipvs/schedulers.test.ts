import { describe, expect, test } from 'vitest';
import type { NewServiceKey } from '../../src/index.js';
import { hasModule, saveText, sortedLines, useWorld } from './world.js';

const all = ['rr', 'wrr', 'lc', 'wlc', 'fo', 'ovf', 'lblc', 'lblcr', 'dh', 'sh', 'mh', 'sed', 'nq', 'twos'];
const schedulers = all.filter((name) => hasModule(`ip_vs_${name}`));

/** By a number, so that there can be several. `ipvsadm` takes marks above 2^31 for negative. */
const selectors: Record<string, (number: number) => NewServiceKey> = {
  'TCP IPv4': (number) => ({ protocol: 'tcp', address: '10.0.0.1', port: 80 + number }),
  'TCP IPv6': (number) => ({ protocol: 'tcp', address: 'fd00::1', port: 80 + number }),
  'UDP IPv4': (number) => ({ protocol: 'udp', address: '10.0.0.1', port: 53 + number }),
  'UDP IPv6': (number) => ({ protocol: 'udp', address: 'fd00::1', port: 53 + number }),
  'SCTP IPv4': (number) => ({ protocol: 'sctp', address: '10.0.0.1', port: 9899 + number }),
  'SCTP IPv6': (number) => ({ protocol: 'sctp', address: 'fd00::1', port: 9899 + number }),
  'fwmark IPv4': (number) => ({ fwmark: 80 + number }),
  'fwmark IPv6': (number) => ({ fwmark: 2147483647 - number, family: 'ipv6' }),
};

test('the kernel under test has the usual schedulers', () => {
  expect(schedulers).toEqual(expect.arrayContaining(['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh']));
});

describe('with every scheduler', () => {
  const world = useWorld();

  test.each(Object.entries(selectors))('%s: made, listed, updated to others, deleted', async (name, select) => {
    const { ipvs } = world;
    const compare = async (): Promise<void> =>
      expect(sortedLines(world.ipvsadm('-Sn'))).toEqual(saveText(await ipvs.table()).sort());
    const services = [];
    for (const [number, scheduler] of schedulers.entries()) {
      const service = await ipvs.addService({ ...select(number), scheduler });
      expect(service.scheduler).toBe(scheduler);
      services.push(service);
    }
    expect(new Set((await ipvs.services()).map(({ key }) => JSON.stringify(key)))).toEqual(
      new Set(services.map(({ key }) => JSON.stringify(key))),
    );
    await compare();
    // From each to every other one takes seconds in the emulated machine: once.
    const steps = name === 'TCP IPv4' ? schedulers.length : 2;
    for (let step = 1; step < steps; step++) {
      for (const [number, service] of services.entries()) {
        const scheduler = schedulers[(number + step) % schedulers.length] ?? '';
        const updated = await service.update({ scheduler });
        expect(updated.toJSON()).toEqual({ ...service.toJSON(), scheduler });
      }
      if (step === 1 || step === steps - 1) await compare();
    }
    for (const service of services) {
      await service.delete();
      await expect(service.read()).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE' });
    }
    expect(await ipvs.services()).toEqual([]);
    expect(world.ipvsadm('-Sn')).toBe('');
  });

  test('counters, as ipvsadm has them', async () => {
    const service = await world.ipvs.addService({ protocol: 'tcp', address: '10.0.0.1', port: 80 });
    // ipvsadm pads its columns: words are what both agree in.
    const [line = ''] = world.ipvsadm('-Ln', '--stats', '--exact').split('\n').slice(3);
    const { statistics } = await service.read();
    const counters = [
      statistics.connections,
      statistics.incomingPackets,
      statistics.outgoingPackets,
      statistics.incomingBytes,
      statistics.outgoingBytes,
    ];
    expect(line.trim().split(/\s+/).slice(-5)).toEqual(counters.map(String));
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
