import { expect, test } from 'vitest';
import { describeDifference, Netfilter, type NetfilterState } from '../../src/index.js';
import { Machine } from '../../src/memory/machine.js';
import { MemoryNetfilter } from '../../src/memory/netfilter/port.js';

const state = {
  marks: [
    { protocol: 'tcp', port: 80, mark: 80 },
    { protocol: 'tcp', port: 81, mark: 81 },
    { destination: '10.0.0.0/8', mark: 8 },
    { destination: '10.1.0.0/16', mark: 9 },
  ],
  rules: [
    { type: 'masquerade', mark: 80 },
    { type: 'snat', to: '10.1.1.1', destination: '10.0.0.9' },
  ],
} as const satisfies NetfilterState;

async function start(initial: NetfilterState = state): Promise<{ memory: MemoryNetfilter; netfilter: Netfilter }> {
  const memory = new MemoryNetfilter(new Machine());
  const netfilter = await Netfilter.open({ kernel: { openNetfilter: async () => memory.open() } });
  await netfilter.set(initial);
  return { memory, netfilter };
}

test('verify() returns the marks that are missing, changed and unknown, in maps and in rules', async () => {
  const { netfilter } = await start();
  const differences = await netfilter.verify({
    marks: [
      { protocol: 'tcp', port: 80, mark: 1 },
      { protocol: 'tcp', port: 82, mark: 82 },
      { destination: '10.0.0.0/8', mark: 2 },
      { destination: '10.2.0.0/16', mark: 3 },
    ],
    rules: state.rules,
  });
  const selector = { hook: 'prerouting', mask: 0xffffffff };
  const port = (port: number) => ({ kind: 'mark', selector: { ...selector, protocol: 'tcp', port } });
  const network = (destination: string) => ({ kind: 'mark', selector: { ...selector, family: 'ipv4', destination } });
  expect(differences).toHaveLength(6);
  expect(differences).toEqual(
    expect.arrayContaining([
      { problem: 'changed', object: port(80), is: 80, wanted: 1 },
      { problem: 'unknown', object: port(81), is: 81 },
      { problem: 'missing', object: port(82), wanted: 82 },
      { problem: 'changed', object: network('10.0.0.0/8'), is: 8, wanted: 2 },
      { problem: 'unknown', object: network('10.1.0.0/16'), is: 9 },
      { problem: 'missing', object: network('10.2.0.0/16'), wanted: 3 },
    ]),
  );
  expect(differences.map(describeDifference).sort()).toEqual([
    'changed: prerouting ip daddr 10.0.0.0/8 mark set 0x2 (is 0x8)',
    'changed: prerouting tcp dport 80 mark set 0x1 (is 0x50)',
    'missing: prerouting ip daddr 10.2.0.0/16 mark set 0x3',
    'missing: prerouting tcp dport 82 mark set 0x52',
    'unknown: prerouting ip daddr 10.1.0.0/16 mark set 0x9',
    'unknown: prerouting tcp dport 81 mark set 0x51',
  ]);
});

test('a mark of a difference is a selector, and its rule is one that deleteRule() accepts', async () => {
  const { netfilter } = await start();
  const wanted = {
    marks: [
      { protocol: 'tcp', port: 9, mark: 1 },
      { source: '10.9.9.9', mark: 1 },
    ],
    rules: [{ type: 'masquerade', mark: 1 }],
  } as const;
  for (const { problem, object } of await netfilter.verify(wanted)) {
    if (problem === 'missing') continue;
    if (object.kind === 'mark') await netfilter.deleteMark(object.selector);
    if (object.kind === 'rule') await netfilter.deleteRule(object.rule);
  }
  expect(await netfilter.marks()).toEqual([]);
  expect(await netfilter.rules()).toEqual([]);
});

test('verify() returns a rule in the wrong place as misplaced', async () => {
  const { memory, netfilter } = await start();
  const table = memory.table('ipvs');
  const chains = table?.chains.map((chain) => ({ ...chain, rules: chain.rules.toReversed() })) ?? [];
  memory.load('ipvs', table && { ...table, chains });
  const differences = await netfilter.verify(state);
  expect(new Set(differences.map(({ problem }) => problem))).toEqual(new Set(['misplaced']));
  expect(differences.map(describeDifference)).toContain('misplaced: prerouting ip daddr 10.0.0.0/8 mark set 0x8');
});

test('verify() returns damage without the objects that are as wanted', async () => {
  const { memory, netfilter } = await start();
  memory.addForeign(
    'ipvs',
    { kind: 'set', name: 'mine' },
    { kind: 'flag', name: 'dormant' },
    { kind: 'changed', name: 'nat_postrouting' },
    { kind: 'rule', chain: 'mark_prerouting' },
  );
  const differences = await netfilter.verify(state);
  expect(differences.map(describeDifference)).toEqual([
    'unknown: set mine',
    'unknown: flag dormant',
    'changed: chain nat_postrouting',
    expect.stringMatching(/^unknown: rule of another program in chain mark_prerouting \(handle \d+\)$/),
  ]);
  expect(JSON.parse(JSON.stringify(differences))).toHaveLength(4);
  expect(await netfilter.verify({})).toEqual([{ problem: 'unknown', object: { kind: 'table' } }]);
  expect(await netfilter.verify({ marks: state.marks })).toContainEqual({
    problem: 'unknown',
    object: { kind: 'chain', name: 'nat_postrouting' },
  });
});

test('verify() returns everything as missing if the table does not exist', async () => {
  const { memory, netfilter } = await start();
  memory.deleteTable('ipvs');
  expect(
    (await netfilter.verify({ marks: [{ protocol: 'tcp', port: 80, mark: 80 }] })).map(describeDifference),
  ).toEqual([
    'missing: the table',
    'missing: map prerouting_port',
    'missing: prerouting tcp dport 80 mark set 0x50',
    'missing: chain mark_prerouting',
    'missing: lookup in map prerouting_port',
  ]);
});
