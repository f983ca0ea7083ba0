// Drains and drift, with the time under control.
import { expect, test } from 'vitest';
import {
  type DesiredDocument,
  DesiredState,
  type DrainProgress,
  type DriftReport,
  Ipvs,
  Netfilter,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const VIP = '192.0.2.1';
const document = (addresses: readonly string[], more: Partial<DesiredDocument> = {}): DesiredDocument => ({
  owner: 'test',
  drain: { timeout: 60 },
  services: [
    { protocol: 'tcp', address: VIP, port: 80, scheduler: 'rr', servers: addresses.map((address) => ({ address })) },
  ],
  ...more,
});

const service = { protocol: 'tcp', address: VIP, port: 80 } as const;
const name = `TCP ${VIP}:80`;
const second = { address: '10.0.0.2', port: 80 };

async function begin() {
  const kernel = new MemoryKernel();
  const state = await DesiredState.open(document(['10.0.0.1', '10.0.0.2']), { kernel });
  await state.apply();
  const ipvs = await Ipvs.open({ kernel });
  const connect = () => kernel.namespace().connect({ protocol: 'tcp', address: VIP, port: 80 });
  const connections = [connect(), connect()];
  const on = (address: string) => connections.find((one) => one?.server.address === address);
  const weights = async () =>
    Object.fromEntries(
      (await ipvs.table()).flatMap(({ servers }) => servers.map(({ address, weight }) => [address, weight])),
    );
  return { kernel, state, ipvs, connect, on, weights };
}

/** Drives a drain, with time passing for as long as it waits. */
async function follow(kernel: MemoryKernel, state: DesiredState, step = 1000): Promise<DrainProgress[]> {
  const all: DrainProgress[] = [];
  let over = false;
  const clock = (async () => {
    while (!over) {
      await new Promise((resolve) => setImmediate(resolve));
      kernel.advance(step);
    }
  })();
  for await (const progress of state.drain({ interval: 1000 })) all.push(progress);
  over = true;
  await clock;
  return all;
}

test('a server goes when its connections are over', async () => {
  const { kernel, state, connect, on, weights } = await begin();
  expect((await state.apply(document(['10.0.0.1']))).map(({ action, what }) => `${action} ${what}`)).toEqual([
    `drain server 10.0.0.2:80 of ${name}: nat, weight 1`,
  ]);
  expect(await weights()).toEqual({ '10.0.0.1': 1, '10.0.0.2': 0 });
  expect(connect()?.server.address).toBe('10.0.0.1');
  expect(connect()?.server.address).toBe('10.0.0.1');
  expect(await state.apply()).toEqual([]);
  expect(await state.draining()).toMatchObject([{ service, server: second, activeConnections: 1, remaining: 60_000 }]);
  on('10.0.0.2')?.close();
  const told = await follow(kernel, state);
  expect(told.at(-1)).toMatchObject({ server: second, state: 'gone' });
  expect(told.map(({ inactiveConnections }) => inactiveConnections)).toContain(1);
  expect(await weights()).toEqual({ '10.0.0.1': 1 });
});

test('a packet that was on its way to an idle server keeps it from going', async () => {
  /** Packets that had found a server take their connection there when it takes no others any more. */
  class SlowKernel extends MemoryKernel {
    waits = 0;
    late: (() => Promise<void>) | undefined;
    override async gracePeriod(): Promise<void> {
      this.waits++;
      await this.late?.();
    }
  }
  const kernel = new SlowKernel();
  const state = await DesiredState.open(document(['10.0.0.1', '10.0.0.2']), { kernel });
  await state.apply();
  expect(kernel.waits).toBe(0);
  const ipvs = await Ipvs.open({ kernel });
  const server = await (await ipvs.service({ protocol: 'tcp', address: VIP, port: 80 })).server({
    address: '10.0.0.2',
  });
  kernel.late = async () => {
    await server.update({ weight: 1 });
    while (kernel.namespace().connect({ protocol: 'tcp', address: VIP, port: 80 })?.server.address !== '10.0.0.2');
    await server.update({ weight: 0 });
  };
  const actions = (await state.apply(document(['10.0.0.1']))).map(({ action }) => action);
  expect(actions).toEqual(['drain']);
  expect(kernel.waits).toBe(1);
  expect(await state.draining()).toMatchObject([{ server: second, activeConnections: 1 }]);
  // A roll-back that takes a weight away waits, too.
  kernel.late = undefined;
  await state.cancelDrain({ service, server: second });
  await server.update({ weight: 0 });
  kernel.fail({ part: 'ipvs', command: 'NEW_DEST', errno: 5 });
  await expect(state.apply(document(['10.0.0.1', '10.0.0.2', '10.0.0.3']))).rejects.toThrow();
  expect((await server.read()).weight).toBe(0);
  expect(kernel.waits).toBe(2);
  await state.apply(document(['10.0.0.1', '10.0.0.2']));
  // Without a packet that is on its way an idle server goes at once.
  await state.apply(document(['10.0.0.1', '10.0.0.3']));
  expect((await state.apply(document(['10.0.0.1']))).map(({ action }) => action)).toEqual(['drain', 'take-back']);
});

test('or when its time is', async () => {
  const { kernel, state, weights } = await begin();
  await state.apply(document(['10.0.0.1']));
  const told = await follow(kernel, state, 5000);
  expect(kernel.now).toBeGreaterThanOrEqual(60_000);
  expect(told.at(-1)).toMatchObject({ state: 'gone', activeConnections: 1, remaining: 0 });
  expect(await weights()).toEqual({ '10.0.0.1': 1 });
});

test('it stays after all: its weight comes back in place', async () => {
  const { state, on, weights } = await begin();
  await state.apply(document(['10.0.0.1']));
  await state.cancelDrain({ service, server: second });
  expect(await weights()).toEqual({ '10.0.0.1': 1, '10.0.0.2': 1 });
  await expect(state.cancelDrain({ service, server: second })).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_SERVER',
  });
  await state.apply(document(['10.0.0.1']));
  await state.apply(document(['10.0.0.1', '10.0.0.2']));
  expect(await weights()).toEqual({ '10.0.0.1': 1, '10.0.0.2': 1 });
  expect(await state.draining()).toEqual([]);
  expect(on('10.0.0.2')?.established).toBe(true);
});

