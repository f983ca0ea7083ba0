// Scenarios 5 and 6: a published port of a swarm, from a host through its ingress to the tasks, and
// the virtual address of a service for clients inside.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Conntrack, type Flow, type IngressService, type Ipvs, type Role } from '../../src/index.js';
import {
  CLIENT,
  connectionsOf,
  eachOnce,
  HOST,
  ingress,
  listedConnections,
  MARK,
  PORT,
  SANDBOX,
  Swarm,
  TASK_PORT,
  tasks,
  VIP,
  withoutCounters,
} from './swarm.js';

const swarm = new Swarm();
let role: Role;
let ipvs: Ipvs;
let before: string;

const sandbox = (script: string, input?: string): string => swarm.shell('sandbox', script, input);
const open = (changes?: Partial<IngressService>, ...more: IngressService[]): Promise<Role> =>
  swarm.role(ingress(changes, ...more));

beforeAll(async () => {
  const sysctls = { 'net.ipv6.conf.all.disable_ipv6': 1, 'net.ipv6.conf.default.disable_ipv6': 1 };
  swarm.lab.add({
    client: { networks: { lan: [`${CLIENT}/24`] } },
    host10: { networks: { lan: [`${HOST}/24`], gwbridge: ['172.18.0.1/16'] }, sysctls: { 'net.ipv4.ip_forward': 1 } },
    sandbox: {
      networks: { gwbridge: [`${SANDBOX}/16`], overlay: ['10.0.0.2/24'] },
      routes: ['default via 172.18.0.1'],
      // With forwarding switched on the kernel changes another setting; off again, it has to be as it was.
      sysctls: { ...sysctls, 'net.ipv4.ip_forward': 0, 'net.ipv4.conf.all.accept_redirects': 0 },
    },
    inside: { networks: { overlay: ['10.0.0.5/24'] } },
    ...Object.fromEntries(tasks.map(({ name, address }) => [name, { networks: { overlay: [`${address}/24`] } }])),
  });
  await swarm.ready;
  ipvs = await swarm.ipvs();
  // Of others: Docker's rules for names, and a service.
  sandbox(
    'nft -f -; ipvsadm -A -f 999 -s rr',
    `table ip nat {
      chain DOCKER_OUTPUT { ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:35353; }
      chain OUTPUT { type nat hook output priority -100; policy accept; ip daddr 127.0.0.11 jump DOCKER_OUTPUT; }
    }`,
  );
  before = swarm.snapshot('sandbox');
  await swarm.publish();
  role = await open();
  await role.apply();
}, 120_000);

afterAll(async () => {
  await swarm.close();
  expect(swarm.lab.namespaces).toEqual([]);
});

test('three requests from outside reach each task once, with an address of the overlay', async () => {
  expect(await role.verify()).toEqual([]);
  expect(await swarm.meet('client', HOST, PORT)).toEqual(eachOnce);

  const expected = tasks.map(({ address }) => `${CLIENT}:* ${SANDBOX}:${PORT} ${address}:${PORT}`);
  expect(await connectionsOf(ipvs)).toEqual(expected);
  expect(listedConnections(sandbox('ipvsadm -Lnc'))).toEqual(expected);

  const conntrack = await Conntrack.open({ namespace: swarm.sandbox });
  const flows: Flow[] = [];
  for await (const flow of conntrack.flows({ source: CLIENT, destinationPort: PORT })) flows.push(flow);
  await conntrack.close();
  const theirs = sandbox(`conntrack -L -p tcp --orig-src ${CLIENT} 2>/dev/null`).trim().split('\n');
  const texts = flows.map(({ original, reply }) =>
    [original, reply].map((tuple) => `src=${tuple.source} dst=${tuple.destination}`),
  );
  expect(texts.map(([, reply]) => reply).sort()).toEqual(tasks.map(({ address }) => `src=${address} dst=10.0.0.2`));
  expect(theirs.length).toBe(3);
  for (const [original = '', reply = ''] of texts) {
    expect(original).toBe(`src=${CLIENT} dst=${SANDBOX}`);
    expect(theirs.some((line) => line.includes(original) && line.includes(reply))).toBe(true);
  }

  // The host itself is a client, too.
  expect(await swarm.meet('host10', HOST, PORT, 1)).toHaveLength(1);
  expect(await swarm.refused('client', HOST, PORT + 1)).toMatch(/refused/);
});

