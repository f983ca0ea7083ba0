import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Network } from '../../src/index.js';
import { holdings, usePlaces } from './world.js';

const [here, there] = usePlaces(2);
if (!here || !there) throw new Error('no places');

/** The same once more, until what is closed in the background is closed. */
async function settled(files: number): Promise<number> {
  for (let i = 0; i < 100 && holdings().files > files; i++) await sleep(20);
  return holdings().files;
}

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
  expect(await settled(before)).toBeLessThanOrEqual(before);
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
  expect(await settled(before)).toBeLessThanOrEqual(before);
});
