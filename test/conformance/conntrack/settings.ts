import { expect, test } from 'vitest';
import { failure } from '../place.js';
import { ports, tuple, type World } from './world.js';

export function settingConformance(world: () => World): void {
  test('accounting and timestamps hold for flows that begin later', async () => {
    const { conntrack, create, read } = world();
    await create(tuple(1));
    await conntrack.setSettings({ accounting: true, timestamps: true });
    await create(tuple(2));
    expect(await conntrack.settings()).toMatchObject({ accounting: true, timestamps: true, events: 'auto' });
    expect((await read(tuple(1))).counters).toBeUndefined();
    const flow = await read(tuple(2));
    expect(flow.counters).toEqual({ original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } });
    expect(flow.started).toBeTypeOf('bigint');
    expect(ports(await conntrack.zeroedFlows({}).toArray())).toEqual([1, 2]);
    expect(await conntrack.zero({ sourcePort: 2 })).toBe(1);
    expect(await conntrack.zero()).toBe(2);
    expect(await failure(conntrack.zero({}, { list: 'dying' } as object))).toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
    });
    expect(await conntrack.groups({ by: [] })).toMatchObject([{ flows: 2, counted: 1 }]);
  });

  test('sizes belong to the first namespace', async () => {
    const { conntrack } = world();
    const usage = await conntrack.usage();
    expect(usage.maximum).toBeGreaterThan(0);
    expect(usage.buckets).toBeGreaterThan(0);
    for (const settings of [{ maximum: 4242 }, { buckets: 4242 }, { expectationMaximum: 42 }])
      expect(await failure(conntrack.setSettings(settings))).toMatchObject({ code: 'ERR_IPVS_PERMISSION', errno: 13 });
    expect((await conntrack.usage()).maximum).toBe(usage.maximum);
    expect((await conntrack.settings()).expectationMaximum).toBeGreaterThan(0);
  });

  test('statistics count what was added', async () => {
    const { conntrack, create } = world();
    const inserted = async (): Promise<number> =>
      (await conntrack.statistics()).reduce((sum, { insert = 0 }) => sum + insert, 0);
    const before = await inserted();
    for (const port of [1, 2, 3]) await create(tuple(port));
    expect((await inserted()) - before).toBe(3);
  });
}
