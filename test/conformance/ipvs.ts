// What every kernel with IPVS does: the real one, and the one in memory.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  type ConnectionEntry,
  Ipvs,
  type RealServer,
  type ServerChanges,
  type ServiceOptions,
} from '../../src/index.js';
import type { IpvsPort } from '../../src/kernel/ipvs/port.js';
import type { Change, ServerSettings, ServiceSettings } from '../../src/kernel/ipvs/types.js';
import { failure, type IpvsPlace } from './place.js';

const tcp = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const tcp6 = { protocol: 'tcp', address: 'fd00::1', port: 80 } as const;
const key = { family: 'ipv4', ...tcp } as const;

const service: ServiceSettings = { key, scheduler: 'rr', flags: 0, timeout: 0, netmask: 0xffffffff, engine: '' };
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

export function ipvsConformance(open: () => Promise<IpvsPlace>): void {
  let place: IpvsPlace;
  let ipvs: Ipvs;
  let port: IpvsPort;

  beforeAll(async () => {
    place = await open();
    ipvs = await Ipvs.open({ kernel: place.kernel, namespace: place.namespace });
    port = await place.kernel.openIpvs({ namespace: place.namespace });
  });
  afterEach(() => ipvs.flush());
  afterAll(async () => {
    await port?.close();
    await ipvs?.close();
    await place?.dispose();
  });

  /** Without the checks of the library. */
  const send = async (change: Change): Promise<number | undefined> => (await port.apply([change]))[0];
  const newServer = (part: Partial<ServerSettings>): Promise<number | undefined> =>
    send({ command: 'NEW_DEST', service: key, server: { ...server, ...part } });
  const names = (servers: readonly RealServer[]): string[] =>
    servers.map(({ address, port: at }) => `${address} ${at}`);

  test('a namespace begins empty', async () => {
    expect(await ipvs.services()).toEqual([]);
    expect(await ipvs.table()).toEqual([]);
    expect(await ipvs.daemons()).toEqual([]);
    for await (const connection of ipvs.connections()) expect.unreachable(connection.protocol);
    expect((await ipvs.info()).version).toMatch(/^1\.2\.\d+$/);
  });

  const options: ServiceOptions[] = [
    { ...tcp },
    { ...tcp, scheduler: 'rr' },
    { ...tcp, protocol: 'udp', onePacket: true },
    { ...tcp, protocol: 'sctp', scheduler: 'wrr' },
    { ...tcp, persistence: true },
    { ...tcp, persistence: { timeout: 77, netmask: 24 } },
    { ...tcp, persistence: { netmask: '255.0.255.0' } },
    { ...tcp, port: 0, persistence: 60 },
    { ...tcp6, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
    { ...tcp6, persistence: { timeout: 5, netmask: 64 } },
    { fwmark: 1, scheduler: 'lc' },
    { fwmark: 0xffffffff },
    { fwmark: 80, family: 'ipv6', persistence: { netmask: 56 } },
  ];
  test.each(options)('a service reads as it was made: %j', async (wanted) => {
    const made = await ipvs.addService(wanted);
    expect(made.matches(wanted)).toBe(true);
    expect((await ipvs.service(made)).matches(wanted)).toBe(true);
    expect((await ipvs.services()).map((read) => read.key)).toEqual([made.key]);
    expect(made.statistics.connections).toBe(0n);
    const [entry] = await port.services();
    expect((entry?.flags ?? 0) & 2).toBe(2); // hashed
  });

  test('set-service replaces all settings', async () => {
    const made = await ipvs.addService({ ...tcp, scheduler: 'rr', persistence: { timeout: 99, netmask: 24 } });
    expect(await ipvs.apply([{ change: 'set-service', service: { ...tcp, scheduler: 'lc' } }])).toEqual([{ ok: true }]);
    const read = await made.read();
    expect(read.scheduler).toBe('lc');
    expect(read.persistence).toBeUndefined();
  });

  test('an update keeps what it does not name', async () => {
    const made = await ipvs.addService({ ...tcp, scheduler: 'rr', persistence: { timeout: 99, netmask: 24 } });
    const updated = await made.update({ scheduler: 'wlc' });
    expect(updated.persistence).toEqual({ timeout: 99, netmask: 24 });
    expect(updated.scheduler).toBe('wlc');
  });

  test('EEXIST: a service, by address and by mark; the other family is another', async () => {
    for (const wanted of [tcp, tcp6, { fwmark: 7 }, { fwmark: 7, family: 'ipv6' } as const]) {
      await ipvs.addService(wanted);
      expect(await failure(ipvs.addService(wanted))).toMatchObject({ code: 'ERR_IPVS_SERVICE_EXISTS', errno: 17 });
    }
    expect(await ipvs.services()).toHaveLength(4);
  });

  test('ENOENT: a scheduler, an engine; nothing has changed', async () => {
    expect(await failure(ipvs.addService({ ...tcp, scheduler: 'nope' }))).toMatchObject({
      code: 'ERR_IPVS_UNKNOWN_SCHEDULER',
      errno: 2,
    });
    expect(await failure(ipvs.addService({ ...tcp, persistence: { engine: 'nope' } }))).toMatchObject({
      code: 'ERR_IPVS_UNKNOWN_ENGINE',
    });
    const made = await ipvs.addService(tcp);
    expect(await failure(made.update({ scheduler: 'nope' }))).toMatchObject({ code: 'ERR_IPVS_UNKNOWN_SCHEDULER' });
    expect((await made.read()).scheduler).toBe('wlc');
  });

  test('EEXIST comes before ENOENT', async () => {
    await ipvs.addService(tcp);
    expect(await failure(ipvs.addService({ ...tcp, scheduler: 'nope' }))).toMatchObject({ errno: 17 });
    expect(await send({ command: 'SET_SERVICE', service: { ...service, scheduler: 'nope' } })).toBe(2);
  });

  test('ESRCH: a service that is not there', async () => {
    const made = await ipvs.addService(tcp);
    const real = await made.addServer({ address: '10.1.0.1' });
    await made.delete();
    const gone = [
      () => made.read(),
      () => made.update({ scheduler: 'rr' }),
      () => made.zero(),
      () => made.delete(),
      () => made.servers(),
      () => made.addServer({ address: '10.1.0.2' }),
      () => real.read(),
      () => real.update({ weight: 2 }),
      () => real.delete(),
    ];
    for (const work of gone)
      expect(await failure(work())).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVICE', errno: 3 });
    expect(await send({ command: 'SET_SERVICE', service })).toBe(3);
    expect(await send({ command: 'ZERO', service: key })).toBe(3);
    // The service is looked for first.
    expect(await newServer({ weight: -1 })).toBe(3);
  });

  test('EINVAL: a netmask of IPv6 that is no prefix length', async () => {
    const six: ServiceSettings = { ...service, key: { family: 'ipv6', ...tcp6 }, netmask: 128 };
    for (const netmask of [0, 129]) {
      expect(await send({ command: 'NEW_SERVICE', service: { ...six, netmask } })).toBe(22);
    }
    expect(await send({ command: 'NEW_SERVICE', service: six })).toBe(0);
    expect(await send({ command: 'SET_SERVICE', service: { ...six, netmask: 0 } })).toBe(22);
    expect(await send({ command: 'NEW_SERVICE', service: { ...six, netmask: 0, scheduler: 'nope' } })).toBe(17);
  });

  const ways: ServerChanges[] = [
    { forwarding: 'nat', weight: 0 },
    { forwarding: 'direct', weight: 65535 },
    { forwarding: 'tunnel', weight: 2147483647 },
    { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'checksum' } },
    { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6081, checksum: 'remote' } },
    { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } },
    { upperThreshold: 100, lowerThreshold: 0 },
    { upperThreshold: 2147483647, lowerThreshold: 2147483647 },
  ];
  test.each(ways)('a server reads as it was made: %j', async (way) => {
    for (const [virtual, address] of [
      [tcp, '10.1.0.1'],
      [tcp6, 'fd00:1::1'],
    ] as const) {
      const made = await (await ipvs.addService(virtual)).addServer({ address, ...way });
      expect(made).toMatchObject(way);
      expect(await made.read()).toMatchObject(way);
      expect(made).toMatchObject({ activeConnections: 0, inactiveConnections: 0, persistentConnections: 0 });
    }
  });

  test('set-server replaces all settings, the tunnel too', async () => {
    const made = await ipvs.addService(tcp);
    await made.addServer({ address: '10.1.0.1', forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 }, weight: 9 });
    const set = (forwarding: 'tunnel' | 'nat') =>
      ipvs.apply([{ change: 'set-server', service: tcp, server: { address: '10.1.0.1', forwarding } }]);
    expect(await set('tunnel')).toEqual([{ ok: true }]);
    expect(await made.server({ address: '10.1.0.1' })).toMatchObject({ weight: 1, tunnel: { type: 'ipip' } });
    await made.addServer({ address: '10.1.0.2', forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum' } });
    expect(
      await send({
        command: 'SET_DEST',
        service: key,
        server: { ...server, key: { ...server.key, address: '10.1.0.2' } },
      }),
    ).toBe(0);
    const [raw] = (await port.servers(key)).filter((entry) => entry.key.address === '10.1.0.2');
    expect(raw).toMatchObject({ forwarding: 'nat', tunnelType: 'ipip', tunnelPort: 0, tunnelChecksum: 'none' });
  });

  test('servers come the newest first, also one that was added again', async () => {
    const made = await ipvs.addService(tcp);
    for (const end of [1, 2, 3]) await made.addServer({ address: `10.1.0.${end}` });
    expect(names(await made.servers())).toEqual(['10.1.0.3 80', '10.1.0.2 80', '10.1.0.1 80']);
    await (await made.server({ address: '10.1.0.2' })).update({ weight: 5 });
    await (await made.server({ address: '10.1.0.1' })).delete();
    await made.addServer({ address: '10.1.0.1' });
    expect(names(await made.servers())).toEqual(['10.1.0.1 80', '10.1.0.3 80', '10.1.0.2 80']);
  });

  test('an address on two ports is two servers', async () => {
    const made = await ipvs.addService(tcp);
    await made.addServer({ address: '10.1.0.1', port: 8080 });
    const two = await made.addServer({ address: '10.1.0.1', port: 8081, weight: 2 });
    await (await made.server({ address: '10.1.0.1', port: 8080 })).update({ weight: 9 });
    expect((await two.read()).weight).toBe(2);
  });

  test('EEXIST and ENOENT of servers', async () => {
    const made = await ipvs.addService(tcp);
    const real = await made.addServer({ address: '10.1.0.1' });
    expect(await failure(made.addServer({ address: '10.1.0.1' }))).toMatchObject({
      code: 'ERR_IPVS_SERVER_EXISTS',
      errno: 17,
    });
    await real.delete();
    expect(await failure(real.delete())).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_SERVER', errno: 2 });
    expect(await send({ command: 'SET_DEST', service: key, server })).toBe(2);
  });

  test('ERANGE and EINVAL of servers, and what is looked at first', async () => {
    await ipvs.addService(tcp);
    expect(await newServer({ weight: -1 })).toBe(34);
    expect(await newServer({ lowerThreshold: 2, upperThreshold: 1 })).toBe(34);
    expect(await newServer({ forwarding: 'tunnel', tunnelType: 'gue' })).toBe(22);
    expect(await newServer({ key: { family: 'ipv6', address: 'fd00:1::5', port: 80 } })).toBe(22);
    expect(await newServer({ key: { family: 'ipv6', address: 'fd00:1::5', port: 80 }, weight: -1 })).toBe(22);
    expect(await newServer({})).toBe(0);
    expect(await newServer({ weight: -1 })).toBe(34);
    expect(await send({ command: 'SET_DEST', service: key, server: { ...server, weight: -1 } })).toBe(34);
    const missing = { ...server, key: { ...server.key, address: '10.1.0.99' } };
    expect(await send({ command: 'SET_DEST', service: key, server: { ...missing, weight: -1 } })).toBe(34);
    expect(await send({ command: 'SET_DEST', service: key, server: missing })).toBe(2);
  });

  test.each(['224.0.0.5', '0.0.0.0', '255.255.255.255'])('no server is %s', async (address) => {
    const made = await ipvs.addService(tcp);
    expect(await failure(made.addServer({ address }))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
  });

  test.each(['::', 'ff02::1', 'fe80::1234'])('no server is %s', async (address) => {
    const made = await ipvs.addService(tcp6);
    expect(await failure(made.addServer({ address }))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
  });

  test("the namespace's own address is a server as any other", async () => {
    const made = await ipvs.addService(tcp);
    for (const address of ['127.0.0.1', '10.255.255.1', '0.1.2.3', '240.0.0.1'])
      expect(await made.addServer({ address, forwarding: 'direct' })).toMatchObject({ forwarding: 'direct' });
    expect(await (await ipvs.addService(tcp6)).addServer({ address: '::1' })).toMatchObject({ forwarding: 'nat' });
  });

  test('a namespace whose lo is down takes no server of IPv4', async () => {
    const lonely = await Ipvs.open({ kernel: place.kernel, namespace: place.empty });
    const made = await lonely.addService(tcp);
    for (const address of ['127.0.0.1', '10.1.0.1'])
      expect(await failure(made.addServer({ address }))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
    await (await lonely.addService(tcp6)).addServer({ address: 'fd00:1::1' });
    await lonely.close();
  });

  test('the scheduler none is one that takes nobody', async () => {
    expect((await ipvs.addService({ ...tcp, scheduler: 'none' })).scheduler).toBe('none');
  });

  test('a server of the other family takes a tunnel', async () => {
    const made = await ipvs.addService(tcp);
    const real = await made.addServer({ address: 'fd00:1::1', forwarding: 'tunnel' });
    expect(real.key.family).toBe('ipv6');
    const nat: ServerSettings = { ...server, key: { family: 'ipv6', address: 'fd00:1::1', port: 80 } };
    expect(await send({ command: 'SET_DEST', service: key, server: nat })).toBe(22);
    // A daemon can not tell others of it.
    expect(await failure(ipvs.startDaemon({ role: 'master', interface: 'd0' }))).toMatchObject({ errno: 22 });
    await real.delete();
  });

  test('a batch goes on behind what fails', async () => {
    const results = await ipvs.apply([
      { change: 'add-service', service: tcp },
      { change: 'add-service', service: tcp },
      { change: 'add-server', service: tcp, server: { address: '10.1.0.1' } },
      { change: 'delete-server', service: tcp, server: { address: '10.1.0.2' } },
      { change: 'add-server', service: { fwmark: 9 }, server: { address: '10.1.0.2' } },
      { change: 'zero-service', service: tcp },
      { change: 'add-server', service: tcp, server: { address: '10.1.0.2', weight: 3 } },
    ]);
    expect(results.map((result) => (result.ok ? 0 : result.error.errno))).toEqual([0, 17, 0, 2, 3, 0, 0]);
    const [row] = await ipvs.table({ consistent: true });
    expect(names(row?.servers ?? [])).toEqual(['10.1.0.2 80', '10.1.0.1 80']);
  });

  test('with a service go its servers; flush takes all', async () => {
    const made = await ipvs.addService(tcp);
    await made.addServer({ address: '10.1.0.1' });
    await made.delete();
    expect(await (await ipvs.addService(tcp)).servers()).toEqual([]);
    await ipvs.addService({ fwmark: 3 });
    await ipvs.flush();
    expect(await ipvs.services()).toEqual([]);
    await ipvs.flush();
  });

  test('zero of one, of all, and of one that is not there', async () => {
    const made = await ipvs.addService(tcp);
    await made.zero();
    await ipvs.zero();
    expect(await ipvs.totals()).toMatchObject({ connections: 0n, incomingBytes: 0n });
    expect((await ipvs.totalsByProcessor())[0]).toMatchObject({ processor: 0 });
    expect(
      await failure(
        (await ipvs.addService({ fwmark: 5 }))
          .delete()
          .then(() => made.delete())
          .then(() => made.zero()),
      ),
    ).toMatchObject({ errno: 3 });
  });

  test('timeouts: what is 0 stays', async () => {
    await ipvs.setTimeouts({ tcp: 900, tcpFin: 120, udp: 300 });
    expect(await ipvs.timeouts()).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
    await ipvs.setTimeouts({ tcp: 66 });
    await ipvs.setTimeouts({ udp: 7 });
    expect(await ipvs.timeouts()).toEqual({ tcp: 66, tcpFin: 120, udp: 7 });
    await ipvs.setTimeouts({ tcp: 900, udp: 300 });
  });

  test('sysctls: the defaults', async () => {
    const sysctls = await ipvs.sysctls();
    expect(sysctls).toMatchObject({
      am_droprate: 10,
      amemthresh: 1024,
      backup_only: false,
      cache_bypass: false,
      conn_reuse_mode: 1,
      conntrack: false,
      drop_entry: 0,
      drop_packet: 0,
      expire_nodest_conn: false,
      expire_quiescent_template: false,
      ignore_tunneled: false,
      nat_icmp_send: false,
      pmtu_disc: true,
      run_estimation: true,
      schedule_icmp: false,
      secure_tcp: 0,
      sloppy_sctp: false,
      sloppy_tcp: false,
      snat_reroute: true,
      sync_persist_mode: 0,
      sync_ports: 1,
      sync_refresh_period: 0,
      sync_retries: 0,
      sync_sock_size: 0,
      sync_threshold: [3, 50],
      sync_version: 1,
    });
    expect(sysctls.sync_qlen_max).toBeGreaterThan(0);
  });

  test('sysctls: what is written is read', async () => {
    await ipvs.setSysctl('conntrack', true);
    await ipvs.setSysctl('conn_reuse_mode', 0);
    await ipvs.setSysctl('sync_threshold', [5, 60]);
    await ipvs.setSysctl('sync_ports', 4);
    expect(await ipvs.sysctls()).toMatchObject({
      conntrack: true,
      conn_reuse_mode: 0,
      sync_threshold: [5, 60],
      sync_ports: 4,
    });
    await ipvs.setSysctl('sync_threshold', [3, 50]);
    await ipvs.setSysctl('sync_ports', 1);
    await ipvs.setSysctl('conn_reuse_mode', 1);
    await ipvs.setSysctl('conntrack', false);
  });

  test.each([
    ['sync_ports', 3],
    ['sync_ports', 0],
    ['sync_version', 2],
    ['sync_retries', 4],
    ['drop_entry', 4],
    ['drop_packet', -1],
    ['secure_tcp', 4],
    ['sync_threshold', [60, 5]],
  ] as const)('sysctls: %s is not %j', async (name, value) => {
    expect(await failure(ipvs.setSysctl(name, value as never))).toMatchObject({ code: 'ERR_IPVS_REJECTED', errno: 22 });
  });

  test('synchronisation daemons', async () => {
    await ipvs.startDaemon({ role: 'master', interface: 'd0', syncId: 7 });
    await ipvs.startDaemon({ role: 'backup', interface: 'd0', maxLength: 1400, group: 'ff02::51', port: 9000, ttl: 3 });
    expect(await ipvs.daemons()).toEqual([
      { role: 'master', interface: 'd0', syncId: 7, maxLength: 1472, group: '224.0.0.81', port: 8848, ttl: 1 },
      { role: 'backup', interface: 'd0', syncId: 0, maxLength: 1400, group: 'ff02::51', port: 9000, ttl: 3 },
    ]);
    expect(await failure(ipvs.startDaemon({ role: 'master', interface: 'd0' }))).toMatchObject({
      code: 'ERR_IPVS_DAEMON_RUNNING',
    });
    for (const [maxLength, taken] of [
      [1, 1024],
      [65535, 65507],
      [undefined, 1472],
    ] as const) {
      await ipvs.stopDaemon('backup');
      await ipvs.startDaemon({ role: 'backup', interface: 'd0', ...(maxLength && { maxLength }) });
      expect((await ipvs.daemons())[1]?.maxLength).toBe(taken);
    }
    // Servers of the other family can not be told of.
    await ipvs.addService(tcp);
    expect(await newServer({ key: { family: 'ipv6', address: 'fd00:1::1', port: 80 }, forwarding: 'tunnel' })).toBe(22);
    await ipvs.stopDaemon('backup');
    await ipvs.stopDaemon('master');
    expect(await ipvs.daemons()).toEqual([]);
    expect(await failure(ipvs.stopDaemon('master'))).toMatchObject({ code: 'ERR_IPVS_NO_SUCH_DAEMON', errno: 3 });
    expect(await failure(ipvs.startDaemon({ role: 'master', interface: 'nope' }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_INTERFACE',
    });
  });

  test('a namespace that is not there, and a handle that is closed', async () => {
    const { kernel, namespace } = place;
    expect(await failure(Ipvs.open({ kernel, namespace: 'no-such-name' }))).toMatchObject({
      code: 'ERR_IPVS_NO_SUCH_NAMESPACE',
      errno: 2,
    });
    const other = await Ipvs.open({ kernel, namespace });
    await other.close();
    await other.close();
    expect(await failure(other.services())).toMatchObject({ code: 'ERR_IPVS_CLOSED' });
    const here = await Ipvs.open({ kernel });
    await ipvs.addService({ fwmark: 4711 });
    expect((await here.services()).map((read) => read.fwmark)).not.toContain(4711);
    await here.close();
  });

  test('a request that is given up before it was made', async () => {
    await expect(ipvs.services({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  test('a large table', async () => {
    const services = Array.from({ length: 200 }, (_, i) => ({ fwmark: i + 1, scheduler: 'rr' }));
    const servers = Array.from({ length: 500 }, (_, i) => ({ address: `10.3.${i >> 8}.${i & 255}` }));
    const results = await ipvs.apply([
      ...services.map((wanted) => ({ change: 'add-service', service: wanted }) as const),
      ...servers.map((wanted) => ({ change: 'add-server', service: { fwmark: 17 }, server: wanted }) as const),
    ]);
    // 10.3.0.0 is no broadcast address here: the route is of another prefix.
    expect(results.filter((result) => !result.ok)).toEqual([]);
    const table = await ipvs.table();
    expect(table).toHaveLength(200);
    expect(table.find((row) => row.service.fwmark === 17)?.servers).toHaveLength(500);
  });

  // --- connections: each test with a port of its own, as they outlive their service

  let lastPort = 5000;
  const farm = async (options: Partial<ServiceOptions> = {}, count = 3) => {
    const at = { protocol: 'udp', address: '10.0.0.1', port: ++lastPort } as const;
    const made = await ipvs.addService({ ...at, scheduler: 'rr', ...options } as ServiceOptions);
    for (let end = 1; end <= count; end++) await made.addServer({ address: `10.1.7.${end}`, port: 53 });
    const list = async (): Promise<ConnectionEntry[]> => {
      const all: ConnectionEntry[] = [];
      for await (const entry of ipvs.connections({ protocol: 'udp', virtualPort: at.port })) all.push(entry);
      return all;
    };
    const send = async (): Promise<void> => place.datagram(at.address, at.port);
    /** Inactive and persistent ones, by the last part of the server's address. */
    const counts = async (): Promise<Record<string, string>> => {
      const servers = await made.servers();
      const rows = servers.map((one) => [
        one.address.slice(-1),
        `${one.inactiveConnections} ${one.persistentConnections}`,
      ]);
      return Object.fromEntries(rows) as Record<string, string>;
    };
    return { made, list, send, counts };
  };
  const hasEnded = async (list: () => Promise<ConnectionEntry[]>): Promise<boolean> => {
    for (let tries = 0; tries < 50; tries++) {
      if ((await list()).length === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  };

  test('connections: a datagram makes one, and rr goes round', async () => {
    const { list, send, counts } = await farm();
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      const before = new Set((await list()).map(({ clientPort }) => clientPort));
      await send();
      order.push((await list()).find(({ clientPort }) => !before.has(clientPort))?.serverAddress.slice(-1));
    }
    expect(order).toEqual(['3', '2', '1', '3']);
    expect(await counts()).toEqual({ 1: '1 0', 2: '1 0', 3: '2 0' });
    const [one] = await list();
    expect(one).toMatchObject({
      protocol: 'UDP',
      clientAddress: '10.255.255.1',
      virtualAddress: '10.0.0.1',
      serverPort: 53,
      state: 'UDP',
    });
    expect(one?.expires).toBeGreaterThan(290);
    expect(one?.expires).toBeLessThanOrEqual(300);
  });

  test('connections: a server of weight 0, or with enough, gets no new one', async () => {
    const { made, list, send, counts } = await farm();
    await (await made.server({ address: '10.1.7.3', port: 53 })).update({ weight: 0 });
    await (await made.server({ address: '10.1.7.2', port: 53 })).update({ upperThreshold: 2 });
    for (let i = 0; i < 6; i++) await send().catch(() => {});
    expect(await counts()).toEqual({ 1: '4 0', 2: '2 0', 3: '0 0' });
    // Nor has it room again before a connection ends; without its threshold it has.
    await (await made.server({ address: '10.1.7.1', port: 53 })).update({ weight: 0 });
    await send().catch(() => {});
    expect(await list()).toHaveLength(6);
    await (await made.server({ address: '10.1.7.2', port: 53 })).update({ upperThreshold: 0 });
    await send();
    expect((await counts())[2]).toBe('3 0');
  });

  test('connections: one packet by itself leaves none', async () => {
    const { list, send, counts } = await farm({ onePacket: true });
    for (let i = 0; i < 3; i++) await send();
    expect(await list()).toEqual([]);
    expect(await counts()).toEqual({ 1: '0 0', 2: '0 0', 3: '0 0' });
  });

  test('connections: persistence has a template, and keeps the server also at weight 0', async () => {
    const { made, list, send, counts } = await farm({ persistence: { timeout: 60, netmask: 24 } });
    await send();
    await send();
    expect(await counts()).toEqual({ 1: '0 0', 2: '0 0', 3: '2 1' });
    const [template, ...others] = (await list()).filter(({ clientPort }) => clientPort === 0);
    expect(others).toEqual([]);
    expect(template).toMatchObject({
      clientAddress: '10.255.255.0',
      virtualAddress: '10.0.0.1',
      serverAddress: '10.1.7.3',
      serverPort: 53,
      state: 'NONE',
    });
    await (await made.server({ address: '10.1.7.3', port: 53 })).update({ weight: 0 });
    await send();
    expect((await counts())[3]).toBe('3 1');
    await ipvs.setSysctl('expire_quiescent_template', true);
    await send();
    await ipvs.setSysctl('expire_quiescent_template', false);
    // The old template is put aside, and counts until it ends.
    expect(await counts()).toEqual({ 1: '0 0', 2: '1 1', 3: '3 1' });
    // Newer kernels leave it its virtual port.
    const templates = [];
    for await (const entry of ipvs.connections())
      if (entry.clientPort === 0) templates.push(`${entry.serverAddress} ${entry.serverPort}`);
    expect(templates).toContain('10.1.7.2 53');
    expect(templates).toContain('10.1.7.3 65535');
  });

  test('connections: a server that comes back has those it had', async () => {
    const { made, list, send, counts } = await farm({}, 1);
    await send();
    const server = await made.server({ address: '10.1.7.1', port: 53 });
    await server.delete();
    expect(await list()).toHaveLength(1);
    await made.addServer({ address: '10.1.7.1', port: 53 });
    expect(await counts()).toEqual({ 1: '1 0' });
    await made.delete();
    expect(await list()).toHaveLength(1);
    const again = await ipvs.addService({ protocol: 'udp', address: '10.0.0.1', port: lastPort, scheduler: 'wlc' });
    expect(await again.addServer({ address: '10.1.7.1', port: 53 })).toMatchObject({ inactiveConnections: 1 });
    // Under another port it is another one.
    expect(await again.addServer({ address: '10.1.7.1', port: 54 })).toMatchObject({ inactiveConnections: 0 });
  });

  test('connections: with expire_nodest_conn they end with their server, their template too', async () => {
    const { made, list, send } = await farm({ persistence: 60 }, 1);
    await send();
    expect(await list()).toHaveLength(2);
    await ipvs.setSysctl('expire_nodest_conn', true);
    await (await made.server({ address: '10.1.7.1', port: 53 })).delete();
    expect(await hasEnded(list)).toBe(true);
    await ipvs.setSysctl('expire_nodest_conn', false);
  });

  test('connections: port 0 takes every port, of persistent services alone', async () => {
    await farm({ port: 0, persistence: 60 } as Partial<ServiceOptions>);
    const asked = ++lastPort;
    await place.datagram('10.0.0.1', asked);
    const found = [];
    for await (const one of ipvs.connections({ protocol: 'udp', virtualPort: asked })) found.push(one);
    // A server that has a port of its own keeps the client's all the same.
    expect(found).toMatchObject([{ serverAddress: '10.1.7.3', serverPort: asked }]);
    const templates = [];
    for await (const one of ipvs.connections({ protocol: 'udp', virtualPort: 0 })) templates.push(one);
    expect(templates).toMatchObject([{ clientAddress: '10.255.255.1', clientPort: 0, serverPort: 0 }]);
  });
}
