// Scenario 8, and 11 for it: a node of a cluster as kube-proxy's IPVS mode makes it, among others' rules.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../scripts/lab.mjs';
import { Netfilter, type NodeRole, type NodeServer, type NodeService, Role, type Step } from '../../src/index.js';
import {
  addCluster,
  alone,
  description,
  dns,
  dns6,
  EXTERNAL,
  GATEWAY,
  kept,
  NODE,
  NODE6,
  OUTSIDE,
  pod,
  sticky,
  web,
  web6,
} from './cluster.js';
import { lines, load, shell, snapshot, Talk } from './talk.js';

/** Rules of others, in all ways that there are. */
const foreign = `
  ip addr add 192.168.5.7/24 dev lan
  ipvsadm -A -f 999 -s wlc; ipvsadm -a -f 999 -r 10.2.0.12:0 -m
  ipvsadm -A -t 192.168.5.7:443 -s sh
  iptables-nft -t nat -A POSTROUTING -d 203.0.113.9 -j MASQUERADE
  iptables-legacy -A INPUT -d 203.0.113.9 -p tcp --dport 9 -j ACCEPT
  nft 'table inet mine { chain forward { type filter hook forward priority 0; ip daddr 203.0.113.9 counter drop; }; }'
  nft 'table ip ipvs { set mine { type ipv4_addr; elements = { 203.0.113.9 }; }; }'`;

const lab = new Lab();
let talk: Talk;
let namespace = '';
let before = '';
let role: Role;

beforeAll(async () => {
  load('ip_vs_rr', 'ip_vs_sh', 'ip_vs_wlc', 'nf_nat', 'iptable_filter', 'iptable_nat');
  addCluster(lab);
  namespace = lab.host('node').namespace;
  shell(namespace, foreign);
  talk = await Talk.start(lab);
  for (const name of ['pod1', 'pod2', 'pod3']) await talk.serve(name, 8080);
  before = snapshot(namespace);
  role = await take(description);
}, 180_000);

afterAll(async () => {
  await role?.close();
  await talk?.stop();
  await lab.close();
  expect(lab.namespaces).toEqual([]);
});

function take(node: NodeRole): Promise<Role> {
  return Role.open(node, { namespace, record: `/run/ipvs-test-${process.pid}.json` });
}

const words = (steps: readonly Step[]): string[] => steps.map(({ action, what }) => `${action} ${what}`);

/** What others have made, as the tools print it. */
function others(): string {
  return shell(
    namespace,
    `nft list table inet mine; nft list table ip ipvs; nft list table ip nat; iptables-legacy -S
    ipvsadm -Sn | grep -e '-f 999' -e :443; ip address show dev lan`,
  );
}

/** The same rules, as a person would write them, and as nft prints them. */
function asNftPrints(text: string): string {
  const scratch = lab.host('outside').namespace;
  shell(scratch, 'nft -f -', text);
  try {
    return shell(scratch, 'nft list ruleset');
  } finally {
    shell(scratch, 'nft flush ruleset');
  }
}

const withoutCounts = (text: string): string =>
  text.replace(/counter packets \d+ bytes \d+/g, 'counter packets 0 bytes 0');

