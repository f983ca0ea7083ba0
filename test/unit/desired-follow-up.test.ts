// Work that follows from changes (stale flows, announcements): its trouble undoes nothing, and is made up for.
import { describe, expect, test } from 'vitest';
import {
  ApplyError,
  Conntrack,
  type DesiredDocument,
  type DesiredService,
  DesiredState,
  Ipvs,
  Network,
  Role,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const VIP = '10.0.0.1';
const VIP6 = 'fd00::1';

async function open(document: DesiredDocument, kernel = new MemoryKernel()): Promise<DesiredState> {
  return DesiredState.open(document, { kernel, record: '/owner.json' });
}

async function failureOf(work: Promise<unknown>): Promise<ApplyError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ApplyError) return error;
  throw new Error(`not an ApplyError: ${error}`);
}

const failed = ({ outcomes }: ApplyError): string[] =>
  outcomes.flatMap(({ step, error }) => (error ? [`${step.action} ${step.what}`] : []));

describe('UDP services whose servers are of the other family', () => {
  const of = (services: DesiredService[]): DesiredDocument => ({ owner: 'a', services });
  const tunnel = (address: string) => ({ address, forwarding: 'tunnel' as const });
  const cases: readonly (readonly [string, DesiredService])[] = [
    ['IPv6 behind IPv4', { protocol: 'udp', address: VIP, port: 53, servers: [tunnel('fd00::9')] }],
    ['IPv4 behind IPv6', { protocol: 'udp', address: VIP6, port: 53, servers: [tunnel('10.0.0.9')] }],
    ['both behind IPv4', { protocol: 'udp', address: VIP, port: 53, servers: [tunnel('fd00::9'), tunnel('10.0.0.9')] }],
    ['by mark', { fwmark: 7, marks: [{ destination: VIP, protocol: 'udp', port: 53 }], servers: [tunnel('fd00::9')] }],
    [
      'by mark, IPv6',
      { fwmark: 7, family: 'ipv6', marks: [{ destination: VIP6, protocol: 'udp' }], servers: [tunnel('10.0.0.9')] },
    ],
    [
      'by mark, a range of ports',
      {
        fwmark: 7,
        marks: [{ destination: VIP, protocol: 'udp', port: { from: 50, to: 60 } }],
        servers: [tunnel('fd00::9')],
      },
    ],
    ['as sorry server', { protocol: 'udp', address: VIP, port: 53, servers: [], sorryServer: tunnel('fd00::9') }],
  ];

  test.each(cases)('%s: the document is applied, changed and removed', async (_, service) => {
    const state = await open(of([service]));
    await state.apply();
    expect((await state.plan()).empty).toBe(true);
    await state.apply(of([{ ...service, servers: [] }]));
    await state.apply(of([service]));
    await state.apply(of([]));
    expect(await state.remove()).toEqual([]);
  });
});

