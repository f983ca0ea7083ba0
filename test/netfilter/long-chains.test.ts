// A chain of many rules that loses most of them.
import { expect, test } from 'vitest';
import type { NetfilterRuleOptions } from '../../src/index.js';
import { ownsMachine } from '../user-namespace.js';
import { useWorld } from './world.js';

const world = useWorld();
const COUNT = 8000;
const rule = (index: number): NetfilterRuleOptions => ({
  type: 'masquerade',
  source: `10.${index >> 8}.${index & 255}.0/24`,
});

test.skipIf(!ownsMachine)(
  'rules that stay keep their place and their counters when the chain is written anew',
  async () => {
    const { netfilter } = world;
    const rules = Array.from({ length: COUNT }, (_, index) => rule(index));
    await netfilter.set({ rules });
    // nft loads counters as they are in its listing.
    const counted = world
      .list()
      .replace(/(saddr 10\.0\.\d+\.0\/24 counter) packets 0 bytes 0/g, '$1 packets 5 bytes 420')
      .replace(/^table/, 'flush ruleset\ntable');
    world.load(counted);
    const stay = rules.filter((_, index) => index % 300 === 0);
    await netfilter.set({ rules: [...stay, rule(COUNT)] });
    const read = await netfilter.rules();
    expect(read.map((one) => one.rule.source).toSorted()).toEqual(
      [...stay, rule(COUNT)].map((one) => one.source).toSorted(),
    );
    for (const one of read) expect(one.counter.packets, one.text).toBe(one.rule.source?.startsWith('10.0.') ? 5n : 0n);
    expect(await netfilter.verify({ rules: [...stay, rule(COUNT)] })).toEqual([]);
    const order = read.map((one) => one.rule.source);
    world.load('flush ruleset');
    await netfilter.set({ rules: [...stay, rule(COUNT)] });
    expect((await netfilter.rules()).map((one) => one.rule.source)).toEqual(order);
    await netfilter.deleteTable();
  },
);

test('a rule of another program in a long chain stays where single rules are removed', async () => {
  const { netfilter } = world;
  const rules = Array.from({ length: COUNT }, (_, index) => rule(index));
  await netfilter.set({ rules });
  world.load('insert rule inet ipvs nat_postrouting ip daddr 192.0.2.1 counter packets 3 bytes 4 accept');
  await netfilter.apply(rules.slice(100).map((one) => ({ change: 'delete-rule', rule: one }) as const));
  expect(await netfilter.rules()).toHaveLength(100);
  expect(world.list()).toContain('ip daddr 192.0.2.1 counter packets 3 bytes 4 accept');
  await netfilter.deleteTable();
});
