// Documents: what is refused, and where; what a plan says; snapshots.
import { describe, expect, test } from 'vitest';
import { CheckedDocument, DesiredState, Ipvs, Network, planDocument, StateSnapshot } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

async function problem(text: string): Promise<string> {
  const error = await CheckedDocument.parse(`owner: x\n${text}`).then(
    () => undefined,
    (reason: unknown) => reason as Error & { code: string },
  );
  expect(error).toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
  return error?.message ?? '';
}

const service = 'protocol: tcp, address: 192.0.2.1, port: 80';

describe('what is wrong is told with its place', () => {
  test.each([
    [
      'services: [{ protocol: tpc, address: 10.0.0.1, port: 80 }]',
      'services[0].protocol: one of tcp, udp, sctp is expected',
    ],
    [
      'services: [{ protocol: tcp, address: 10.0.0.1, port: "80" }]',
      'services[0].port: a number is expected, not "80"',
    ],
    ['services: [{ protocoll: tcp, address: 10.0.0.1, port: 80 }]', "did you mean 'protocol'?"],
    ['services: [{ fwmark: 0 }]', 'services[0].fwmark: a number of at least 1 is expected, not 0'],
    ['services: [{ protocol: tcp, address: 10.0.0.1, prot: 80 }]', "shared; did you mean 'port'?"],
    [
      'services: [{ fwmrak: 7 }]',
      'services[0].fwmark: is missing: a number is expected; services[0]: no option fwmrak',
    ],
    ['services: [{ scheduler: rr }]', 'services[0]: a service has a fwmark, or a protocol, an address and a port'],
    [
      `services: [{ ${service}, servers: [10.0.0.1, { address: 10.0.0.2, weight: -1 }] }]`,
      'services[0].servers[1].weight: a number of at least 0 is expected, not -1',
    ],
    [
      `services: [{ ${service}, servers: [{ address: 10.0.0.2, wieght: 1 }] }]`,
      'services[0].servers[0]: no option wieght; there are address, port, ',
    ],
    [
      `services: [{ ${service}, servers: [nowhere] }]`,
      'the document: services[0].servers[0]: the address of a real server must be an IPv4 or IPv6 address',
    ],
    [`services: [{ ${service} }, { ${service} }]`, 'services[1]: two services are TCP 192.0.2.1:80'],
    [
      `services: [{ ${service}, servers: [10.0.0.1, 10.0.0.1] }]`,
      'servers[1]: two servers of TCP 192.0.2.1:80 are 10.0.0.1:80',
    ],
    [`services: [{ ${service}, marks: [{ port: 80 }] }]`, 'services[0]'],
    ['services: [{ fwmark: 1, marks: [{ port: 80 }] }]', 'services[0].marks[0]: a mark with port requires a protocol'],
    [
      'services: [{ fwmark: 1, drain: { timeout: soon } }]',
      'services[0].drain.timeout: a number is expected, not "soon"',
    ],
    [
      'roles: [{ role: ingres }]',
      'roles[0].role: one of direct-director, real-server, nat-director, ingress, node is expected, not "ingres"',
    ],
    ['owner: !!js/function "x"', 'the document is not YAML: Unresolved tag'],
    ['roles: [{ role: ingress }]', 'roles[0].interface: is missing: text is expected; roles[0].network'],
    ['roles: [{ role: real-server, vip: x1, interface: eth0 }]', 'roles[0]: vip must be an IPv4 or IPv6 address'],
    ['nat: [{ type: snat }]', 'nat[0].to: is missing'],
    [
      'nat: [{ type: snat, to: 10.0.0.1, source: 10.0.0.0/8 }, { type: dnat, to: elsewhere, source: 10.0.0.0/8 }]',
      'nat[1]: to must be an IPv4 or IPv6 address',
    ],
    [
      'addresses: [{ interface: lo, address: 192.0.2.1/33 }]',
      'addresses[0]: the prefix length of address must be an integer from 0 to 32, not 33',
    ],
    ['sysctls: { kernel.panic: 1 }', 'sysctls: a name is net.ipv4.ip_forward'],
    [
      'sysctls: { net.ipv4.ip_forward: 1 }\nroles: [{ role: node, nodeAddresses: [], clusterNetwork: 10.0.0.0/8, services: [] }]\nsysctls: {}',
      'the document has "sysctls" twice in one map',
    ],
    ['services: [', 'not YAML'],
    ['surprise: 1', 'no option surprise; there are owner, '],
  ])('%s', async (text, expected) => {
    expect(await problem(text)).toContain(expected);
  });

  test.each([
    ['{ net.ipv6.conf.d0.disable_ipv6: 1 }', 'addresses: [{ interface: d0, address: 2001:db8::1/64 }]', 'conf/d0/'],
    ['{ net/ipv6/conf/d0/disable_ipv6: true }', 'addresses: [{ interface: d0, address: 2001:db8::1 }]', 'conf/d0/'],
    ['{ net.ipv6.conf.all.disable_ipv6: 1 }', 'addresses: [{ interface: d0, address: 2001:db8::1/64 }]', 'conf/all/'],
    [
      '{ net.ipv6.conf.lo.disable_ipv6: 1 }',
      'roles: [{ role: real-server, vip: 2001:db8::1 , interface: eth0 }]',
      'conf/lo/',
    ],
    [
      '{ net.ipv6.conf.default.disable_ipv6: 1 }',
      'roles: [{ role: real-server, vip: 2001:db8::1 , interface: eth0, device: vips }]',
      'conf/default/',
    ],
  ])('rejects sysctls %s with %s', async (sysctls, rest, setting) => {
    expect(await problem(`sysctls: ${sysctls}\n${rest}`)).toMatch(
      new RegExp(`2001:db8::1/\\d+ cannot be added to \\w+: net/ipv6/${setting}disable_ipv6 is 1`),
    );
  });

  test.each([
    ['{ net.ipv6.conf.d0.disable_ipv6: 1 }', 'addresses: [{ interface: d0, address: 192.0.2.1/24 }]'],
    ['{ net.ipv6.conf.d0.disable_ipv6: 0 }', 'addresses: [{ interface: d0, address: 2001:db8::1/64 }]'],
    ['{ net.ipv6.conf.d1.disable_ipv6: 1 }', 'addresses: [{ interface: d0, address: 2001:db8::1/64 }]'],
    [
      '{ net.ipv6.conf.all.disable_ipv6: 1, net.ipv6.conf.d0.disable_ipv6: 0 }',
      'addresses: [{ interface: d0, address: 2001:db8::1/64 }]',
    ],
    ['{ net.ipv6.conf.default.disable_ipv6: 1 }', 'addresses: [{ interface: d0, address: 2001:db8::1/64 }]'],
  ])('accepts sysctls %s with %s', async (sysctls, rest) => {
    await CheckedDocument.parse(`owner: a\nsysctls: ${sysctls}\n${rest}`);
  });

  test('two values of one setting', async () => {
    const text =
      'sysctls: { net.ipv4.ip_forward: 0 }\nroles: [{ role: ingress, interface: eth0, network: 10.0.0.0/24, source: 10.0.0.2, services: [] }]';
    expect(await problem(text)).toContain('net/ipv4/ip_forward is declared twice, with different values: "0" and "1"');
  });

  test('another owner, or namespace', async () => {
    await using state = await DesiredState.open({ owner: 'one' }, { kernel: new MemoryKernel() });
    await expect(state.plan({ owner: 'two' })).rejects.toThrow('of another owner: two, not one');
    await expect(state.plan({ owner: 'one', namespace: 'blue' })).rejects.toThrow('of another namespace');
  });
});

