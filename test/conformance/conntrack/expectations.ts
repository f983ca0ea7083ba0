import { expect, test } from 'vitest';
import { failure } from '../place.js';
import { data, master, missing, tuple, type World } from './world.js';

export function expectationConformance(world: () => World): void {
  test('an expectation is of a flow that has a helper', async () => {
    const { conntrack, create } = world();
    const expected = (port: number, of = master): Promise<void> =>
      conntrack.createExpectation({ tuple: data(port), master: of, timeout: 30 });
    expect(await failure(expected(5000))).toMatchObject(missing);
    await create(tuple(1));
    expect(await failure(expected(5000, tuple(1)))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_HELPER', errno: 95 });
    await create(master, { helper: 'ftp' });
    await expected(5000);
    const [found] = await conntrack.expectations();
    // The timeout is that of the helper's policy.
    expect(JSON.parse(JSON.stringify(found))).toMatchObject({
      tuple: { destinationPort: 5000 },
      mask: { source: '255.255.255.255', sourcePort: 0, destinationPort: 65535 },
      master: { sourcePort: 90 },
      timeout: expect.toSatisfy((timeout: number) => timeout === 299 || timeout === 300),
      flags: 0,
      class: 0,
      helper: 'ftp',
    });
    expect(await failure(expected(5000))).toMatchObject({ code: 'ERR_IPVS_EXPECTATION_EXISTS', errno: 17 });
    // FTP expects one at a time: the other goes.
    await expected(5001);
    expect((await conntrack.expectations()).map((one) => one.tuple.destinationPort)).toEqual([5001]);
    expect(await conntrack.expectations({ family: 'ipv6' })).toEqual([]);
  });

  test('what of an expectation is refused', async () => {
    const { conntrack, create } = world();
    await create(master, { helper: 'ftp' });
    const settings = { tuple: data(5000), master, timeout: 30 };
    const rejected = { code: 'ERR_IPVS_REJECTED', errno: 22 };
    expect(await failure(conntrack.createExpectation({ ...settings, class: 7 }))).toMatchObject(rejected);
    expect(await failure(conntrack.createExpectation({ ...settings, function: 'nope' }))).toMatchObject(rejected);
    expect(await failure(conntrack.deleteExpectation({ tuple: data(5000) }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_EXPECTATION',
      errno: 2,
    });
    await conntrack.createExpectation(settings);
    const [found] = await conntrack.expectations();
    const id = ((found?.id ?? 0) ^ 1) >>> 0;
    expect(await failure(conntrack.deleteExpectation({ tuple: data(5000), id }))).toMatchObject({ errno: 2 });
    await conntrack.deleteExpectation({ tuple: data(5000), id: found?.id ?? 0 });
    expect(await conntrack.expectations()).toEqual([]);
  });

  test('expectations go with their master, and with a flush', async () => {
    const { conntrack, create } = world();
    await create(master, { helper: 'ftp' });
    await conntrack.createExpectation({ tuple: data(5000), master, timeout: 30 });
    await conntrack.delete({ original: master });
    expect(await conntrack.expectations()).toEqual([]);
    await create(master, { helper: 'ftp' });
    await conntrack.createExpectation({ tuple: data(5000), master, timeout: 30 });
    await conntrack.flushExpectations();
    expect(await conntrack.expectations()).toEqual([]);
  });
}
