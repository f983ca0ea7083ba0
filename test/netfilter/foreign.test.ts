// What others have in the kernel stays as it is, to the byte and to the counter.
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Netfilter } from '../../src/index.js';
import { runIn, useWorld } from './world.js';

const foreign = { code: 'ERR_IPVS_FOREIGN' };
const others = `
  table ip ipvs { chain mark_prerouting { type filter hook prerouting priority -150; ip daddr 10.0.0.9 counter packets 3 bytes 4 meta mark set 9; }; }
  table inet swarm {
    comment "of another"
    counter every { packets 17 bytes 1700; }
    set inside { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }
    map prerouting_port { type inet_proto . inet_service : mark; counter; elements = { tcp . 80 counter packets 5 bytes 6 : 0x50 }; }
    chain mark_prerouting { type filter hook prerouting priority mangle; meta mark set meta l4proto . th dport map @prerouting_port; counter name "every" ip saddr @inside accept; }
    chain nat { type nat hook postrouting priority srcnat; oifname "eth9" counter packets 1 bytes 2 masquerade; }
  }
  table ip6 raw6 { chain pre { type filter hook prerouting priority raw; ip6 daddr fd00::/8 counter packets 7 bytes 8 notrack; }; }
  table bridge b { chain f { type filter hook forward priority 0; counter packets 2 bytes 2; }; }
`;

async function everyChange(netfilter: Netfilter, look: (after: string) => void): Promise<void> {
  const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['addMark', () => netfilter.addMark({ protocol: 'tcp', port: 80, mark: 80 })],
    ['addMark of a prefix', () => netfilter.addMark({ destination: '10.0.0.0/8', mark: 1 })],
    ['setMark', () => netfilter.setMark({ protocol: 'tcp', port: 80 }, 81)],
    ['addRule', () => netfilter.addRule({ type: 'masquerade', mark: 81 })],
    [
      'apply',
      () =>
        netfilter.apply([
          { change: 'add-rule', rule: { type: 'dnat', to: '10.1.1.1', destination: '10.0.0.9' } },
          { change: 'delete-mark', mark: { protocol: 'tcp', port: 80 } },
          { change: 'add-mark', mark: { hook: 'input', destination: 'fd00::1', mark: 3 } },
        ]),
    ],
    ['deleteRule', () => netfilter.deleteRule({ type: 'masquerade', mark: 81 })],
    [
      'set',
      () =>
        netfilter.set({
          marks: [{ protocol: 'udp', port: 53, mark: 53 }],
          rules: [{ type: 'clamp-mss', size: 'path' }],
        }),
    ],
    ['deleteMark', () => netfilter.deleteMark({ protocol: 'udp', port: 53 })],
    ['delete', () => netfilter.deleteTable()],
  ];
  for (const [name, step] of steps) {
    await step();
    look(name);
  }
}

