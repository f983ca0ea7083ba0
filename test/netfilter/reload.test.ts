// A ruleset that nft saves and loads again is recognised, whatever form nft gives its rules.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { cutPrefix } from '../../src/common/prefix.js';
import type { FwmarkOptions, NetfilterRuleOptions, NetfilterState } from '../../src/index.js';
import { checkMark, packetsKey } from '../../src/netfilter/mark-options.js';
import { ownsMachine } from '../user-namespace.js';
import { markOptions, ruleOptions } from './arbitraries.js';
import { useWorld, type World } from './world.js';

const world = useWorld();
beforeEach(() => world.load('flush ruleset'));

/** `nft list ruleset > f; nft flush ruleset; nft -f f` */
function reload({ list, load }: World): void {
  const saved = list();
  load('flush ruleset');
  load(saved);
  expect(list()).toBe(saved);
}

function distinct(marks: readonly FwmarkOptions[]): FwmarkOptions[] {
  return [...new Map(marks.map((mark) => [packetsKey(checkMark(mark)), mark])).values()];
}

async function expectUnchanged(state: NetfilterState): Promise<void> {
  const { netfilter } = world;
  expect(await netfilter.verify(state)).toEqual([]);
  const before = world.list('ruleset', '-a');
  await netfilter.set(state);
  expect(world.list('ruleset', '-a')).toBe(before);
  expect(await netfilter.marks()).toHaveLength(state.marks?.length ?? 0);
}

const lengths = (most: number): number[] => Array.from({ length: most }, (_, index) => index + 1);
const listed = [
  ...lengths(32).map((length) => `${cutPrefix('171.205.171.205', length, 'ipv4')}/${length}`),
  ...lengths(128).map((length) => `${cutPrefix('abab:cdcd:abab:cdcd:abab:cdcd:abab:cdcd', length, 'ipv6')}/${length}`),
  // Bytes of zeros and ones at the end of the prefix.
  '10.0.0.0/16',
  '255.255.0.0/24',
  '128.0.0.0/1',
  'fd00::/64',
  'ffff:ffff:ffff:ff00::/64',
];
const prefixes = [...new Set(listed)];

describe('marks of prefixes', () => {
  test.skipIf(!ownsMachine)('every prefix length is recognised as destination and as source', async () => {
    const marks = prefixes.flatMap((prefix, index): FwmarkOptions[] => [
      { destination: prefix, mark: index + 1 },
      { source: prefix, protocol: 'tcp', port: { from: 80, to: 90 }, mark: index + 1 },
      { hook: 'input', source: prefix, destination: prefix, mark: 0x100, mask: 0xff00 },
    ]);
    const state = { marks };
    await world.netfilter.set(state);
    reload(world);
    await expectUnchanged(state);
  });

  test.each(['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', 'fd00:1:2::/48', 'fd00:1:2:3::/64'])(
    'mark of %s is found, counted as used, changed and removed',
    async (destination) => {
      const { netfilter } = world;
      const selector = { destination, protocol: 'udp' } as const;
      await netfilter.addMark({ ...selector, mark: 1 });
      reload(world);
      expect(await netfilter.mark(selector)).toMatchObject({ mark: 1 });
      await expect(netfilter.addMark({ ...selector, mark: 2 })).rejects.toMatchObject({ code: 'ERR_IPVS_MARK_EXISTS' });
      const allocated = await netfilter.allocateMark({ destination: '192.0.2.1' }, { from: 1, to: 9 });
      expect(allocated.mark).toBe(2);
      await netfilter.setMark(selector, 3);
      reload(world);
      expect((await netfilter.marks()).map(({ mark }) => mark)).toEqual([2, 3]);
      await netfilter.deleteMark(selector);
      expect(await netfilter.marks()).toHaveLength(1);
    },
  );

  test('a table that has lost a comparison is not taken for the whole', async () => {
    const state = { marks: [{ destination: '10.1.0.0/16', mark: 1 }] };
    await world.netfilter.set(state);
    const other = world.list().replace('ip daddr 10.1.0.0/16', 'ip daddr != 10.1.0.0/16');
    world.load(`flush ruleset\n${other}`);
    expect(await world.netfilter.marks()).toEqual([]);
    expect(await world.netfilter.verify(state)).toHaveLength(2);
  });
});

describe('rules of every type', () => {
  const to = { ipv4: '10.9.9.9', ipv6: 'fd09::9' } as const;
  const rules = prefixes.flatMap((prefix, index): NetfilterRuleOptions[] => {
    const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
    return [
      { type: 'masquerade', destination: prefix, mark: { mark: 0x10000, mask: 0xffff0000 } },
      { type: 'snat', source: prefix, to: to[family], outputInterface: 'eth*' },
      { type: 'dnat', destination: prefix, protocol: 'tcp', port: { from: 1, to: 1000 }, to: to[family] },
      { type: 'dnat', hook: 'output', destination: prefix, protocol: 'udp', to: to[family], toPort: index + 1 },
      { type: 'redirect', source: prefix, protocol: 'tcp', port: 80, toPort: 8080, inputInterface: 'veth*' },
      { type: 'clamp-mss', destination: prefix, size: index % 2 ? 'path' : 1400 },
    ];
  });

  test.skipIf(!ownsMachine)('every prefix length is recognised', async () => {
    const state = { rules };
    await world.netfilter.set(state);
    reload(world);
    await expectUnchanged(state);
    for (const rule of rules.slice(0, 12)) await world.netfilter.deleteRule(rule);
    expect(await world.netfilter.rules()).toHaveLength(rules.length - 12);
  });
});

test('generated marks and rules are recognised', async () => {
  const states = fc.record({
    marks: fc.array(markOptions(), { minLength: 20, maxLength: 40 }),
    rules: fc.array(ruleOptions(), { minLength: 20, maxLength: 40 }),
  });
  const run = async ({ marks, rules }: { marks: FwmarkOptions[]; rules: NetfilterRuleOptions[] }): Promise<void> => {
    const state = { marks: distinct(marks), rules };
    await world.netfilter.set(state);
    reload(world);
    await expectUnchanged(state);
    const read = await world.netfilter.rules();
    await world.netfilter.set({ marks: state.marks.slice(1), rules: read.map(({ rule }) => rule) });
    expect(await world.netfilter.marks()).toHaveLength(state.marks.length - 1);
    await world.netfilter.deleteTable();
  };
  await fc.assert(fc.asyncProperty(states, run), { numRuns: 5, endOnFailure: true });
});