describe('stale flows that cannot be deleted', () => {
  const of = (server: string, more: Partial<DesiredDocument> = {}): DesiredDocument => ({
    owner: 'a',
    // With expire_nodest_conn IPVS itself takes the flows along.
    sysctls: { 'net.ipv4.vs.conntrack': 1, 'net.ipv4.vs.expire_nodest_conn': 0 },
    services: [
      { protocol: 'udp', address: VIP, port: 53, servers: [server] },
      { protocol: 'tcp', address: VIP, port: 53, servers: [server] },
    ],
    ...more,
  });

  test('undo nothing, and are a step of the plan until a later apply deletes them', async () => {
    const kernel = new MemoryKernel();
    const state = await open(of('10.0.0.2'), kernel);
    await state.apply();
    kernel.namespace().connect({ protocol: 'udp', address: VIP, port: 53 });
    for (let turn = 0; turn < 2; turn++) {
      kernel.fail({ part: 'conntrack', errno: 5 });
      const error = await failureOf(state.apply(of('10.0.0.3')));
      expect(failed(error)).toEqual([`take-back stale flows of UDP ${VIP}:53`]);
      expect(error.left).toBeUndefined();
      expect(error.notTried).toEqual([]);
    }
    const ipvs = await Ipvs.open({ kernel });
    expect((await ipvs.table()).map(({ servers }) => servers.map(({ address }) => address))).toEqual([
      ['10.0.0.3'],
      ['10.0.0.3'],
    ]);
    const plan = await state.plan();
    expect(plan.changes.map(({ action, what }) => `${action} ${what}`)).toEqual([
      `take-back stale flows of UDP ${VIP}:53`,
    ]);
    // Other changes are not stuck behind it.
    kernel.fail({ part: 'conntrack', errno: 5 });
    await failureOf(state.apply(of('10.0.0.3', { timeouts: { udp: 60 } })));
    expect((await ipvs.timeouts()).udp).toBe(60);
    expect((await state.apply()).map(({ what }) => what)).toEqual([`stale flows of UDP ${VIP}:53`]);
    expect((await state.plan()).empty).toBe(true);
    expect(await flowsOf(kernel)).toEqual([]);
  });

  test('of one service keep nobody from deleting those of another', async () => {
    const kernel = new MemoryKernel();
    const two = (server: string): DesiredDocument =>
      of(server, {
        services: [53, 54].map((port) => ({ protocol: 'udp', address: VIP, port, servers: [server] })),
      });
    const state = await open(two('10.0.0.2'), kernel);
    await state.apply();
    for (const port of [53, 54]) kernel.namespace().connect({ protocol: 'udp', address: VIP, port });
    // The servers of one service cannot be read when its flows are looked at.
    kernel.fail({ command: 'servers', object: ':53', errno: 5 });
    const error = await failureOf(state.apply(two('10.0.0.3')));
    expect(failed(error)).toEqual([`take-back stale flows of UDP ${VIP}:53`]);
    expect(await flowsOf(kernel)).toEqual([`${VIP}:53 10.0.0.2:53`]);
    await state.apply();
    expect(await flowsOf(kernel)).toEqual([]);
  });

  test('are deleted by watch({ repair: true })', async () => {
    const kernel = new MemoryKernel();
    const state = await open(of('10.0.0.2'), kernel);
    await state.apply();
    kernel.namespace().connect({ protocol: 'udp', address: VIP, port: 53 });
    kernel.fail({ part: 'conntrack', errno: 5 });
    await failureOf(state.apply(of('10.0.0.3')));
    const watch = await state.watch({ repair: true });
    const { value } = await watch.next();
    expect(value?.drift).toMatchObject([{ problem: 'left', what: `stale flows of UDP ${VIP}:53` }]);
    expect(value?.error).toBeUndefined();
    await watch.return();
    expect(await flowsOf(kernel)).toEqual([]);
  });
});

async function flowsOf(kernel: MemoryKernel): Promise<string[]> {
  const conntrack = await Conntrack.open({ kernel });
  const list: string[] = [];
  for await (const { original, reply } of conntrack.flows({ protocol: 'udp' }))
    list.push(`${original.destination}:${original.destinationPort} ${reply.source}:${reply.sourcePort}`);
  return list;
}

