// What somebody else did to our table is noticed, and set() makes it as it should be.
import { beforeEach, describe, expect, test } from 'vitest';
import { describeDifference, type NetfilterEvent, type NetfilterState, type Watch } from '../../src/index.js';
import { until, useWorld } from './world.js';

const world = useWorld();
const state = {
  marks: [
    { protocol: 'tcp', port: 80, mark: 80 },
    { protocol: 'tcp', port: 81, mark: 81 },
    { destination: '10.0.0.0/8', mark: 8 },
    { hook: 'input', destination: 'fd00::1', protocol: 'udp', port: 53, mark: 53 },
  ],
  rules: [
    { type: 'masquerade', mark: 80 },
    { type: 'dnat', to: '10.1.1.1', toPort: 90, destination: '10.0.0.9', protocol: 'tcp', port: 80 },
    { type: 'clamp-mss', size: 'path' },
  ],
} as const satisfies NetfilterState;
const chain = 'chain inet ipvs mark_prerouting';

/** What was done by hand; some of what verify() reports. */
const damages: readonly (readonly [name: string, commands: string, says: readonly string[]])[] = [
  ['the table is flushed', 'flush table inet ipvs', ['missing: lookup in map prerouting_port']],
  ['the table is deleted', 'delete table inet ipvs', ['missing: the table', 'missing: map prerouting_port']],
  ['everything is flushed', 'flush ruleset', ['missing: the table']],
  ["a chain of another's in it", 'add chain inet ipvs mine', ['unknown: chain mine']],
  [
    "a base chain of another's",
    'add chain inet ipvs mine { type filter hook input priority 0; policy drop; }',
    ['unknown: chain mine'],
  ],
  [
    "a rule of another's among ours",
    `insert rule inet ipvs mark_prerouting tcp dport 80 counter drop`,
    ['unknown: rule of another program in chain mark_prerouting'],
  ],
  ['a rule that jumps', 'add chain inet ipvs x; add rule inet ipvs mark_prerouting jump x', ['unknown: chain x']],
  ["a set of another's", 'add set inet ipvs mine { type ipv4_addr; }', ['unknown: set mine']],
  [
    'a mark more',
    'add element inet ipvs prerouting_port { udp . 9 : 9 }',
    ['unknown: prerouting udp dport 9 mark set 0x9'],
  ],
  [
    'a mark that cannot be written here',
    'add element inet ipvs prerouting_port { icmp . 9 : 9 }',
    ['changed: map prerouting_port'],
  ],
  [
    'a mark less',
    'delete element inet ipvs prerouting_port { tcp . 80 }',
    ['missing: prerouting tcp dport 80 mark set 0x50'],
  ],
  [
    'another mark',
    'delete element inet ipvs prerouting_port { tcp . 80 }; add element inet ipvs prerouting_port { tcp . 80 : 99 }',
    ['changed: prerouting tcp dport 80 mark set 0x50 (is 0x63)'],
  ],
  [
    'all marks gone',
    'flush map inet ipvs prerouting_port',
    ['missing: prerouting tcp dport 80 mark set 0x50', 'missing: prerouting tcp dport 81 mark set 0x51'],
  ],
  [
    'a chain of another priority',
    `flush ${chain}; delete ${chain}; add ${chain} { type filter hook prerouting priority 0; }`,
    ['changed: chain mark_prerouting'],
  ],
  [
    'a chain that drops',
    `add chain inet ipvs mss_forward { type filter hook forward priority mangle; policy drop; }`,
    ['changed: chain mss_forward'],
  ],
  [
    'a chain that is no base chain',
    `flush ${chain}; delete ${chain}; add ${chain}`,
    ['changed: chain mark_prerouting'],
  ],
  ['a chain gone', `flush ${chain}; delete ${chain}`, ['missing: chain mark_prerouting']],
  [
    'a map of another kind',
    `flush ${chain}; delete map inet ipvs prerouting_port; add map inet ipvs prerouting_port { type ipv4_addr : verdict; }`,
    ['changed: map prerouting_port'],
  ],
  [
    'a map without counters',
    `flush ${chain}; delete map inet ipvs prerouting_port; add map inet ipvs prerouting_port { type inet_proto . inet_service : mark; }`,
    ['changed: map prerouting_port'],
  ],
  ['the table is put to sleep', 'add table inet ipvs { flags dormant; }', ['unknown: flag dormant']],
  [
    'rules in our words that we did not ask for',
    'add rule inet ipvs nat_postrouting meta mark 0x63 counter masquerade',
    ['unknown: postrouting meta mark 0x63 masquerade'],
  ],
];

