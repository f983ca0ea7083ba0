// A container that is replaced without /run/ipvs of the host: the new one has no record of what is there.
import { expect, test } from 'vitest';
import { applyDocument, type DesiredDocument, DesiredState, Ipvs, Netfilter, Network } from '../../src/index.js';
import { before, RecordWorld } from './record-world.js';

const owner = 'a';
const wide: DesiredDocument = {
  owner,
  sysctls: { 'net.ipv4.vs.am_droprate': 5 },
  timeouts: { tcp: 100 },
  roles: [
    { role: 'direct-director', vip: '192.0.2.2', mark: 7, table: 100, servers: ['10.0.0.7'] },
    {
      role: 'real-server',
      vip: '192.0.2.1',
      interface: 'eth0',
      tunnel: { type: 'gue', local: '10.0.0.2', port: 6080 },
    },
  ],
  services: [
    { protocol: 'tcp', address: '192.0.2.3', port: 80, servers: ['10.0.0.8', '10.0.0.9'] },
    { protocol: 'tcp', address: '192.0.2.4', port: 80, servers: ['10.0.0.8'] },
  ],
  addresses: [
    { interface: 'eth0', address: '192.0.2.3' },
    { interface: 'eth0', address: '192.0.2.4' },
  ],
};
/** What the new container wants: less, and not otherwise. */
const narrow: DesiredDocument = {
  ...wide,
  services: [{ protocol: 'tcp', address: '192.0.2.3', port: 80, servers: ['10.0.0.8'] }],
  addresses: [{ interface: 'eth0', address: '192.0.2.3' }],
};

/** Deletes all records, as a new container finds none. */
async function lose(world: RecordWorld): Promise<void> {
  for (const path of Object.keys(await world.records())) await world.write(path, '');
}

test('adopts what the document wants, and lists what is left over', async () => {
  const world = await RecordWorld.begin();
  const { kernel } = world;
  await applyDocument(wide, { kernel });
  await lose(world);
  const there = await world.state();
  await using state = await DesiredState.open(narrow, { kernel });
  const plan = await state.plan(undefined, { adopt: true });
  const of = (action: string): string[] => plan.steps.filter((step) => step.action === action).map(({ what }) => what);
  expect(of('foreign').sort()).toEqual([
    'address 192.0.2.4/32 on eth0',
    'server 10.0.0.9:80 of TCP 192.0.2.3:80: nat, weight 1',
    'service TCP 192.0.2.4:80: wlc',
  ]);
  expect(plan.conflicts).toEqual([]);
  const adopted = of('adopt');
  for (const what of [
    'address 192.0.2.3/32 on eth0',
    'ipip link ipvs-tunnel',
    'GUE on UDP port 6080',
    'local route default in table 100',
    'ipv4 rule for mark 7 to table 100',
    'sysctl net/ipv4/vs/am_droprate: 5',
    'timeout tcp: 100 s',
    'nf_tables table inet ipvs-a: 1 marks, 0 rules',
    'service TCP 192.0.2.3:80: wlc',
    'server 10.0.0.8:80 of TCP 192.0.2.3:80: nat, weight 1',
  ])
    expect(adopted).toContain(what);
  expect(plan.changes).toHaveLength(adopted.length);
  await state.apply(undefined, { adopt: true });
  expect(await world.state()).toBe(there);
  const again = await state.plan(undefined, { adopt: true });
  expect(again.empty).toBe(true);
  expect(again.steps.map(({ action }) => action)).toEqual(['foreign', 'foreign', 'foreign']);
  expect((await state.plan()).empty).toBe(true);
});