test('the steps to a node; then it is one, and the tools say so', async () => {
  const theirs = others();
  const planned = await role.plan();
  expect(planned.filter(({ action }) => action === 'keep')).toEqual([]);
  expect(words(await role.apply())).toEqual(words(planned));
  expect(await role.verify()).toEqual([]);
  expect(await role.apply()).toEqual([]);
  expect(others()).toBe(theirs);

  const addresses = lines(shell(namespace, 'ip -o address show dev ipvs0')).map((line) => line.split(/\s+/)[3]);
  expect(addresses.filter((address) => !address?.startsWith('fe80'))).toEqual([
    '10.96.0.10/32',
    '10.96.0.11/32',
    '10.96.0.12/32',
    '10.96.0.13/32',
    '10.96.0.14/32',
    `${EXTERNAL}/32`,
    '10.96.0.15/32',
    'fd96::10/128',
  ]);
  const saved = lines(shell(namespace, 'ipvsadm -Sn')).filter((line) => !/-f 999|:443/.test(line));
  const service = (name: string, servers: readonly NodeServer[], more = ''): string[] => [
    `-A ${name} -s rr${more}`,
    ...servers.map(({ address, port }) => {
      const server = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
      return `-a ${name} -r ${server} -m -w 1`;
    }),
  ];
  expect(saved.sort()).toEqual(
    [
      ...service('-t 10.96.0.10:80', web.servers),
      ...service(`-t ${NODE}:30080`, web.servers),
      ...service('-u 10.96.0.11:53', dns.servers),
      ...service(`-u ${NODE}:30053`, dns.servers),
      ...service('-t 10.96.0.12:80', [pod(1)]),
      ...service('-t 10.96.0.13:80', [pod(3)]),
      ...service('-t 10.96.0.14:80', [pod(1), pod(3)]),
      ...service(`-t ${EXTERNAL}:80`, [pod(1)]),
      ...service(`-t ${NODE}:30081`, [pod(1)]),
      ...service('-t 10.96.0.15:80', sticky.servers, ' -p 10800'),
      ...service('-t [fd96::10]:80', web6.servers),
      ...service(`-t [${NODE6}]:30080`, web6.servers),
      ...service('-u [fd96::10]:53', web6.servers),
      ...service(`-u [${NODE6}]:30053`, web6.servers),
    ].sort(),
  );
  const rules = withoutCounts(shell(namespace, 'nft list table inet ipvs-node'));
  expect(rules).toBe(
    asNftPrints(`table inet ipvs-node {
      comment "made by ipvs"
      chain nat_postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip6 saddr fd02::12 ip6 daddr fd02::12 counter masquerade
        ip6 saddr fd02::11 ip6 daddr fd02::11 counter masquerade
        ip saddr 10.2.0.12 ip daddr 10.2.0.12 counter masquerade
        ip saddr 10.2.0.11 ip daddr 10.2.0.11 counter masquerade
        meta mark & 0x00004000 == 0x00004000 fib daddr type != local counter masquerade
      }
      chain mark_output {
        type route hook output priority mangle; policy accept;
        fib daddr type local counter meta mark set meta mark or 0x4000
      }
      chain mark_prerouting {
        type filter hook prerouting priority mangle; policy accept;
        fib daddr type local counter meta mark set meta mark or 0x4000
        ip saddr 10.2.0.0/16 fib daddr type local counter meta mark set meta mark and 0xffffbfff
        ip6 saddr fd02::/16 fib daddr type local counter meta mark set meta mark and 0xffffbfff
        ip daddr 192.168.5.1 counter meta mark set meta mark or 0x4000
        ip daddr 192.168.5.1 tcp dport 30081 counter meta mark set meta mark and 0xffffbfff
        ip daddr 192.168.5.100 tcp dport 80 counter meta mark set meta mark and 0xffffbfff
        ip6 daddr fd05::1 counter meta mark set meta mark or 0x4000
      }
    }`),
  );
}, 180_000);

