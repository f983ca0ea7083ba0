// What is there already, other descriptions, other roles, and the records of what was made.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DirectDirectorRole, Role } from '../../src/index.js';
import { KernelFailure } from '../../src/kernel/index.js';
import { changed, director, failure, inside, records, VIP } from './lan.js';
import { make, realServer, usePlace } from './place.js';

const EIO = 5;
const place = usePlace();

test('what others have made is in the way, and nothing is done', async () => {
  inside(place.name, 'sh', '-c', 'ipvsadm -A -f 80 -s rr; ipvsadm -a -f 80 -r 192.168.1.102:0 -g -w 7');
  const there = await place.state();
  const role = await place.open(director);
  const error = await failure(role.apply());
  expect(error.code).toBe('ERR_IPVS_FOREIGN');
  expect(error.message).toBe(
    'not applied: service FWM 80 belongs to another program and differs (scheduler rr instead of lc). Use another mark',
  );
  const conflicts = (await role.plan()).filter(({ action }) => action === 'conflict');
  expect(conflicts.map(({ what }) => what)).toEqual(['service FWM 80: lc']);
  expect(await place.state()).toBe(there);
  await place.ipvs.flush();

  inside(place.name, 'nft', 'add table inet ipvs-direct-director');
  const foreign = await failure(role.apply());
  expect(foreign).toMatchObject({ code: 'ERR_IPVS_FOREIGN', message: expect.stringContaining('ipvs-direct-director') });
  expect(await place.ipvs.table()).toEqual([]);
  inside(place.name, 'nft', 'delete table inet ipvs-direct-director');
});

test('an identical service of another owner is in the way, and the error names that owner', async () => {
  const first = await place.open(director, { name: 'first' });
  await first.apply();
  const there = await place.state();
  const second = await place.open({ ...director, vip: '192.168.1.98' }, { name: 'second' });
  expect(await failure(second.apply())).toMatchObject({
    code: 'ERR_IPVS_FOREIGN',
    message: 'not applied: service FWM 80 belongs to owner first. Use another mark',
  });
  expect(await place.state()).toBe(there);
  await first.remove();
});

test('an address that is right already is kept, and stays', async () => {
  inside(place.name, 'ip', 'addr', 'add', `${VIP}/32`, 'dev', 'lan');
  const there = await place.state();
  const role = await place.open(director);
  expect(changed(await role.apply())).toEqual([
    'make service FWM 80: lc',
    'make server 192.168.1.101:0 of FWM 80: direct, weight 1',
    'make server 192.168.1.102:0 of FWM 80: direct, weight 1',
    'make server 192.168.1.103:0 of FWM 80: direct, weight 1',
    'make nf_tables table inet ipvs-direct-director: 1 marks, 0 rules',
  ]);
  await role.remove();
  expect(await place.state()).toBe(there);

  // The same address elsewhere, or with another prefix, is another.
  inside(
    place.name,
    'sh',
    '-c',
    `ip addr del ${VIP}/32 dev lan; ip addr add ${VIP}/32 dev lo; ip addr add ${VIP}/24 dev lan`,
  );
  const elsewhere = await place.state();
  expect(changed(await role.apply())).toContain(`make address ${VIP}/32 on lan`);
  await role.remove();
  expect(await place.state()).toBe(elsewhere);
  inside(place.name, 'sh', '-c', `ip addr del ${VIP}/32 dev lo; ip addr del ${VIP}/24 dev lan`);
});

const other: DirectDirectorRole = {
  ...director,
  vip: '192.168.1.99',
  scheduler: 'wlc',
  servers: [{ address: '192.168.1.101', weight: 2 }, { address: '192.168.1.103' }, { address: '192.168.1.104' }],
};

test('another description takes the fewest steps, or none', async () => {
  await (await place.open(director)).apply();
  const there = await place.state();
  const steps = [
    'change service FWM 80: wlc',
    'change server 192.168.1.101:0 of FWM 80: direct, weight 2',
    'make server 192.168.1.104:0 of FWM 80: direct, weight 1',
    'change nf_tables table inet ipvs-direct-director: 2 marks, 0 rules',
    'make address 192.168.1.99/32 on lan',
    `take-back address ${VIP}/32 on lan`,
    'change nf_tables table inet ipvs-direct-director: 1 marks, 0 rules',
    'take-back server 192.168.1.102:0 of FWM 80: direct, weight 1',
  ];
  let failures = 0;
  for (let number = 1, broke = true; broke; number++) {
    broke = false;
    const role = await place.open(other, {
      meddle: (change, when) => {
        if (change !== number || when !== 'before') return;
        broke = true;
        throw new KernelFailure(EIO, 'it broke');
      },
    });
    const [ended] = await Promise.allSettled([role.apply()]);
    if (ended.status === 'rejected') {
      failures++;
      expect(ended.reason.message).toMatch(/undone$/);
      expect(await place.state()).toBe(there);
      continue;
    }
    expect(changed(ended.value)).toEqual(steps);
    // An announcement that fails is sent again.
    if (broke) await (await place.open(director)).apply();
  }
  expect(failures).toBeGreaterThan(4); // rows of IPVS go to the kernel many at a time
  const back = await place.open(director);
  expect((await back.verify()).filter(({ problem }) => problem === 'left').map(({ what }) => what)).toEqual([
    'address 192.168.1.99/32 on lan',
    'server 192.168.1.104:0 of FWM 80: direct, weight 1',
  ]);
  expect(await back.apply()).toHaveLength(8);
  expect(await place.state()).toBe(there);
  await back.remove();
});

test('roles of different names do not disturb each other', async () => {
  const first = await place.open(director, { name: 'first' });
  const second = await place.open({ ...other, mark: 81, scheduler: 'rr' }, { name: 'second' });
  const third = await place.open(realServer);
  await Promise.all([first, second, third].map((role) => role.apply()));
  expect(await Promise.all([first, second, third].map((role) => role.verify()))).toEqual([[], [], []]);
  expect(records()).toHaveLength(4); // one for what they share
  await first.remove();
  expect(await Promise.all([second, third].map((role) => role.verify()))).toEqual([[], []]);
  await third.remove();
  expect(await second.verify()).toEqual([]);
  expect(inside(place.name, 'nft', 'list ruleset')).toContain('ipvs-second');
  await second.remove();
});

test('a record is of one namespace, not of its name', async () => {
  const again = place.other;
  const first = await place.open(director, { namespace: again });
  const steps = changed(await first.apply());
  const [stale = ''] = records();
  await first.close();
  spawnSync('ip', ['netns', 'del', again]);
  make(again);
  const second = await place.open(director, { namespace: again });
  expect(changed(await second.plan())).toEqual(steps);
  expect(await second.remove()).toEqual([]);
  rmSync(`/run/ipvs/${stale}`);
});

test('a record that cannot be used stops everything', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'role-'));
  const file = join(directory, 'record');
  writeFileSync(file, 'not JSON');
  const error = await failure(Role.open(director, { namespace: place.name, record: file }));
  expect(error).toMatchObject({ code: 'ERR_IPVS_RECORD', message: expect.stringContaining(file) });

  const below = await place.open(director, { record: join(file, 'below') }).catch((reason: unknown) => reason);
  expect(below).toMatchObject({ code: 'ERR_IPVS_RECORD' });
  rmSync(file);
  const role = await place.open(director, { record: file });
  await role.apply();
  expect(JSON.parse(readFileSync(file, 'utf8').split('\n')[0] ?? '')).toEqual({ version: 2 });
  await role.remove();
  expect(existsSync(file)).toBe(false);
  rmSync(directory, { recursive: true });
});
