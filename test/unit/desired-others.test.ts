// Services that another owner or another program made: conflicts, adoption, sharing.
import { expect, test } from 'vitest';
import {
  type ApplyDocumentOptions,
  applyDocument,
  ConflictError,
  type DesiredService,
  DesiredState,
  formatIpvsadm,
  Ipvs,
  type IpvsError,
  planDocument,
  Role,
  type ServiceOptions,
  StateSnapshot,
  savedServices,
} from '../../src/index.js';
import { ServiceFlag } from '../../src/kernel/ipvs/types.js';
import { MemoryKernel } from '../../src/memory/index.js';

const mark = { fwmark: 256, scheduler: 'rr' } as const;

async function world() {
  const kernel = new MemoryKernel();
  const ipvs = await Ipvs.open({ kernel });
  const open = (owner: string, ...services: DesiredService[]) => DesiredState.open({ owner, services }, { kernel });
  const table = async (): Promise<string[]> =>
    formatIpvsadm(savedServices(await ipvs.table()))
      .trim()
      .split('\n')
      .sort();
  return { kernel, ipvs, open, table };
}

async function refusal(state: DesiredState, options?: ApplyDocumentOptions): Promise<IpvsError> {
  const error = await state.apply(undefined, options).then(
    () => undefined,
    (reason: unknown) => reason as IpvsError,
  );
  if (!error) throw new Error('it was applied');
  return error;
}

test('an identical service of another program is a conflict, and nothing is written into it', async () => {
  const { ipvs, open, table } = await world();
  await (await ipvs.addService(mark)).addServer({ address: '10.0.0.1' });
  const before = await table();
  const state = await open('a', { ...mark, servers: ['10.0.0.1', '10.0.0.2'] });
  const error = await refusal(state);
  expect(error.code).toBe('ERR_IPVS_FOREIGN');
  expect(error.message).toContain(
    'not applied: service FWM 256 belongs to another program. Adopt it with `{ adopt: true }`, write `shared: true` ' +
      'to add servers to it, or use another mark. The owner has no record here',
  );
  expect(await table()).toEqual(before);
  const plan = await state.plan();
  expect(plan.steps).toEqual([
    { action: 'conflict', what: 'service FWM 256: rr', is: 'rr', differences: [], owner: null },
  ]);
  expect(String(plan)).toContain('! service FWM 256: rr (of another program)');
  await state.apply(undefined, { adopt: true });
  expect(await table()).toEqual([
    '-A -f 256 -s rr',
    '-a -f 256 -r 10.0.0.1:0 -m -w 1',
    '-a -f 256 -r 10.0.0.2:0 -m -w 1',
  ]);
});

test('a conflict names the owner whose record has the service, in plans of a snapshot too', async () => {
  const { open } = await world();
  const service = { protocol: 'tcp', address: '192.0.2.1', port: 80, persistence: 60 } as const;
  const first = await open('swarm', { ...service, servers: ['10.0.0.1'] });
  await first.apply();
  const second = await open('web', { ...service, persistence: { timeout: 60, netmask: '0.0.0.0' }, scheduler: 'rr' });
  expect((await refusal(second)).message).toBe(
    'not applied: service TCP 192.0.2.1:80 belongs to owner swarm and differs (scheduler wlc instead of rr, netmask ' +
      '255.255.255.255 instead of 0.0.0.0). Adopt it with `{ adopt: true }`, or use another address or port',
  );
  const differences = [
    { path: 'scheduler', is: 'wlc', wanted: 'rr' },
    { path: 'persistence.netmask', is: '255.255.255.255', wanted: '0.0.0.0' },
  ];
  expect((await second.plan()).conflicts).toMatchObject([{ differences, owner: 'swarm' }]);
  const snapshot = StateSnapshot.parse(JSON.stringify(await second.snapshot()));
  expect((await planDocument(second.document, snapshot)).conflicts).toMatchObject([{ differences, owner: 'swarm' }]);
  expect(String(await second.plan())).toContain('(of owner swarm: scheduler wlc instead of rr, netmask ');
});