describe('rules of others', () => {
  const world = useWorld();
  const save = (program: string): string =>
    runIn(world.namespace, [`${program}-save`, '-c']).replaceAll(/^#.*\n/gm, '');
  /** All but our table, with handles. */
  const snapshot = (): string => world.list('ruleset', '-a').replace(/^table inet ipvs \{.*?^\}\n/ms, '');

  beforeEach(() => world.load('flush ruleset'));

  test('tables of nft', async () => {
    world.load(others);
    const before = snapshot();
    expect(before).toContain('counter packets 5 bytes 6');
    await everyChange(world.netfilter, (after) => expect(snapshot(), after).toBe(before));
    expect(world.list('ruleset', '-a')).toBe(before);
  });

  const commands = [
    '-t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 5',
    '-t nat -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE',
    '-t filter -A FORWARD -m comment --comment keep -j ACCEPT',
  ];
  test.for(['iptables-nft', 'iptables-legacy', 'ip6tables-nft'])('rules of %s', async (program, { skip }) => {
    for (const command of commands) {
      const arguments_ = command
        .replace('10.0.0.0/8', program.startsWith('ip6') ? 'fd00::/8' : '10.0.0.0/8')
        .split(' ');
      try {
        world.run(program, '-w', ...arguments_, '-c', '3', '300');
      } catch (error) {
        skip(program.includes('legacy'), 'this kernel has no ip_tables, or not that target');
        throw error;
      }
    }
    const before = save(program);
    expect(before).toContain('-A PREROUTING -p tcp');
    const tables = snapshot();
    await everyChange(world.netfilter, (after) => {
      expect(save(program), after).toBe(before);
      expect(snapshot(), after).toBe(tables);
    });
  });
});

describe('a table of our name that is not ours', () => {
  const world = useWorld();

  test.each([
    ['without a comment', ''],
    ["with another's comment", 'comment "made by hand"'],
    ['with a comment that begins as ours', 'comment "made by ipvs, too"'],
  ])('%s', async (_, comment) => {
    world.load(`flush ruleset\ntable inet ipvs {\n${comment}
      map prerouting_port { type inet_proto . inet_service : mark; counter; }
      chain mark_prerouting { type filter hook prerouting priority mangle; meta mark set meta l4proto . th dport map @prerouting_port; }
    }`);
    const before = world.list('ruleset', '-a');
    const { netfilter } = world;
    const mark = { protocol: 'tcp', port: 80 } as const;
    const attempts = [
      netfilter.marks(),
      netfilter.mark(mark),
      netfilter.addMark({ ...mark, mark: 1 }),
      netfilter.setMark(mark, 1),
      netfilter.deleteMark(mark),
      netfilter.allocateMark(mark, { from: 1, to: 2 }),
      netfilter.rules(),
      netfilter.addRule({ type: 'masquerade', mark: 1 }),
      netfilter.deleteRule({ type: 'masquerade', mark: 1 }),
      netfilter.apply([{ change: 'add-mark', mark: { ...mark, mark: 1 } }]),
      netfilter.set({ marks: [{ ...mark, mark: 1 }] }),
      netfilter.verify({}),
      netfilter.deleteTable(),
    ];
    for (const attempt of await Promise.allSettled(attempts))
      expect(attempt).toMatchObject({ status: 'rejected', reason: foreign });
    expect(world.list('ruleset', '-a')).toBe(before);
    const other = await world.open({ owner: 'director-2' });
    await other.addMark({ ...mark, mark: 1 });
    expect(world.list('ruleset', '-a')).toContain(before.trim());
    await other.deleteTable();
    expect(world.list('ruleset', '-a')).toBe(before);
  });

  test('it comes while we have a table of our own in mind', async () => {
    world.load('flush ruleset');
    const { netfilter } = world;
    for (const port of [1, 2, 3]) await netfilter.addMark({ protocol: 'tcp', port, mark: port });
    world.load(`delete table inet ipvs\ntable inet ipvs {
      map prerouting_port { type inet_proto . inet_service : mark; counter; }\n}`);
    const before = world.list('ruleset', '-a');
    await expect(netfilter.addMark({ protocol: 'tcp', port: 4, mark: 4 })).rejects.toMatchObject(foreign);
    expect(world.list('ruleset', '-a')).toBe(before);
  });
});

describe('two owners', () => {
  const world = useWorld();
  let second: Netfilter;
  beforeAll(async () => {
    second = await world.open({ owner: 'second.one' });
  });

  test('do not see each other', async () => {
    await second.set({ marks: [{ protocol: 'tcp', port: 80, mark: 2 }], rules: [{ type: 'masquerade', mark: 2 }] });
    const before = world.list('table inet second.one', '-a');
    await everyChange(world.netfilter, (after) =>
      expect(world.list('table inet second.one', '-a'), after).toBe(before),
    );
    expect(await world.netfilter.marks()).toEqual([]);
    expect(await second.marks()).toHaveLength(1);
  });
});