test('removes what it adopted, and leaves settings as they were then', async () => {
  const world = await RecordWorld.begin();
  const { kernel } = world;
  await applyDocument(wide, { kernel });
  await lose(world);
  await applyDocument(narrow, { kernel, adopt: true });
  await using ipvs = await Ipvs.open({ kernel });
  await using network = await Network.open({ kernel });
  // A service with a server that is left over would stay.
  const service = await ipvs.service({ protocol: 'tcp', address: '192.0.2.3', port: 80 });
  for (const server of await service.servers()) if (server.address === '10.0.0.9') await server.delete();
  await using state = await DesiredState.open({ owner }, { kernel });
  await state.remove();
  expect(await world.records()).toEqual({});
  await using netfilter = await Netfilter.open({ kernel, owner: 'ipvs-a' });
  expect((await network.addresses({ interface: 'eth0' })).map(({ address }) => address)).not.toContain('192.0.2.3/32');
  expect((await network.links()).map(({ name }) => name)).not.toContain('ipvs-tunnel');
  expect((await network.rules()).filter(({ table }) => table === 100)).toEqual([]);
  expect(await network.routes({ table: 100 })).toEqual([]);
  expect(await network.udpTunnels()).toEqual([]);
  expect(await netfilter.entry()).toBeUndefined();
  expect((await ipvs.services()).map(({ address }) => address)).toEqual(['192.0.2.4']);
  expect(await network.sysctl('net.ipv4.vs.am_droprate')).toBe('5');
  expect((await ipvs.timeouts()).tcp).toBe(100);
});

test('says what to do where something is in the way and the owner has no record', async () => {
  const world = await RecordWorld.begin();
  const { kernel } = world;
  await applyDocument(wide, { kernel });
  const changed: DesiredDocument = {
    owner,
    services: [{ protocol: 'tcp', address: '192.0.2.4', port: 80, scheduler: 'rr' }],
  };
  await lose(world);
  await expect(applyDocument(changed, { kernel })).rejects.toMatchObject({
    code: 'ERR_IPVS_FOREIGN',
    message: expect.stringMatching(/no record here \(\/run\/ipvs\/.*mount \/run\/ipvs from the host.*adopt: true/),
  });
  await applyDocument({ owner, sysctls: { 'net.ipv4.vs.am_droprate': 5 } }, { kernel, adopt: true });
  const failure = await applyDocument(changed, { kernel }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'ERR_IPVS_FOREIGN' });
  expect(String(failure)).not.toContain('no record here');
});

test('takes over a table of nf_tables that differs, and forgets what was in it', async () => {
  const world = await RecordWorld.begin();
  const { kernel } = world;
  await applyDocument({ owner, marks: [{ mark: 1, destination: '192.0.2.9' }] }, { kernel });
  await lose(world);
  const marks: DesiredDocument = { owner, marks: [{ mark: 2, destination: '192.0.2.8' }] };
  await using state = await DesiredState.open(marks, { kernel });
  await state.apply(undefined, { adopt: true });
  await state.remove();
  await using netfilter = await Netfilter.open({ kernel, owner: 'ipvs-a' });
  expect(await netfilter.entry()).toBeUndefined();
});

test('lists a table of nf_tables that it does not want any more', async () => {
  const world = await RecordWorld.begin();
  const { kernel } = world;
  await applyDocument({ owner, marks: [{ mark: 1, destination: '192.0.2.9' }] }, { kernel });
  await lose(world);
  await using state = await DesiredState.open({ owner }, { kernel });
  expect(String(await state.plan(undefined, { adopt: true }))).toContain('? nf_tables table inet ipvs-a');
  expect(String(await state.plan())).not.toContain('?');
});

test('leaves what it adopted in a call that failed', async () => {
  const world = await RecordWorld.begin();
  const { kernel } = world;
  await applyDocument(before, { kernel });
  await lose(world);
  const there = await world.state();
  const more = [...(before.services ?? []), { fwmark: 99, servers: ['10.0.0.1'] }];
  kernel.fail({ command: 'NEW_DEST', errno: 12 });
  await expect(applyDocument({ ...before, services: more }, { kernel, adopt: true })).rejects.toThrow('undone');
  expect(await world.state()).toBe(there);
  expect(await world.records()).toEqual({});
});