describe('verify and set', () => {
  let good: string[] = [];
  beforeEach(async () => {
    world.load(
      'flush ruleset\ntable inet other { chain c { type filter hook input priority 0; counter packets 1 bytes 2; }; }',
    );
    await world.netfilter.set(state);
    good = sorted(world.list());
  });

  test.each(damages)('%s', async (_, commands, says) => {
    const { netfilter } = world;
    expect(await netfilter.verify(state)).toEqual([]);
    world.load(commands.replaceAll('; ', '\n').replaceAll(/\{([^}]*)\}/gs, (block) => block.replaceAll('\n', '; ')));
    const differences = (await netfilter.verify(state)).map(describeDifference);
    for (const saying of says)
      expect(
        differences.some((text) => text.startsWith(saying)),
        differences.join('\n'),
      ).toBe(true);
    const flushed = commands.startsWith('flush ruleset');
    await netfilter.set(state);
    expect(await netfilter.verify(state)).toEqual([]);
    const list = sorted(world.list());
    if (!flushed) expect(list).toEqual(good);
    await netfilter.set({ ...state, marks: [] });
    await netfilter.set(state);
    expect(await netfilter.verify(state)).toEqual([]);
  });

  test('single changes go on in a damaged table, and leave the damage to set', async () => {
    const { netfilter } = world;
    world.load(`add chain inet ipvs mine\ninsert rule inet ipvs mark_prerouting tcp dport 80 counter`);
    await netfilter.addMark({ protocol: 'tcp', port: 82, mark: 82 });
    await netfilter.addMark({ destination: '11.0.0.0/8', mark: 11 });
    await netfilter.deleteMark({ protocol: 'tcp', port: 80 });
    expect(world.list()).toContain('chain mine');
    expect(world.list()).toContain('tcp dport 80 counter packets 0 bytes 0\n');
    world.load('flush table inet ipvs\ndelete chain inet ipvs mark_prerouting');
    await netfilter.addMark({ protocol: 'tcp', port: 83, mark: 83 });
    expect(world.list()).toContain('meta mark set meta l4proto . th dport map @prerouting_port');
  });

  test.each([
    ['NAT to a port alone, in IPv6', 'nat_prerouting', 'meta nfproto ipv6 tcp dport 80 dnat to :8080'],
    ['a verdict', 'nat_prerouting', 'counter accept'],
    ['a number of hops', 'mark_prerouting', 'ip ttl 3 counter drop'],
    ['many at once', 'mark_prerouting', 'tcp dport { 1, 2-9 } ip saddr != 10.0.0.1 counter'],
    ['a limit, a log', 'mark_prerouting', 'limit rate 3/second log prefix "x"'],
    ['a connection', 'mark_prerouting', 'ct state new ct mark set meta mark'],
    ['a map without a name', 'mark_prerouting', 'meta mark set tcp dport map { 80 : 1 }'],
    ['verdicts by a map', 'mark_prerouting', 'ip daddr vmap { 10.0.0.1 : drop }'],
    ['persistent NAT of a range', 'nat_postrouting', 'meta mark 3 counter snat ip to 10.0.0.1-10.0.0.9 persistent'],
    ['masquerade with ports', 'nat_postrouting', 'meta l4proto tcp counter masquerade to :1000-2000 random'],
    ['another option of TCP', 'mss_forward', 'tcp flags syn counter tcp option window exists'],
    ['bits of a mark, moved', 'mark_prerouting', 'counter meta mark set meta mark << 2'],
  ])("another's rule is not taken for one of ours: %s", async (_, name, rule) => {
    const { netfilter } = world;
    const [marks, rules] = [await netfilter.marks(), await netfilter.rules()];
    world.load(`add rule inet ipvs ${name} ${rule}`);
    expect(await netfilter.marks()).toHaveLength(marks.length);
    expect(await netfilter.rules()).toHaveLength(rules.length);
    expect((await netfilter.verify(state)).map(({ problem }) => problem)).toContain('unknown');
    await netfilter.set(state);
    expect(sorted(world.list())).toEqual(good);
  });
});