test('a role names the owner of a service that is in the way, and gives no advice that it cannot take', async () => {
  const { kernel, open } = await world();
  const service = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
  await (await open('swarm', { ...service, servers: ['10.0.0.1'] })).apply();
  const role = await Role.open(
    { role: 'nat-director', services: [{ service, servers: [{ address: '10.0.0.2' }] }], masquerade: false },
    { kernel, name: 'mine' },
  );
  const error = await role.apply().then(
    () => undefined,
    (reason: unknown) => reason as IpvsError,
  );
  expect(error).toMatchObject({
    code: 'ERR_IPVS_FOREIGN',
    message: 'not applied: service TCP 192.0.2.1:80 belongs to owner swarm. Use another address or port',
  });
  expect(await role.verify()).toContainEqual({
    problem: 'in-the-way',
    what: 'service TCP 192.0.2.1:80: wlc',
    is: 'wlc, of owner swarm',
  });
});

test('a damaged or half-written record of another owner names nobody', async () => {
  const { kernel, open } = await world();
  const first = await open('swarm', mark);
  await first.apply();
  const second = await open('web', mark);
  const [record] = await kernel.readJournals('/run/ipvs/');
  if (!record) throw new Error('there is no record');
  for (const text of ['', 'null\n', `${record.text.split('\n')[0]}\n{"own":null}\n`, record.text.slice(0, -3), '{}']) {
    const journal = await kernel.openJournal(record.path);
    await journal.replace(text);
    await journal.close();
    expect((await second.plan()).conflicts).toMatchObject([{ owner: null }]);
  }
});

test('two owners share a service; each adds and removes its own servers, whoever goes first', async () => {
  for (const order of ['first', 'second']) {
    const { open, table } = await world();
    const first = await open('a', { ...mark, servers: ['10.0.0.1'] });
    await first.apply();
    const second = await open('b', { fwmark: 256, shared: true, servers: ['10.0.0.2', '10.0.0.3'] });
    await second.apply();
    const rows = (...numbers: number[]) => [
      '-A -f 256 -s rr',
      ...numbers.map((number) => `-a -f 256 -r 10.0.0.${number}:0 -m -w 1`),
    ];
    expect(await table()).toEqual(rows(1, 2, 3));
    for (const state of [first, second]) expect((await state.plan()).empty).toBe(true);
    await second.apply({ owner: 'b', services: [{ fwmark: 256, shared: true, servers: ['10.0.0.2'] }] });
    expect(await table()).toEqual(rows(1, 2));
    if (order === 'first') {
      // The service waits for the servers of the other owner.
      expect((await first.remove()).map(({ action }) => action)).toEqual(['take-back', 'wait']);
      expect(await table()).toEqual(rows(2));
      expect((await second.plan()).empty).toBe(true);
      await second.remove();
      expect(await table()).toEqual(rows());
      await first.remove();
    } else {
      await second.remove();
      expect(await table()).toEqual(rows(1));
      expect((await first.plan()).empty).toBe(true);
      await first.remove();
    }
    expect(await table()).toEqual(['']);
  }
});

test('a shared service that vanishes is made again, and goes when the last of its owners goes', async () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const { ipvs, open, table } = await world();
    const states = [
      await open('a', { ...mark, shared: true, servers: ['10.0.0.1'] }),
      await open('b', { ...mark, shared: true, servers: ['10.0.0.2'] }),
    ];
    for (const state of states) await state.apply();
    await ipvs.flush();
    for (const state of states.toReversed()) await state.apply();
    expect(await table()).toHaveLength(3);
    for (const state of states) expect((await state.plan()).empty).toBe(true);
    for (const index of order) await states[index]?.remove();
    expect(await table()).toEqual(['']);
    for (const state of states) expect((await state.remove()).filter(({ action }) => action === 'wait')).toEqual([]);
  }
});