test('the tools see what an operator would have made by hand', async () => {
  const [row] = (await ipvs.table()).filter(({ service }) => 'fwmark' in service.key && service.key.fwmark === MARK);
  expect(row?.service).toMatchObject({ scheduler: 'rr' });
  expect(row?.servers.map(({ address, port, forwarding }) => `${address} ${port} ${forwarding}`).sort()).toEqual(
    tasks.map(({ address }) => `${address} 0 nat`),
  );
  const saved = ['-A -f 258 -s rr', ...tasks.map(({ address }) => `-a -f 258 -r ${address}:0 -m -w 1`)];
  expect(
    sandbox('ipvsadm -Sn')
      .trim()
      .split('\n')
      .filter((line) => line.includes('258'))
      .sort(),
  ).toEqual(saved.sort());
  expect(sandbox('ipvsadm -Ln')).toMatch(/^FWM {2}258 rr$/m);

  const names = ['conntrack', 'conn_reuse_mode', 'expire_nodest_conn', 'expire_quiescent_template'];
  const values = sandbox(`cd /proc/sys/net/ipv4/vs; cat ${names.join(' ')}`);
  expect(values.trim().split('\n')).toEqual(['1', '0', '1', '1']);

  // Loaded elsewhere, and listed as nft lists it.
  const byHand = `table inet ipvs-ingress {
    comment "made by ipvs"
    map prerouting_port {
      type inet_proto . inet_service : mark; counter
      elements = { tcp . 9090 : 0x102 }
    }
    map input_ip {
      type ipv4_addr : mark; counter
      elements = { 10.0.0.15 : 0x102 }
    }
    chain nat_postrouting {
      type nat hook postrouting priority srcnat; policy accept;
      ip daddr 10.0.0.0/24 counter snat ip to 10.0.0.2
    }
    chain mark_prerouting {
      type filter hook prerouting priority mangle; policy accept;
      meta mark set meta l4proto . th dport map @prerouting_port
    }
    chain mark_input {
      type filter hook input priority mangle; policy accept;
      meta mark set ip daddr map @input_ip
    }
  }`;
  const list = 'nft -s list table inet ipvs-ingress';
  const theirs = swarm.shell('inside', `nft -f -; ${list}; nft delete table inet ipvs-ingress`, byHand);
  expect(withoutCounters(sandbox(list))).toBe(withoutCounters(theirs));
});

test('a client inside reaches the virtual address by the mark of input alone', async () => {
  const netfilter = await swarm.netfilter('sandbox', 'ipvs-ingress');
  const counts = async (): Promise<bigint[]> => {
    const marks = await netfilter.marks();
    return ['prerouting', 'input'].map((hook) => marks.find((mark) => mark.hook === hook)?.counter.packets ?? -1n);
  };
  const [prerouting, input = 0n] = await counts();
  expect(await swarm.meet('inside', VIP, TASK_PORT)).toEqual(eachOnce);
  const [now, entered = 0n] = await counts();
  expect(now).toBe(prerouting);
  expect(entered).toBeGreaterThanOrEqual(input + 9n); // of each connection at least SYN, ACK and FIN or RST
  const expected = tasks.map(({ address }) => `10.0.0.5:* ${VIP}:${TASK_PORT} ${address}:${TASK_PORT}`);
  expect((await connectionsOf(ipvs)).filter((text) => text.startsWith('10.0.0.5'))).toEqual(expected);

  expect(await swarm.refused('inside', VIP, TASK_PORT + 1)).toMatch(/refused/);
  expect(await swarm.refused('inside', '10.0.0.2', TASK_PORT)).toMatch(/refused/);
  await netfilter.deleteMark({ hook: 'input', destination: VIP });
  expect(await swarm.refused('inside', VIP, TASK_PORT)).toMatch(/refused/);
  expect(await role.apply()).toHaveLength(1);
  expect(await swarm.meet('inside', VIP, TASK_PORT, 1)).toHaveLength(1);
});

