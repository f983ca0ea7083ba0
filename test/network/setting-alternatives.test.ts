// Settings and addresses of one interface under its main name and an alternative one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState, planDocument, StateSnapshot } from '../../src/index.js';
import { usePlaces } from './world.js';

const [place] = usePlaces(1) as [ReturnType<typeof usePlaces>[number]];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-alternatives-'));
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() =>
  place.ip(
    'link add d0 type veth peer name p0',
    'link set d0 up',
    'link set p0 up',
    'link property add dev d0 altname alt0',
  ),
);
afterEach(() => place.ip('link del d0'));

const read = (name: string): Promise<string> => place.network.sysctl(name);

function open(owner: string, document: Omit<DesiredDocument, 'owner'>): Promise<DesiredState> {
  return DesiredState.open({ owner, namespace: place.name, ...document }, { record: join(directory, `${owner}.json`) });
}

const templates = [
  'net/ipv4/conf/NAME/log_martians',
  'net/ipv6/conf/NAME/accept_ra',
  'net/ipv4/neigh/NAME/gc_stale_time',
  'net/ipv6/neigh/NAME/base_reachable_time_ms',
];

describe.each(templates)('%s', (template) => {
  const main = template.replace('NAME', 'd0');
  const other = template.replace('NAME', 'alt0');
  // The kernel rounds milliseconds to its ticks.
  const step = template.endsWith('_ms') ? 1000 : 1;
  const values = async () => {
    const before = Number(await read(main));
    return { first: before + step, second: before + 2 * step };
  };

  test('under the name of one owner and that of another is one setting', async () => {
    const before = await read(main);
    const { first } = await values();
    await using a = await open('a', { sysctls: { [main]: first } });
    await using b = await open('b', { sysctls: { [other]: first } });
    await a.apply();
    expect((await b.apply()).map(({ action }) => action)).toEqual(['adopt']);
    await a.remove();
    expect(await read(main)).toBe(String(first));
    await b.remove();
    expect(await read(main)).toBe(before);
  });

  test('is in conflict if another owner wants another value under another name', async () => {
    const before = await read(main);
    const { first, second } = await values();
    await using a = await open('a', { sysctls: { [main]: first } });
    await using b = await open('b', { sysctls: { [other]: second } });
    await a.apply();
    expect((await b.plan()).conflicts).toMatchObject([{ is: expect.stringMatching(/, as a .*wants it$/) }]);
    await expect(b.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
    await b.remove();
    await a.remove();
    expect(await read(main)).toBe(before);
  });

  test('has one value in a document', async () => {
    const before = await read(main);
    const { first, second } = await values();
    await using a = await open('a', { sysctls: { [main]: first, [other]: second } });
    const refused = {
      code: 'ERR_IPVS_INVALID_ARGUMENT',
      message: expect.stringContaining(`${main} and ${other}, the same setting, are declared twice, with different`),
    };
    await expect(a.plan()).rejects.toMatchObject(refused);
    await expect(a.apply()).rejects.toMatchObject(refused);
    expect(await read(main)).toBe(before);
    const both = { owner: 'a', namespace: place.name, sysctls: { [main]: first, [other]: first } };
    expect(await a.apply(both)).toHaveLength(1);
    expect((await a.plan(both)).changes).toEqual([]);
    expect(await a.remove()).toHaveLength(1);
    expect(await read(main)).toBe(before);
  });

  test('goes back when its alternative name is gone', async () => {
    const before = await read(main);
    const { first } = await values();
    await using a = await open('a', { sysctls: { [other]: first } });
    await a.apply();
    place.ip('link property del dev d0 altname alt0');
    expect((await a.remove()).map(({ what }) => what)).toEqual([`sysctl ${main}`]);
    expect(await read(main)).toBe(before);
  });

  test('is the same setting in a plan from a snapshot', async () => {
    const { first, second } = await values();
    await using a = await open('a', { sysctls: { [other]: first } });
    await a.apply();
    const there = StateSnapshot.parse(JSON.stringify(await a.snapshot()));
    const document = (sysctls: DesiredDocument['sysctls']) => ({ owner: 'a', namespace: place.name, sysctls });
    for (const name of [main, other])
      expect((await planDocument(document({ [name]: first }), there)).changes).toEqual([]);
    await expect(planDocument(document({ [main]: first, [other]: second }), there)).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
      message: expect.not.stringContaining('snapshot'),
    });
    await a.remove();
  });
});

test('an address under both names is one address, announced if one of them is', async () => {
  const address = '10.9.9.9';
  await using a = await open('a', {
    addresses: [
      { interface: 'alt0', address },
      { interface: 'd0', address, announce: true },
    ],
  });
  expect((await a.apply()).map(({ what }) => what)).toEqual([`address ${address}/32 on d0`]);
  expect((await a.plan()).empty).toBe(true);
  place.ip('link property del dev d0 altname alt0');
  await a.remove();
  expect(await place.network.addresses({ interface: 'd0', family: 'ipv4' })).toEqual([]);
});

test('a setting of a role and a value of the document for another name contradict', async () => {
  await using a = await open('a', {
    roles: [{ role: 'real-server', vip: '192.0.2.1', interface: 'alt0' }],
    sysctls: { 'net/ipv4/conf/d0/arp_announce': 1 },
  });
  await expect(a.plan()).rejects.toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
});
