// Senders of UDP that never pause, on the kernel in memory: which flows a service by mark deletes, and which it keeps.
import { describe, expect, test } from 'vitest';
import { Conntrack, type DesiredDocument, type FwmarkSelector } from '../../src/index.js';
import { machine, type Tuple } from './datagrams.js';

describe('a service by mark deletes the flows that its marks match, however they are written', () => {
  const VIP = '192.0.2.1';
  const stale: Tuple = { to: VIP, by: '10.0.0.1' };
  const cases: readonly (readonly [FwmarkSelector, deleted: readonly Tuple[], kept: readonly Tuple[]])[] = [
    [
      { destination: VIP, protocol: 'udp', port: 53 },
      [stale],
      [
        { ...stale, port: 54 },
        { ...stale, to: '192.0.2.2' },
      ],
    ],
    [{ destination: `${VIP}/32`, protocol: 'udp', port: 53 }, [stale], [{ ...stale, port: 54 }]],
    [{ destination: VIP, protocol: 'udp', port: { from: 53, to: 53 } }, [stale], [{ ...stale, port: 54 }]],
    [
      { destination: VIP, protocol: 'udp', port: { from: 50, to: 53 } },
      [stale, { ...stale, port: 50 }],
      [
        { ...stale, port: 49 },
        { ...stale, port: 54 },
      ],
    ],
    [
      { destination: '192.0.2.0/24', protocol: 'udp' },
      [stale, { ...stale, to: '192.0.2.9', port: 9 }],
      [{ ...stale, to: '192.0.3.1' }],
    ],
    [{ destination: '192.0.2.0/25', protocol: 'udp' }, [stale], [{ ...stale, to: '192.0.2.128' }]],
    [{ destination: VIP }, [stale, { ...stale, port: 1 }], [{ ...stale, protocol: 'tcp' }]],
    [{ destination: VIP, protocol: 'udp', source: '198.51.100.0/24' }, [stale], [{ ...stale, from: '203.0.113.1' }]],
    // Flows that only pass have the same port: what nobody translated stays.
    [
      { protocol: 'udp', port: 53 },
      [stale, { ...stale, to: '203.0.113.5' }],
      [{ to: '203.0.113.5' }, { ...stale, port: 54 }],
    ],
    [{ destination: VIP, protocol: 'udp', inputInterface: 'eth0' }, [stale], [{ to: VIP }]],
    [{ destination: VIP, protocol: 'tcp' }, [], [stale]],
  ];

  test.each(cases)('%j', async (selector, deleted, kept) => {
    const { track, left, open } = await machine();
    const of = (server: string): DesiredDocument => ({
      owner: 'a',
      services: [{ fwmark: 7, marks: [selector], servers: [{ address: server }] }],
    });
    const state = await open(of('10.0.0.1'));
    await state.apply();
    for (const tuple of kept) await track(tuple);
    const wanted = await left();
    for (const tuple of deleted) await track(tuple);
    // A flow to the server that comes.
    await state.apply(of('10.0.0.2'));
    expect(await left()).toEqual(wanted);
    expect((await state.plan()).empty).toBe(true);
  });

  test('also if a role, or the list of marks, makes the marks', async () => {
    const { track, left, open } = await machine();
    const of = (server: string): DesiredDocument => ({
      owner: 'a',
      roles: [
        {
          role: 'ingress',
          interface: 'eth0',
          network: '10.0.0.0/24',
          source: '10.0.0.254',
          services: [{ mark: 256, ports: [{ protocol: 'udp', port: 53 }], servers: [server] }],
        },
      ],
      services: [{ fwmark: 7, servers: [server] }],
      marks: [{ destination: VIP, protocol: 'udp', port: 5000, mark: 7 }],
    });
    const state = await open(of('10.0.0.1'));
    await state.apply();
    await track({ to: '192.0.2.9', by: '10.0.0.1' });
    await track({ to: VIP, port: 5000, by: '10.0.0.1' });
    await state.apply(of('10.0.0.2'));
    expect(await left()).toEqual([]);
  });

  test('and those of a mark that comes later', async () => {
    const { track, left, open } = await machine();
    const of = (...marks: FwmarkSelector[]): DesiredDocument => ({
      owner: 'a',
      services: [{ fwmark: 7, marks, servers: ['10.0.0.1'] }],
    });
    const state = await open(of({ destination: VIP, protocol: 'udp' }));
    await state.apply();
    await track({ to: '192.0.2.2' });
    await track({ to: VIP, by: '10.0.0.1' });
    await state.apply(of({ destination: VIP, protocol: 'udp' }, { destination: '192.0.2.2', protocol: 'udp' }));
    expect(await left()).toEqual([`${VIP}:53 10.0.0.1:53`]);
  });
});

test('staleFlows() takes servers of the other family where nothing is translated', async () => {
  const { kernel, track } = await machine();
  const conntrack = await Conntrack.open({ kernel });
  await track({ to: '192.0.2.1' });
  await track({ to: '192.0.2.1', by: '10.0.0.9' });
  const query = { address: '192.0.2.1', servers: ['fd00::9'] };
  const found = await conntrack.staleFlows({ ...query, untranslated: 'keep' });
  expect(found.map(({ reply }) => reply.source)).toEqual(['10.0.0.9']);
  await expect(conntrack.staleFlows(query)).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
});
