// Senders of UDP that never pause: which flows a change of NAT rules deletes, and which it keeps.
import { describe, expect, test } from 'vitest';
import { Conntrack, type DesiredDocument, type NetfilterRuleOptions } from '../../src/index.js';
import { machine, type Tuple } from './datagrams.js';

describe('NAT rules that come, change or go delete the flows of UDP that they leave behind', () => {
  const VIP = '192.0.2.1';
  const dnat = (to: string, more: object = {}): NetfilterRuleOptions => ({
    type: 'dnat',
    destination: VIP,
    protocol: 'udp',
    port: 53,
    to,
    ...more,
  });
  const doc = (...nat: NetfilterRuleOptions[]): DesiredDocument => ({ owner: 'a', nat });
  const cases: readonly (readonly [
    string,
    NetfilterRuleOptions[],
    NetfilterRuleOptions[],
    deleted: Tuple[],
    kept: Tuple[],
  ])[] = [
    [
      'added',
      [],
      [dnat('10.0.0.1')],
      [{ to: VIP }],
      [
        { to: VIP, by: '10.0.0.1' },
        { to: VIP, port: 54 },
      ],
    ],
    ['changed', [dnat('10.0.0.1')], [dnat('10.0.0.2')], [{ to: VIP, by: '10.0.0.1' }], [{ to: VIP, by: '10.0.0.2' }]],
    [
      'to another port',
      [dnat('10.0.0.1', { toPort: 5353 })],
      [dnat('10.0.0.1', { toPort: 5454 })],
      [{ to: VIP, by: '10.0.0.1', byPort: 5353 }],
      [{ to: VIP, by: '10.0.0.1', byPort: 5454 }],
    ],
    [
      'removed',
      [dnat('10.0.0.1')],
      [],
      [{ to: VIP, by: '10.0.0.1' }],
      // By another program, and never.
      [{ to: VIP, by: '10.0.0.9' }, { to: VIP }],
    ],
    [
      'narrower than another',
      [dnat('10.0.0.1', { destination: '192.0.2.0/24' })],
      [dnat('10.0.0.1', { destination: '192.0.2.0/24' }), dnat('10.0.0.2')],
      [{ to: VIP, by: '10.0.0.1' }],
      [{ to: '192.0.2.2', by: '10.0.0.1' }],
    ],
    [
      'a range of ports',
      [],
      [dnat('10.0.0.1', { port: { from: 50, to: 60 } })],
      [{ to: VIP }, { to: VIP, port: 60 }],
      [{ to: VIP, port: 61 }],
    ],
    [
      'with an interface',
      [],
      [dnat('10.0.0.1', { inputInterface: 'eth0' })],
      [{ to: VIP }],
      [{ to: VIP, by: '10.0.0.9' }],
    ],
    ['of TCP', [], [dnat('10.0.0.1', { protocol: 'tcp' })], [], [{ to: VIP }, { to: VIP, protocol: 'tcp' }]],
    ['of established TCP', [dnat('10.0.0.1')], [dnat('10.0.0.2')], [], [{ to: VIP, by: '10.0.0.1', protocol: 'tcp' }]],
    [
      'what this machine sends',
      [],
      [dnat('10.0.0.1', { hook: 'output' })],
      [{ from: '192.0.2.254', to: VIP }],
      [{ to: VIP }],
    ],
    [
      'redirect',
      [],
      [{ type: 'redirect', protocol: 'udp', port: 53, toPort: 5353 }],
      [{ to: VIP }, { to: '203.0.113.1' }],
      [
        { to: VIP, by: '192.0.2.254', byPort: 5353 },
        { from: '192.0.2.254', to: VIP },
      ],
    ],
    [
      'redirect removed',
      [{ type: 'redirect', protocol: 'udp', port: 53, toPort: 5353 }],
      [],
      [{ to: VIP, by: '192.0.2.254', byPort: 5353 }],
      [{ to: VIP }, { to: VIP, by: '10.0.0.9' }],
    ],
    [
      'snat',
      [],
      [{ type: 'snat', destination: '10.0.0.0/24', to: '192.0.2.254' }],
      [{ to: VIP, by: '10.0.0.1' }],
      [{ to: VIP, by: '10.0.0.1', as: '192.0.2.254' }, { to: VIP }],
    ],
    [
      'snat changed',
      [{ type: 'snat', source: '198.51.100.0/24', to: '192.0.2.254' }],
      [{ type: 'snat', source: '198.51.100.0/24', to: '192.0.2.253' }],
      [{ to: '203.0.113.1', as: '192.0.2.254' }],
      [
        { to: '203.0.113.1', as: '192.0.2.253' },
        { from: '10.9.9.9', to: '203.0.113.1' },
      ],
    ],
    [
      'masquerade',
      [],
      [{ type: 'masquerade', source: '198.51.100.0/24' }],
      [{ to: '203.0.113.1' }],
      [
        { to: '203.0.113.1', as: '192.0.2.254' },
        { from: '10.9.9.9', to: '203.0.113.1' },
      ],
    ],
    [
      'masquerade removed',
      [{ type: 'masquerade', source: '198.51.100.0/24' }],
      [],
      [{ to: '203.0.113.1', as: '192.0.2.254' }],
      [{ to: '203.0.113.1' }, { to: '203.0.113.1', as: '203.0.113.9' }],
    ],
    [
      'of another family',
      [],
      [{ type: 'dnat', destination: 'fd00::1', protocol: 'udp', to: 'fd00::2' }],
      [{ from: 'fd01::1', to: 'fd00::1' }],
      [{ to: VIP }],
    ],
  ];

  test.each(cases)('%s', async (_, before, after, deleted, kept) => {
    const { track, left, open } = await machine();
    const state = await open(doc(...before));
    await state.apply();
    for (const tuple of kept) await track(tuple);
    const wanted = await left();
    for (const tuple of deleted) await track(tuple);
    await state.apply(doc(...after));
    expect(await left()).toEqual(wanted);
    expect((await state.plan()).empty).toBe(true);
    expect(await state.apply()).toEqual([]);
  });

  test('those for a mark go by the packets that get it', async () => {
    const { track, left, open } = await machine();
    const marks = [{ destination: VIP, protocol: 'udp', mark: 7 }] as const;
    const of = (...nat: NetfilterRuleOptions[]): DesiredDocument => ({ owner: 'a', marks, nat });
    const state = await open(of());
    await state.apply();
    await track({ to: VIP, by: '10.0.0.1' });
    await track({ to: '203.0.113.1' });
    await state.apply(of({ type: 'masquerade', mark: 7 }));
    expect(await left()).toEqual(['203.0.113.1:53 203.0.113.1:53']);
  });

  test('also by remove(), by a roll-back, and after the program is killed', async () => {
    const { kernel, track, left, open } = await machine();
    const state = await open(doc(dnat('10.0.0.1')));
    await state.apply();
    kernel.fail({ command: 'writeFile' });
    await expect(
      state.apply({ ...doc(dnat('10.0.0.2')), sysctls: { 'net.ipv4.conf.eth0.rp_filter': 2 } }),
    ).rejects.toThrow();
    await track({ to: VIP, by: '10.0.0.1' });
    kernel.fail({ part: 'conntrack', errno: 'killed' });
    await Promise.allSettled([state.apply(doc(dnat('10.0.0.2')))]);
    kernel.clearFaults();
    const next = await open(doc(dnat('10.0.0.2')));
    await next.apply();
    expect(await left().catch(() => 'closed')).toBeDefined();
    const conntrack = await Conntrack.open({ kernel });
    const flows = async (): Promise<string[]> => {
      const list: string[] = [];
      for await (const { reply } of conntrack.flows()) list.push(reply.source);
      return list;
    };
    expect(await flows()).toEqual([]);
    await next.remove();
    expect(await flows()).toEqual([]);
  });
});
