// Settings that bound each other: the kernel refuses one of them until another has changed. The tests compare with the
// files below /proc/sys.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { DesiredState } from '../../src/index.js';
import { usePlaces } from './world.js';

type Sysctls = Readonly<Record<string, string | number>>;

const [place] = usePlaces(1) as [ReturnType<typeof usePlaces>[number]];
const directory = mkdtempSync(join(tmpdir(), 'ipvs-bounds-'));
afterAll(() => rmSync(directory, { recursive: true }));

const UNPRIVILEGED = 'net.ipv4.ip_unprivileged_port_start';
const RANGE = 'net.ipv4.ip_local_port_range';
const HIGH = 'net.ipv4.ipfrag_high_thresh';
const LOW = 'net.ipv4.ipfrag_low_thresh';
const MOST = 'net.ipv4.tcp_max_reordering';
const USUAL = 'net.ipv4.tcp_reordering';

const names = [UNPRIVILEGED, RANGE, HIGH, LOW, MOST, USUAL];

async function values(): Promise<Record<string, string>> {
  const entries = names.map(async (name) => [name, (await place.network.sysctl(name)).replace(/\s+/g, ' ')] as const);
  return Object.fromEntries(await Promise.all(entries));
}

const document = (sysctls: Sysctls) => ({ owner: 'a', namespace: place.name, sysctls });
const open = (): Promise<DesiredState> => DesiredState.open(document({}), { record: join(directory, 'a.json') });
const asText = (sysctls: Sysctls) => Object.fromEntries(Object.entries(sysctls).map(([name, is]) => [name, `${is}`]));

describe('documents that follow each other', () => {
  const cases: readonly (readonly [string, readonly Sysctls[]])[] = [
    [
      'a raised port start, then none',
      [
        { [UNPRIVILEGED]: 500, [RANGE]: '45000 60000' },
        { [UNPRIVILEGED]: 40000, [RANGE]: '45000 60000' },
      ],
    ],
    [
      'lowered ports',
      [
        { [RANGE]: '45000 60000', [UNPRIVILEGED]: 40000 },
        { [RANGE]: '2000 3000', [UNPRIVILEGED]: 1500 },
      ],
    ],
    [
      'raised ports',
      [
        { [RANGE]: '2000 3000', [UNPRIVILEGED]: 1500 },
        { [UNPRIVILEGED]: 40000, [RANGE]: '45000 60000' },
      ],
    ],
    [
      'a lowered range without the port start',
      [{ [RANGE]: '45000 60000', [UNPRIVILEGED]: 40000 }, { [RANGE]: '2000 3000' }],
    ],
    ['a raised port start without the range', [{ [RANGE]: '500 600', [UNPRIVILEGED]: 400 }, { [UNPRIVILEGED]: 800 }]],
    [
      'lowered thresholds',
      [
        { [HIGH]: 9000000, [LOW]: 8000000 },
        { [HIGH]: 5000000, [LOW]: 4500000 },
        { [HIGH]: 3000000, [LOW]: 2900000 },
      ],
    ],
    [
      'thresholds whose lower one is first',
      [
        { [LOW]: 8000000, [HIGH]: 9000000 },
        { [LOW]: 1000, [HIGH]: 2000 },
      ],
    ],
    ['a lowered high threshold without the low one', [{ [LOW]: 8000000, [HIGH]: 9000000 }, { [HIGH]: 7000000 }]],
    [
      'lowered reordering',
      [
        { [MOST]: 400, [USUAL]: 350 },
        { [MOST]: 200, [USUAL]: 150 },
        { [MOST]: 2, [USUAL]: 2 },
      ],
    ],
  ];

  test.each(cases)('%s: every document is reached at the first apply', async (_, documents) => {
    const before = await values();
    await using a = await open();
    for (const sysctls of documents) {
      await a.apply(document(sysctls));
      expect(await values()).toEqual({ ...before, ...asText(sysctls) });
      expect((await a.plan()).changes).toEqual([]);
    }
    await a.apply(document({}));
    expect(await values()).toEqual(before);
  });

  test.each(cases)('%s: remove() restores the values before', async (_, documents) => {
    const before = await values();
    for (const sysctls of documents) {
      await using a = await open();
      await a.apply(document(sysctls));
    }
    await using a = await open();
    await a.remove();
    expect(await values()).toEqual(before);
  });

  test.each(cases)('%s: a roll-back restores the document before', async (_, documents) => {
    const before = await values();
    await using a = await open();
    let applied: Sysctls = {};
    for (const sysctls of documents) {
      const bad = document({ ...sysctls, 'net.ipv4.ip_default_ttl': 1000 });
      await expect(a.apply(bad)).rejects.toMatchObject({ code: 'ERR_IPVS_STEP_FAILED', left: [] });
      expect(await values()).toEqual({ ...before, ...asText(applied) });
      applied = sysctls;
      await a.apply(document(applied));
    }
    await a.remove();
    expect(await values()).toEqual(before);
  });
});

test('a value that stays out of bounds is a failure, which names its step once', async () => {
  const before = await values();
  await using a = await open();
  const sysctls = { [LOW]: 90000000, [UNPRIVILEGED]: 500, [MOST]: 400 };
  const error = await a.apply(document(sysctls)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({
    code: 'ERR_IPVS_STEP_FAILED',
    message: expect.stringContaining('ipfrag_low_thresh'),
    cause: { code: 'ERR_IPVS_REJECTED', errnoName: 'EINVAL' },
    left: [],
  });
  const { outcomes } = error as { outcomes: readonly { step: { what: string }; error?: unknown }[] };
  expect(outcomes.filter((one) => one.error).map(({ step }) => step.what)).toEqual([
    `sysctl ${LOW.replaceAll('.', '/')}: 90000000`,
  ]);
  expect(outcomes).toHaveLength(3);
  expect(await values()).toEqual(before);
  expect(await a.remove()).toEqual([]);
});

test('settings that are left after a failure are taken back later', async () => {
  const before = await values();
  await using a = await open();
  const sysctls = { [LOW]: 8000000, [HIGH]: 9000000, 'net.ipv4.ip_default_ttl': 1000 };
  await expect(a.apply(document(sysctls), { onFailure: 'leave' })).rejects.toThrow('ip_default_ttl');
  expect(await values()).toMatchObject({ [LOW]: '8000000', [HIGH]: '9000000' });
  await a.remove();
  expect(await values()).toEqual(before);
});
