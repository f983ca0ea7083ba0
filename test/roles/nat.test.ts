// A director through which requests and answers go, with and without masquerade, in both families.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../scripts/lab.mjs';
import {
  type NatDirectorRole,
  Netfilter,
  type NetfilterRuleOptions,
  Role,
  type ServiceWithServers,
} from '../../src/index.js';
import { lines, load, shell, snapshot, Talk } from './talk.js';

const VIP = '10.1.0.100';
const VIP6 = 'fd00:1::100';
const PORT = 8080;
const CLIENT = { ipv4: '10.1.0.2', ipv6: 'fd00:1::2' } as const;
/** On the servers' side. */
const DIRECTOR = { ipv4: '10.2.0.1', ipv6: 'fd00:2::1' } as const;

function services(...servers: number[]): ServiceWithServers[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => [
    {
      service: { protocol, address: VIP, port: 80, scheduler: 'rr' },
      servers: servers.map((number) => ({ address: `10.2.0.1${number}`, port: PORT })),
    },
    {
      service: { protocol, address: VIP6, port: 80, scheduler: 'rr' },
      servers: servers.map((number) => ({ address: `fd00:2::1${number}`, port: PORT })),
    },
  ]);
}

const lab = new Lab();
let talk: Talk;
let namespace = '';
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  load('ip_vs_rr', 'nf_nat', 'iptable_filter', 'iptable_nat');
  // Without timestamps a segment is what was agreed on.
  const sysctls = { 'net.ipv4.tcp_timestamps': 0 };
  const server = (number: number, routes: string[]) => ({
    networks: { servers: [`10.2.0.1${number}/24`, `fd00:2::1${number}/64`] },
    routes,
    sysctls,
  });
  const behind = ['default via 10.2.0.1', 'default via fd00:2::1'];
  lab.add({
    client: { networks: { clients: [`${CLIENT.ipv4}/24`, `${CLIENT.ipv6}/64`] }, sysctls },
    director: {
      networks: { clients: ['10.1.0.1/24', 'fd00:1::1/64'], servers: ['10.2.0.1/24', 'fd00:2::1/64'] },
      sysctls,
    },
    server1: server(1, behind),
    server2: server(2, behind),
    // Has no way to the clients: only who is on its network is answered.
    server3: server(3, []),
  });
  namespace = lab.host('director').namespace;
  shell(namespace, 'ipvsadm -A -f 999 -s rr; nft add table inet mine; iptables-nft -A INPUT -d 203.0.113.9 -j DROP');
  talk = await Talk.start(lab);
  for (const name of ['server1', 'server2', 'server3']) await talk.serve(name, PORT);
}, 180_000);

afterAll(async () => {
  await Promise.all(open.map((handle) => handle.close()));
  await talk?.stop();
  await lab.close();
  expect(lab.namespaces).toEqual([]);
});

async function take(changes: Omit<NatDirectorRole, 'role'>): Promise<Role> {
  const record = `/run/ipvs-test-nat-${process.pid}.json`;
  const role = await Role.open({ role: 'nat-director', interface: 'clients', ...changes }, { namespace, record });
  open.push(role);
  return role;
}

const names = (['TCP', 'UDP'] as const).flatMap((protocol) => [
  [`${protocol} ${VIP}:80`, '10.2.0.11', '10.2.0.12'],
  [`${protocol} [${VIP6}]:80`, '[fd00:2::11]', '[fd00:2::12]'],
]);
const makeServers = names.flatMap(([service, ...servers]) =>
  servers.map((server) => `make server ${server}:${PORT} of ${service}: nat, weight 1`),
);

const rows = [
  ['tcp', 'ipv4', VIP],
  ['udp', 'ipv4', VIP],
  ['tcp', 'ipv6', VIP6],
  ['udp', 'ipv6', VIP6],
] as const;

/** Who answers each kind of request, and whom they see. */
async function everybody(count: number, patience?: number): Promise<string[][]> {
  const asked = [];
  for (const [protocol, , address] of rows)
    asked.push(await talk.meet('client', address, 80, { protocol, count, ...(patience && { patience }) }));
  return asked;
}

