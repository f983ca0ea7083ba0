// Scenario 7: an overlay over three hosts, made by hand as Docker makes it, with the ingress of one of them.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Network, NetworkChange, Role } from '../../src/index.js';
import { CLIENT, eachOnce, HOST, ingress, PORT, SANDBOX, Swarm, TASK_PORT, VIP } from './swarm.js';

const VNI = 4096;
const UDP = 4789;
const MTU = 1450;

interface Member {
  readonly name: string;
  readonly address: string;
  readonly mac: string;
}

function member(name: string, number: number): Member {
  return { name, address: `10.0.0.${number}`, mac: `02:42:0a:00:00:${number.toString(16).padStart(2, '0')}` };
}

const nodes = [
  { number: 10, members: [member('sandbox', 2), member('task17', 17)] },
  { number: 18, members: [member('task20', 20)] },
  { number: 22, members: [member('task21', 21)] },
].map(({ number, members }) => ({
  host: `host${number}`,
  overlay: `overlay${number}`,
  address: `10.211.55.${number}`,
  members,
}));
const members = nodes.flatMap((node) => node.members);

const swarm = new Swarm();
let role: Role;
let before: string[];
const networks = new Map<string, Network>();

const snapshots = (): string[] => [
  swarm.snapshot('sandbox'),
  ...['host10', 'overlay10', 'task20'].map((host) => swarm.shell(host, 'ip address; bridge fdb; nft list ruleset')),
];

async function network(host: string): Promise<Network> {
  const known = networks.get(host) ?? (await swarm.network(host));
  networks.set(host, known);
  return known;
}

async function change(host: string, changes: readonly NetworkChange[]): Promise<void> {
  for (const result of await (await network(host)).apply(changes)) if (!result.ok) throw result.error;
}

/** A bridge, with a cable to each that runs on this host, and a way to the other hosts. */
async function makeOverlay({ host, overlay, address, members: here }: (typeof nodes)[number]): Promise<void> {
  // Its packets leave by the namespace it was made from, wherever it is.
  await (await network(host)).addLink({
    kind: 'vxlan',
    name: 'vxlan0',
    id: VNI,
    port: UDP,
    local: address,
    learning: false,
    mtu: MTU,
    namespace: swarm.namespace(overlay),
  });
  await change(overlay, [
    { change: 'add-link', link: { kind: 'bridge', name: 'br0', mtu: MTU, up: true } },
    { change: 'update-link', name: 'vxlan0', changes: { master: 'br0', up: true } },
    ...here.map(({ name, mac }): NetworkChange => {
      const peer = { name: 'overlay', namespace: swarm.namespace(name), mtu: MTU, address: mac, up: true };
      return { change: 'add-link', link: { kind: 'veth', name, mtu: MTU, master: 'br0', up: true, peer } };
    }),
    ...nodes
      .filter((other) => other.host !== host)
      .flatMap((other) => other.members.map(({ mac }) => ({ linkAddress: mac, destination: other.address })))
      .map((entry): NetworkChange => ({ change: 'add-forwarding-entry', entry: { interface: 'vxlan0', ...entry } })),
  ]);
  for (const { name, address: own } of here) {
    await change(name, [
      { change: 'add-address', address: { interface: 'overlay', address: `${own}/24` } },
      ...members
        .filter((other) => other.name !== name)
        .map(({ address: theirs, mac }): NetworkChange => {
          return { change: 'set-neighbour', neighbour: { interface: 'overlay', address: theirs, linkAddress: mac } };
        }),
    ]);
  }
}

beforeAll(async () => {
  const sysctls = { 'net.ipv6.conf.all.disable_ipv6': 1, 'net.ipv6.conf.default.disable_ipv6': 1 };
  swarm.lab.add({
    client: { networks: { lan: [`${CLIENT}/24`] } },
    ...Object.fromEntries(nodes.map(({ overlay }) => [overlay, {}])),
    ...Object.fromEntries(nodes.map(({ host, address }) => [host, { networks: { lan: [`${address}/24`] } }])),
    host10: {
      networks: { lan: [`${HOST}/24`], gwbridge: ['172.18.0.1/16'] },
      sysctls: { ...sysctls, 'net.ipv4.ip_forward': 1 },
    },
    sandbox: { networks: { gwbridge: [`${SANDBOX}/16`] }, routes: ['default via 172.18.0.1'], sysctls },
    ...Object.fromEntries(members.slice(1).map(({ name }) => [name, {}])),
  });
  // Each segment is a packet of its own on the wires, where otherwise several go as one.
  swarm.lab.host('client').ip('link set lan gso_max_segs 1');
  await swarm.ready;
  before = snapshots();
  for (const node of nodes) await makeOverlay(node);
  await swarm.publish();
  role = await swarm.role(ingress());
  await role.apply();
}, 120_000);

afterAll(async () => {
  await swarm.close();
  expect(swarm.lab.namespaces).toEqual([]);
});

