// From any table to any state: the plan reaches it, once, and leaves the rest as it is.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type FwmarkOptions, Netfilter, type NetfilterRuleOptions, type NetfilterState } from '../../src/index.js';
import type { NftBatchChange } from '../../src/kernel/netfilter/changes.js';
import { chainText } from '../../src/kernel/netfilter/names.js';
import type { NftTableEntry } from '../../src/kernel/netfilter/types.js';
import { Machine } from '../../src/memory/machine.js';
import { MemoryNetfilter } from '../../src/memory/netfilter/port.js';
import { rewriteLongChains } from '../../src/netfilter/chain-rewrites.js';
import { checkState } from '../../src/netfilter/changes.js';
import { differences } from '../../src/netfilter/differences.js';
import { chainRuleKey } from '../../src/netfilter/layout.js';
import { checkMark, markKey, markText } from '../../src/netfilter/mark-options.js';
import { planAll } from '../../src/netfilter/plan.js';
import { checkRule } from '../../src/netfilter/rule-options.js';
import { markOptions, ruleOptions } from '../netfilter/arbitraries.js';

const marks = fc.uniqueArray(markOptions(true), { maxLength: 8, selector: (mark) => markKey(checkMark(mark)) });
const rules = fc.array(ruleOptions(true), { maxLength: 6 });
const state: fc.Arbitrary<NetfilterState> = fc.record({ marks, rules });

function applyChanges(
  before: NftTableEntry | undefined,
  changes: readonly NftBatchChange[],
): NftTableEntry | undefined {
  const netfilter = new MemoryNetfilter(new Machine());
  netfilter.load('ipvs', before);
  netfilter.change('ipvs', changes);
  return netfilter.table('ipvs');
}

const plan = (table: NftTableEntry | undefined, state: NetfilterState) => planAll(table, checkState(state));
const reach = (table: NftTableEntry | undefined, state: NetfilterState) => applyChanges(table, plan(table, state));

/** What is in a table, in the order that packets see. */
function contents(table: NftTableEntry | undefined): unknown {
  if (!table) return undefined;
  return {
    chains: table.chains
      .map(({ name, rules }) => [chainText(name), rules.map(({ rule }) => rule && chainRuleKey(rule))])
      .sort(),
    maps: table.maps
      .map(({ name, elements = [] }) => [
        name,
        elements.map((element) => JSON.stringify({ ...element, counter: 0 })).sort(),
      ])
      .sort(),
  };
}

