import { expect, test } from 'vitest';
import { Conntrack } from '../../../src/index.js';
import { failure } from '../place.js';
import { missing, tuple, type World } from './world.js';

export function refusalConformance(world: () => World): void {
  test('EEXIST: one of the tuples, in either direction', async () => {
    const { create, read, list } = world();
    await create(tuple(1));
    const flow = await read(tuple(1));
    const exists = { code: 'ERR_IPVS_FLOW_EXISTS', errno: 17 };
    expect(await failure(create(tuple(1)))).toMatchObject(exists);
    expect(await failure(create(flow.reply))).toMatchObject(exists);
    expect(await failure(create(tuple(2, { destination: '10.0.0.7' }), { reply: flow.reply }))).toMatchObject(exists);
    // The flow that is there is looked for before what is asked.
    expect(await failure(create(tuple(1), { helper: 'nosuch' }))).toMatchObject(exists);
    expect(await list()).toEqual([1]);
  });

  test('ENOENT: what is not there', async () => {
    const { conntrack, create, read } = world();
    expect(await failure(conntrack.update({ original: tuple(1) }, { mark: 1 }))).toMatchObject(missing);
    expect(await failure(conntrack.delete({ original: tuple(1) }))).toMatchObject(missing);
    await create(tuple(1));
    const { id = 0 } = await read(tuple(1));
    expect(await failure(conntrack.delete({ original: tuple(1), id: (id ^ 1) >>> 0 }))).toMatchObject(missing);
    await conntrack.delete({ original: tuple(1), id });
    expect(await failure(conntrack.delete({ original: tuple(1), id }))).toMatchObject(missing);
  });

  test('ENOSPC: no labels where no rule uses them', async () => {
    const { conntrack, create, read } = world();
    await create(tuple(1), { labels: [1] });
    expect((await read(tuple(1))).labels ?? []).toEqual([]);
    expect(await failure(conntrack.update({ original: tuple(1) }, { labels: [1] }))).toMatchObject({ errno: 28 });
  });

  test('EPERM: the timeout of a flow that has it fixed', async () => {
    const { conntrack, create, read } = world();
    await create(tuple(1));
    await conntrack.update({ original: tuple(1) }, { timeout: 600, status: ['fixed-timeout'] });
    expect((await read(tuple(1))).timeout).toBeGreaterThan(500);
    expect(await failure(conntrack.update({ original: tuple(1) }, { timeout: 5 }))).toMatchObject({ errno: 1 });
  });

  test('EBUSY: what of a status cannot change', async () => {
    const { place, create, read } = world();
    await create(tuple(1), { status: ['seen-reply', 'assured'] });
    const port = await place.kernel.openConntrack({ namespace: place.namespace });
    const key = { original: (await read(tuple(1))).original };
    const bits = async (statusBits: number): Promise<number | undefined> =>
      (await port.apply([{ verb: 'update', key, settings: { statusBits } }]))[0];
    expect(await bits(0b1110)).toBe(0);
    expect(await bits(0b0110)).toBe(16); // confirmed
    expect(await bits(0b1111)).toBe(16); // expected
    expect(await bits(0b1000)).toBe(16); // seen-reply, assured
    expect(await bits(0b1110 | (1 << 4))).toBe(0); // source-nat: without a word
    expect((await read(tuple(1))).status).toEqual(['seen-reply', 'assured', 'confirmed']);
    await port.close();
  });

  test('EOPNOTSUPP: what only a new flow can be given', async () => {
    const { place, create, read } = world();
    await create(tuple(1));
    const port = await place.kernel.openConntrack({ namespace: place.namespace });
    const { original } = await read(tuple(1));
    const settings = { natSource: { address: ['10.0.0.8', '10.0.0.8'] } } as const;
    expect((await port.apply([{ verb: 'update', key: { original }, settings }]))[0]).toBe(95);
    expect((await port.apply([{ verb: 'update', key: { original }, settings: { master: original } }]))[0]).toBe(95);
    await port.close();
  });

  test('a namespace that is not there', async () => {
    const { place } = world();
    const { kernel } = place;
    expect(await failure(Conntrack.open({ kernel, namespace: 'no-such-name' }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
      errno: 2,
    });
  });
}