const text = `
owner: swarm
services:
  - fwmark: 258
    scheduler: rr
    marks: [{ protocol: tcp, port: 9090 }]
    servers: [10.0.0.17, { address: 10.0.0.20, weight: 2 }]
addresses: [{ interface: eth0, address: 10.0.0.15 }]
nat: [{ type: snat, destination: 10.0.0.0/24, to: 10.0.0.2 }]
timeouts: { tcp: 7200 }
sysctls: { net.ipv4.vs.conntrack: true }
`;

async function machine(): Promise<MemoryKernel> {
  const kernel = new MemoryKernel();
  await using network = await Network.open({ kernel });
  await network.addLink({ kind: 'dummy', name: 'eth0', up: true });
  return kernel;
}

test('a plan reads as a diff, in the order in which it is done', async () => {
  const kernel = await machine();
  await using state = await DesiredState.open(text, { kernel });
  const plan = await state.plan();
  expect(String(plan)).toBe(`~ sysctl net/ipv4/vs/conntrack: 1 (is: 0)
~ timeout tcp: 7200 s (is: 900 s)
+ service FWM 258: rr
+ server 10.0.0.17:0 of FWM 258: nat, weight 1
+ server 10.0.0.20:0 of FWM 258: nat, weight 2
+ nf_tables table inet ipvs-swarm: 1 marks, 1 rules
+ address 10.0.0.15/32 on eth0
  0 as wanted`);
  expect(await state.apply()).toEqual(plan.steps);
  expect(String(await state.plan())).toBe('  7 as wanted');
  expect((await state.plan()).empty).toBe(true);
  expect(JSON.parse(JSON.stringify(await state.plan()))).toEqual({ steps: [], unchanged: 7 });
});