test('the next program goes on, with the time that was set', async () => {
  const { kernel, state, weights } = await begin();
  await state.apply(document(['10.0.0.1']));
  kernel.advance(50_000);
  kernel.kill();
  const next = await DesiredState.open(document(['10.0.0.1']), { kernel });
  expect(await next.draining()).toMatchObject([{ remaining: 10_000 }]);
  expect(await next.apply()).toEqual([]);
  const before = kernel.now;
  await follow(kernel, next);
  expect(kernel.now - before).toBeLessThan(15_000);
  const ipvs = await Ipvs.open({ kernel });
  expect((await ipvs.table())[0]?.servers.map(({ address }) => address)).toEqual(['10.0.0.1']);
  await expect(weights()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
});

test('a service goes after its servers', async () => {
  const { kernel, state, ipvs } = await begin();
  const steps = await state.apply(document([], { services: [] }));
  expect(steps.map(({ action }) => action)).toEqual(['drain', 'drain']);
  expect((await state.plan()).steps.map(({ action, is }) => `${action} ${is}`)).toEqual([
    'wait 1 active, 0 inactive, 0 persistent connections',
    'wait 1 active, 0 inactive, 0 persistent connections',
    'wait its servers drain',
  ]);
  await follow(kernel, state, 10_000);
  expect(await ipvs.table()).toEqual([]);
  expect((await state.plan()).unchanged).toBe(0);
});

test('a service of UDP does not wait, and its stale flows go', async () => {
  const kernel = new MemoryKernel();
  const udp = (servers: readonly string[]): DesiredDocument => ({
    owner: 'test',
    drain: { timeout: 60 },
    sysctls: { 'net.ipv4.vs.conntrack': 1, 'net.ipv4.vs.expire_nodest_conn': 1 },
    services: [{ protocol: 'udp', address: VIP, port: 53, servers }],
  });
  await using state = await DesiredState.open(udp(['10.0.0.1']), { kernel });
  await state.apply();
  const first = kernel.namespace().connect({ protocol: 'udp', address: VIP, port: 53, clientPort: 5353 });
  expect(first?.server.address).toBe('10.0.0.1');
  expect((await state.apply(udp(['10.0.0.2']))).map(({ action }) => action)).toEqual(['make', 'take-back']);
  const { Conntrack } = await import('../../src/index.js');
  await using conntrack = await Conntrack.open({ kernel });
  const left = [];
  for await (const flow of conntrack.flows({ protocol: 'udp' })) left.push(flow);
  expect(left).toEqual([]);
});

test('a sorry server is there as long as nobody else is', async () => {
  const kernel = new MemoryKernel();
  const sorry = (servers: readonly { address: string; weight?: number }[]): DesiredDocument => ({
    owner: 'test',
    services: [{ protocol: 'tcp', address: VIP, port: 80, sorryServer: '10.0.0.9', servers }],
  });
  await using state = await DesiredState.open(sorry([{ address: '10.0.0.1' }]), { kernel });
  await using ipvs = await Ipvs.open({ kernel });
  const there = async () => (await ipvs.table())[0]?.servers.map(({ address }) => address).sort();
  await state.apply();
  expect(await there()).toEqual(['10.0.0.1']);
  await state.apply(sorry([{ address: '10.0.0.1', weight: 0 }]));
  expect(await there()).toEqual(['10.0.0.1', '10.0.0.9']);
  await state.apply(sorry([]));
  expect(await there()).toEqual(['10.0.0.9']);
  await state.apply(sorry([{ address: '10.0.0.2' }]));
  expect(await there()).toEqual(['10.0.0.2']);
});

test('drift is told when it changes, and mended if wanted', async () => {
  const { kernel, state, ipvs } = await begin();
  const reports: DriftReport[] = [];
  const stop = new AbortController();
  const watch = await state.watch({ interval: 1000, repair: true, signal: stop.signal });
  const watching = (async () => {
    for await (const report of watch) reports.push(report);
  })().catch((error: unknown) => error);
  /** Lets time pass until there are so many reports, and returns the last of them. */
  const report = async (count: number): Promise<DriftReport> => {
    for (let turn = 0; turn < 1000; turn++) {
      const last = reports[count - 1];
      if (last) return last;
      await new Promise((resolve) => setImmediate(resolve));
      kernel.advance(100);
    }
    throw new Error(`${reports.length} reports instead of ${count}`);
  };
  await (await ipvs.service({ protocol: 'tcp', address: VIP, port: 80 })).update({ scheduler: 'lc' });
  expect(await report(1)).toMatchObject({
    drift: [{ problem: 'changed', what: `service ${name}: rr`, is: 'lc' }],
    repaired: [{ action: 'change' }],
  });
  await ipvs.flush();
  expect(await report(2)).toMatchObject({
    drift: [{ problem: 'missing' }, { problem: 'missing' }, { problem: 'missing' }],
  });
  expect((await ipvs.table()).map(({ servers }) => servers.length)).toEqual([2]);
  stop.abort();
  expect(await watching).toMatchObject({ name: 'AbortError' });
});

test('without repair it is only told; marks by event', async () => {
  const kernel = new MemoryKernel();
  const marked = document(['10.0.0.1'], { marks: [{ destination: VIP, mark: 7 }] });
  await using state = await DesiredState.open(marked, { kernel });
  await state.apply();
  const reports = await state.watch({ interval: 1_000_000 });
  const first = reports.next();
  await using netfilter = await Netfilter.open({ kernel, owner: 'ipvs-test' });
  await netfilter.deleteTable();
  let over = false;
  void first.then(() => {
    over = true;
  });
  // Far less than the interval: the event wakes it.
  for (let turn = 0; !over && turn < 1000; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    kernel.advance(1);
  }
  expect((await first).value).toMatchObject({ drift: [{ problem: 'missing' }], repaired: [] });
  await reports.return();
  expect(await netfilter.marks()).toEqual([]);
});
