import { expect, test } from 'vitest';
import { failure } from '../place.js';
import { missing, six, tuple, udp, type World } from './world.js';

export function flowConformance(world: () => World): void {
  test('a flow of TCP', async () => {
    const { create, read } = world();
    await create(tuple(1));
    const flow = await read(tuple(1));
    expect(flow.toString()).toMatch(
      /^ipv4 +2 tcp +6 (300|2\d\d) ESTABLISHED src=10\.0\.0\.1 dst=10\.0\.0\.2 sport=1 dport=80 \[UNREPLIED\] src=10\.0\.0\.2 dst=10\.0\.0\.1 sport=80 dport=1 mark=0 use=\d id=\d+$/,
    );
    expect(JSON.parse(JSON.stringify(flow))).toMatchObject({
      family: 'ipv4',
      protocol: 'tcp',
      zone: 0,
      status: ['confirmed'],
      mark: 0,
      state: 'ESTABLISHED',
      tcp: { windowScale: { original: 0, reply: 0 }, flags: { original: 0, reply: 0 } },
    });
    expect(flow.counters).toBeUndefined();
    expect(flow.started).toBeUndefined();
    expect(flow.labels ?? []).toEqual([]);
  });

  test.each([
    [{ protocol: 'udp' }, undefined],
    [{ protocol: 'sctp' }, 'ESTABLISHED'],
    [{ protocol: 'gre', sourcePort: 5, destinationPort: 6 }, undefined],
    [
      { protocol: 'icmp', icmp: { type: 8, code: 0, id: 77 }, sourcePort: undefined, destinationPort: undefined },
      undefined,
    ],
    [{ protocol: 200, sourcePort: undefined, destinationPort: undefined }, undefined],
  ] as const)('a flow of %j', async (more, state) => {
    const { create, read } = world();
    const original = tuple(3, more);
    await create(original, { mark: 9 });
    const flow = await read(original);
    expect(flow).toMatchObject({ protocol: more.protocol, mark: 9 });
    expect(flow.state).toBe(state);
    expect(flow.tcp).toBeUndefined();
    expect(flow.original).toMatchObject(
      Object.fromEntries(Object.entries(original).filter(([, value]) => value !== undefined)),
    );
    if (more.protocol === 'icmp') expect(flow.reply.icmp).toEqual({ type: 0, code: 0, id: 77 });
  });

  test('a flow of IPv6, with all that can be given', async () => {
    const { create, read } = world();
    await create(six(4), {
      mark: 0xffffffff,
      status: ['seen-reply', 'assured', 'fixed-timeout'],
      state: 'SYN_SENT',
      tcp: { windowScale: { original: 3, reply: 4 }, flags: { original: 9, reply: 1 } },
      sequenceAdjustment: { original: { position: 1, before: 2, after: 3 } },
      synproxy: { initialSequence: 1, initialTimestamp: 2, timestampOffset: 3 },
    });
    const flow = await read(six(4));
    expect(flow.status).toEqual(['seen-reply', 'assured', 'confirmed', 'sequence-adjust', 'fixed-timeout']);
    expect(flow.tcp).toEqual({ windowScale: { original: 3, reply: 4 }, flags: { original: 9, reply: 1 } });
    expect(flow.sequenceAdjustment).toEqual({
      original: { position: 1, before: 2, after: 3 },
      reply: { position: 0, before: 0, after: 0 },
    });
    expect(flow.synproxy).toEqual({ initialSequence: 1, initialTimestamp: 2, timestampOffset: 3 });
    expect(flow).toMatchObject({ mark: 0xffffffff, state: 'SYN_SENT' });
  });

  test('a flow is found by either tuple, whatever it is called', async () => {
    const { conntrack, create, read } = world();
    await create(tuple(1));
    const flow = await read(tuple(1));
    expect((await conntrack.flow({ reply: flow.reply })).id).toBe(flow.id);
    expect((await conntrack.flow({ original: flow.reply })).id).toBe(flow.id);
    expect(await failure(conntrack.flow({ original: tuple(2) }))).toMatchObject(missing);
    expect(await failure(conntrack.flow({ original: tuple(1), id: ((flow.id ?? 0) ^ 1) >>> 0 }))).toMatchObject(
      missing,
    );
  });

  test('zones are tables of their own', async () => {
    const { conntrack, create, read, list } = world();
    await create(tuple(1), { zone: 5, mark: 5 });
    await create(tuple(1), { mark: 1 });
    await create(tuple(2, { zone: 6 }));
    expect((await read(tuple(1), 5)).mark).toBe(5);
    expect((await read(tuple(1))).mark).toBe(1);
    expect(await failure(read(tuple(1), 7))).toMatchObject(missing);
    expect(await failure(read(tuple(2)))).toMatchObject(missing);
    expect((await read(tuple(2, { zone: 6 }))).zone).toBe(0);
    expect((await read(tuple(2), 6)).original.zone).toBe(6);
    expect(await list({ zone: 5 })).toEqual([1]);
    expect(await list({ zone: 0 })).toEqual([1, 2]);
    await conntrack.flush({ zone: 5 });
    expect(await list()).toEqual([1, 2]);
  });

  // --- NAT, masters, helpers

  test('destination NAT turns the reply, and two flows never have one reply', async () => {
    const { create, read } = world();
    const nat = { destination: { address: '10.0.0.9', port: 8080 } };
    await create(tuple(1), { nat });
    const one = await read(tuple(1));
    expect(one.reply).toMatchObject({
      source: '10.0.0.9',
      sourcePort: 8080,
      destination: '10.0.0.1',
      destinationPort: 1,
    });
    expect(one.status).toEqual(['confirmed', 'destination-nat', 'source-nat-done', 'destination-nat-done']);
    const other = tuple(1, { destination: '10.0.0.3' });
    await create(other, { nat });
    const two = await read(other);
    expect(two.reply.destinationPort).not.toBe(1);
    expect(two.status).toContain('source-nat');
  });

  test('source NAT, to a range of ports', async () => {
    const { create, read } = world();
    await create(tuple(1), { nat: { source: { address: '10.0.0.8', port: [4000, 4001] } } });
    const flow = await read(tuple(1));
    expect(flow.reply.destination).toBe('10.0.0.8');
    expect([4000, 4001]).toContain(flow.reply.destinationPort);
    expect(flow.status).toEqual(['confirmed', 'source-nat', 'source-nat-done', 'destination-nat-done']);
  });

  test('a master has to be there', async () => {
    const { create, read } = world();
    await create(udp(1));
    await create(tuple(2), { master: udp(1) });
    const flow = await read(tuple(2));
    expect(flow.master).toMatchObject({ protocol: 'udp', sourcePort: 1 });
    expect(flow.status).toEqual(['expected', 'confirmed']);
    expect(await failure(create(tuple(3), { master: udp(99) }))).toMatchObject(missing);
  });

  test('helpers: known, of its protocol, and not for a flow that has no room', async () => {
    const { conntrack, create, read } = world();
    const unknown = { code: 'ERR_IPVS_UNKNOWN_HELPER', errno: 95 };
    await create(tuple(1), { helper: 'ftp' });
    expect(await read(tuple(1))).toMatchObject({ helper: 'ftp', status: ['confirmed', 'helper'] });
    expect(await failure(create(tuple(2), { helper: 'nosuch' }))).toMatchObject(unknown);
    expect(await failure(create(udp(2), { helper: 'ftp' }))).toMatchObject(unknown);
    await conntrack.update({ original: tuple(1) }, { helper: 'ftp' });
    await create(tuple(3));
    expect(await failure(conntrack.update({ original: tuple(3) }, { helper: 'ftp' }))).toMatchObject(unknown);
    // From Linux 7 a helper stays for the life of the flow.
    const [removed] = await Promise.allSettled([conntrack.update({ original: tuple(1) }, { helper: '' })]);
    const { helper, status } = await read(tuple(1));
    const stays = removed.status === 'rejected';
    if (stays) expect(removed.reason).toMatchObject(unknown);
    expect([helper, status]).toEqual([stays ? 'ftp' : undefined, ['confirmed', 'helper']]);
  });
}
