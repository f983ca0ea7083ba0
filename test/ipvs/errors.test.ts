import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Ipvs, IpvsError, type ServerOptions, type ServiceOptions } from '../../src/index.js';
import { errorFor } from '../../src/ipvs/errors.js';
import type { ServerSettings, ServiceSettings } from '../../src/kernel/ipvs/types.js';
import { layout } from '../../src/linux/ipvs/layout.js';
import { writeChanges } from '../../src/linux/ipvs/write.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { requests } from '../../src/linux/requests.js';
import { deleteNamespace, makeNamespace, run, useWorld } from './world.js';

const world = useWorld();
const tcp = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;

async function failure(work: Promise<unknown>): Promise<IpvsError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof IpvsError)) throw new Error(`not an IpvsError: ${error}`);
  return error;
}

test('ESRCH: a service that is not there, for every command', async () => {
  const service = await world.ipvs.addService(tcp);
  const server = await service.addServer({ address: '10.1.0.1' });
  await world.ipvs.flush();
  const gone = [
    () => service.read(),
    () => service.update({ scheduler: 'rr' }),
    () => service.zero(),
    () => service.delete(),
    () => service.servers(), // the kernel alone answers with an empty list
    () => service.addServer({ address: '10.1.0.2' }),
    () => server.read(),
    () => server.update({ weight: 2 }),
    () => server.delete(),
  ];
  for (const work of gone) {
    const error = await failure(work());
    expect(error).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE', errno: 3, errnoName: 'ESRCH' });
    expect(error.message).toContain('TCP 10.0.0.1:80');
    expect(error.message).toContain('the virtual service does not exist');
  }
});

