// Scenarios 2 and 5, each by one call with a document as it stands in examples/.
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { applyDocument, DesiredState } from '../../src/index.js';
import { inside, Lan, records, SERVERS, snapshot, VIP } from '../roles/lan.js';
import { CLIENT, eachOnce, HOST, PORT, SANDBOX, VIP as SWARM_VIP, Swarm, TASK_PORT, tasks } from '../roles/swarm.js';

let world: { close(): Promise<void> } | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
  expect(records()).toEqual([]);
});

/** With the namespace of a test in the place of that of the example. */
function example(file: string, namespace: string, instead: string): string {
  const text = readFileSync(new URL(`../../examples/${file}`, import.meta.url), 'utf8');
  expect(text).toContain(`\nnamespace: ${namespace}`);
  return text.replace(`\nnamespace: ${namespace}`, `\nnamespace: ${instead}`);
}

async function expectNothingToDo(document: string): Promise<void> {
  await using state = await DesiredState.open(document);
  expect((await state.plan()).steps).toEqual([]);
  expect(await state.apply()).toEqual([]);
}

async function remove(document: string): Promise<void> {
  await using state = await DesiredState.open(document);
  expect(await state.remove()).not.toEqual([]);
}

test('swarm-ingress.yaml: what a host publishes reaches each task', async () => {
  const swarm = new Swarm();
  world = swarm;
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
  await swarm.publish();
  await swarm.ipvs(); // loads IPVS: its settings are there before
  const before = swarm.snapshot('sandbox');

  const document = example('swarm-ingress.yaml', '/run/docker/netns/ingress_sbox', swarm.sandbox);
  await applyDocument(document);

  expect(await swarm.meet('client', HOST, PORT)).toEqual(eachOnce);
  expect(await swarm.meet('inside', SWARM_VIP, TASK_PORT)).toEqual(eachOnce);
  expect(await swarm.refused('client', HOST, PORT + 1)).toMatch(/refused/);
  expect(await swarm.refused('inside', SWARM_VIP, TASK_PORT + 1)).toMatch(/refused/);
  expect(swarm.shell('sandbox', 'ipvsadm -Sn | sort').trim().split('\n')).toEqual([
    '-A -f 258 -s rr',
    ...tasks.map(({ address }) => `-a -f 258 -r ${address}:0 -m -w 1`),
  ]);
  await expectNothingToDo(document);
  await remove(document);
  expect(swarm.snapshot('sandbox')).toBe(before);
});

test('direct-director.yaml: three servers serve all ports, and answer without the director', async () => {
  const lan = await Lan.make();
  world = lan;
  await Promise.all(
    lan.servers.map(async ({ name }) =>
      (await lan.role(name, { role: 'real-server', vip: VIP, interface: 'lan' })).apply(),
    ),
  );
  const { namespace } = lan.lab.host('director');
  const before = snapshot(namespace);

  const document = example('direct-director.yaml', 'director', namespace);
  await applyDocument(document);

  const listening = await lan.capture('director');
  for (const port of [1883, 8000]) {
    const said = await lan.meet(port, 6);
    expect([...new Set(said)].sort()).toEqual([1, 2, 3].map((number) => `server${number} 192.168.1.10`));
  }
  const frames = (await listening()).filter(({ type }) => type === 'tcp');
  expect(frames.filter(({ to }) => to === VIP).length).toBeGreaterThan(12 * 3);
  expect(frames.filter(({ from }) => from === VIP)).toEqual([]);
  const table = inside(namespace, 'sh', '-c', 'ipvsadm -Sn | sort');
  expect(table.trim().split('\n')).toEqual([
    '-A -f 80 -s lc',
    ...SERVERS.map((address) => `-a -f 80 -r ${address}:0 -g -w 1`),
  ]);
  await expectNothingToDo(document);
  await remove(document);
  expect(snapshot(namespace)).toBe(before);
});
