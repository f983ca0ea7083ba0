import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Ipvs } from '../../src/index.js';
import { deleteNamespace, makeNamespace, useWorld } from './world.js';

const world = useWorld();
const fixture = fileURLToPath(new URL('fixtures/worker.mjs', import.meta.url));
const tcp = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

function start(job: string): { worker: Worker; ready: Promise<unknown>; ended: Promise<number> } {
  const worker = new Worker(fixture, { workerData: { namespace: world.namespace, job } });
  return {
    worker,
    ready: new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    }),
    ended: new Promise((resolve) => worker.once('exit', resolve)),
  };
}

function program(job: string): string {
  const argument = JSON.stringify({ namespace: world.namespace, job });
  return execFileSync(process.execPath, ['--expose-gc', fixture, argument], { encoding: 'utf8', timeout: 60_000 });
}

test('two namespaces at once, 200 requests in flight', async () => {
  const other = makeNamespace();
  const ipvs = await Ipvs.open({ namespace: other });
  try {
    await Promise.all([world.ipvs.addService({ fwmark: 1 }), ipvs.addService({ fwmark: 2 })]);
    const results = await Promise.all(
      Array.from({ length: 100 }, () => [world.ipvs.services(), ipvs.services()]).flat(),
    );
    results.forEach((services, index) => {
      expect(services.map((service) => service.fwmark)).toEqual([(index % 2) + 1]);
    });
  } finally {
    await ipvs.close();
    deleteNamespace(other);
  }
});

test('requests of one handle run in order', async () => {
  const marks = Array.from({ length: 100 }, (_, i) => i + 1);
  const added = marks.map((fwmark) => world.ipvs.addService({ fwmark }));
  expect((await Promise.all(added)).map((service) => service.fwmark)).toEqual(marks);
  expect((await world.ipvs.services()).length).toBe(100);
});

test('abort: what has not been sent is not sent, and the handle goes on', async () => {
  await expect(world.ipvs.info({ signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  const controller = new AbortController();
  const many = Array.from(
    { length: 10_000 },
    (_, i) => ({ change: 'add-service', service: { fwmark: i + 1 } }) as const,
  );
  const first = world.ipvs.apply(many);
  const second = world.ipvs.addService({ fwmark: 99_999 }, { signal: controller.signal });
  controller.abort(new Error('never mind'));
  await expect(second).rejects.toThrow('never mind');
  expect((await first).every((result) => result.ok)).toBe(true);
  await expect(world.ipvs.service({ fwmark: 99_999 })).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE' });
});

test('abort in the middle of many changes: those that are left are not sent', async () => {
  const controller = new AbortController();
  const many = Array.from(
    { length: 20_000 },
    (_, i) => ({ change: 'add-service', service: { fwmark: i + 1 } }) as const,
  );
  const other = await Ipvs.open({ namespace: world.namespace });
  const applied = world.ipvs.apply(many, { signal: controller.signal });
  while ((await other.services()).length === 0) await sleep(1);
  controller.abort(new Error('enough'));
  await expect(applied).rejects.toThrow('enough');
  await sleep(100);
  const table = () => other.table({ consistent: true }); // see "timeout" below
  const { length } = await table();
  expect(length).toBeGreaterThan(0);
  expect(length).toBeLessThan(20_000);
  await sleep(200);
  expect((await table()).length).toBe(length);
  await other.close();
});

test('timeout', async () => {
  const many = Array.from({ length: 3000 }, (_, i) => ({ change: 'add-service', service: { fwmark: i + 1 } }) as const);
  await expect(world.ipvs.apply(many, { timeout: 1 })).rejects.toMatchObject({
    code: 'ERR_IPVS_TIMEOUT',
    message: expect.stringContaining('may still carry it out'),
  });
  // What had been sent by then was carried out, and no more. From 7.2 the kernel moves services to a
  // larger hash table meanwhile, and a plain list can leave some out.
  const table = () => world.ipvs.table({ consistent: true });
  const { length } = await table();
  expect(length).toBeLessThan(3000);
  await sleep(200);
  expect((await table()).length).toBe(length);
});

test('close: requests under way end, later ones fail, closing again does nothing', async () => {
  const ipvs = await Ipvs.open({ namespace: world.namespace });
  const pending = Array.from({ length: 20 }, () => ipvs.services().catch((error) => error));
  const closed = ipvs.close();
  for (const result of await Promise.all(pending)) {
    if (!Array.isArray(result)) expect(result).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  }
  await closed;
  await ipvs.close();
  await expect(ipvs.services()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  await expect(ipvs.addService(tcp)).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
  await expect(ipvs.connections().next()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' });
});

describe('worker threads and processes', () => {
  test('two handles in two worker threads', async () => {
    await world.ipvs.addService({ fwmark: 1 });
    const workers = [start('count'), start('count')];
    expect(await Promise.all(workers.map(({ ready }) => ready))).toEqual([1, 1]);
    expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0]);
  });

  test('an open handle keeps no worker and no process alive', async () => {
    const { ended } = start('idle');
    expect(await ended).toBe(0);
    expect(program('idle')).toBe('ready\n');
  });

  test.each(['terminate-opening', 'in-flight', 'connections', 'close-in-flight'])(
    'a worker terminated: %s',
    async (job) => {
      for (let i = 0; i < 2; i++) {
        const { worker, ready, ended } = start(job);
        await ready;
        await worker.terminate();
        await ended;
      }
      await world.ipvs.flush();
      await world.ipvs.info(); // this thread's handle goes on
    },
  );

  test.each(['exit-idle', 'exit-in-flight', 'exit-in-reply', 'terminate-opening', 'connections', 'in-flight'])(
    'a process that exits: %s',
    (job) => {
      program(job); // throws on a signal or a status
    },
  );

  test('handles that nobody closed', () => {
    expect(program('collect')).toBe('0\n');
  });
});

test('100 000 operations leave no descriptors and no memory behind', async () => {
  const memory = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const service = await world.ipvs.addService(tcp);
  const round = async (): Promise<void> => {
    // 2 × 240 changes, 20 requests that succeed or fail, in each of 200 rounds.
    const server = (i: number) => ({ address: `10.1.1.${i}` });
    const numbers = Array.from({ length: 240 }, (_, i) => i);
    await world.ipvs.apply(numbers.map((i) => ({ change: 'add-server', service: tcp, server: server(i) }) as const));
    await world.ipvs.apply(numbers.map((i) => ({ change: 'delete-server', service: tcp, server: server(i) }) as const));
    await Promise.all([
      ...Array.from({ length: 8 }, () => service.read()),
      ...Array.from({ length: 4 }, () => world.ipvs.table()),
      ...Array.from({ length: 4 }, () => world.ipvs.sysctl('conntrack')),
      ...Array.from({ length: 4 }, () => world.ipvs.service({ fwmark: 1 }).catch(() => {})),
    ]);
  };
  for (let i = 0; i < 20; i++) await round(); // what is kept for later is taken now
  const before = { memory: memory(), descriptors: descriptors() };
  for (let i = 0; i < 200; i++) await round();
  expect(descriptors()).toBeLessThanOrEqual(before.descriptors);
  // A leak of 500 bytes per operation would be 50 MB; the JavaScript heap itself breathes by some.
  expect(memory() - before.memory).toBeLessThan(30);
}, 240_000);