test('a shared service keeps its settings; those that the document states are compared', async () => {
  const { ipvs, open, table } = await world();
  await (await ipvs.addService({ ...mark, persistence: 60 })).addServer({ address: '10.0.0.1', weight: 7 });
  const state = await open('a', { fwmark: 256, shared: true, servers: ['10.0.0.2'] });
  await state.apply(undefined, { adopt: true });
  expect(await table()).toEqual([
    '-A -f 256 -s rr -p 60',
    '-a -f 256 -r 10.0.0.1:0 -m -w 7',
    '-a -f 256 -r 10.0.0.2:0 -m -w 1',
  ]);
  const services = [{ fwmark: 256, shared: true, scheduler: 'wlc', servers: ['10.0.0.2'] }];
  expect((await state.plan({ owner: 'a', services })).conflicts).toMatchObject([
    { differences: [{ path: 'scheduler', is: 'rr', wanted: 'wlc' }, {}], owner: null },
  ]);
  const server = { fwmark: 256, shared: true, servers: ['10.0.0.1', '10.0.0.2'] };
  const conflict = await state.apply({ owner: 'a', services: [server] }).catch((error: IpvsError) => error.message);
  expect(conflict).toBe(
    'not applied: server 10.0.0.1:0 of FWM 256 belongs to another program and differs (weight 7 instead of 1). Adopt ' +
      'it with `{ adopt: true }`, or leave it out',
  );
  await state.remove();
  expect(await table()).toEqual(['-A -f 256 -s rr -p 60', '-a -f 256 -r 10.0.0.1:0 -m -w 7']);
});

test('an identical server of another program in a shared service stays that program’s', async () => {
  const { ipvs, open, table } = await world();
  await (await ipvs.addService(mark)).addServer({ address: '10.0.0.1' });
  const before = await table();
  const state = await open('a', { ...mark, shared: true, servers: ['10.0.0.1'] });
  for (const adopt of [false, true]) expect(await state.apply(undefined, { adopt })).toEqual([]);
  await state.remove();
  expect(await table()).toEqual(before);
});

test('own servers go from a service of others that the document has no more', async () => {
  const { ipvs, open, table } = await world();
  await ipvs.addService(mark);
  const state = await open('a', { ...mark, shared: true, servers: ['10.0.0.1'] });
  await state.apply();
  await state.apply({ owner: 'a', services: [] });
  expect(await table()).toEqual(['-A -f 256 -s rr']);
});

const tcp = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
const whole = { timeout: 0, netmask: 0xffffffff, engine: '' };

test.each<[string, ServiceOptions, Partial<typeof whole & { flags: number }>]>([
  ['netmask 0, as Docker makes services', mark, { netmask: 0 }],
  ['a timeout without persistence', mark, { timeout: 360 }],
  ['an engine without persistence', mark, { engine: 'sip' }],
  ['bits that the kernel does not know', mark, { flags: 0x7fff_ff00 }],
  ['flags of a scheduler that reads none', mark, { flags: ServiceFlag.scheduler1 | ServiceFlag.scheduler3 }],
  ['the third flag of a hashing scheduler', { ...mark, scheduler: 'mh' }, { flags: ServiceFlag.scheduler3 }],
  ['one-packet scheduling of TCP', tcp, { flags: ServiceFlag.onePacket }],
])('%s is no difference', async (_, wanted, held) => {
  const { kernel, ipvs, open } = await world();
  const made = await ipvs.addService(wanted);
  const port = await kernel.openIpvs({});
  const service = { key: made.key, scheduler: made.scheduler, flags: 0, ...whole, ...held };
  expect(await port.apply([{ command: 'SET_SERVICE', service }])).toEqual([0]);
  expect((await made.read()).matches(wanted)).toBe(true);
  const state = await open('a', wanted);
  const steps = await state.apply(undefined, { adopt: true });
  expect(steps.map(({ action }) => action)).toEqual(['adopt']);
  expect((await state.plan()).steps).toEqual([]);
  await port.close();
});

test.each<[string, ServiceOptions, object]>([
  ['flags of a scheduler that is not of the kernel', { ...mark, scheduler: 'own' }, { flags: ServiceFlag.scheduler1 }],
  ['one-packet scheduling by mark', mark, { flags: ServiceFlag.onePacket }],
  ['netmask 0 with persistence', { ...mark, persistence: 60 }, { netmask: 0, timeout: 60, flags: 1 }],
])('%s is a difference', async (_, wanted, held) => {
  const kernel = new MemoryKernel({ schedulers: ['rr', 'own'] });
  await using ipvs = await Ipvs.open({ kernel });
  const made = await ipvs.addService(wanted);
  const port = await kernel.openIpvs({});
  const service = { key: made.key, scheduler: made.scheduler, flags: 0, ...whole, ...held };
  expect(await port.apply([{ command: 'SET_SERVICE', service }])).toEqual([0]);
  expect((await made.read()).matches(wanted)).toBe(false);
  await port.close();
});