describe('who serves, and whom it sees', () => {
  const all = (seen: string): string[] => [`pod1 ${seen}`, `pod2 ${seen}`, `pod3 ${seen}`];

  test.each([
    ['outside', '10.96.0.10', 80, 'tcp', all(GATEWAY)],
    ['outside', NODE, 30080, 'tcp', all(GATEWAY)],
    ['outside', '10.96.0.11', 53, 'udp', all(GATEWAY)],
    ['outside', NODE, 30053, 'udp', all(GATEWAY)],
    ['outside', 'fd96::10', 80, 'tcp', all('fd02::1')],
    ['outside', NODE6, 30080, 'tcp', all('fd02::1')],
    ['outside', 'fd96::10', 53, 'udp', all('fd02::1')],
    ['outside', NODE6, 30053, 'udp', all('fd02::1')],
    // A policy keeps to the servers of the node, and the client's address with them.
    ['outside', NODE, 30081, 'tcp', [`pod1 ${OUTSIDE}`]],
    ['outside', EXTERNAL, 80, 'tcp', [`pod1 ${OUTSIDE}`]],
    ['outside', '10.96.0.14', 80, 'tcp', [`pod1 ${GATEWAY}`, `pod3 ${GATEWAY}`]],
    // Pods are seen as they are; through a node port, the answer has to come by the node.
    ['pod2', '10.96.0.12', 80, 'tcp', ['pod1 10.2.0.12']],
    ['pod2', '10.96.0.13', 80, 'tcp', ['pod3 10.2.0.12']],
    ['pod3', NODE, 30080, 'tcp', all(GATEWAY)],
    // The node itself.
    ['node', '10.96.0.10', 80, 'tcp', all(GATEWAY)],
    ['node', NODE, 30080, 'tcp', all(GATEWAY)],
    ['node', '10.96.0.11', 53, 'udp', all(GATEWAY)],
    ['node', NODE6, 30080, 'tcp', all('fd02::1')],
    ['node', 'fd96::10', 53, 'udp', all('fd02::1')],
    // Hairpin.
    ['pod1', '10.96.0.12', 80, 'tcp', [`pod1 ${GATEWAY}`]],
  ] as const)('%s asks %s port %s, %s', async (host, address, port, protocol, expected) => {
    const count = expected.length;
    expect(await talk.meet(host, address, port, { protocol, count })).toEqual([...expected]);
  });

  test('a client stays on its server for the time of its affinity', async () => {
    expect(await talk.meet('outside', '10.96.0.15', 80, { count: 6 })).toHaveLength(1);
    const entries = lines(shell(namespace, 'ipvsadm -Lnc')).filter((line) => line.includes('10.96.0.15:80'));
    const template = entries.map((line) => line.split(/\s+/)).find(([, , , client]) => client === `${OUTSIDE}:0`);
    // Of 180 minutes, and what its connections add.
    expect(Number(template?.[1]?.split(':')[0])).toBeGreaterThanOrEqual(179);
  });

  test('what a server asks itself is answered only through the rule for it', async () => {
    const nobody = ['nobody TimeoutError'];
    // Not on this node, so far as the description says: without the rule.
    expect(await talk.meet('pod3', '10.96.0.13', 80, { patience: 2 })).toEqual(nobody);
    const netfilter = await Netfilter.open({ namespace, owner: 'ipvs-node' });
    await netfilter.deleteRule({ type: 'masquerade', source: '10.2.0.11', destination: '10.2.0.11' });
    await netfilter.close();
    expect(await talk.meet('pod1', '10.96.0.12', 80, { patience: 2 })).toEqual(nobody);
    expect(await role.verify()).toEqual([
      {
        problem: 'changed',
        what: expect.stringContaining('nf_tables table inet ipvs-node'),
        is: 'missing: postrouting ip saddr 10.2.0.11 ip daddr 10.2.0.11 masquerade',
      },
    ]);
    expect(words(await role.apply())).toEqual([expect.stringContaining('change nf_tables table inet ipvs-node')]);
    expect(await talk.meet('pod1', '10.96.0.12', 80)).toEqual([`pod1 ${GATEWAY}`]);
  });
});

test('what is broken is told, and only that is mended', async () => {
  const theirs = others();
  shell(
    namespace,
    `ip address del 10.96.0.11/32 dev ipvs0
    ipvsadm -D -t ${EXTERNAL}:80
    ipvsadm -d -t 10.96.0.10:80 -r 10.2.0.12:8080
    ipvsadm -e -t 10.96.0.10:80 -r 10.2.0.13:8080 -m -w 5
    ipvsadm -E -t 10.96.0.12:80 -s sh
    nft flush chain inet ipvs-node mark_output
    echo 0 >/proc/sys/net/ipv4/ip_forward
    echo 0 >/proc/sys/net/ipv4/vs/conntrack`,
  );
  const problems = await role.verify();
  expect(problems.map(({ problem, what, is = problem }) => `${what}; ${is.replace(/\s+/g, ' ')}`)).toEqual([
    'sysctl net/ipv4/ip_forward: 1; 0',
    'sysctl net/ipv4/vs/conntrack: 1; 0',
    'service TCP 10.96.0.12:80: rr; sh',
    `service TCP ${EXTERNAL}:80: rr; missing`,
    'server 10.2.0.12:8080 of TCP 10.96.0.10:80: nat, weight 1; missing',
    `server 10.2.0.11:8080 of TCP ${EXTERNAL}:80: nat, weight 1; missing`,
    expect.stringMatching(/^nf_tables table inet ipvs-node.*; missing: output fib daddr type local mark set/),
    'address 10.96.0.11/32 on ipvs0; missing',
    'server 10.2.0.13:8080 of TCP 10.96.0.10:80: nat, weight 1; nat, weight 5',
  ]);
  expect((await role.apply()).map(({ what }) => what)).toEqual(problems.map(({ what }) => what));
  expect(await role.verify()).toEqual([]);
  expect(others()).toBe(theirs);
  expect(await talk.meet('node', '10.96.0.11', 53, { protocol: 'udp', count: 3 })).toHaveLength(3);

  // All at once: with the interface go its addresses.
  shell(namespace, 'ip link del ipvs0; nft delete table inet ipvs-node');
  expect((await role.verify()).map(({ problem }) => problem)).toEqual(new Array(11).fill('missing'));
  expect(await role.apply()).toHaveLength(11);
  expect(await talk.meet('outside', NODE, 30080, { count: 3 })).toHaveLength(3);
}, 180_000);