/** A listing, whatever the order of its chains and maps. */
function sorted(text: string): string[] {
  const blocks = text.replaceAll(/^\}$/gm, '').split(/\n(?=\t(?:chain|map|set) )/);
  return blocks.map((block) => block.trim()).sort();
}

describe('watch', () => {
  beforeEach(async () => {
    world.load('flush ruleset');
    await world.netfilter.set(state);
  });

  /** What it tells until our own last change is told. */
  async function heard(watch: Watch<NetfilterEvent>, work: () => unknown): Promise<NetfilterEvent[]> {
    const events: NetfilterEvent[] = [];
    const loop = (async () => {
      for await (const event of watch) {
        events.push(event);
        if (event.type === 'change' && event.process.name === 'ipvs-io') return;
      }
    })();
    await work();
    await world.netfilter.set({ marks: [{ protocol: 'sctp', port: 1, mark: 1 }] });
    await loop;
    return events.slice(0, -1);
  }

  test.each(damages)('%s', async (_, commands) => {
    const watch = await world.netfilter.watch();
    const lines = commands.replaceAll('; ', '\n').replaceAll(/\{([^}]*)\}/gs, (block) => block.replaceAll('\n', '; '));
    const events = await heard(watch, () => world.load(lines));
    expect(events).toMatchObject([{ type: 'change', process: { name: 'nft' } }]);
  });

  test('nothing of other tables', async () => {
    const watch = await world.netfilter.watch();
    const other = await world.open({ owner: 'other' });
    const events = await heard(watch, async () => {
      world.load('table inet ipvs2 { chain c { }; }');
      world.load('table ip ipvs { chain c { }; }\nadd rule ip ipvs c counter');
      world.load('delete table ip ipvs\ndelete table inet ipvs2');
      await other.set(state);
      await other.deleteTable();
    });
    expect(events).toEqual([]);
  });

  test('one event for one batch, with its generation', async () => {
    const watch = await world.netfilter.watch();
    await world.netfilter.apply(
      Array.from({ length: 200 }, (_, i) => ({ change: 'add-mark', mark: { protocol: 'udp', port: i + 1, mark: 1 } })),
    );
    await world.netfilter.setMark({ protocol: 'udp', port: 1 }, 2);
    const [first, second] = [(await watch.next()).value, (await watch.next()).value];
    expect(first).toMatchObject({ type: 'change', process: { name: 'ipvs-io' } });
    expect(second).toMatchObject({ generation: (first as { generation: number }).generation + 1 });
    watch.close();
  });

  test('more than fits: overrun, and then it goes on', async () => {
    const watch = await world.netfilter.watch();
    const marks = Array.from({ length: 10_000 }, (_, i) => ({ protocol: 'udp' as const, port: i + 1, mark: 1 }));
    await world.netfilter.set({ marks });
    await world.netfilter.set({});
    const events: NetfilterEvent[] = [];
    const loop = (async () => {
      for await (const event of watch) {
        events.push(event);
        if (event.type === 'change' && event.process.name === 'nft') break;
      }
    })();
    await until(() => events.some(({ type }) => type === 'overrun'), Boolean);
    world.load('table inet ipvs { comment "made by ipvs"; }');
    await loop;
    expect(events.map(({ type }) => type)).toContain('overrun');
  }, 240_000);
});