test('ENOENT: a server that is not there', async () => {
  const service = await world.ipvs.addService(tcp);
  const server = await service.addServer({ address: '10.1.0.1' });
  await server.delete();
  expect(await failure(server.delete())).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVER', errno: 2 });
  expect(await failure(server.update({ weight: 2 }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVER' });
  const [result] = await world.ipvs.apply([{ change: 'set-server', service: tcp, server: { address: '10.1.0.1' } }]);
  expect(result).toMatchObject({ ok: false, error: { code: 'ERR_IPVS_NO_SUCH_SERVER', errno: 2 } });
});

test('ENOENT: an unknown scheduler, an unknown engine', async () => {
  expect(await failure(world.ipvs.addService({ ...tcp, scheduler: 'nope' }))).toMatchObject({
    code: 'ERR_IPVS_UNKNOWN_SCHEDULER',
    errno: 2,
    request: { action: 'add service', object: 'TCP 10.0.0.1:80 nope' },
  });
  const persistence = { engine: 'nope' };
  expect(await failure(world.ipvs.addService({ ...tcp, persistence }))).toMatchObject({
    code: 'ERR_IPVS_UNKNOWN_ENGINE',
  });
  expect(await failure(world.ipvs.addService({ ...tcp, scheduler: 'nope', persistence }))).toMatchObject({
    code: 'ERR_IPVS_UNKNOWN_SCHEDULER',
  });
  const service = await world.ipvs.addService(tcp);
  expect(await failure(service.update({ scheduler: 'nope' }))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_SCHEDULER' });
  expect((await service.read()).scheduler).toBe('wlc');
});

test('EEXIST: what is there already', async () => {
  const service = await world.ipvs.addService(tcp);
  expect(await failure(world.ipvs.addService(tcp))).toMatchObject({ code: 'ERR_IPVS_SERVICE_EXISTS', errno: 17 });
  await service.addServer({ address: '10.1.0.1' });
  expect(await failure(service.addServer({ address: '10.1.0.1' }))).toMatchObject({
    code: 'ERR_IPVS_SERVER_EXISTS',
    errno: 17,
  });
});

test('EINVAL: an address that this namespace cannot reach', async () => {
  const service = await world.ipvs.addService(tcp);
  for (const address of ['224.0.0.5', '0.0.0.0', '255.255.255.255']) {
    const error = await failure(service.addServer({ address }));
    expect(error).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
    expect(error.message).toContain('neither unicast nor local');
  }
  const lonely = `ipvs-lonely-${process.pid}`;
  run('ip', 'netns', 'add', lonely);
  const ipvs = await Ipvs.open({ namespace: lonely });
  const there = await ipvs.addService(tcp);
  expect(await failure(there.addServer({ address: '127.0.0.1' }))).toMatchObject({ code: 'ERR_IPVS_REJECTED' });
  await ipvs.close();
  deleteNamespace(lonely);
});

/** What the library would refuse, sent all the same: what the kernel says of it. */
test('what is validated before sending is what the kernel refuses, or worse', async () => {
  const port = await nativeKernel.openIpvs({ namespace: world.namespace });
  const key = { family: 'ipv4', ...tcp } as const;
  const service: ServiceSettings = {
    key,
    scheduler: 'rr',
    flags: 0,
    timeout: 0,
    netmask: 0xffffffff,
    engine: '',
  };
  const server: ServerSettings = {
    key: { family: 'ipv4', address: '10.1.0.1', port: 80 },
    forwarding: 'nat',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 'ipip',
    tunnelPort: 0,
    tunnelChecksum: 'none',
  };
  const send = async (change: Parameters<typeof port.apply>[0][number]): Promise<number> =>
    (await port.apply([change]))[0] ?? -1;
  expect(await send({ command: 'NEW_SERVICE', service })).toBe(0);
  const bad: [Partial<ServerSettings>, number][] = [
    [{ weight: -1 }, 34],
    [{ lowerThreshold: 2, upperThreshold: 1 }, 34],
    [{ forwarding: 'tunnel', tunnelType: 'gue' }, 22],
    [{ key: { family: 'ipv6', address: 'fd00::5', port: 80 } }, 22],
  ];
  for (const [part, errno] of bad) {
    expect(await send({ command: 'NEW_DEST', service: key, server: { ...server, ...part } })).toBe(errno);
  }
  const six = { ...service, key: { family: 'ipv6', protocol: 'tcp', address: 'fd00::1', port: 80 } } as const;
  expect(await send({ command: 'NEW_SERVICE', service: { ...six, netmask: 0 } })).toBe(22);
  expect(await send({ command: 'NEW_SERVICE', service: { ...six, netmask: 129 } })).toBe(22);
  // Trap 2: a mark of 0 is read as TCP 0.0.0.0:0, so the record has no way to say it.
  await port.close();
});

test('EAFNOSUPPORT: a family that IPVS does not know', async () => {
  // Nothing above the addon can say it: a record with another family, as it would lie in memory.
  const session = requests().newIpvs(30_000);
  await session.send('open', [`/run/netns/${world.namespace}`], {});
  const service = {
    key: { family: 'ipv4', fwmark: 5 },
    scheduler: 'rr',
    flags: 0,
    timeout: 0,
    netmask: 0,
    engine: '',
  } as const;
  const record = writeChanges([{ command: 'NEW_SERVICE', service }]);
  record[layout.change.service + layout.service.family] = 1; // AF_UNIX
  const [errno = 0] = await session.send('apply', [record], {});
  expect(errno).toBe(97);
  await session.send('close', [], {});
  const error = errorFor({ command: 'NEW_SERVICE', action: 'add service' }, errno);
  expect(error.code).toBe('ERR_IPVS_FAMILY_NOT_SUPPORTED');
});

test('EINVAL: a mixed family while the synchronisation daemon runs', async () => {
  const service = await world.ipvs.addService(tcp);
  const server = { address: 'fd00::5', forwarding: 'tunnel' } as const;
  await world.ipvs.startDaemon({ role: 'master', interface: 'd0' });
  const error = await failure(service.addServer(server));
  expect(error).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
  expect(error.message).toContain('no synchronisation daemon is running');
  await world.ipvs.stopDaemon('master');
  await service.addServer(server);
  expect(await failure(world.ipvs.startDaemon({ role: 'master', interface: 'd0' }))).toMatchObject({
    code: 'ERR_IPVS_REJECTED',
    message: expect.stringContaining('connections of such servers cannot be synchronised'),
  });
});

test('arguments are refused before anything is sent', async () => {
  const services: unknown[] = [
    { fwmark: 0 },
    { fwmark: 2 ** 32 },
    { fwmark: 1.5 },
    { fwmark: 1, address: '10.0.0.1' },
    { fwmark: 1, family: 'inet' },
    { ...tcp, protocol: 'icmp' },
    { ...tcp, protocol: undefined },
    { ...tcp, address: 'www.example.org' },
    { ...tcp, address: 'fe80::1%eth0' },
    { ...tcp, address: '010.0.0.1' },
    { ...tcp, port: 65536 },
    { ...tcp, port: '80' },
    { ...tcp, port: 0 },
    { ...tcp, family: 'ipv6' },
    { ...tcp, scheduler: '' },
    { ...tcp, scheduler: 'a name of more than 15' },
    { ...tcp, scheduler: 'rr\0' },
    { ...tcp, schedulerFlags: ['mh-port'], scheduler: 'sh' },
    { ...tcp, schedulerFlags: ['flag-4'] },
    { ...tcp, onePacket: true },
    { ...tcp, persistence: 0 },
    { ...tcp, persistence: 2678401 },
    { ...tcp, persistence: { netmask: 33 } },
    { ...tcp, persistence: { tiemout: 5 } },
    { ...tcp, shceduler: 'rr' },
    null,
  ];
  for (const service of services) {
    const error = await failure(world.ipvs.addService(service as ServiceOptions));
    expect(error, JSON.stringify(service)).toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  }
  expect(await world.ipvs.services()).toEqual([]);

  const service = await world.ipvs.addService(tcp);
  const servers: unknown[] = [
    { address: '' },
    { address: 'fd00::1' },
    { address: '10.1.0.1', weight: -1 },
    { address: '10.1.0.1', weight: 2 ** 31 },
    { address: '10.1.0.1', port: -1 },
    { address: '10.1.0.1', lowerThreshold: 2, upperThreshold: 1 },
    { address: '10.1.0.1', lowerThreshold: 1 },
    { address: '10.1.0.1', forwarding: 'local' },
    { address: '10.1.0.1', forwarding: 'direct', port: 8080 },
    { address: '10.1.0.1', forwarding: 'tunnel', port: 8080 },
    { address: '10.1.0.1', forwarding: 'tunnel', tunnel: { type: 'gue' } },
    { address: '10.1.0.1', forwarding: 'tunnel', tunnel: { type: 'gre', port: 5 } },
    { address: '10.1.0.1', forwarding: 'tunnel', tunnel: { type: 'ipip', checksum: 'checksum' } },
    { address: '10.1.0.1', forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'remote' } },
    { address: '10.1.0.1', tunnel: { type: 'ipip' } },
    { address: '10.1.0.1', wieght: 5 },
  ];
  for (const server of servers) {
    const error = await failure(service.addServer(server as ServerOptions));
    expect(error, JSON.stringify(server)).toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  }
  expect(await service.servers()).toEqual([]);
});

test('how to call, and what cannot be changed, is checked, too', async () => {
  const service = await world.ipvs.addService(tcp);
  const server = await service.addServer({ address: '10.1.0.1' });
  const wrong = [
    () => service.update({ port: 81 } as never),
    () => service.update({ fwmark: 81 } as never),
    () => server.update({ address: '10.1.0.2' } as never),
    () => service.update({ scheduler: 'rr' }, { ifUnchangd: true } as never),
    () => world.ipvs.services({ timeout: '1s' } as never),
    () => world.ipvs.services({ timeout: Number.NaN }),
    () => world.ipvs.info({ timeout: -1 }),
    () => world.ipvs.info({ signal: 'x' } as never),
    () => world.ipvs.table({ consistant: true } as never),
    () => world.ipvs.sysctl('conntrack', { timeout: 0 }),
    () => world.ipvs.connections({}, { timeout: 0 }).next(),
    () => world.ipvs.apply({} as never),
    () => world.ipvs.apply([{ change: 'add', service: tcp } as never]),
    () => Ipvs.open({ namespace: 1 } as never),
    () => Ipvs.open('blue' as never),
    () => Ipvs.open({ timeout: 0 }),
    () => Ipvs.open({ namespace: null } as never),
    () => Ipvs.open({ namespace: { name: undefined } } as never),
    () => Ipvs.open({ signal: {} } as never),
    () => world.ipvs.apply(new Array(3)),
    () => world.ipvs.apply([null] as never),
    () => world.ipvs.apply(new Set() as never),
    () => world.ipvs.connections({ protocol: 6 } as never).next(),
    () => world.ipvs.startDaemon({ role: 'master', interface: 'd0\0x' }),
    () => world.ipvs.startDaemon({ role: 'master', interface: 'é'.repeat(15) }),
    () => service.addServer({ address: '10.1.0.2', weight: [1n] } as never),
    () => world.ipvs.setSysctl('sync_threshold', new Array(2) as never),
  ];
  for (const work of wrong) {
    expect(await failure(work()), String(work)).toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  }
  expect((await service.read()).scheduler).toBe('wlc');
  expect((await world.ipvs.info({ timeout: Number.POSITIVE_INFINITY })).version).toMatch(/^1/);
});

test('what was read says which one it is', async () => {
  const service = await world.ipvs.addService(tcp);
  const server = await service.addServer({ address: '10.1.0.1', port: 8080 });
  expect((await world.ipvs.service(service)).key).toEqual(service.key);
  expect((await world.ipvs.service(service.key)).key).toEqual(service.key);
  expect((await service.server(server)).key).toEqual(server.key);
  const results = await world.ipvs.apply([
    { change: 'set-server', service, server: { address: server.address, port: server.port, weight: 9 } },
    { change: 'delete-server', service: service.key, server },
    { change: 'delete-service', service },
  ]);
  expect(results).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
});

test('an error as JSON has its message', async () => {
  const error = await failure(world.ipvs.service({ fwmark: 1 }));
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    name: 'IpvsError',
    code: 'ERR_IPVS_NO_SUCH_SERVICE',
    errno: 3,
    errnoName: 'ESRCH',
    message: error.message,
    request: { action: 'read service', object: 'FWM 1' },
  });
});

test('namespaces: by name, path, pid and descriptor; missing, and what is none', async () => {
  await world.ipvs.addService({ fwmark: 77 });
  const path = `/run/netns/${world.namespace}`;
  const fd = openSync(path, 'r');
  const child = execFileSync('sh', ['-c', `nsenter --net=${path} sleep 30 >/dev/null 2>&1 & echo $!; sleep 0.3`]);
  const pid = Number(child.toString());
  for (const namespace of [world.namespace, path, { name: world.namespace }, { path }, { fd }, { pid }]) {
    const ipvs = await Ipvs.open({ namespace });
    expect((await ipvs.services()).map((service) => service.fwmark)).toEqual([77]);
    await ipvs.close();
  }
  process.kill(pid);
  closeSync(fd);
  const here = await Ipvs.open();
  expect((await here.services()).map((service) => service.fwmark)).not.toContain(77);
  await here.close();

  for (const namespace of ['no-such-name', '/no/such/path', { pid: 2 ** 22 + 1 }]) {
    expect(await failure(Ipvs.open({ namespace }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_NAMESPACE', errno: 2 });
  }
  const file = join(mkdtempSync(join(tmpdir(), 'ipvs-')), 'file');
  writeFileSync(file, '');
  for (const namespace of [file, `/proc/${process.pid}/ns/mnt`]) {
    expect(await failure(Ipvs.open({ namespace }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_NAMESPACE', errno: 22 });
  }
  expect(await failure(Ipvs.open({ namespace: '../etc' }))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_NAMESPACE' });
  expect(await failure(Ipvs.open({ namespace: { name: '../x' } }))).toMatchObject({
    code: 'ERR_IPVS_INVALID_ARGUMENT',
  });
});

test('a handle keeps its namespace when its name is gone', async () => {
  const name = makeNamespace();
  const ipvs = await Ipvs.open({ namespace: name });
  await ipvs.addService({ fwmark: 5 });
  deleteNamespace(name);
  expect((await ipvs.services()).length).toBe(1);
  expect(await ipvs.sysctl('conntrack')).toBe(false);
  await ipvs.close();
});

test('EPERM: without CAP_NET_ADMIN', () => {
  const program = `
    import { Ipvs } from '${new URL('../../dist/index.js', import.meta.url)}';
    const ipvs = await Ipvs.open();
    await ipvs.services().catch((error) => console.log(error.code, error.errnoName, error.message));
    await Ipvs.open({ namespace: '${world.namespace}' }).catch((error) => console.log(error.code, error.message));
    await ipvs.close();`;
  const output = run(
    'setpriv',
    '--bounding-set=-all',
    '--inh-caps=-all',
    process.execPath,
    '--input-type=module',
    '-e',
    program,
  );
  expect(output).toContain('ERR_IPVS_PERMISSION EPERM cannot list services: permission is denied');
  expect(output).toContain('CAP_NET_ADMIN in the initial user namespace');
  expect(output).toContain('ERR_IPVS_PERMISSION cannot open IPVS namespace');
});