test('another description is reached by the fewest steps, also from another program', async () => {
  const theirs = others();
  await role.close();
  const fresh: NodeService = { protocol: 'tcp', clusterAddress: '10.96.0.16', port: 81, servers: [pod(2)] };
  role = await take({
    ...description,
    strictArp: true,
    services: [{ ...web, servers: [pod(1), { ...pod(2), weight: 0 }] }, dns, alone, kept, sticky, web6, dns6, fresh],
  });
  const done = words(await role.apply());
  // Servers that go do so in the kernel's order.
  expect([...done.slice(0, 6), ...done.slice(6, 11).sort(), ...done.slice(11)]).toEqual([
    'change sysctl net/ipv4/conf/all/arp_ignore: 1',
    'change sysctl net/ipv4/conf/all/arp_announce: 2',
    'make service TCP 10.96.0.16:81: rr',
    'make server 10.2.0.12:8080 of TCP 10.96.0.16:81: nat, weight 1',
    'make address 10.96.0.16/32 on ipvs0',
    'take-back address 10.96.0.13/32 on ipvs0',
    'change server 10.2.0.12:8080 of TCP 10.96.0.10:80: nat, weight 0',
    `change server 10.2.0.12:8080 of TCP ${NODE}:30080: nat, weight 0`,
    'take-back server 10.2.0.13:8080 of TCP 10.96.0.10:80: nat, weight 1',
    'take-back server 10.2.0.13:8080 of TCP 10.96.0.13:80: nat, weight 1',
    `take-back server 10.2.0.13:8080 of TCP ${NODE}:30080: nat, weight 1`,
    'take-back service TCP 10.96.0.13:80: rr',
  ]);
  expect(await role.verify()).toEqual([]);
  expect(others()).toBe(theirs);
  // New connections: the weight is what counts.
  expect(await talk.meet('outside', NODE, 30080, { count: 3 })).toEqual([`pod1 ${GATEWAY}`]);
  expect(await talk.meet('outside', '10.96.0.16', 81)).toEqual([`pod2 ${GATEWAY}`]);
}, 180_000);

test('when it goes, all is as it was', async () => {
  const removed = await role.remove();
  expect(new Set(removed.map(({ action }) => action))).toEqual(new Set(['take-back']));
  expect(snapshot(namespace)).toBe(before);
  expect(await role.remove()).toEqual([]);
  expect((await role.verify()).length).toBeGreaterThan(40);
});

test('what cannot be is refused before anything is done', async () => {
  const refuse = async (changes: Partial<NodeRole>): Promise<string> =>
    take({ ...description, ...changes }).then(
      () => 'accepted',
      (error: Error) => error.message,
    );
  expect(await refuse({ services: [{ ...web6, servers: web.servers }] })).toMatch(
    /services\[0\]\.servers\[0\]: .*different families/,
  );
  expect(await refuse({ services: [web, { ...web, nodePort: undefined }] })).toMatch(
    'two services are TCP 10.96.0.10:80',
  );
  expect(await refuse({ services: [web, alone, { ...kept, nodePort: 30080 }] })).toMatch(`TCP ${NODE}:30080`);
  expect(await refuse({ services: [web6], nodeAddresses: [NODE] })).toMatch('no ipv6 address for the node port 30080');
  expect(await refuse({ services: [{ ...web, externalAddresses: ['fd05::9'] }] })).toMatch('of one family');
  expect(await refuse({ services: [{ ...web, nodePort: 0 }] })).toMatch('nodePort');
});
