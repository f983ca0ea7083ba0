import { expect, test } from 'vitest';
import type { FlowFilter, FlowOptions } from '../../../src/index.js';
import { ports, six, tuple, udp, type World } from './world.js';

export function listConformance(world: () => World): void {
  const flows: FlowOptions[] = [
    { original: tuple(1), timeout: 300, mark: 0x11, status: ['seen-reply', 'assured'] },
    { original: tuple(2, { destinationPort: 443 }), timeout: 300, mark: 0x100, state: 'SYN_SENT' },
    { original: udp(3), timeout: 300, nat: { destination: { address: '10.40.0.9', port: 5353 } } },
    { original: six(4), timeout: 300, mark: 0x101 },
    { original: tuple(5, { source: '10.20.0.77' }), timeout: 300, zone: 9 },
    { original: { ...six(6), protocol: 'udp' }, timeout: 300, nat: { source: { address: 'fd50::8' } } },
  ];
  const filters: [FlowFilter, number[]][] = [
    [{}, [1, 2, 3, 4, 5, 6]],
    [{ family: 'ipv6' }, [4, 6]],
    [{ protocol: 'udp' }, [3, 6]],
    [{ protocol: 17, family: 'ipv4' }, [3]],
    [{ source: '10.0.0.1' }, [1, 2, 3]],
    [{ source: '10.20.0.64/28' }, [5]],
    [{ source: '10.0.0.0/8' }, [1, 2, 3, 5]],
    [{ source: '0.0.0.0/0' }, [1, 2, 3, 5]],
    [{ source: 'fd00::1' }, [4, 6]],
    [{ destination: 'fd00::/120' }, [4, 6]],
    [{ sourcePort: 2 }, [2]],
    [{ destinationPort: 80, protocol: 'tcp' }, [1, 4, 5]],
    [{ replySource: '10.40.0.0/16' }, [3]],
    [{ replySourcePort: 5353 }, [3]],
    [{ replyDestination: 'fd50::8' }, [6]],
    [{ replyDestinationPort: 4 }, [4]],
    [{ mark: 0 }, [3, 5, 6]],
    [{ mark: 0x100, markMask: 0x100 }, [2, 4]],
    [{ mark: 0, markMask: 0xf }, [2, 3, 5, 6]],
    [{ zone: 9 }, [5]],
    [{ zone: 0, protocol: 'tcp' }, [1, 2, 4]],
    [{ status: ['assured'] }, [1]],
    [{ notStatus: ['seen-reply'], family: 'ipv4' }, [2, 3, 5]],
    [{ status: ['destination-nat'] }, [3]],
    [{ status: ['source-nat'], notStatus: ['assured'] }, [6]],
    [{ protocol: 'tcp', state: 'SYN_SENT' }, [2]],
    [{ protocol: 'tcp', state: 'LAST_ACK' }, []],
    [{ sourcePort: 2, destinationPort: 80 }, []],
  ];
  test('filters', async () => {
    const { conntrack, list } = world();
    await conntrack.createAll(flows);
    for (const [filter, expected] of filters) {
      for (const filterIn of ['kernel', 'here'] as const)
        expect(await list({ ...filter, filterIn }), JSON.stringify(filter)).toEqual(expected);
    }
    expect(await conntrack.flows({}, { list: 'dying' }).toArray()).toEqual([]);
  });

  test('groups', async () => {
    const { conntrack } = world();
    await conntrack.setSettings({ accounting: true });
    await conntrack.createAll(flows);
    const none = { original: { packets: 0n, bytes: 0n }, reply: { packets: 0n, bytes: 0n } };
    const byName = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    const groups = await conntrack.groups({ by: ['family', 'protocol'] });
    expect([...groups].sort(byName)).toEqual([
      { family: 'ipv4', protocol: 'tcp', flows: 3, counted: 3, counters: none },
      { family: 'ipv4', protocol: 'udp', flows: 1, counted: 1, counters: none },
      { family: 'ipv6', protocol: 'tcp', flows: 1, counted: 1, counters: none },
      { family: 'ipv6', protocol: 'udp', flows: 1, counted: 1, counters: none },
    ]);
    const states = await conntrack.groups({ by: ['state'], filter: { zone: 0 } });
    expect(states.map(({ protocol, state, flows: count }) => `${protocol} ${state} ${count}`).sort()).toEqual([
      'tcp ESTABLISHED 2',
      'tcp SYN_SENT 1',
      'udp undefined 2',
    ]);
    expect(await conntrack.groups({ by: ['destinationPort'], top: 1, order: 'flows' })).toEqual([
      { destinationPort: 80, flows: 5, counted: 5, counters: none },
    ]);
    expect(await conntrack.groups({ by: [], filter: { sourcePort: 99 } })).toEqual([]);
  });

  test('deletes of all that match, and a flush of one family', async () => {
    const { conntrack, list } = world();
    await conntrack.createAll(flows);
    expect(await conntrack.deleteMatching({ protocol: 'udp' })).toBe(2);
    expect(await list()).toEqual([1, 2, 4, 5]);
    await conntrack.flush({ family: 'ipv6' });
    expect(await list()).toEqual([1, 2, 5]);
    await conntrack.flush();
    expect(await list()).toEqual([]);
  });

  test('stale flows are those that no server answers', async () => {
    const { conntrack, create, list } = world();
    await create(udp(1), { nat: { destination: { address: '10.0.0.11' } } });
    await create(udp(2), { nat: { destination: { address: '10.0.0.12' } } });
    await create(udp(3));
    const query = { address: '10.0.0.2', servers: ['10.0.0.11'] };
    expect(ports(await conntrack.staleFlows(query))).toEqual([2, 3]);
    expect(await conntrack.deleteStaleFlows({ ...query, untranslated: 'keep' })).toBe(1);
    expect(await list()).toEqual([1, 3]);
  });

  test('many flows', async () => {
    const { conntrack, list } = world();
    const many = Array.from({ length: 3000 }, (_, i) => ({ original: tuple(i + 1), timeout: 300 }));
    const { created, failures } = await conntrack.createAll([...many, { original: tuple(17), timeout: 300 }]);
    expect([created, failures.length]).toEqual([3000, 1]);
    expect(new Set(await list()).size).toBe(3000);
    expect((await conntrack.usage()).count).toBe(3000);
  });
}
