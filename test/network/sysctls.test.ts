// Every setting below net.ipv4, net.ipv6 and net.netfilter that can be written, in a document. The kernel says which
// spellings it takes, and what it makes of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DesiredState, IpvsError } from '../../src/index.js';
import { ownsMachine } from '../user-namespace.js';
import { usePlaces } from './world.js';

const [place] = usePlaces(1) as [ReturnType<typeof usePlaces>[number]];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-sysctls-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Settings that cannot be declared, and why. */
const impossible: readonly (readonly [RegExp, string])[] = [
  [/^net\/ipv[46]\/route\/flush$/, 'cannot be read: writing it flushes the cache'],
  [/^net\/ipv6\/conf\/all\/stable_secret$/, 'is never accepted'],
  ...(ownsMachine ? [] : [[/\/ping_group_range$/, 'the groups have no number in this user namespace'] as const]),
];

/** Settings that cannot be deleted once they are set: stable-secrets.test.ts tries them. */
const lasting = /^net\/ipv6\/conf\/[^/]+\/stable_secret$/;

/** Settings that are in a document of their own: second names, and one whose greatest value is another setting. */
const alone: readonly RegExp[] = [
  /^net\/ipv4\/tcp_reordering$/, // at most tcp_max_reordering
  /^net\/ipv4\/conf\/all\/forwarding$/,
  /\/(base_reachable_time_ms|retrans_time_ms|unres_qlen_bytes|gc_min_interval_ms)$/,
];

function spellings(is: string): string[] {
  const words = is.split(/\s+/);
  const same = [is, words.join(' '), ` ${words.join('  ')} `];
  if (is === '') return ['', '7000', '7001,7000,7002-7005', '010,07000-07002'];
  if (!words.every((word) => /^-?\d+$/.test(word))) return same;
  const numbers = words.map(Number);
  const inBase = (of: readonly number[], prefix: string, base: number): string =>
    of.map((each) => (each < 0 ? String(each) : `${prefix}${each.toString(base)}`)).join(' ');
  const [first = 0, ...others] = numbers;
  const more = [first + 1, ...others];
  const values = [[first - 1, ...others], [0, ...others], more].map((of) => of.join('\t'));
  const partial = numbers.length > 1 ? [String(first + 1)] : [];
  return [...same, inBase(numbers, '0x', 16), inBase(more, '0', 8), ...values, ...partial, `${is} 7`];
}

function settings(): string[] {
  const tops = ['ipv4', 'ipv6', 'netfilter'].map((top) => `/proc/sys/net/${top}`);
  // e1 is like e0.
  const found = place
    .run('find', ...tops, '-type', 'f', '-perm', '-0200', '!', '-path', '*/e1/*')
    .trim()
    .split('\n');
  return found.map((path) => path.slice('/proc/sys/'.length)).sort();
}

async function readAll(names: readonly string[]): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of names) all[name] = await place.network.sysctl(name);
  return all;
}

/** Spellings by setting that the kernel takes, tried one after the other. */
const accepted = new Map<string, string[]>();
let pristine: Record<string, string> = {};

beforeAll(async () => {
  place.ip('link add e0 type veth peer name e1', 'link set e0 up', 'link set e1 up');
  const refused: string[] = [];
  for (const name of settings()) {
    if (lasting.test(name) || impossible.some(([pattern]) => pattern.test(name))) continue;
    const is = await place.network.sysctl(name);
    const taken: string[] = [];
    for (const spelling of new Set(spellings(is)))
      try {
        await place.network.setSysctl(name, spelling);
        taken.push(spelling);
      } catch (error) {
        if (!(error instanceof IpvsError)) throw error;
      }
    if (taken.length === 0) refused.push(name);
    else {
      await place.network.setSysctl(name, is);
      accepted.set(name, taken);
    }
  }
  expect(refused).toEqual([]);
  pristine = await readAll([...accepted.keys()]);
}, 300_000);

test('the kernel refuses to declare only what is listed', async () => {
  const names = settings();
  expect(names.length).toBeGreaterThan(300);
  for (const [pattern] of impossible) {
    const name = names.find((each) => pattern.test(each));
    if (name === undefined) continue;
    const record = join(directory, 'impossible.json');
    const document = { owner: 'impossible', namespace: place.name };
    await using state = await DesiredState.open(document, { record });
    await expect(state.apply({ ...document, sysctls: { [name]: '1' } })).rejects.toBeInstanceOf(IpvsError);
    await state.remove();
  }
});

/** All settings, each with one of its spellings: a document for each of them. */
function documents(names: readonly string[]): Record<string, string>[] {
  const most = Math.max(...names.map((name) => accepted.get(name)?.length ?? 0));
  return Array.from({ length: most }, (_, index) =>
    Object.fromEntries(
      names.flatMap((name) => {
        const spelling = accepted.get(name)?.[index];
        return spelling === undefined ? [] : [[name, spelling]];
      }),
    ),
  );
}

test('a document that was applied plans nothing, however its values are written', async () => {
  const isAlone = (name: string): boolean => alone.some((pattern) => pattern.test(name));
  const names = [...accepted.keys()];
  const all = [...documents(names.filter((name) => !isAlone(name))), ...documents(names.filter(isAlone))];
  for (const [index, sysctls] of all.entries()) {
    const document = { owner: `spelling-${index}`, namespace: place.name, sysctls };
    const record = join(directory, `${index}.json`);
    await using state = await DesiredState.open(document, { record });
    await state.apply();
    expect((await state.plan()).changes).toEqual([]);
    await using again = await DesiredState.open(document, { record });
    expect((await again.plan()).changes).toEqual([]);
    expect(await again.apply()).toEqual([]);
    await again.remove();
    expect(await readAll([...accepted.keys()])).toEqual(pristine);
  }
}, 300_000);
