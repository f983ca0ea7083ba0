// What once went wrong with documents: each was found by somebody who tried to break them.
import { expect, test } from 'vitest';
import { Conntrack, type DesiredDocument, DesiredState, Ipvs, Netfilter, Network, Role } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';
import { collect } from '../collect.js';
import { until } from '../until.js';

const VIP = '192.0.2.1';
const service = { protocol: 'tcp', address: VIP, port: 80 } as const;
const second = { address: '10.0.0.2', port: 80 };
const document = (addresses: readonly string[], more: Partial<DesiredDocument> = {}): DesiredDocument => ({
  owner: 'test',
  drain: { timeout: 60 },
  services: [
    { protocol: 'tcp', address: VIP, port: 80, scheduler: 'rr', servers: addresses.map((address) => ({ address })) },
  ],
  ...more,
});

async function begin(wanted: DesiredDocument = document(['10.0.0.1', '10.0.0.2'])) {
  const kernel = new MemoryKernel();
  const state = await DesiredState.open(wanted, { kernel });
  await state.apply();
  const ipvs = await Ipvs.open({ kernel });
  const connect = (port = 80) => kernel.namespace().connect({ protocol: 'tcp', address: VIP, port });
  const servers = async () =>
    (await ipvs.table()).flatMap((row) => row.servers.map(({ address, weight }) => `${address} ${weight}`));
  return { kernel, state, ipvs, connect, servers };
}

test('a plan of another document changes nothing of what is to come', async () => {
  const { state, servers } = await begin();
  await state.plan(document(['10.0.0.9']));
  expect(await state.apply()).toEqual([]);
  expect(await servers()).toEqual(['10.0.0.2 1', '10.0.0.1 1']);
});

test('draining by a handle with an older document takes nothing else', async () => {
  const { kernel, state, connect, servers } = await begin(document([], { services: [] }));
  const other = await DesiredState.open(document(['10.0.0.1', '10.0.0.2']), { kernel });
  await other.apply();
  for (let i = 0; i < 4; i++) connect();
  await other.apply(document(['10.0.0.1'], { drain: { timeout: 0.5 * 120 } }));
  kernel.advance(100_000);
  for await (const _ of state.drain({ interval: 10 }));
  expect(await servers()).toEqual(['10.0.0.1 1']);
});

test('a drain that was begun is as before when what came after it fails', async () => {
  const { kernel, state, connect } = await begin();
  connect();
  connect();
  await state.apply(document(['10.0.0.1']));
  kernel.advance(10_000);
  const before = await state.draining();
  kernel.fail({ command: 'NEW_DEST', errno: 12 });
  await expect(state.apply(document(['10.0.0.1', '10.0.0.2', '10.0.0.3']))).rejects.toMatchObject({
    code: 'ERR_IPVS_STEP_FAILED',
  });
  expect(await state.draining()).toEqual(before);
  await state.cancelDrain({ service, server: second });
  expect(await state.draining()).toEqual([]);
});

test('what drains and vanishes, and is wanted again, is a server like others', async () => {
  const { state, ipvs, connect } = await begin();
  connect();
  connect();
  await state.apply(document(['10.0.0.1']));
  await ipvs.flush();
  await state.apply(document(['10.0.0.1', '10.0.0.2']));
  expect(await state.draining()).toEqual([]);
  expect(await state.apply()).toEqual([]);
});

test('a service that leaves the document drains as it said itself', async () => {
  const own = document([], {
    drain: undefined,
    services: [{ protocol: 'tcp', address: VIP, port: 80, servers: ['10.0.0.1'], drain: { timeout: 600 } }],
  });
  const { kernel, state, connect, servers } = await begin(own);
  connect();
  await state.apply(document([], { services: [], drain: undefined }));
  expect(await state.draining()).toMatchObject([{ remaining: 600_000 }]);
  kernel.kill();
  const next = await DesiredState.open(document([], { services: [], drain: undefined }), { kernel });
  await next.apply();
  const ipvs = await Ipvs.open({ kernel });
  expect((await ipvs.table()).map((row) => row.servers.length)).toEqual([1]);
  expect((await next.remove()).map(({ action }) => action)).toEqual(['take-back', 'take-back']);
  expect(await ipvs.table()).toEqual([]);
  await expect(servers()).rejects.toThrow();
});

