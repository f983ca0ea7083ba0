// An owner's table of nf_tables that another program has replaced by its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState } from '../../src/index.js';
import { usePlaces } from './world.js';

const [place] = usePlaces(1) as [ReturnType<typeof usePlaces>[number]];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-replaced-'));
const record = join(directory, 'a.json');
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => void place.run('nft', 'flush', 'ruleset'));

const bare: DesiredDocument = { owner: 'a', namespace: place.name, sysctls: { 'net.ipv4.ip_default_ttl': 63 } };
const marked: DesiredDocument = { ...bare, marks: [{ protocol: 'tcp', port: 80, mark: 7 }] };
const rules = (): string => place.run('nft', 'list', 'ruleset');

async function replaced(document: DesiredDocument): Promise<DesiredState> {
  const state = await DesiredState.open(document, { record });
  await state.apply();
  expect(rules()).toContain('table inet ipvs-a');
  place.run('nft', 'flush ruleset; add table inet ipvs-a; add chain inet ipvs-a theirs');
  return state;
}

test.each<[string, DesiredDocument]>([
  ['a mark', marked],
  ['NAT', { ...bare, nat: [{ type: 'masquerade', source: '10.0.0.0/8' }] }],
])('remove() of an owner with %s succeeds, and leaves the table', async (_, document) => {
  await using state = await replaced(document);
  const theirs = rules();
  await state.remove();
  expect(rules()).toBe(theirs);
  expect(await place.network.sysctl('net.ipv4.ip_default_ttl')).toBe('64');
  expect(await state.remove()).toEqual([]);
  await using later = await DesiredState.open({ owner: 'a', namespace: place.name }, { record });
  expect((await later.plan()).changes).toEqual([]);
});

test('an apply without marks succeeds, and leaves the table', async () => {
  await using state = await replaced(marked);
  const theirs = rules();
  expect((await state.plan(bare)).changes).toEqual([]);
  expect(await state.apply(bare)).toEqual([]);
  expect(rules()).toBe(theirs);
  await state.remove();
  expect(rules()).toBe(theirs);
});

test('an apply with marks is in conflict until the table is gone', async () => {
  await using state = await replaced(marked);
  const theirs = rules();
  await expect(state.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
  expect(rules()).toBe(theirs);
  place.run('nft', 'delete table inet ipvs-a');
  await state.apply();
  expect(rules()).toContain('table inet ipvs-a');
  await state.remove();
  expect(rules()).toBe('');
});
