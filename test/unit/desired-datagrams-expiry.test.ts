// Senders of UDP that never pause: the setting that takes them off a removed server.
import { describe, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState, Ipvs, planDocument } from '../../src/index.js';
import { machine } from './datagrams.js';

describe('a document with services of UDP sets expire_nodest_conn', () => {
  const EXPIRE = 'net.ipv4.vs.expire_nodest_conn';
  const udp = (server: string, more: Partial<DesiredDocument> = {}): DesiredDocument => ({
    owner: 'a',
    services: [{ protocol: 'udp', address: '192.0.2.1', port: 53, servers: [server] }],
    ...more,
  });

  test('and sets it back, also by a mark; a document without leaves it alone', async () => {
    const { kernel, open } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    const state = await open({ owner: 'a', services: [{ protocol: 'tcp', address: '192.0.2.1', port: 53 }] });
    await state.apply();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    await state.apply(udp('10.0.0.1'));
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(true);
    await state.apply({
      owner: 'a',
      services: [{ fwmark: 7, marks: [{ destination: '192.0.2.0/24', protocol: 'udp' }] }],
    });
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(true);
    await state.apply({ owner: 'a' });
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    await state.apply(udp('10.0.0.1'));
    await state.remove();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
  });

  test('so that a sender gets the new server at once', async () => {
    const { kernel, open } = await machine();
    const state = await open(udp('10.0.0.1'));
    await state.apply();
    const send = () =>
      kernel.namespace().connect({ protocol: 'udp', address: '192.0.2.1', port: 53, clientPort: 5353 })?.server.address;
    expect(send()).toBe('10.0.0.1');
    await state.apply(udp('10.0.0.2'));
    expect(send()).toBe('10.0.0.2');
  });

  test('is kept by two owners until the last one goes', async () => {
    const { kernel, open } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    const one = await DesiredState.open(udp('10.0.0.1'), { kernel });
    const two = await DesiredState.open(
      { owner: 'b', services: [{ protocol: 'udp', address: '192.0.2.2', port: 53 }] },
      { kernel },
    );
    await one.apply();
    await two.apply();
    await one.remove();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(true);
    await two.remove();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    void open;
  });

  test('stays 0 where the document says so, and the plan tells what that does', async () => {
    const { kernel, open } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    const off = { sysctls: { [EXPIRE]: 0 } };
    const state = await open(udp('10.0.0.1', off));
    await state.apply();
    expect(await ipvs.sysctl('expire_nodest_conn')).toBe(false);
    const plan = await state.plan(udp('10.0.0.2', off));
    expect(plan.changes.at(-1)).toMatchObject({
      action: 'take-back',
      is: expect.stringContaining('expire_nodest_conn'),
    });
    expect(String(await planDocument(udp('10.0.0.2', off), await state.snapshot()))).toBe(String(plan));
  });

  test('is no conflict where another owner wants 0', async () => {
    const { kernel } = await machine();
    const ipvs = await Ipvs.open({ kernel });
    await ipvs.setSysctl('expire_nodest_conn', true);
    const other = await DesiredState.open({ owner: 'b', sysctls: { [EXPIRE]: 0 } }, { kernel });
    await other.apply();
    const state = await DesiredState.open(udp('10.0.0.1'), { kernel });
    await state.apply();
    expect((await ipvs.table()).length).toBe(1);
    expect((await state.plan()).steps).toMatchObject([
      {
        action: 'foreign',
        what: expect.stringContaining('expire_nodest_conn: 1'),
        is: expect.stringContaining('b wants'),
        differences: [{ path: 'value', is: '0', wanted: '1' }],
      },
    ]);
  });
});