test('stale flows of UDP are deleted by the next apply if the first could not', async () => {
  const udp = (server: string): DesiredDocument => ({
    owner: 'test',
    sysctls: { 'net.ipv4.vs.conntrack': 1, 'net.ipv4.vs.expire_nodest_conn': 1 },
    services: [{ protocol: 'udp', address: VIP, port: 53, servers: [server] }],
  });
  for (let after = 0; after < 30; after++) {
    const kernel = new MemoryKernel();
    const state = await DesiredState.open(udp('10.0.0.1'), { kernel });
    await state.apply();
    kernel.namespace().connect({ protocol: 'udp', address: VIP, port: 53 });
    kernel.fail({ after, errno: 'killed' });
    await Promise.allSettled([state.apply(udp('10.0.0.2'))]);
    kernel.clearFaults();
    kernel.kill();
    const next = await DesiredState.open(udp('10.0.0.2'), { kernel });
    await next.apply();
    const conntrack = await Conntrack.open({ kernel });
    const left = [];
    for await (const flow of conntrack.flows({ protocol: 'udp' })) left.push(flow.reply.source);
    expect(left).toEqual([]);
  }
});

test('everything is adopted, drains, and leaves no service behind', async () => {
  const kernel = new MemoryKernel();
  const ipvs = await Ipvs.open({ kernel });
  await (await ipvs.addService({ protocol: 'tcp', address: VIP, port: 81 })).addServer({ address: '10.0.0.7' });
  kernel.namespace().connect({ protocol: 'tcp', address: VIP, port: 81 });
  const state = await DesiredState.open(document([]), { kernel });
  await state.apply(undefined, { adopt: 'all' });
  expect(await state.draining()).toHaveLength(1);
  kernel.advance(61_000);
  for await (const _ of state.drain());
  expect((await ipvs.table()).map((row) => row.service.port)).toEqual([80]);
});

test('a change of a link that is undone leaves what stood on it', async () => {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  const role = (local: string, interfaceName = 'eth0') =>
    Role.open(
      { role: 'real-server', vip: VIP, interface: interfaceName, device: 'vip0', tunnel: { type: 'ipip', local } },
      { kernel },
    );
  await (await role('10.0.0.1')).apply();
  const state = async () =>
    JSON.stringify([
      await network.addresses({ family: 'ipv4' }),
      (await network.links()).map(({ name, up }) => [name, up]),
    ]);
  const before = await state();
  kernel.fail({ part: 'network', command: 'update-link', errno: 5 });
  await expect((await role('10.0.0.2')).apply()).rejects.toThrow('was undone');
  kernel.clearFaults();
  expect(await state()).toBe(before);
  expect(await (await role('10.0.0.1')).verify()).toEqual([]);
});

test('marks go after the addresses that they are for', async () => {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  const of = (end: number): DesiredDocument => ({
    owner: 'test',
    services: [{ fwmark: end, marks: [{ destination: `192.0.2.${end}` }], servers: ['10.0.0.1'] }],
    addresses: [{ interface: 'eth0', address: `192.0.2.${end}` }],
  });
  const state = await DesiredState.open(of(1), { kernel });
  await state.apply();
  kernel.clearRequests();
  await state.apply(of(2));
  const order = kernel.requests
    .map(({ command }) => command)
    .filter((command) => /^(add|delete)-(address|element)|^(NEW|DEL)_/.test(command));
  expect(order).toEqual([
    'NEW_SERVICE',
    'NEW_DEST',
    'add-element',
    'add-address',
    'delete-address',
    'delete-element',
    'DEL_DEST',
    'DEL_SERVICE',
  ]);
});

test('an IPv6 address gets another prefix length', async () => {
  const kernel = new MemoryKernel();
  const network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  const of = (length: number): DesiredDocument => ({
    owner: 'test',
    addresses: [{ interface: 'eth0', address: `2001:db8::1/${length}` }],
  });
  const state = await DesiredState.open(of(64), { kernel });
  await state.apply();
  await state.apply(of(128));
  expect((await network.addresses({ interface: 'eth0' })).map(({ address }) => address)).toContain('2001:db8::1/128');
});

test('clients reach a service by its marks', async () => {
  const { kernel } = await begin({
    owner: 'test',
    services: [{ fwmark: 258, marks: [{ protocol: 'tcp', port: 9090 }], servers: ['10.0.0.1'] }],
  });
  const connect = (port: number) => kernel.namespace().connect({ address: VIP, port })?.server.address;
  expect([connect(9090), connect(9091)]).toEqual(['10.0.0.1', undefined]);
  await using netfilter = await Netfilter.open({ kernel, owner: 'ipvs-test' });
  await netfilter.deleteTable();
  expect(connect(9090)).toBeUndefined();
});