test('a request that enters at one host is served by tasks on all, in packets of the vxlan', async () => {
  const captured = await swarm.capture('host18');
  expect(await swarm.meet('client', HOST, PORT, 3, { send: 20_000 })).toEqual(eachOnce);
  // But for the hosts' own ARP nothing else is sent.
  const frames = (await captured()).filter(({ type }) => type !== 'arp');
  expect(new Set(frames.map(({ type, vni, port }) => `${type} ${vni} ${port}`))).toEqual(
    new Set([`vxlan ${VNI} ${UDP}`]),
  );
  const [requests, answers] = [false, true].map((out) => frames.filter((frame) => frame.out === out));
  for (const { from, to, mac, inner } of requests ?? []) {
    expect({ from, to, mac }).toEqual({ from: HOST, to: '10.211.55.18', mac: '02:42:0a:00:00:14' });
    expect(inner).toMatchObject({ type: 'tcp', from: '10.0.0.2', to: '10.0.0.20', port: PORT });
  }
  for (const { from, to, mac, inner } of answers ?? []) {
    expect({ from, to, mac }).toEqual({ from: '10.211.55.18', to: HOST, mac: '02:42:0a:00:00:02' });
    expect(inner).toMatchObject({ type: 'tcp', from: '10.0.0.20', to: '10.0.0.2', source: PORT });
  }
  // 40 bytes of headers less than the MTU of the overlay; what is around it fits the wire exactly.
  expect(answers?.[0]?.inner.mss).toBe(MTU - 40);
  expect(Math.max(...(requests ?? []).map(({ length = 0 }) => length))).toBe(1500);
});

test('the virtual address is reached from another host', async () => {
  // By a neighbour like any other: the sandbox answers to it.
  await change('task20', [
    { change: 'set-neighbour', neighbour: { interface: 'overlay', address: VIP, linkAddress: '02:42:0a:00:00:02' } },
  ]);
  expect(await swarm.meet('task20', VIP, TASK_PORT)).toEqual(eachOnce);
});

test('ip and bridge tell what the library does', async () => {
  const [links, entries, neighbours] = swarm
    .shell('overlay10', 'ip -d -j link show vxlan0; bridge -j fdb show dev vxlan0')
    .concat(swarm.shell('sandbox', 'ip -j neigh show nud permanent'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const overlay = await network('overlay10');
  const link = await overlay.link('vxlan0');
  expect(link).toMatchObject({ mtu: MTU, master: 'br0', data: { id: VNI, port: UDP, local: HOST, learning: false } });
  expect(links[0]).toMatchObject({ mtu: MTU, master: 'br0' });
  expect(links[0].linkinfo.info_data).toMatchObject({ id: VNI, port: UDP, local: HOST, learning: false });

  const wanted = ['02:42:0a:00:00:14 10.211.55.18', '02:42:0a:00:00:15 10.211.55.22'];
  const theirs = entries.filter(({ dst }: { dst?: string }) => dst !== undefined);
  expect(theirs.map(({ mac, dst }: { mac: string; dst: string }) => `${mac} ${dst}`).sort()).toEqual(wanted);
  const ours = await overlay.forwardingEntries({ interface: 'vxlan0' });
  const remote = ours.filter(({ destination }) => destination !== undefined);
  expect(remote.map(({ linkAddress, destination }) => `${linkAddress} ${destination}`).sort()).toEqual(wanted);

  const known = (await (await network('sandbox')).neighbours({ family: 'ipv4' }))
    .filter(({ state }) => state === 'permanent')
    .map(({ address, linkAddress }) => `${address} ${linkAddress}`);
  expect(known.sort()).toEqual(members.slice(1).map(({ address, mac }) => `${address} ${mac}`));
  expect(neighbours.map(({ dst, lladdr }: { dst: string; lladdr: string }) => `${dst} ${lladdr}`).sort()).toEqual(
    known,
  );
});

test('without its forwarding entry a task is not reached; with it, at once', async () => {
  const overlay = await network('overlay10');
  const entry = { interface: 'vxlan0', linkAddress: '02:42:0a:00:00:14', destination: '10.211.55.18' };
  await overlay.deleteForwardingEntry(entry);
  const captured = await swarm.capture('host18');
  const reached = swarm.meet('sandbox', '10.0.0.20', TASK_PORT, 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await overlay.addForwardingEntry(entry);
  // The second attempt of TCP, a second later.
  expect(await reached).toEqual(['task20 10.0.0.2']);
  const attempts = (await captured()).filter(({ inner }) => inner?.mss !== undefined && inner.port === TASK_PORT);
  expect(attempts).toHaveLength(1);
});

test('everything is taken back', async () => {
  await role.remove();
  for (const { overlay } of nodes)
    await change(overlay, [
      { change: 'delete-link', name: 'vxlan0' },
      ...((await (await network(overlay)).links())
        .filter(({ kind }) => kind === 'veth')
        .map(({ name }) => ({ change: 'delete-link', name })) as NetworkChange[]),
      { change: 'delete-link', name: 'br0' },
    ]);
  for (const host of ['host10', 'task17', 'task20', 'task21']) await (await swarm.netfilter(host)).deleteTable();
  expect(snapshots()).toEqual(before);
});