describe('a nat-director', () => {
  let before = '';
  let role: Role;
  beforeAll(async () => {
    before = snapshot(namespace);
    role = await take({ services: services(1, 2) });
  });

  test('that is the gateway of its servers, which see the client', async () => {
    expect((await role.apply()).map(({ action, what }) => `${action} ${what}`)).toEqual([
      'change sysctl net/ipv4/ip_forward: 1',
      'change sysctl net/ipv6/conf/all/forwarding: 1',
      'change sysctl net/ipv4/vs/expire_nodest_conn: 1',
      ...names.map(([service]) => `make service ${service}: rr`),
      ...makeServers,
      `make address ${VIP}/32 on clients`,
      `make address ${VIP6}/128 on clients`,
    ]);
    expect(await role.verify()).toEqual([]);
    expect(await role.apply()).toEqual([]);
    const seen = rows.map(([, family]) => [`server1 ${CLIENT[family]}`, `server2 ${CLIENT[family]}`]);
    expect(await everybody(2)).toEqual(seen);
  });

  test('does not reach servers that answer another way', async () => {
    await role.close();
    role = await take({ services: services(3) });
    await role.apply();
    expect(await everybody(1, 2)).toEqual(rows.map(() => ['nobody TimeoutError']));
  });

  test('that masquerades reaches them, and they see it', async () => {
    await role.close();
    role = await take({ services: services(1, 2, 3), masquerade: true });
    const steps = (await role.apply()).map(({ action, what }) => `${action} ${what}`);
    // In the order in which the kernel has the services.
    expect([steps[0], ...steps.slice(1, -1).sort(), steps.at(-1)]).toEqual([
      'change sysctl net/ipv4/vs/conntrack: 1',
      ...makeServers.toSorted(),
      'make nf_tables table inet ipvs-nat-director: 8 marks, 1 rules',
    ]);
    const seen = rows.map(([, family]) => [1, 2, 3].map((number) => `server${number} ${DIRECTOR[family]}`));
    expect(await everybody(3)).toEqual(seen);
    // What the director asks itself, too.
    expect(await talk.meet('director', VIP, 80, { count: 3 })).toEqual(seen[0]);
    expect(await talk.meet('director', VIP6, 80, { count: 3, protocol: 'udp' })).toEqual(seen[2]);
    const rules = lines(shell(namespace, 'nft list table inet ipvs-nat-director'));
    const of = [`ip daddr ${VIP} tcp`, `ip daddr ${VIP} udp`, `ip6 daddr ${VIP6} tcp`, `ip6 daddr ${VIP6} udp`];
    expect(rules.flatMap((line) => /(^ip6? .*) dport 80 counter .* 0x00004000$/.exec(line)?.[1] ?? [])).toEqual([
      ...of, // in output
      ...of,
    ]);
    expect(rules).toContainEqual(expect.stringMatching(/fib daddr type != local counter .* masquerade$/));
    // Other traffic than that of the services is forwarded as it is.
    shell(lab.host('client').namespace, 'ip route add 10.2.0.0/24 via 10.1.0.1');
    expect(await talk.meet('client', '10.2.0.11', PORT)).toEqual([`server1 ${CLIENT.ipv4}`]);
  });

  test('tells what is missing, mends it, and goes without a trace', async () => {
    shell(
      namespace,
      `nft delete table inet ipvs-nat-director; echo 0 >/proc/sys/net/ipv4/vs/conntrack
      ipvsadm -D -u [${VIP6}]:80; ip address del ${VIP}/32 dev clients`,
    );
    const problems = await role.verify();
    expect(problems.map(({ problem, what, is = problem }) => `${what.replace(/ of .*/, '')}; ${is}`)).toEqual([
      'sysctl net/ipv4/vs/conntrack: 1; 0',
      `service UDP [${VIP6}]:80: rr; missing`,
      ...[1, 2, 3].map((number) => `server [fd00:2::1${number}]:${PORT}; missing`),
      'nf_tables table inet ipvs-nat-director: 8 marks, 1 rules; missing',
      `address ${VIP}/32 on clients; missing`,
    ]);
    expect((await role.apply()).map(({ what }) => what)).toEqual(problems.map(({ what }) => what));
    expect(await role.verify()).toEqual([]);
    expect(await talk.meet('client', VIP, 80, { count: 3 })).toHaveLength(3);
    await role.remove();
    expect(snapshot(namespace)).toBe(before);
  });
});

describe('rules beside the role', () => {
  let role: Role;
  let netfilter: Netfilter;
  beforeAll(async () => {
    role = await take({ services: services(1) });
    await role.apply();
    netfilter = await Netfilter.open({ namespace, owner: 'beside' });
    open.push(netfilter);
  });

  /** What both ends may send: `[the client's, the server's]`. */
  async function segments(...rules: NetfilterRuleOptions[]): Promise<unknown> {
    await netfilter.set({ rules });
    const [answer] = await talk.ask('client', VIP, 80);
    return answer?.segments;
  }

  test('segments are clamped for both directions in postrouting only', async () => {
    expect(await segments()).toEqual([1460, 1460]);
    // Requests leave IPVS by way of output; only answers are forwarded.
    expect(await segments({ type: 'clamp-mss', hook: 'forward', size: 1200 })).toEqual([1200, 1460]);
    expect(await segments({ type: 'clamp-mss', hook: 'output', size: 1200 })).toEqual([1460, 1200]);
    expect(await segments({ type: 'clamp-mss', hook: 'postrouting', size: 1200 })).toEqual([1200, 1200]);
    expect(await segments({ type: 'clamp-mss', hook: 'postrouting', outputInterface: 'servers', size: 1300 })).toEqual([
      1460, 1300,
    ]);
  });

  test('what IPVS forwards gets another source where IPVS tells connection tracking', async () => {
    shell(namespace, 'ip address add 10.2.0.5/24 dev servers');
    await netfilter.set({ rules: [{ type: 'snat', destination: '10.2.0.0/24', to: '10.2.0.5' }] });
    expect(await talk.meet('client', VIP, 80)).toEqual([`server1 ${CLIENT.ipv4}`]);
    shell(namespace, 'echo 1 >/proc/sys/net/ipv4/vs/conntrack');
    expect(await talk.meet('client', VIP, 80)).toEqual(['server1 10.2.0.5']);
    expect(await talk.meet('client', VIP, 80, { protocol: 'udp' })).toEqual(['server1 10.2.0.5']);
    await netfilter.deleteTable();
    await role.remove();
  });
});

test('what a nat-director cannot have is refused', async () => {
  const refuse = (services: unknown): Promise<string> =>
    take({ services: services as ServiceWithServers[] }).then(
      () => 'accepted',
      (error: Error) => error.message,
    );
  const [web] = services(1);
  expect(await refuse([{ service: { fwmark: 7 }, servers: [] }])).toMatch(
    'services[0]: the services of a nat-director',
  );
  expect(await refuse([{ ...web, servers: [{ address: '10.2.0.11', port: 80, forwarding: 'direct' }] }])).toMatch(
    'by nat',
  );
  expect(await refuse([web, web])).toMatch(`two services are TCP ${VIP}:80`);
});
