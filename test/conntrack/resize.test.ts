// Tables that are read while the number of buckets changes: the kernel skips flows and repeats others, without a flag.
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Flow } from '../../src/index.js';
import { udpFlow, useWorld } from './world.js';

const path = '/proc/sys/net/netfilter/nf_conntrack_buckets';
const COUNT = 20_000;

/** Only the first network namespace may change it. */
function mayResize(): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!mayResize())('while the number of buckets changes', () => {
  const world = useWorld();
  const before = mayResize() ? Number(readFileSync(path, 'utf8')) : 0;
  const resize = (): void => {
    const now = Number(readFileSync(path, 'utf8'));
    writeFileSync(path, String(now === before ? before / 2 : before));
  };
  /** Reads a few times, and changes the number of buckets during each reading. */
  async function during<T>(read: () => Promise<T>): Promise<T[]> {
    const results: T[] = [];
    for (let round = 0; round < 4; round++) {
      const reading = read();
      resize();
      results.push(await reading);
    }
    return results;
  }

  beforeAll(async () => {
    const flows = Array.from({ length: COUNT }, (_, index) => udpFlow(index + 1, { mark: index % 2 }));
    const { created } = await world.conntrack.createAll(flows);
    expect(created).toBe(COUNT);
  });
  beforeEach(() => writeFileSync(path, String(before)));
  afterAll(() => writeFileSync(path, String(before)));

  test('a stream that has handed out flows fails, and does not end early', async () => {
    const batches = world.conntrack.flows().batches();
    const first = await batches.next();
    expect((first.value as Flow[]).length).toBeGreaterThan(0);
    resize();
    const rest = async (): Promise<void> => {
      for await (const batch of batches) expect(batch).toBeDefined();
    };
    await expect(rest()).rejects.toMatchObject({
      code: 'ERR_IPVS_UNSTABLE',
      errno: 4,
      message: expect.stringContaining('cannot list flows: the number of hash buckets changed'),
    });
  });

  test('a list is read again until it is whole', async () => {
    for (const flows of await during(() => world.conntrack.flows().toArray())) {
      expect(flows).toHaveLength(COUNT);
      expect(new Set(flows.map(({ original }) => original.sourcePort)).size).toBe(COUNT);
    }
  });

  test('totals are those of one whole reading', async () => {
    for (const groups of await during(() => world.conntrack.groups({ by: ['mark'] })))
      expect(groups.map(({ flows }) => flows)).toEqual([COUNT / 2, COUNT / 2]);
  });

  test('stale flows are all found', async () => {
    const query = { address: '10.30.0.1', servers: [] };
    for (const flows of await during(() => world.conntrack.staleFlows(query))) expect(flows).toHaveLength(COUNT);
  });

  test('the view of events is whole and tells nothing twice', async () => {
    const [seen] = await during(async () => {
      const stream = await world.conntrack.watch({ resynchronise: true });
      const types: string[] = [];
      for await (const event of stream) {
        types.push(event.type);
        if (event.type !== 'resynchronised') continue;
        expect(event.flows).toBe(COUNT);
        break;
      }
      return types;
    });
    expect(seen?.filter((type) => type === 'new')).toHaveLength(COUNT);
    expect(seen).toHaveLength(COUNT + 1);
  });

  test('what matches is deleted whole', async () => {
    const [deleted] = await during(() => world.conntrack.deleteMatching({ mark: 1 }));
    expect(deleted).toBe(COUNT / 2);
    expect(await world.conntrack.flows({ mark: 1 }).toArray()).toEqual([]);
    expect(await world.conntrack.flows().toArray()).toHaveLength(COUNT / 2);
  });
});
