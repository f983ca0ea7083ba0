// Addresses of a document that are there and do not work, with real links; compared with ip.
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DesiredDocument, DesiredState, type DriftReport } from '../../src/index.js';
import { usePlaces } from './world.js';

const [here, there] = usePlaces(2);
if (!here || !there) throw new Error('no places');
let state: DesiredState | undefined;

interface IpAddress {
  readonly ifname: string;
  readonly addr_info: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
    readonly dadfailed?: boolean;
    readonly tentative?: boolean;
    readonly nodad?: boolean;
  }[];
}

async function until(good: () => boolean, patience = 20_000): Promise<void> {
  const end = Date.now() + patience;
  while (!good()) {
    if (Date.now() > end) throw new Error(`not true within ${patience / 1000} s: ${good}`);
    await sleep(50);
  }
}

const open = async (...addresses: NonNullable<DesiredDocument['addresses']>): Promise<DesiredState> => {
  state = await DesiredState.open({ owner: 'a', namespace: here.name, addresses }, { record: false });
  return state;
};

/** What ip has of an address: the interface, and what it says of detection. */
const found = (address: string): string[] =>
  here
    .json<IpAddress>('ip', '-j', 'address')
    .flatMap(({ ifname, addr_info }) =>
      addr_info
        .filter(({ local }) => local === address)
        .map((one) => [ifname, ...['dadfailed', 'tentative', 'nodad'].filter((flag) => flag in one)].join(' ')),
    );

beforeEach(() => {
  here.ip('link add e0 type veth peer name e1', `link set e1 netns ${there.name}`, 'link set e0 up');
  there.ip('link set e1 up');
});

afterEach(async () => {
  await state?.close();
  // Each test has some of these.
  for (const name of ['e0', 'lan0']) spawnSync('ip', ['-n', here.name, 'link', 'delete', name], { stdio: 'ignore' });
});

test('an address that lost duplicate address detection is added again without', async () => {
  there.ip('address add fd00::5/64 dev e1 nodad');
  const desired = await open({ interface: 'e0', address: 'fd00::5/64' });
  await desired.apply();
  expect(found('fd00::5')).toEqual(['e0 nodad']);
  expect((await desired.plan()).empty).toBe(true);
  here.ip('address delete fd00::5/64 dev e0', 'address add fd00::5/64 dev e0');
  expect((await desired.plan()).changes, 'while it is detected').toMatchObject([{ action: 'change', is: 'tentative' }]);
  await until(() => found('fd00::5').some((text) => text.includes('dadfailed')));
  expect((await desired.plan()).changes).toMatchObject([
    { action: 'change', what: 'address fd00::5/64 on e0', is: 'unusable: duplicate address detection failed' },
  ]);
  await desired.apply();
  expect(found('fd00::5')).toEqual(['e0 nodad']);
  expect((await desired.plan()).empty).toBe(true);
  await desired.remove();
  expect(found('fd00::5')).toEqual([]);
});

test('one that another program made, and that lost it, is in the way', async () => {
  there.ip('address add fd00::5/64 dev e1 nodad');
  here.ip('address add fd00::5/64 dev e0');
  await until(() => found('fd00::5').some((text) => text.includes('dadfailed')));
  const desired = await open({ interface: 'e0', address: 'fd00::5/64' });
  await expect(desired.apply()).rejects.toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
  expect(found('fd00::5')).toEqual(['e0 dadfailed tentative']);
});

test.each(['10.1.0.100', 'fd00::100'])('an announcement of %s waits until the other end is up', async (address) => {
  // Believed only by who has an entry.
  const neighbour = (): string => there.run('ip', 'neighbour', 'show', address);
  there.ip('address add 10.1.0.2/24 dev e1', 'address add fd00::2/64 dev e1 nodad', 'link set e1 down');
  await until(() => here.run('ip', 'link', 'show', 'e0').includes('NO-CARRIER'));
  const desired = await open({ interface: 'e0', address, announce: true });
  await desired.apply();
  expect((await desired.plan()).steps).toMatchObject([{ action: 'wait', is: 'link e0 is down' }]);
  const reports: DriftReport[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    // Woken by an event: the interval is longer than this test.
    for await (const report of await desired.watch({ repair: true, interval: 600_000, signal: stop.signal }))
      reports.push(report);
  })().catch((error: unknown) => error);
  await sleep(200); // a watch has no way to say that it listens
  there.ip('link set e1 up', `neighbour replace ${address} lladdr 02:00:00:00:00:99 nud reachable dev e1`);
  const { address: mac = '' } = await here.network.link('e0');
  await until(() => neighbour().includes(mac) || reports.length > 0);
  await until(() => reports.some(({ repaired }) => repaired.some(({ what }) => what.startsWith('announcement of'))));
  stop.abort();
  expect(await watching).toMatchObject({ name: 'AbortError' });
  expect((await desired.plan()).empty).toBe(true);
  await desired.remove();
});

test('an address goes from an interface that got another name, and no other one goes', async () => {
  const desired = await open({ interface: 'e0', address: '192.0.2.1' });
  await desired.apply();
  here.ip('link set e0 down', 'link set e0 name lan0', 'link set lan0 up');
  here.ip('link add e0 type bridge', 'link set e0 up', 'address add 192.0.2.1/32 dev e0');
  expect(found('192.0.2.1').sort()).toEqual(['e0', 'lan0']);
  await desired.remove();
  expect(found('192.0.2.1')).toEqual(['e0']);
});
