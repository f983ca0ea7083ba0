import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Network } from '../../src/index.js';
import { loadAddon } from '../../src/linux/addon.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { until } from '../until.js';
import { holdings, usePlaces } from './world.js';

const [here, there] = usePlaces(2);
if (!here || !there) throw new Error('no places');

/** Waits until no more than `files` are open: some are closed in the background. */
const settled = (files: number): Promise<number> =>
  until(
    () => holdings().files,
    (open) => open <= files,
  );

test('descriptors of namespaces are closed, whether it worked, failed or was given up', async () => {
  await here.network.addLink({ kind: 'bridge', name: 'first' });
  const before = holdings().files;
  for (let i = 0; i < 20; i++) {
    const link = { kind: 'bridge', name: `b${i}`, namespace: there.name } as const;
    await here.network.addLink(link);
    await here.network.addLink(link).catch(() => {});
    const controller = new AbortController();
    const given = here.network.addLink({ ...link, name: `c${i}` }, { signal: controller.signal }).catch(() => {});
    await sleep(i / 10);
    controller.abort();
    await given;
  }
  await settled(before);
  const names = (await there.network.links()).map(({ name }) => name);
  expect(names).toContain('b19');
  // Whatever became of those that were given up: nothing came to the wrong namespace.
  expect((await here.network.links()).map(({ name }) => name)).toEqual(['lo', 'first']);
});

test('handles come and go, with a request under way', async () => {
  const before = holdings().files;
  for (let i = 0; i < 50; i++) {
    const network = await Network.open({ namespace: here.name });
    const under = network.links().catch((error: { code: string }) => error.code);
    await network.close();
    const ended = await under;
    if (!Array.isArray(ended)) expect(ended).toBe('ERR_IPVS_CLOSED');
  }
  await settled(before);
});

describe('waiting for packets that are on their way', () => {
  const root = JSON.stringify(resolve(import.meta.dirname, '../..'));
  const wait = `const { gracePeriod } = require('node-gyp-build')(${root})
    for (let i = 0; i < 5; i++) gracePeriod()`;

  test('this kernel lets programs wait for them, many at once', async () => {
    const errors = await Promise.all(Array.from({ length: 20 }, () => loadAddon().gracePeriod()));
    expect(errors).toEqual(errors.map(() => 0));
  });

  test('a worker may be terminated meanwhile', async () => {
    for (let i = 0; i < 10; i++) {
      const worker = new Worker(`${wait}; require('node:worker_threads').parentPort.postMessage('waits')`, {
        eval: true,
      });
      await once(worker, 'message');
      await sleep(i);
      await worker.terminate();
    }
    await nativeKernel.gracePeriod();
  });

  test.each(['', 'process.exit(0)'])('a process may end meanwhile: %s', (end) => {
    execFileSync(process.execPath, ['-e', `${wait}; ${end}`], { cwd: resolve(import.meta.dirname, '../..') });
  });
});
