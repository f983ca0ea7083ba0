// Scenario 4: packets reach the real servers in other packets.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RealServerRole, RealServerTunnel } from '../../src/index.js';
import { changed, director, type Frame, inside, Lan, load, SERVERS, snapshot, VIP } from './lan.js';

load('ipip', 'ip_gre', 'fou');
let lan: Lan;
let before: string[];
const snapshots = (): string[] => ['server1', 'director'].map((name) => snapshot(lan.lab.host(name).namespace));

beforeAll(async () => {
  // As most distributions have it: what comes by a way that is not the way back is dropped.
  lan = await Lan.make(2, { 'net.ipv4.conf.all.rp_filter': 1, 'net.ipv4.conf.default.rp_filter': 1 });
  before = snapshots();
});

afterAll(() => lan?.close());

/** Sizes are those of a link of 1500 bytes, less what is around a packet, less 40 of IP and TCP. */
const tunnels: { tunnel: Omit<RealServerTunnel, 'local'>; link: string; segmentSize: number }[] = [
  { tunnel: { type: 'ipip' }, link: 'ipip', segmentSize: 1440 },
  { tunnel: { type: 'gre', name: 'vs0' }, link: 'gre', segmentSize: 1436 },
  { tunnel: { type: 'gue', port: 6080 }, link: 'ipip', segmentSize: 1428 },
];

test.each(tunnels)('$tunnel.type', async ({ tunnel, link, segmentSize }) => {
  const { type, port, name = 'ipvs-tunnel' } = tunnel;
  const roles = await Promise.all(
    lan.servers.map((host, index) => {
      const local = SERVERS[index] ?? '';
      const description: RealServerRole = {
        role: 'real-server',
        vip: VIP,
        interface: 'lan',
        tunnel: { ...tunnel, local },
        segmentSize,
      };
      return lan.role(host.name, description);
    }),
  );
  const parts = [
    ...['all', 'lan'].flatMap((where) => [
      `change sysctl net/ipv4/conf/${where}/arp_ignore: 1`,
      `change sysctl net/ipv4/conf/${where}/arp_announce: 2`,
    ]),
    `make ${link} link ${name}`,
    'change sysctl net/ipv4/conf/all/rp_filter: 0',
    `make sysctl net/ipv4/conf/${name}/rp_filter: 0`,
    `make link ${name} up`,
    ...(type === 'gue' ? ['make GUE on UDP port 6080'] : []),
    'make nf_tables table inet ipvs-real-server: 0 marks, 1 rules',
    `make address ${VIP}/32 on lo`,
  ];
  const [role] = roles;
  const applied = await Promise.all(roles.map((role) => role.apply()));
  expect(changed(applied[0] ?? [])).toEqual(parts);
  const balancer = await lan.role('director', {
    ...director,
    servers: SERVERS.slice(0, 2).map((address) => ({
      address,
      ...(type === 'gue'
        ? { tunnel: { type, port: port ?? 0 } }
        : type === 'gre'
          ? { tunnel: { type } }
          : { forwarding: 'tunnel' }),
    })),
  });
  await balancer.apply();

  const listening = await Promise.all(['client', 'director', 'server1'].map((host) => lan.capture(host)));
  const said = [...(await lan.meet(1883, 4)), ...(await lan.meet(8000, 2, { send: 100_000 }))];
  expect([...new Set(said)].sort()).toEqual(['server1 192.168.1.10', 'server2 192.168.1.10']);
  const [client = [], between = [], server = []] = await Promise.all(listening.map((stop) => stop()));
  expect(sizes(client.filter(({ from }) => from === VIP))).toEqual([segmentSize]);
  expect(between.filter(({ type, from }) => type === 'tcp' && from === VIP)).toEqual([]);
  const wrapped = server.filter(({ out, type }) => !out && type !== 'arp');
  expect(new Set(wrapped.map(({ type, to, inner }) => `${type} to ${to}: ${inner?.from} to ${inner?.to}`))).toEqual(
    new Set([`${type} to 192.168.1.101: 192.168.1.10 to ${VIP}`]),
  );
  const tunnelled = inside(lan.lab.host('director').namespace, 'ipvsadm', '-Ln').match(/Tunnel/g);
  expect(tunnelled).toHaveLength(2);

  expect([...(await balancer.verify()), ...((await role?.verify()) ?? [])]).toEqual([]);
  expect([...(await balancer.apply()), ...((await role?.apply()) ?? [])]).toEqual([]);
  const [host] = lan.servers;
  if (!host || !role) throw new Error('no server');
  inside(
    host.namespace,
    'sh',
    '-c',
    `ip link set ${name} down; echo 1 >/proc/sys/net/ipv4/conf/${name}/rp_filter; nft flush ruleset
     ${type === 'gue' ? 'ip fou del port 6080' : ''}`,
  );
  const broken = [
    { problem: 'changed', what: `sysctl net/ipv4/conf/${name}/rp_filter: 0`, is: '1' },
    { problem: 'changed', what: `link ${name} up`, is: 'down' },
    ...(type === 'gue' ? [{ problem: 'missing', what: 'GUE on UDP port 6080' }] : []),
    { problem: 'missing', what: 'nf_tables table inet ipvs-real-server: 0 marks, 1 rules' },
  ];
  expect(await role.verify()).toEqual(broken);
  expect((await role.apply()).map(({ what }) => what)).toEqual(broken.map(({ what }) => what));
  expect(await role.verify()).toEqual([]);
  // A tunnel that is gone takes its settings with it.
  host.ip(`link del ${name}`);
  expect((await role.verify()).map(({ problem }) => problem)).toEqual(['missing', 'missing', 'missing']);
  expect(await role.apply()).toHaveLength(3);
  expect(new Set(await lan.meet(8000, 4))).toEqual(new Set(said));

  if (type === 'gue') inside(host.namespace, 'ip', 'fou', 'del', 'port', '6080'); // what is gone need not be taken back
  await Promise.all([balancer, ...roles].map((role) => role.remove()));
  expect(snapshots()).toEqual(before);
});

/** Those that are told in the frames that open a connection. */
function sizes(frames: readonly Frame[]): number[] {
  return [...new Set(frames.flatMap(({ mss }) => (mss === undefined ? [] : [mss])))];
}