test('any state is reached from any other, and then nothing is left to do', () => {
  fc.assert(
    fc.property(state, state, (from, to) => {
      const before = reach(undefined, from);
      const after = reach(before, to);
      expect(plan(after, to)).toEqual([]);
      expect(differences(after, checkState(to))).toEqual([]);
      expect(JSON.stringify(contents(after))).toBe(JSON.stringify(contents(reach(undefined, to))));
      // In any order, and with rules named twice.
      const turned = { marks: to.marks?.toReversed(), rules: [...(to.rules ?? []), ...(to.rules ?? [])].toReversed() };
      expect(plan(after, turned)).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('what both states have keeps its place and its counter', () => {
  const handlesOf = (table: NftTableEntry | undefined): Map<string, bigint> =>
    new Map(
      (table?.chains ?? []).flatMap(({ name, rules }) =>
        rules.flatMap(({ rule, handle }) =>
          rule ? [[`${chainText(name)} ${chainRuleKey(rule)}`, handle] as const] : [],
        ),
      ),
    );
  fc.assert(
    fc.property(state, state, (from, to) => {
      const before = handlesOf(reach(undefined, from));
      const after = handlesOf(reach(reach(undefined, from), to));
      for (const [text, handle] of after) if (before.has(text)) expect(handle, text).toBe(before.get(text));
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('a chain that is written anew ends as one that is changed rule by rule, with the counters that stay', () => {
  let rewritten = 0;
  fc.assert(
    fc.property(state, state, (from, to) => {
      const memory = new MemoryNetfilter(new Machine());
      memory.load('ipvs', reach(undefined, from));
      const handles = memory.table('ipvs')?.chains.flatMap(({ rules }) => rules.map(({ handle }) => handle)) ?? [];
      for (const handle of handles) memory.setCounter('ipvs', { handle }, { packets: handle, bytes: handle * 9n });
      const before = memory.table('ipvs');
      const changes = rewriteLongChains(before, plan(before, to), -1);
      if (changes.some(({ change }) => change === 'flush-chain')) rewritten++;
      const counters = (table: NftTableEntry | undefined) =>
        table?.chains.map(({ name, rules }) => [chainText(name), rules.map(({ counter }) => counter)]);
      const [one, other] = [applyChanges(before, changes), reach(before, to)];
      expect(contents(one)).toEqual(contents(other));
      expect(counters(one)).toEqual(counters(other));
    }),
    { numRuns: 60 },
  );
  expect(rewritten).toBeGreaterThan(0);
}, 120_000);

test('damage of any kind is found and mended', () => {
  const damage = fc.array(
    fc.tuple(
      fc.constantFrom('chain', 'map', 'rule', 'foreign-rule', 'element', 'kind', 'other', 'swap', 'again'),
      fc.nat(),
    ),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(state, damage, (to, damages) => {
      const good = reach(undefined, to);
      if (!good) return;
      const table = structuredClone(good) as { -readonly [K in keyof NftTableEntry]: never[] } & NftTableEntry;
      const chains = table.chains as { intact: boolean; rules: { handle: bigint }[] }[];
      const maps = table.maps as { intact: boolean; elements: unknown[] }[];
      for (const [kind, number] of damages) {
        const chain = chains[number % Math.max(1, chains.length)];
        const map = maps[number % Math.max(1, maps.length)];
        if (kind === 'chain') chains.splice(number % Math.max(1, chains.length), 1);
        // A map goes only with the rules that ask it.
        if (kind === 'map') chains.splice(0, chains.length) && maps.splice(number % Math.max(1, maps.length), 1);
        if (kind === 'rule') chain?.rules.splice(number % Math.max(1, chain.rules.length), 1);
        if (kind === 'foreign-rule')
          chain?.rules.splice(number % (chain.rules.length + 1), 0, { handle: 1000n + BigInt(number) });
        if (kind === 'element') map?.elements.splice(0, 1);
        if (kind === 'kind' && chain) chain.intact = false;
        if (kind === 'other') (table.others as { kind: string; name: string }[]).push({ kind: 'set', name: 'x' });
        if (kind === 'swap') chain?.rules.reverse();
        if (kind === 'again' && chain?.rules[0])
          chain.rules.push({ ...chain.rules[0], handle: 5000n + BigInt(number) });
      }
      const changes = plan(table, to);
      const mended = applyChanges(table, changes);
      expect(JSON.stringify(contents(mended))).toBe(JSON.stringify(contents(good)));
      if (JSON.stringify(contents(table)) !== JSON.stringify(contents(good)))
        expect(differences(table, checkState(to))).not.toEqual([]);
      expect(plan(mended, to)).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('single changes, in any order, come to what set would have made', async () => {
  await fc.assert(
    fc.asyncProperty(state, state, fc.boolean(), async ({ marks: first = [], rules: some = [] }, to, together) => {
      const memory = new MemoryNetfilter(new Machine());
      const netfilter = await Netfilter.open({ kernel: { openNetfilter: async () => memory.open() } });
      await netfilter.set({ marks: first, rules: some });
      const wanted = checkState(to);
      const keys = (list: readonly FwmarkOptions[] = []) =>
        new Map(list.map((mark) => [markKey(checkMark(mark)), mark]));
      const [old, next] = [keys(first), keys(to.marks)];
      const ruleKeys = (list: readonly NetfilterRuleOptions[] = []) =>
        new Map(list.map((rule) => [chainRuleKey(checkRule(rule)), rule]));
      const [oldRules, nextRules] = [ruleKeys(some), ruleKeys(to.rules)];
      const changes = [
        ...[...old].flatMap(([key, { mark: _, ...mark }]) =>
          next.has(key) ? [] : [{ change: 'delete-mark', mark } as const],
        ),
        ...[...next].map(([key, mark]) => ({ change: old.has(key) ? 'set-mark' : 'add-mark', mark }) as const),
        ...[...oldRules].flatMap(([key, rule]) =>
          nextRules.has(key) ? [] : [{ change: 'delete-rule', rule } as const],
        ),
        ...[...nextRules].flatMap(([key, rule]) => (oldRules.has(key) ? [] : [{ change: 'add-rule', rule } as const])),
      ];
      if (together) await netfilter.apply(changes);
      else for (const change of changes) await netfilter.apply([change]);
      const read = await netfilter.marks();
      expect(read.map(String).sort()).toEqual(wanted.marks.map(markText).sort());
      expect(await netfilter.rules()).toHaveLength(nextRules.size);
      // Empty maps may be left, which set takes away; nothing else.
      const kinds = (await netfilter.verify(to)).map(({ object }) => object.kind);
      for (const kind of kinds) expect(kind).toMatch(/^(map|lookup|chain|table)$/);
      await netfilter.set(to);
      expect(await netfilter.verify(to)).toEqual([]);
    }),
    { numRuns: 60 },
  );
}, 120_000);

test('a set that changes nothing sends nothing', async () => {
  await fc.assert(
    fc.asyncProperty(state, async (to) => {
      const memory = new MemoryNetfilter(new Machine());
      const netfilter = await Netfilter.open({ kernel: { openNetfilter: async () => memory.open() } });
      await netfilter.set(to);
      const before = memory.commits.length;
      await netfilter.set(to);
      expect(memory.commits).toHaveLength(before);
    }),
    { numRuns: 50 },
  );
}, 120_000);
