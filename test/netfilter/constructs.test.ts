// Each construct is what one would have written by hand, as nft prints it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../scripts/lab.mjs';
import { constructs } from './constructs/index.js';
import { runIn, useWorld } from './world.js';

const COMMENT = 'comment "made by ipvs"';

const world = useWorld();
const lab = new Lab();
beforeAll(() => lab.add({ byhand: {} }));
afterAll(() => lab.close());
const other = (): string => lab.host('byhand').namespace;

test.each(constructs)('$name', async ({ state, text }) => {
  const { netfilter } = world;
  await netfilter.set(state);
  runIn(other(), ['nft', '-f', '-'], `flush ruleset\ntable inet ipvs { ${COMMENT}\n${text}\n}`);
  const before = world.list('ruleset', '-a');
  expect(before.replaceAll(/ # handle \d+/g, '')).toBe(runIn(other(), ['nft', 'list', 'ruleset']));
  expect(await netfilter.verify(state)).toEqual([]);
  expect(await netfilter.marks()).toHaveLength(state.marks?.length ?? 0);
  const rules = await netfilter.rules();
  expect(rules).toHaveLength(state.rules?.length ?? 0);
  // What was read makes the same table again, and is what it was made of.
  await netfilter
    .verify({
      marks: (await netfilter.marks()).map(({ selector, mark }) => ({ ...selector, mark })),
      rules: rules.map(({ rule }) => rule),
    })
    .then((differences) => expect(differences).toEqual([]));
  // A second time nothing is changed.
  await netfilter.set(state);
  expect(world.list('ruleset', '-a')).toBe(before);
  await netfilter.deleteTable();
});

test('nothing is left of them', () => {
  expect(world.list()).toBe('');
});