test('a server is replaced: the new one comes before the old one goes', async () => {
  const kernel = await machine();
  await using state = await DesiredState.open(text, { kernel });
  await state.apply();
  const plan = await state.plan(
    text.replace('10.0.0.17', '10.0.0.18').replace('9090', '9091').replace(', weight: 2', ''),
  );
  expect(String(plan)).toBe(`+ server 10.0.0.18:0 of FWM 258: nat, weight 1
~ nf_tables table inet ipvs-swarm: 2 marks, 1 rules (is: missing: prerouting tcp dport 9091 mark set 0x102)
~ nf_tables table inet ipvs-swarm: 1 marks, 1 rules (is: unknown: prerouting tcp dport 9090 mark set 0x102)
~ server 10.0.0.20:0 of FWM 258: nat, weight 1 (is: nat, weight 2)
- server 10.0.0.17:0 of FWM 258: nat, weight 1
  4 as wanted`);
});

test('the same plan from a snapshot, elsewhere', async () => {
  const kernel = await machine();
  await using state = await DesiredState.open(text, { kernel });
  await state.apply();
  await using ipvs = await Ipvs.open({ kernel });
  await (await ipvs.addService({ fwmark: 999, scheduler: 'rr' })).addServer({ address: '10.0.0.9' });
  const other = await CheckedDocument.parse(
    text.replace('10.0.0.17', '10.0.0.18').replace('- fwmark: 258', '- fwmark: 259'),
  );
  const kept = JSON.stringify(await state.snapshot());
  expect(String(await planDocument(other, StateSnapshot.parse(kept)))).toBe(String(await state.plan(other)));
  expect(String(await planDocument(other, StateSnapshot.parse(kept), { adopt: 'all' }))).toContain(
    '- service FWM 999: rr',
  );
  expect(() => StateSnapshot.parse('{}')).toThrow('not a snapshot');
});

test('counters are no difference', async () => {
  const kernel = await machine();
  await using state = await DesiredState.open(text, { kernel });
  await state.apply();
  for (let i = 0; i < 5; i++)
    kernel.namespace().connect({ protocol: 'tcp', address: '10.0.0.15', port: 9090, fwmark: 258 });
  kernel.advance(4000);
  expect((await state.plan()).empty).toBe(true);
});

