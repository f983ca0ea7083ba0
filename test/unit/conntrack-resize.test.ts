// Tables that are read while the number of buckets changes.
import { expect, test } from 'vitest';
import { KernelFailure } from '../../src/common/errors.js';
import { Conntrack, type Flow } from '../../src/index.js';
import type { ConntrackPort } from '../../src/kernel/conntrack/port.js';
import type { Kernel } from '../../src/kernel/kernel.js';
import { MemoryKernel } from '../../src/memory/index.js';

const unstable = { code: 'ERR_IPVS_UNSTABLE', errnoName: 'EINTR' };

async function table(kernel: Pick<Kernel, 'openConntrack'> = new MemoryKernel()): Promise<Conntrack> {
  const conntrack = await Conntrack.open({ kernel });
  const flows = Array.from({ length: 2000 }, (_, index) => ({
    original: {
      protocol: 'udp',
      source: '10.0.0.1',
      destination: '10.0.0.2',
      sourcePort: index + 1,
      destinationPort: 53,
    },
    timeout: 300,
  })) as Parameters<Conntrack['createAll']>[0];
  await conntrack.createAll(flows);
  return conntrack;
}

/** A kernel whose number of buckets changes in each of the first readings, after the first flows. */
function interrupted(times: number): Pick<Kernel, 'openConntrack'> & { readings: number } {
  const kernel = new MemoryKernel();
  const result = {
    readings: 0,
    openConntrack: async (options: Parameters<Kernel['openConntrack']>[0]): Promise<ConntrackPort> => {
      const port = await kernel.openConntrack(options);
      const flows: ConntrackPort['flows'] = async function* (...args) {
        const interrupts = ++result.readings <= times;
        for await (const batch of port.flows(...args)) {
          yield batch;
          if (interrupts) throw new KernelFailure(4, 'the number of buckets changed');
        }
      };
      return new Proxy(port, {
        get: (target, name) => {
          if (name === 'flows') return flows;
          const member: unknown = Reflect.get(target, name);
          return typeof member === 'function' ? member.bind(target) : member;
        },
      });
    },
  };
  return result;
}

test('a stream of the in-memory kernel fails when the number of buckets changes', async () => {
  const conntrack = await table();
  const batches = conntrack.flows().batches();
  expect(((await batches.next()).value as Flow[]).length).toBeGreaterThan(0);
  await conntrack.setSettings({ buckets: 1234 });
  await expect(batches.next()).rejects.toMatchObject(unstable);
  expect(await conntrack.flows().toArray()).toHaveLength(2000);
});

test('lists, stale flows and deletes are repeated until a reading is whole', async () => {
  const conntrack = await table(interrupted(3));
  expect(await conntrack.flows().toArray()).toHaveLength(2000);
  const stale = await table(interrupted(3));
  expect(await stale.staleFlows({ address: '10.0.0.2', servers: [] })).toHaveLength(2000);
  const deleting = await table(interrupted(3));
  expect(await deleting.deleteMatching({ protocol: 'udp' })).toBe(2000);
  expect(await deleting.flows().toArray()).toEqual([]);
  const deletingStale = await table(interrupted(3));
  expect(await deletingStale.deleteStaleFlows({ address: '10.0.0.2', servers: [] })).toBe(2000);
});

test('a table that never is stable is reported after 20 readings', async () => {
  const kernel = interrupted(Number.POSITIVE_INFINITY);
  const conntrack = await table(kernel);
  await expect(conntrack.flows().toArray()).rejects.toMatchObject(unstable);
  expect(kernel.readings).toBe(20);
});

test('a stream that resets counters does not start again', async () => {
  const kernel = interrupted(1);
  const conntrack = await table(kernel);
  await expect(conntrack.zeroedFlows().toArray()).rejects.toMatchObject(unstable);
  expect(kernel.readings).toBe(1);
});

test('zero() starts again until a reading is complete, and counts that one', async () => {
  const kernel = interrupted(3);
  const conntrack = await table(kernel);
  expect(await conntrack.zero()).toBe(2000);
  expect(kernel.readings).toBe(4);
});