describe('announcements', () => {
  const of = (address = '10.0.0.1', more: Partial<DesiredDocument> = {}): DesiredDocument => ({
    owner: 'a',
    addresses: [{ interface: 'eth0', address, announce: true }],
    ...more,
  });
  async function machine(up: boolean) {
    const kernel = new MemoryKernel();
    const network = await Network.open({ kernel });
    await network.addLink({ kind: 'dummy', name: 'eth0', up });
    return { kernel, network, frames: kernel.namespace().network.frames };
  }

  test('wait for a link that is down, and are sent by the next apply', async () => {
    const { kernel, network, frames } = await machine(false);
    const state = await open(of(), kernel);
    await state.apply();
    expect(frames).toEqual([]);
    expect((await state.plan()).steps).toEqual([
      { action: 'wait', what: 'announcement of address 10.0.0.1/32 on eth0', is: 'link eth0 is down' },
    ]);
    await network.updateLink('eth0', { up: true });
    kernel.kill();
    const next = await open(of(), kernel);
    expect((await next.plan()).changes).toEqual([
      { action: 'make', what: 'announcement of address 10.0.0.1/32 on eth0' },
    ]);
    expect((await next.apply()).map(({ action }) => action)).toEqual(['make']);
    expect(frames).toHaveLength(1);
    expect((await next.plan()).empty).toBe(true);
    await next.apply();
    expect(frames).toHaveLength(1);
  });

  test('are sent by watch({ repair: true }) when the link returns', async () => {
    const { kernel, network, frames } = await machine(false);
    const state = await open(of(), kernel);
    await state.apply();
    // The interval does not end here: an event wakes it.
    const watch = await state.watch({ repair: true, interval: 1_000_000 });
    const report = watch.next();
    await network.updateLink('eth0', { up: true });
    expect((await report).value).toMatchObject({
      drift: [{ problem: 'missing', what: 'announcement of address 10.0.0.1/32 on eth0' }],
      repaired: [{ action: 'make' }],
    });
    expect(frames).toHaveLength(1);
    await watch.return();
  });

  test('that fail undo nothing, and are told', async () => {
    const { kernel, network, frames } = await machine(true);
    const state = await open(of('fd00::1'), kernel);
    for (let time = 0; time < 2; time++) kernel.fail({ command: 'sendFrame', errno: 105 });
    const error = await failureOf(state.apply());
    expect(failed(error)).toEqual(['make announcement of address fd00::1/128 on eth0']);
    expect((await network.addresses()).map(({ address }) => address)).toContain('fd00::1/128');
    await state.apply();
    expect(frames).toHaveLength(1);
  });

  test('that nobody can hear are told at each apply, and keep nothing from being done', async () => {
    const kernel = new MemoryKernel();
    const onLoopback = (address: string): DesiredDocument => ({
      owner: 'a',
      addresses: [{ interface: 'lo', address, announce: true }],
    });
    const state = await open(onLoopback('10.0.0.1'), kernel);
    await failureOf(state.apply());
    await failureOf(state.apply(onLoopback('10.0.0.2')));
    const network = await Network.open({ kernel });
    expect((await network.addresses({ interface: 'lo', family: 'ipv4' })).map(({ address }) => address)).toEqual([
      '127.0.0.1/8',
      '10.0.0.2/32',
    ]);
    expect((await state.remove()).length).toBe(1);
  });
});

describe('an IPv6 address that lost duplicate address detection', () => {
  async function machine() {
    const kernel = new MemoryKernel();
    const network = await Network.open({ kernel });
    await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
    return { kernel, network };
  }
  const of = (address: string): DesiredDocument => ({ owner: 'a', addresses: [{ interface: 'eth0', address }] });

  test('is added again without detection if it is the owner’s', async () => {
    const { kernel, network } = await machine();
    const state = await open(of('fd00::1'), kernel);
    await state.apply();
    await network.deleteAddress({ interface: 'eth0', address: 'fd00::1/128' });
    kernel.namespace().network.takeAddress('fd00::1');
    await network.addAddress({ interface: 'eth0', address: 'fd00::1/128' });
    expect((await state.plan()).changes).toEqual([
      {
        action: 'change',
        what: 'address fd00::1/128 on eth0',
        is: 'unusable: duplicate address detection failed',
        differences: [{ path: 'state', is: 'duplicate', wanted: 'usable' }],
      },
    ]);
    await state.apply();
    expect(await network.addresses({ interface: 'eth0', family: 'ipv6' })).toContainEqual(
      expect.objectContaining({ address: 'fd00::1/128', duplicate: false, tentative: false, noDad: true }),
    );
    expect((await state.plan()).empty).toBe(true);
    await state.remove();
  });

  test('is in the way if another program made it', async () => {
    const { kernel, network } = await machine();
    kernel.namespace().network.takeAddress('fd00::1');
    await network.addAddress({ interface: 'eth0', address: 'fd00::1/128' });
    const state = await open(of('fd00::1'), kernel);
    await expect(state.apply()).rejects.toMatchObject({
      code: 'ERR_IPVS_FOREIGN',
      message: expect.stringContaining('duplicate address detection failed'),
    });
  });

  test('is named by verify() of a role, and mended by its apply()', async () => {
    const { kernel, network } = await machine();
    const role = await Role.open(
      { role: 'real-server', vip: 'fd00::1', interface: 'eth0', device: 'vip0' },
      { kernel },
    );
    await role.apply();
    expect(await role.verify()).toEqual([]);
    kernel.namespace().network.takeAddress('fd00::1');
    await network.deleteAddress({ interface: 'vip0', address: 'fd00::1/128' });
    await network.addAddress({ interface: 'vip0', address: 'fd00::1/128' });
    expect(await role.verify()).toEqual([
      { problem: 'changed', what: 'address fd00::1/128 on vip0', is: 'unusable: duplicate address detection failed' },
    ]);
    await role.apply();
    expect(await role.verify()).toEqual([]);
  });
});