test('what others break is told, and mended, and nothing else is done', async () => {
  expect(await role.apply()).toEqual([]);
  sandbox(`ipvsadm -d -f 258 -r 10.0.0.20:0; ipvsadm -e -f 258 -r 10.0.0.21:0 -m -w 7
    nft delete element inet ipvs-ingress prerouting_port '{ tcp . 9090 }'
    echo 0 >/proc/sys/net/ipv4/vs/conntrack
    ip address delete ${VIP}/32 dev overlay`);
  const problems = [
    { problem: 'changed', what: 'sysctl net/ipv4/vs/conntrack: 1', is: '0' },
    { problem: 'missing', what: 'server 10.0.0.20:0 of FWM 258: nat, weight 1' },
    {
      problem: 'changed',
      what: 'nf_tables table inet ipvs-ingress: 2 marks, 1 rules',
      is: 'missing: prerouting tcp dport 9090 mark set 0x102',
    },
    { problem: 'missing', what: `address ${VIP}/32 on overlay` },
    { problem: 'changed', what: 'server 10.0.0.21:0 of FWM 258: nat, weight 1', is: 'nat, weight 7' },
  ];
  expect(await role.verify()).toEqual(problems);
  const steps = await role.apply();
  expect(steps.map(({ action }) => action)).toEqual(['change', 'make', 'change', 'make', 'change']);
  expect(steps.map(({ what }) => what)).toEqual(problems.map(({ what }) => what));
  expect(await role.verify()).toEqual([]);
  expect(await swarm.meet('client', HOST, PORT)).toEqual(eachOnce);
});

test('tasks come and go while requests go on', async () => {
  const [first = '', second = '', last = ''] = tasks.map(({ address }) => address);
  const during = async (next: Role): Promise<string[]> => {
    let done = false;
    const requests = (async () => {
      const said: string[] = [];
      do said.push(...(await swarm.meet('client', HOST, PORT, 5)));
      while (!done);
      return said;
    })();
    const steps = await next.apply();
    done = true;
    expect((await requests).length).toBeGreaterThanOrEqual(5);
    return steps.map(({ action, what }) => `${action} ${what}`);
  };
  // No new connections, then none at all.
  expect(await during(await open({ servers: [first, second, { address: last, weight: 0 }] }))).toEqual([
    `change server ${last}:0 of FWM 258: nat, weight 0`,
  ]);
  expect(await during(await open({ servers: [first, second] }))).toEqual([
    `take-back server ${last}:0 of FWM 258: nat, weight 0`,
  ]);
  expect(await swarm.meet('client', HOST, PORT, 4)).toEqual([eachOnce[0], eachOnce[0], eachOnce[1], eachOnce[1]]);

  // A second service, of two ports and without an address in the overlay, at the same time.
  const api: IngressService = {
    mark: 0x103,
    ports: [
      { protocol: 'tcp', port: 8000 },
      { protocol: 'udp', port: 8000 },
    ],
    servers: [first],
  };
  const all = await open({}, api);
  expect(await during(all)).toEqual([
    'make service FWM 259: rr',
    `make server ${last}:0 of FWM 258: nat, weight 1`,
    `make server ${first}:0 of FWM 259: nat, weight 1`,
    'change nf_tables table inet ipvs-ingress: 4 marks, 1 rules',
  ]);
  expect(await swarm.meet('client', HOST, PORT)).toEqual(eachOnce);
  const again = await open();
  await again.apply();
  expect(await all.verify()).toHaveLength(3);
  expect(await again.apply()).toEqual([]);
});

test('what is no ingress is refused before anything is done', async () => {
  const refused = async (work: Promise<Role>): Promise<string> =>
    work.then(
      () => 'taken',
      (error: Error) => error.message,
    );
  expect(await refused(open({}, { mark: MARK, vip: '10.0.0.16', servers: [] }))).toMatch(/two services are FWM 258/);
  expect(await refused(open({}, { mark: 259, servers: [] }))).toMatch(
    /services\[1\]: a service has ports, a vip, or both/,
  );
  expect(await refused(open({}, { mark: 259, vip: VIP, servers: [] }))).toMatch(/10\.0\.0\.15/);
  expect(await refused(open({}, { mark: 259, vip: 'fd00::15', servers: [] }))).toMatch(/IPv4/);
  expect(await refused(open({ servers: ['10.0.0.17', '10.0.0.17'] }))).toMatch(
    /services\[0\]\.servers\[1\]: .*twice: 10\.0\.0\.17/,
  );
});

test('it leaves everything as it was', async () => {
  const last = await open();
  const steps = await last.remove();
  expect(new Set(steps.map(({ action }) => action))).toEqual(new Set(['take-back']));
  expect(swarm.snapshot('sandbox')).toBe(before);
  expect(await last.remove()).toEqual([]);
  expect(await swarm.refused('client', HOST, PORT)).toMatch(/refused/);
});