test('the port of a server with direct routing or a tunnel is no difference, and its row is the one that is kept', async () => {
  const { ipvs, open, table } = await world();
  const docker = await ipvs.apply([
    { change: 'add-service', service: mark },
    { change: 'add-server', service: mark, server: { address: '10.0.0.9', port: 80 } },
  ]);
  expect(docker).toEqual([{ ok: true }, { ok: true }]);
  const service = { ...mark, servers: [{ address: '10.0.0.7', port: 80, forwarding: 'direct' as const, weight: 2 }] };
  const first = await open('keepalived', { ...service, shared: true });
  await first.apply();
  const before = await table();
  expect(before).toContain('-a -f 256 -r 10.0.0.7:80 -g -w 2');
  const second = await open('a', { ...mark, servers: [{ address: '10.0.0.7', forwarding: 'direct', weight: 2 }] });
  const steps = await second.apply(undefined, { adopt: true });
  expect(steps.map(({ action, what }) => `${action} ${what}`)).toEqual([
    'adopt service FWM 256: rr',
    'adopt server 10.0.0.7:80 of FWM 256: direct, weight 2',
  ]);
  expect(await table()).toEqual(before);
  expect((await second.plan()).empty).toBe(true);
  // A change keeps the row, too: no connection of the old one is lost.
  const tunnel = { address: '10.0.0.7', forwarding: 'tunnel' as const };
  await second.apply({ owner: 'a', services: [{ ...mark, servers: [tunnel] }] });
  expect(await table()).toContain('-a -f 256 -r 10.0.0.7:80 -i -w 1 --tun-type ipip');
  expect(await table()).toHaveLength(3);
  // With NAT the port has an effect: that is another server.
  await second.apply({ owner: 'a', services: [{ ...mark, servers: ['10.0.0.7'] }] });
  expect(await table()).toEqual([
    '-A -f 256 -s rr',
    '-a -f 256 -r 10.0.0.7:0 -m -w 1',
    '-a -f 256 -r 10.0.0.9:80 -m -w 1',
  ]);
  await second.remove();
  expect(await table()).toEqual(['-A -f 256 -s rr', '-a -f 256 -r 10.0.0.9:80 -m -w 1']);
});

test('rows for two ports of one address stay two, and a wanted one takes its own', async () => {
  const { open, table } = await world();
  const at = (port: number) => ({ address: '10.0.0.7', port, forwarding: 'direct' as const });
  const state = await open('a', { ...mark, servers: [at(80), at(443)] });
  await state.apply();
  expect(await table()).toHaveLength(3);
  expect((await state.plan()).empty).toBe(true);
  expect(
    (await state.apply({ owner: 'a', services: [{ ...mark, servers: [at(0)] }] })).map(({ what }) => what),
  ).toHaveLength(1);
  expect(await table()).toHaveLength(2);
  await state.apply({ owner: 'a', services: [{ ...mark, servers: [at(443), at(0)] }] });
  expect(await table()).toHaveLength(3);
});

test('a conflict is told as data: its steps, their owners, what differs', async () => {
  const kernel = new MemoryKernel();
  await using ipvs = await Ipvs.open({ kernel });
  await ipvs.addService({ fwmark: 7, scheduler: 'lc' });
  const error = await applyDocument({ owner: 'a', services: [{ fwmark: 7, scheduler: 'rr' }] }, { kernel }).catch(
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ConflictError);
  expect(error).toMatchObject({
    code: 'ERR_IPVS_FOREIGN',
    conflicts: [{ action: 'conflict', owner: null, differences: [{ path: 'scheduler', is: 'lc', wanted: 'rr' }] }],
  });
  const lacking = await applyDocument(
    { owner: 'b', addresses: [{ interface: 'eth7', address: '10.0.0.1' }] },
    { kernel },
  ).catch((error: unknown) => error);
  expect(lacking).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_INTERFACE', conflicts: [{ action: 'conflict' }] });
});
