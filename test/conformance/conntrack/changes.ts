import { expect, test } from 'vitest';
import type { FlowChanges } from '../../../src/index.js';
import { failure } from '../place.js';
import { missing, tuple, type World } from './world.js';

export function changeConformance(world: () => World): void {
  test.each([
    [0x30, 0xf0, 0xab3d],
    [0, 0xff, 0xab00],
    [0xffffffff, undefined, 0xffffffff],
    [0, undefined, 0],
  ])('a mark of %j in %j', async (mark, markMask, result) => {
    const { conntrack, create, read } = world();
    await create(tuple(1), { mark: 0xab0d });
    await conntrack.update({ original: tuple(1) }, { mark: 0x0d, markMask: 0xff });
    await conntrack.update({ original: tuple(1) }, { mark, markMask } as FlowChanges);
    expect((await read(tuple(1))).mark).toBe(result);
  });

  test('a status is added to; a state, timeouts and windows are set', async () => {
    const { conntrack, create, read } = world();
    await create(tuple(1), { nat: { destination: { address: '10.0.0.9' } } });
    const before = (await read(tuple(1))).status;
    await conntrack.update({ original: tuple(1) }, { status: ['seen-reply'] });
    await conntrack.update({ original: tuple(1) }, { status: ['assured'], state: 'TIME_WAIT', timeout: 100 });
    const after = await read(tuple(1));
    expect(after.status).toEqual(expect.arrayContaining([...before, 'seen-reply', 'assured']));
    expect(after.status).toHaveLength(before.length + 2);
    expect(after.state).toBe('TIME_WAIT');
    expect([99, 100]).toContain(after.timeout);
    const tcp = { windowScale: { original: 7, reply: 6 }, flags: { original: 8, reply: 1 } };
    await conntrack.update({ original: tuple(1) }, { state: 'ESTABLISHED', tcp });
    // Without its flag a scale is not taken.
    expect((await read(tuple(1))).tcp).toEqual({ windowScale: { original: 0, reply: 0 }, flags: tcp.flags });
  });

  test('a flow without a time is over at once', async () => {
    const { conntrack, create, read, list } = world();
    await create(tuple(1), { timeout: 0 });
    expect(await failure(read(tuple(1)))).toMatchObject(missing);
    await create(tuple(1));
    await conntrack.update({ original: tuple(1) }, { timeout: 0 });
    expect(await list()).toEqual([]);
  });

  test('a batch goes on behind what fails, and in its order', async () => {
    const { conntrack, list } = world();
    const results = await conntrack.apply([
      { change: 'create-flow', flow: { original: tuple(1), timeout: 100 } },
      { change: 'create-flow', flow: { original: tuple(1), timeout: 100 } },
      { change: 'update-flow', flow: { original: tuple(1) }, set: { status: ['assured'], mark: 5 } },
      { change: 'update-flow', flow: { original: tuple(2) }, set: { mark: 5 } },
      { change: 'delete-flow', flow: { original: tuple(3) } },
      { change: 'create-flow', flow: { original: tuple(4), timeout: 100 } },
    ]);
    expect(results.map((result) => (result.ok ? 0 : result.error.errno))).toEqual([0, 17, 0, 2, 2, 0]);
    expect(await list({ mark: 5, status: ['assured'] })).toEqual([1]);
    expect(await list()).toEqual([1, 4]);
  });
}