test('what is left half done is told, and gone on from', async () => {
  const kernel = await machine();
  await using state = await DesiredState.open(text, { kernel });
  kernel.fail({ command: 'NEW_DEST', object: '10.0.0.20', errno: 12 });
  const error = await state.apply(undefined, { onFailure: 'leave' }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'ERR_IPVS_STEP_FAILED',
    message: expect.stringMatching(
      /10\.0\.0\.20.*ENOMEM.*4 steps were done and stay, 1 failed, 2 were not tried; the next apply continues/,
    ),
    cause: { errno: 12 },
  });
  const { outcomes, notTried } = error as { outcomes: { error?: unknown }[]; notTried: unknown[] };
  expect(outcomes.map((outcome) => outcome.error !== undefined)).toEqual([false, false, false, false, true]);
  expect(notTried).toHaveLength(2);
  expect((await state.apply()).map(({ what }) => what)).toEqual([
    'server 10.0.0.20:0 of FWM 258: nat, weight 2',
    'nf_tables table inet ipvs-swarm: 1 marks, 1 rules',
    'address 10.0.0.15/32 on eth0',
  ]);
});

test('what others made is in the way, or adopted', async () => {
  const kernel = await machine();
  await using ipvs = await Ipvs.open({ kernel });
  await (await ipvs.addService({ fwmark: 258, scheduler: 'sh' })).addServer({ address: '10.0.0.99' });
  await using state = await DesiredState.open(text, { kernel });
  await expect(state.apply()).rejects.toMatchObject({
    code: 'ERR_IPVS_FOREIGN',
    message: expect.stringContaining(
      'service FWM 258 belongs to another program and differs (scheduler sh instead of rr)',
    ),
  });
  expect((await state.plan(undefined, { adopt: true })).changes.map(({ action }) => action)).toContain('change');
  await state.apply(undefined, { adopt: true });
  // A server of others within it stays.
  expect((await state.plan()).steps).toEqual([
    { action: 'foreign', what: 'server 10.0.0.99:0 of FWM 258: nat, weight 1' },
  ]);
  expect((await state.remove()).filter(({ action }) => action === 'wait')).toEqual([
    { action: 'wait', what: 'service FWM 258: rr', is: 'it has servers that others made: 10.0.0.99:0' },
  ]);
  expect((await ipvs.table()).map(({ servers }) => servers.map(({ address }) => address))).toEqual([['10.0.0.99']]);
});

test('two owners live side by side', async () => {
  const kernel = await machine();
  await using one = await DesiredState.open(text, { kernel });
  await using two = await DesiredState.open(
    text.replace('swarm', 'other').replaceAll('258', '300').replace('10.0.0.15', '10.0.0.16').replace('9090', '9000'),
    { kernel },
  );
  await Promise.all([one.apply(), two.apply()]);
  expect((await one.plan()).empty && (await two.plan()).empty).toBe(true);
  await one.remove();
  expect((await two.plan()).steps.map(({ what }) => what)).toEqual([]);
  await two.remove();
  await using ipvs = await Ipvs.open({ kernel });
  expect(await ipvs.table()).toEqual([]);
  expect(await ipvs.sysctl('conntrack')).toBe(false);
  expect((await ipvs.timeouts()).tcp).toBe(900);
});

test('two owners that want two values of a setting', async () => {
  const kernel = await machine();
  await using one = await DesiredState.open(text, { kernel });
  await one.apply();
  await using two = await DesiredState.open({ owner: 'other', timeouts: { tcp: 600 } }, { kernel });
  await expect(two.apply()).rejects.toMatchObject({
    code: 'ERR_IPVS_FOREIGN',
    message: expect.stringContaining('timeout tcp: 600 s (there is 7200 s, as swarm wants it)'),
  });
  await one.remove();
  await two.apply();
  expect((await one.plan()).conflicts).toHaveLength(1);
});

test('an interface that is misspelt is told before anything is done', async () => {
  const kernel = new MemoryKernel();
  await using state = await DesiredState.open(text, { kernel });
  expect((await state.plan()).conflicts).toEqual([
    { action: 'conflict', what: 'address 10.0.0.15/32 on eth0', is: 'no interface eth0' },
  ]);
  await expect(state.apply()).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_SUCH_INTERFACE',
    message: 'nothing was done: address 10.0.0.15/32 on eth0 (there is no interface eth0)',
  });
  await using ipvs = await Ipvs.open({ kernel });
  expect(await ipvs.table()).toEqual([]);
});
