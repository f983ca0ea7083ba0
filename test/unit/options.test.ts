import { expect, test } from 'vitest';
import { checkOptions } from '../../src/common/check.js';
import { didYouMean } from '../../src/common/did-you-mean.js';
import { Ipvs } from '../../src/index.js';
import { connectionMatcher } from '../../src/ipvs/connections.js';
import { daemonSettings } from '../../src/ipvs/daemon.js';
import { showNetmask } from '../../src/ipvs/netmask.js';
import { changeServer, newServerSettings } from '../../src/ipvs/server-options.js';
import { changeService, checkServiceKey, newServiceSettings } from '../../src/ipvs/service-options.js';
import { formatSysctl, parseSysctl } from '../../src/ipvs/sysctls.js';
import { parseTotals, parseTotalsByProcessor } from '../../src/ipvs/totals.js';
import type { ServerEntry } from '../../src/kernel/ipvs/types.js';
import { namespacePath } from '../../src/kernel/namespace.js';
import { MemoryKernel } from '../../src/memory/index.js';

const tcp = { protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
const invalid = expect.objectContaining({ code: 'ERR_IPVS_INVALID_ARGUMENT' });

test('keys are canonical', () => {
  expect(checkServiceKey({ protocol: 'udp', address: 'FD00:0:0::0001', port: 53 })).toEqual({
    family: 'ipv6',
    protocol: 'udp',
    address: 'fd00::1',
    port: 53,
  });
  const canonical = (address: string) =>
    (checkServiceKey({ protocol: 'tcp', address, port: 1 }) as { address: string }).address;
  expect(canonical('::1.2.3.4')).toBe('::102:304'); // not ::ffff:1.2.3.4
  expect(canonical('::ffff:1.2.3.4')).toBe(canonical('::ffff:102:304'));
  expect(canonical('64:ff9b::192.0.2.33')).toBe('64:ff9b::c000:221');
  expect(checkServiceKey({ fwmark: 80 })).toEqual({ family: 'ipv4', fwmark: 80 });
  expect(checkServiceKey({ protocol: 'tcp', address: '::ffff:10.0.0.1', port: 1 })).toMatchObject({
    family: 'ipv4',
    address: '10.0.0.1',
  });
});

test('defaults of a service, and what an update keeps', () => {
  const service = newServiceSettings(tcp);
  expect(service).toMatchObject({ scheduler: 'wlc', flags: 0, timeout: 0, netmask: 0xffffffff, engine: '' });
  const persistent = changeService(service, { persistence: { timeout: 60, netmask: 24, engine: 'sip' } });
  expect(persistent).toMatchObject({ flags: 1, timeout: 60, netmask: 0xffffff00, engine: 'sip' });
  expect(changeService(persistent, { scheduler: 'rr' })).toEqual({ ...persistent, scheduler: 'rr' });
  expect(changeService(persistent, { persistence: false })).toMatchObject({ flags: 0, timeout: 0, engine: '' });
  expect(changeService(service, { persistence: true })).toMatchObject({ flags: 1, timeout: 300 });
  expect(changeService(persistent, { persistence: 90 })).toEqual({ ...persistent, timeout: 90 });
  expect(changeService(persistent, { persistence: true })).toEqual(persistent);
  expect(changeService(persistent, { persistence: { engine: null } })).toEqual({ ...persistent, engine: '' });
  expect(changeService(persistent, { persistence: { netmask: 16 } })).toEqual({ ...persistent, netmask: 0xffff0000 });
});

test('what an update keeps of a tunnel', () => {
  const key = checkServiceKey(tcp);
  const gue = { type: 'gue', port: 6080, checksum: 'remote' } as const;
  const server = newServerSettings({ address: '10.0.0.2', forwarding: 'tunnel', tunnel: gue }, key);
  expect(changeServer(server, { tunnel: { port: 7000 } }, key)).toEqual({ ...server, tunnelPort: 7000 });
  expect(changeServer(server, { tunnel: { checksum: 'none' } }, key)).toEqual({ ...server, tunnelChecksum: 'none' });
  const gre = changeServer(server, { tunnel: { type: 'gre' } }, key);
  expect(gre).toMatchObject({ tunnelType: 'gre', tunnelPort: 0, tunnelChecksum: 'none' });
  expect(() => changeServer(gre, { tunnel: { port: 1 } }, key)).toThrow(invalid);
  expect(() => changeServer(gre, { tunnel: { type: 'gue' } }, key)).toThrow(invalid);
});

test('what another program made is not judged by an update of something else', () => {
  const odd = { ...newServiceSettings(tcp), flags: 4 }; // one-packet TCP
  expect(changeService(odd, { scheduler: 'rr' }).flags).toBe(4);
  const key = checkServiceKey({ fwmark: 80 });
  const server = {
    ...newServerSettings({ address: '10.0.0.2', port: 8080 }, key),
    forwarding: 'direct',
  } as ServerEntry;
  expect(changeServer(server, { weight: 5 }, key)).toMatchObject({ forwarding: 'direct', weight: 5 });
  expect(() => changeServer(server, { forwarding: 'direct' }, key)).toThrow(invalid);
});

test('the port of a server: that of the service, or 0 for a mark', () => {
  expect(newServerSettings({ address: '10.0.0.2' }, checkServiceKey(tcp)).key.port).toBe(80);
  expect(newServerSettings({ address: '10.0.0.2' }, checkServiceKey({ fwmark: 1 })).key.port).toBe(0);
});

test('netmasks are shown as prefix lengths where they are some', () => {
  expect([0xffffffff, 0xffffff00, 0x80000000, 0xff00ff00, 0].map((mask) => showNetmask(mask, 'ipv4'))).toEqual([
    32,
    24,
    1,
    '255.0.255.0',
    '0.0.0.0',
  ]);
  expect(showNetmask(64, 'ipv6')).toBe(64);
});

test('a misspelt option is answered with the likely one', () => {
  const known = ['scheduler', 'persistence', 'address', 'port'];
  for (const [given, likely] of [
    ['sheduler', 'scheduler'],
    ['Scheduler', 'scheduler'],
    ['adress', 'address'],
    ['prot', 'port'],
    ['persistance', 'persistence'],
  ] as const) {
    expect(didYouMean(given, known)).toBe(`; did you mean '${likely}'?`);
    expect(() => checkOptions('a service', { [given]: 1 }, known)).toThrow(`did you mean '${likely}'?`);
  }
  for (const given of ['weight', 'po', '', 'x'.repeat(1000), '__proto__']) expect(didYouMean(given, known)).toBe('');
});

test('sysctls, both ways', () => {
  expect(parseSysctl('conntrack', '1\n')).toBe(true);
  expect(parseSysctl('sync_threshold', '3\t50\n')).toEqual([3, 50]);
  expect(parseSysctl('conn_lfactor', '-4\n')).toBe(-4);
  expect(parseSysctl('est_cpulist', '\n')).toBe('');
  expect(formatSysctl('conntrack', false)).toBe('0');
  for (const list of ['', '0', '0-3,5', 'all', 'all:1/2', '0,1-N:1/2'])
    expect(formatSysctl('est_cpulist', list)).toBe(`${list}\n`);
  expect(formatSysctl('sync_threshold', [5, 60])).toBe('5 60');
  for (const [name, value] of [
    ['conntrack', 1],
    ['conn_reuse_mode', '1'],
    ['conn_reuse_mode', 1.5],
    ['sync_threshold', [1]],
    ['est_cpulist', '0; rm'],
    ['../../kernel/panic', 1],
    ['constructor', 1],
  ] as const) {
    expect(() => formatSysctl(name as 'conntrack', value)).toThrow(invalid);
  }
});

test('totals, of all processors and of each', () => {
  const all = [
    '   Total Incoming Outgoing         Incoming         Outgoing',
    '   Conns  Packets  Packets            Bytes            Bytes',
    '       A       1F       10              ABC FFFFFFFFFFFFFFFF',
    '',
    ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s',
    '       1        2        3                4                5',
    '',
  ].join('\n');
  expect(parseTotals(all)).toEqual({
    connections: 10n,
    incomingPackets: 31n,
    outgoingPackets: 16n,
    incomingBytes: 0xabcn,
    outgoingBytes: 0xffffffffffffffffn,
    connectionRate: 1n,
    incomingPacketRate: 2n,
    outgoingPacketRate: 3n,
    incomingByteRate: 4n,
    outgoingByteRate: 5n,
  });
  const each = [
    '       Total Incoming Outgoing         Incoming         Outgoing',
    'CPU    Conns  Packets  Packets            Bytes            Bytes',
    '  0        1        2        3                4                5',
    ' 1F        A        0        0                0                0',
    '  ~        B        2        3                4                5',
    '',
    '     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s',
    '           1        2        3                4                5',
    '',
  ].join('\n');
  expect(parseTotalsByProcessor(each).map(({ processor, connections }) => [processor, connections])).toEqual([
    [0, 1n],
    [31, 10n],
  ]);
});

test('daemons', () => {
  expect(daemonSettings({ role: 'master', interface: 'eth0' })).toEqual({
    role: 'master',
    interface: 'eth0',
    syncId: 0,
  });
  for (const bad of [
    { interface: '' },
    { interface: 'a-name-too-long-0' },
    { interface: 'a b' },
    { syncId: 256 },
    { group: '10.0.0.1' },
    { group: 'fd00::1' },
    { ttl: 0 },
    { port: 65536 },
    { role: 'slave' },
  ]) {
    expect(() => daemonSettings({ role: 'backup', interface: 'eth0', ...bad } as never)).toThrow(invalid);
  }
});

test('filters of connections', () => {
  const connection = {
    protocol: 'TCP',
    clientAddress: 'fd00::1',
    clientPort: 5,
    virtualAddress: 'fd00::2',
    virtualPort: 80,
    serverAddress: '10.0.0.1',
    serverPort: 8080,
    state: 'ESTABLISHED',
    expires: 1,
  };
  expect(connectionMatcher({})(connection)).toBe(true);
  expect(connectionMatcher({ protocol: 'tcp', clientAddress: 'FD00:0::1', state: 'established' })(connection)).toBe(
    true,
  );
  expect(connectionMatcher({ serverPort: 80 })(connection)).toBe(false);
  expect(() => connectionMatcher({ port: 80 } as never)).toThrow(invalid);
  expect(() => connectionMatcher({ clientAddress: 'x' })).toThrow(invalid);
});

test('namespaces', () => {
  expect(namespacePath('blue')).toBe('/run/netns/blue');
  expect(namespacePath('/run/docker/netns/ingress_sbox')).toBe('/run/docker/netns/ingress_sbox');
  expect(namespacePath({ pid: 5 })).toBe('/proc/5/ns/net');
  expect(namespacePath({ fd: 0 })).toBe('/proc/self/fd/0');
  for (const bad of ['', { name: 'a/b' }, { name: '..' }, { pid: 0 }, { fd: -1 }, { path: 'a\0b' }, {}]) {
    expect(() => namespacePath(bad as string)).toThrow(invalid);
  }
});

test('a change takes the options of its kind only', async () => {
  await using ipvs = await Ipvs.open({ kernel: new MemoryKernel() });
  const service = { fwmark: 1 };
  const change = { change: 'delete-service', service, server: { address: '10.0.0.1' } };
  await expect(ipvs.apply([change as never])).rejects.toThrow("change 0: a change has no option 'server'");
  await expect(ipvs.apply([{ change: 'delete-servise', service } as never])).rejects.toThrow(
    'change 0: change must be one of add-service, set-service, delete-service',
  );
});