test('who gives up before its turn has done nothing', async () => {
  const { kernel, state } = await begin();
  const held = await kernel.openJournal(kernel.requests.find(({ part }) => part === 'journal')?.object ?? '');
  const first = state.plan();
  const stop = new AbortController();
  const second = state.apply(document(['10.0.0.9']), { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  await held.close();
  expect((await first).empty).toBe(true);
});

test('of two that are applied at once the later wins', async () => {
  const { state, servers } = await begin();
  const yaml = `{ owner: test, services: [{ protocol: tcp, address: ${VIP}, port: 80, scheduler: rr, servers: [10.0.0.5] }] }`;
  await Promise.all([state.apply(yaml), state.apply(document(['10.0.0.6'], { drain: undefined }))]);
  expect(await servers()).toEqual(['10.0.0.6 1']);
});

test('values of sysctls are compared as the kernel means them', async () => {
  const { state } = await begin({
    owner: 'test',
    sysctls: { 'net.ipv4.vs.conntrack': '01', 'net.ipv4.vs.sync_threshold': '3 50' },
  });
  expect((await state.plan()).empty).toBe(true);
});

test('a loop that drains ends when what it waits for is cancelled, or wanted again', async () => {
  const { kernel, state, connect } = await begin();
  connect();
  connect();
  await state.apply(document(['10.0.0.1']));
  const loop = state.drain();
  expect((await loop.next()).value).toMatchObject({ state: 'draining' });
  await state.cancelDrain({ service, server: second });
  const next = loop.next();
  kernel.advance(1000);
  expect((await next).value).toMatchObject({ state: 'cancelled', server: second });
  expect((await loop.next()).done).toBe(true);

  const other = await DesiredState.open(document(['10.0.0.1', '10.0.0.2']), { kernel });
  await state.apply();
  for await (const progress of other.drain()) throw new Error(`it is wanted here: ${progress.server}`);
  expect(await state.draining()).toHaveLength(1);
});

test('a service that is not wanted stays while its servers drain, whoever gives them a weight', async () => {
  const { state, ipvs, connect, servers } = await begin();
  connect();
  connect();
  await state.apply(document([], { services: [] }));
  for (const row of await ipvs.table()) for (const server of row.servers) await server.update({ weight: 5 });
  const steps = await state.apply();
  expect(steps.map(({ action }) => action)).toEqual(['change', 'change']);
  expect(await servers()).toEqual(expect.arrayContaining(['10.0.0.1 0', '10.0.0.2 0']));
});

test('of a service that is adopted to go it is told that its servers drain', async () => {
  const kernel = new MemoryKernel();
  const ipvs = await Ipvs.open({ kernel });
  await (await ipvs.addService({ protocol: 'tcp', address: VIP, port: 81 })).addServer({ address: '10.0.0.7' });
  const state = await DesiredState.open(document([]), { kernel });
  const { steps } = await state.plan(undefined, { adopt: 'all' });
  expect(steps.map(({ action, is }) => `${action} ${is}`)).toEqual([
    'adopt undefined',
    'make undefined',
    'drain 0 active, 0 inactive, 0 persistent connections',
    'wait its servers drain',
  ]);
});

test.each(['killed', 5] as const)('a setting that an owner could not change is free for others (%s)', async (errno) => {
  const wanted: DesiredDocument = { owner: 'test', sysctls: { 'net.ipv4.ip_forward': 1 } };
  let outcome = 'failed';
  for (let after = 0; outcome === 'failed'; after++) {
    const kernel = new MemoryKernel();
    const state = await DesiredState.open(wanted, { kernel });
    kernel.fail({ after, errno });
    outcome = await state.apply().then(
      () => 'done',
      () => 'failed',
    );
    kernel.clearFaults();
    if (errno === 'killed') {
      kernel.kill();
      const next = await DesiredState.open({ owner: 'test' }, { kernel });
      await next.apply();
    } else if (outcome === 'done') await state.remove();
    const other = await DesiredState.open({ owner: 'other', sysctls: { 'net.ipv4.ip_forward': 0 } }, { kernel });
    expect([after, await other.apply()]).toEqual([after, expect.anything()]);
    expect((await other.plan()).empty).toBe(true);
  }
});

test('what an apply has told is not kept', async () => {
  await using state = await DesiredState.open(document(['10.0.0.1']), { kernel: new MemoryKernel() });
  const told = await (async () => {
    const [step] = await state.apply();
    return new WeakRef(step ?? expect.fail('nothing was done'));
  })();
  await until(async () => {
    await collect();
    return told.deref() === undefined;
  });
});

test('servers that the kernel lists in another order are the same', async () => {
  const kernel = new MemoryKernel();
  await using state = await DesiredState.open(document(['10.0.0.1', '10.0.0.2', '10.0.0.3']), { kernel });
  await state.apply();
  expect(await state.apply(document(['10.0.0.3', '10.0.0.1', '10.0.0.2']))).toEqual([]);
  const steps = await state.apply(document(['10.0.0.3', '10.0.0.2']));
  expect(steps.map(({ action, what }) => [action, what.split(' ')[1]])).toEqual([
    ['drain', '10.0.0.1:80'],
    ['take-back', '10.0.0.1:80'],
  ]);
});
