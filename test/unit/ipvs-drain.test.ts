// RealServer.drain with the time of the kernel in memory.
import { expect, test } from 'vitest';
import { Ipvs, type RealServer } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const web = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
const name = '10.0.0.1:80 of TCP 192.0.2.1:80';

/** Packets that read the earlier weight become connections in the grace period. */
class SlowKernel extends MemoryKernel {
  waits = 0;
  late: (() => void) | undefined;
  override async gracePeriod(): Promise<void> {
    this.waits++;
    this.late?.();
  }
}

async function start(weight = 3, persistence = false) {
  const kernel = new SlowKernel();
  const ipvs = await Ipvs.open({ kernel });
  const service = await ipvs.addService({ ...web, scheduler: 'rr', persistence });
  const server = await service.addServer({ address: '10.0.0.1', weight, upperThreshold: 50 });
  const connect = (client = '198.51.100.1') => kernel.namespace().connect({ ...web, client });
  return { kernel, ipvs, service, server, connect };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Lets time pass until the promise settles. Returns its outcome and the time that passed. */
async function pass<T>(kernel: MemoryKernel, promise: Promise<T>, step = 1000) {
  const begin = kernel.now;
  let settled = false;
  const outcome = promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  void outcome.then(() => {
    settled = true;
  });
  for (let turns = 0; turns < 20; turns++) await turn();
  while (!settled) {
    kernel.advance(step);
    for (let turns = 0; turns < 20; turns++) await turn();
  }
  return {
    error: (await outcome) as { cause?: unknown; code?: string; message?: string } | undefined,
    passed: kernel.now - begin,
  };
}

test('drain deletes the server when its connections have ended, and reports each reading', async () => {
  const { kernel, service, server, connect } = await start();
  const connection = connect();
  const readings: number[][] = [];
  const onProgress = ({ weight, activeConnections, inactiveConnections }: RealServer): void => {
    readings.push([weight, activeConnections, inactiveConnections]);
    if (readings.length === 3) connection?.close();
  };
  const { error, passed } = await pass(kernel, server.drain({ interval: 10_000, onProgress }), 10_000);
  expect(error).toBeUndefined();
  expect(await service.servers()).toEqual([]);
  expect(readings.slice(0, 4)).toEqual([
    [0, 1, 0],
    [0, 1, 0],
    [0, 1, 0],
    [0, 0, 1],
  ]);
  expect(readings.at(-1)).toEqual([0, 0, 0]);
  expect(readings.length).toBe(passed / 10_000 + 1);
  expect(connect()).toBeUndefined();
});

test('drain counts only after a grace period', async () => {
  const { kernel, server, connect, service } = await start();
  const connection = connect();
  let first: RealServer | undefined;
  kernel.late = () => connection?.close();
  const draining = server.drain({
    onProgress: (reading) => {
      first ??= reading;
    },
  });
  const { error } = await pass(kernel, draining);
  expect(error).toBeUndefined();
  expect(kernel.waits).toBe(1);
  expect(first).toMatchObject({ activeConnections: 0, inactiveConnections: 1 });
  expect(await service.servers()).toEqual([]);
});

test('drain waits for persistence', async () => {
  const { kernel, server, connect, service } = await start(1, true);
  connect()?.close();
  const readings: number[] = [];
  const { error } = await pass(kernel, server.drain({ onProgress: (one) => readings.push(one.persistentConnections) }));
  expect(error).toBeUndefined();
  expect(readings).toContain(1);
  expect(readings.at(-1)).toBe(0);
  expect(await service.servers()).toEqual([]);
});

test('the time limit restores the weight and keeps the other settings', async () => {
  const { kernel, server, connect } = await start();
  connect();
  const { error, passed } = await pass(kernel, server.drain({ timeLimit: 2500 }), 500);
  expect(error).toMatchObject({
    code: 'ERR_IPVS_TIMEOUT',
    message: `cannot drain server ${name}: after 2500 ms it has 1 active, 0 inactive and 0 persistent connections. Its weight is 3 again`,
  });
  expect(passed).toBe(2500);
  expect(await server.read()).toMatchObject({ weight: 3, upperThreshold: 50, activeConnections: 1 });
});

test('an abort restores the weight and rejects with its reason', async () => {
  const { kernel, server, connect } = await start();
  connect();
  const aborting = new AbortController();
  const draining = server.drain({ signal: aborting.signal });
  setImmediate(() => setImmediate(() => aborting.abort('enough')));
  expect((await pass(kernel, draining)).error).toBe('enough');
  expect(await server.read()).toMatchObject({ weight: 3 });
  await expect(server.drain({ signal: AbortSignal.abort('before') })).rejects.toBe('before');
  expect(await server.read()).toMatchObject({ weight: 3 });
});

test('an error of onProgress restores the weight', async () => {
  const { server } = await start();
  const failure = new Error('bad');
  const onProgress = (): never => {
    throw failure;
  };
  await expect(server.drain({ onProgress })).rejects.toBe(failure);
  expect(await server.read()).toMatchObject({ weight: 3 });
});

test('drain ends if another program sets a weight, which the server keeps', async () => {
  const { kernel, server, connect } = await start();
  connect();
  const onProgress = (reading: RealServer): void => void reading.update({ weight: 7 });
  const { error } = await pass(kernel, server.drain({ onProgress }));
  expect(error).toMatchObject({
    code: 'ERR_IPVS_CHANGED',
    message: `cannot drain server ${name}: its weight was set to 7 meanwhile, not by the drain; the server keeps that weight`,
  });
  expect((await server.read()).weight).toBe(7);
});

test('drain rejects if another program deletes the server', async () => {
  const { kernel, server, connect } = await start();
  connect();
  const { error } = await pass(kernel, server.drain({ onProgress: (reading) => void reading.delete() }));
  expect(error).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVER' });
});

test('a server that has weight 0 already is drained, and keeps weight 0 at the time limit', async () => {
  const { kernel, server, connect, service } = await start();
  const connection = connect();
  await server.update({ weight: 0 });
  kernel.clearRequests();
  const { error } = await pass(kernel, server.drain({ timeLimit: 1000 }));
  expect(error).toMatchObject({ code: 'ERR_IPVS_TIMEOUT', message: expect.stringMatching(/Its weight is 0$/) });
  expect(kernel.requests.filter(({ command }) => command === 'SET_DEST')).toEqual([]);
  connection?.close();
  await pass(kernel, server.drain());
  expect(await service.servers()).toEqual([]);
});

test('a failure of the delete restores the weight', async () => {
  const { kernel, server } = await start();
  kernel.fail({ command: 'DEL_DEST', errno: 12 });
  await expect(server.drain()).rejects.toMatchObject({ errno: 12, request: { action: 'delete server' } });
  expect((await server.read()).weight).toBe(3);
});

test('a failure to restore the weight is reported, with the reason of the end as its cause', async () => {
  const { kernel, server, connect } = await start();
  connect();
  const onProgress = (): void => kernel.fail({ command: 'SET_DEST', errno: 1 });
  const { error } = await pass(kernel, server.drain({ timeLimit: 1, onProgress }), 1);
  expect(error).toMatchObject({
    code: 'ERR_IPVS_PERMISSION',
    request: { action: 'restore the weight of server', object: name },
    cause: { code: 'ERR_IPVS_TIMEOUT' },
    message: expect.stringContaining('may keep weight 0 instead of 3'),
  });
});

test('drain rejects unknown and bad options before a request', async () => {
  const { kernel, server } = await start();
  kernel.clearRequests();
  const bad = [{ timelimit: 5 }, { timeLimit: 0 }, { interval: 9 }, { onProgress: 5 }, { ifUnchanged: true }, null];
  for (const options of bad)
    await expect(server.drain(options as never)).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  await expect(server.drain({ timelimit: 5 } as never)).rejects.toThrow("did you mean 'timeLimit'?");
  expect(kernel.requests).toEqual([]);
});
