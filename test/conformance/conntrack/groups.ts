// Groups of attributes that the kernel stores as a whole, and those it takes as patches.
import { expect, test } from 'vitest';
import type { FlowSettings } from '../../../src/kernel/conntrack/requests.js';
import type { Tuple } from '../../../src/kernel/conntrack/types.js';
import { tuple, type World } from './world.js';

export function groupConformance(world: () => World): void {
  const sctp = (sourcePort: number): ReturnType<typeof tuple> => tuple(sourcePort, { protocol: 'sctp' });
  const tags = { original: 0x01020304, reply: 0xfffefdfc };

  /** Sends one update as it is, and returns its errno. */
  async function send(original: Tuple, settings: FlowSettings): Promise<number | undefined> {
    const { place } = world();
    const port = await place.kernel.openConntrack({ namespace: place.namespace });
    const errnos = await port.apply([{ verb: 'update', key: { original }, settings }]);
    await port.close();
    return errnos[0];
  }

  test('an update of the state of an SCTP flow keeps its verification tags', async () => {
    const { conntrack, create, read } = world();
    await create(sctp(1), { sctp: tags });
    await conntrack.update({ original: sctp(1) }, { state: 'SHUTDOWN_SENT' });
    expect(await read(sctp(1))).toMatchObject({ state: 'SHUTDOWN_SENT', sctp: tags });
  });

  test('an update of the verification tags of an SCTP flow keeps its state', async () => {
    const { conntrack, create, read } = world();
    await create(sctp(1), { state: 'COOKIE_ECHOED' });
    expect((await read(sctp(1))).sctp).toEqual({ original: 0, reply: 0 });
    await conntrack.update({ original: sctp(1) }, { sctp: tags });
    expect(await read(sctp(1))).toMatchObject({ state: 'COOKIE_ECHOED', sctp: tags });
  });

  test('a list of operations completes a group by what the operations before it have done', async () => {
    const { conntrack, read } = world();
    const results = await conntrack.apply([
      { change: 'create-flow', flow: { original: sctp(1), timeout: 100, state: 'COOKIE_WAIT', sctp: tags } },
      { change: 'update-flow', flow: { original: sctp(1) }, set: { state: 'ESTABLISHED', status: ['seen-reply'] } },
      { change: 'update-flow', flow: { original: sctp(1) }, set: { sctp: { original: 5, reply: 6 }, mark: 7 } },
      { change: 'update-flow', flow: { original: sctp(2) }, set: { state: 'ESTABLISHED' } },
    ]);
    expect(results.map((result) => (result.ok ? 0 : result.error.errno))).toEqual([0, 0, 0, 2]);
    expect(await read(sctp(1))).toMatchObject({ state: 'ESTABLISHED', sctp: { original: 5, reply: 6 }, mark: 7 });
    expect((await read(sctp(1))).status).toEqual(['seen-reply', 'confirmed']);
  });

  test('the kernel refuses a part of the SCTP group with EINVAL and keeps the flow', async () => {
    const { create, read } = world();
    await create(sctp(1), { sctp: tags });
    const { original } = await read(sctp(1));
    expect(await send(original, { state: 5 })).toBe(22);
    expect(await send(original, { sctp: { original: 1, reply: 1 } })).toBe(22);
    expect(await read(sctp(1))).toMatchObject({ state: 'ESTABLISHED', sctp: tags });
    expect(await send(original, { state: 5, sctp: { original: 1, reply: 1 } })).toBe(0);
    expect(await read(sctp(1))).toMatchObject({ state: 'SHUTDOWN_SENT', sctp: { original: 1, reply: 1 } });
  });

  test('a new SCTP flow without a group has the state NONE', async () => {
    const { place, conntrack, read } = world();
    const port = await place.kernel.openConntrack({ namespace: place.namespace });
    await conntrack.create({ original: sctp(1), timeout: 300 });
    const { original, reply } = await read(sctp(1));
    await conntrack.flush();
    const create = async (settings: FlowSettings): Promise<number | undefined> =>
      (await port.apply([{ verb: 'create', key: { original, reply }, settings: { timeout: 300, ...settings } }]))[0];
    expect(await create({ state: 4 })).toBe(22);
    expect(await create({ sctp: tags })).toBe(22);
    expect(await create({})).toBe(0);
    expect(await read(sctp(1))).toMatchObject({ state: 'NONE', sctp: { original: 0, reply: 0 } });
    await port.close();
  });

  test('an update of a part of the DCCP group keeps the rest, on a kernel that tracks DCCP', async () => {
    const { conntrack, create, read } = world();
    const original = tuple(1, { protocol: 'dccp' });
    const dccp = { role: 'server', handshakeSequence: 0x123456789an } as const;
    await create(original, { dccp });
    const { state } = await read(original);
    await conntrack.update({ original }, { state: 'CLOSING' });
    const closing = await read(original);
    await conntrack.update({ original }, { dccp: { role: 'client', handshakeSequence: 7n } });
    const client = await read(original);
    if (state === undefined) return expect([closing.state, client.dccp]).toEqual([undefined, undefined]);
    expect(state).toBe('OPEN');
    expect(closing).toMatchObject({ state: 'CLOSING', dccp });
    expect(client).toMatchObject({ state: 'CLOSING', dccp: { role: 'client', handshakeSequence: 7n } });
  });

  test('the TCP group is a patch: a state, windows and flags are written alone', async () => {
    const { conntrack, create, read } = world();
    const tcp = { windowScale: { original: 7, reply: 6 }, flags: { original: 9, reply: 9 } };
    await create(tuple(1), { tcp });
    await conntrack.update({ original: tuple(1) }, { state: 'TIME_WAIT' });
    expect(await read(tuple(1))).toMatchObject({ state: 'TIME_WAIT', tcp });
    const other = { windowScale: { original: 1, reply: 2 }, flags: { original: 9, reply: 1 } };
    await conntrack.update({ original: tuple(1) }, { tcp: other });
    expect(await read(tuple(1))).toMatchObject({ state: 'TIME_WAIT', tcp: other });
    expect([22, 34]).toContain(await send((await read(tuple(1))).original, { state: 200 }));
    expect((await read(tuple(1))).state).toBe('TIME_WAIT');
  });

  test('LISTEN is another name of SYN_SENT2, in a flow and in a filter', async () => {
    const { conntrack, create, read, list } = world();
    await create(tuple(1), { state: 'LISTEN' });
    await create(tuple(2), { state: 'SYN_SENT' });
    await create(tuple(3));
    await conntrack.update({ original: tuple(3) }, { state: 'listen' });
    expect((await read(tuple(1))).state).toBe('SYN_SENT2');
    expect((await read(tuple(3))).state).toBe('SYN_SENT2');
    expect(await list({ protocol: 'tcp', state: 'LISTEN' })).toEqual([1, 3]);
    expect(await list({ protocol: 'tcp', state: 'SYN_SENT2' })).toEqual([1, 3]);
  });

  test('each direction of a sequence adjustment is written alone, and a proxy stays', async () => {
    const { conntrack, create, read } = world();
    const synproxy = { initialSequence: 1, initialTimestamp: 2, timestampOffset: 3 };
    const adjustment = (position: number) => ({ position, before: 1, after: 2 });
    await create(tuple(1), { synproxy, sequenceAdjustment: { original: adjustment(1) } });
    await conntrack.update({ original: tuple(1) }, { sequenceAdjustment: { reply: adjustment(2) } });
    const both = { original: adjustment(1), reply: adjustment(2) };
    expect(await read(tuple(1))).toMatchObject({ synproxy, sequenceAdjustment: both });
    await conntrack.update({ original: tuple(1) }, { mark: 1, timeout: 100, state: 'CLOSE' });
    expect(await read(tuple(1))).toMatchObject({ synproxy, sequenceAdjustment: both, mark: 1 });
    await conntrack.update(
      { original: tuple(1) },
      { synproxy: { initialSequence: 0, initialTimestamp: 0, timestampOffset: 0 } },
    );
    expect((await read(tuple(1))).synproxy).toBeUndefined();
  });

  test('what the kernel writes before the part that it refuses stays written', async () => {
    const { create, read } = world();
    await create(tuple(1), { timeout: 1000 });
    const { original } = await read(tuple(1));
    const labels = new Uint8Array(16).fill(1);
    expect(await send(original, { mark: 5, labels })).toBe(28);
    expect((await read(tuple(1))).mark).toBe(5);
    expect(await send(original, { timeout: 500, mark: 6, helper: 'nosuch' })).toBe(95);
    expect(await send(original, { timeout: 600, mark: 7, statusBits: 0 })).toBe(16);
    expect([22, 34]).toContain(await send(original, { timeout: 700, mark: 8, statusBits: 0b1110, state: 200 }));
    const flow = await read(tuple(1));
    expect(flow).toMatchObject({ mark: 5, state: 'ESTABLISHED', status: ['seen-reply', 'assured', 'confirmed'] });
    expect(flow.timeout).toBeGreaterThan(600);
  });

  test('a protocol without states ignores a state', async () => {
    const { create, read } = world();
    await create(tuple(1, { protocol: 'udp' }));
    expect(await send((await read(tuple(1, { protocol: 'udp' }))).original, { state: 3 })).toBe(0);
    expect((await read(tuple(1, { protocol: 'udp' }))).state).toBeUndefined();
  });
}
