// The name of an owner's table, as nft reads it.
import { beforeEach, expect, test } from 'vitest';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { runIn, useWorld } from './world.js';

const world = useWorld();
beforeEach(() => world.load('flush ruleset'));

/** True if nft loads its own listing of an empty table of that name, and lists it alone. */
function isLoadable(name: string): boolean {
  try {
    runIn(
      world.namespace,
      ['nft', '-f', '-'],
      `table inet ${name} {\n}\nlist table inet ${name}\ndelete table inet ${name}\n`,
    );
    return true;
  } catch {
    return false;
  }
}

const keywords =
  `mark ip ct limit counter log queue accept all arp chain comment day eq fib flags flow goto hook iifname inet
  list map masquerade meta not or policy redirect rule set snat synproxy table tcp th time type vlan xor xt`.split(
    /\s+/,
  );
/** Keywords of some versions of nft, or of `nft list` alone. */
const others = ['last', 'random', 'dynamic', 'offload', 'destroy', 'geneve', 'maps', 'counters', 'tunnel'];
const names =
  `ipvs ipvs-mark ipvs-ip a.b a-b a_b A x1 Mark MARK mark1 mark-1 mark.mark to name port used hoplimit filter nat
  prerouting director-2 ipvs-1a ipvs-.a ipvs-a- ff a0x1 e10 d1 h m`.split(/\s+/);

test.each([...keywords, ...others])('owner %s is refused, and nft cannot load a table of this name', async (owner) => {
  if (!others.includes(owner)) expect(isLoadable(owner)).toBe(false);
  const netfilter = await world.open({ owner });
  await expect(netfilter.set({ marks: [{ destination: '10.0.0.0/8', mark: 1 }] })).rejects.toMatchObject({
    code: 'ERR_IPVS_INVALID_ARGUMENT',
    message: expect.stringContaining(`for example "ipvs-${owner}"`),
  });
});

test('tables of all other names are loaded again by nft', async () => {
  const state = { marks: [{ destination: '10.0.0.0/8', mark: 1 }] };
  const handles = await Promise.all(names.map((owner) => world.open({ owner })));
  for (const handle of handles) await handle.set(state);
  const saved = world.list();
  world.load(`flush ruleset\n${saved}`);
  expect(world.list()).toBe(saved);
  for (const handle of handles) expect(await handle.verify(state)).toEqual([]);
});

test('a table with the name of a keyword that an earlier version made is read, reduced and deleted, not added to', async () => {
  const port = await nativeKernel.openNetfilter({ namespace: world.namespace });
  const source = await world.open({ owner: 'ipvs' });
  const rule = { type: 'masquerade', source: '10.0.0.0/8' } as const;
  const marks = [
    { destination: '10.0.0.1', mark: 1 },
    { destination: '10.0.0.0/8', mark: 2 },
  ];
  await source.set({ marks, rules: [rule] });
  const map = { hook: 'prerouting', shape: 'ip' } as const;
  const chain = { purpose: 'mark', hook: 'prerouting' } as const;
  await port.commit('limit', [
    { change: 'add-table', comment: 'made by ipvs' },
    { change: 'add-map', map },
    { change: 'add-element', map, element: { address: '10.0.0.1', mark: 1 } },
    { change: 'add-chain', chain },
    { change: 'add-rule', chain, rule: { lookup: 'ip' } },
  ]);
  await port.close();
  const netfilter = await world.open({ owner: 'limit' });
  const before = world.list('ruleset', '-a');
  const refused = {
    code: 'ERR_IPVS_INVALID_ARGUMENT',
    message: expect.stringContaining('"limit" is a keyword of nft'),
  };
  const other = { destination: '10.0.0.2', mark: 3 };
  for (const attempt of [
    () => netfilter.addMark(other),
    () => netfilter.allocateMark({ destination: '10.0.0.2' }, { from: 1, to: 9 }),
    () => netfilter.addRule(rule),
    () => netfilter.apply([{ change: 'add-mark', mark: other }]),
    () => netfilter.apply([{ change: 'add-rule', rule }]),
    () => netfilter.set({ marks: [...marks, other] }),
  ])
    await expect(attempt()).rejects.toMatchObject(refused);
  expect(world.list('ruleset', '-a')).toBe(before);
  expect(await netfilter.verify({ marks: marks.slice(0, 1) })).toEqual([]);
  const [mark] = await netfilter.marks();
  await mark?.update({ mark: 7 });
  expect((await netfilter.marks()).map((one) => one.mark)).toEqual([7]);
  await netfilter.deleteMark({ destination: '10.0.0.1' });
  await netfilter.deleteTable();
  expect(world.list()).not.toContain('table inet limit');
});
