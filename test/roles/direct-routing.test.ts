// Scenario 2: what is for one address goes to three servers, which answer the clients themselves.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DirectDirectorRole, Role } from '../../src/index.js';
import { changed, director, type Frame, inside, Lan, records, SERVERS, snapshot, VIP } from './lan.js';

let lan: Lan;
let before: string;
const namespace = (): string => lan.lab.host('director').namespace;
const byRouting: DirectDirectorRole = { ...director, interface: undefined, table: 100 };

const service = 'make service FWM 80: lc';
const servers = SERVERS.map((address) => `make server ${address}:0 of FWM 80: direct, weight 1`);
const marks = 'make nf_tables table inet ipvs-direct-director: 1 marks, 0 rules';
const address = `make address ${VIP}/32 on lan`;

beforeAll(async () => {
  lan = await Lan.make();
  before = snapshot(namespace());
  await Promise.all(
    lan.servers.map(async ({ name }) =>
      (await lan.role(name, { role: 'real-server', vip: VIP, interface: 'lan' })).apply(),
    ),
  );
});

afterAll(() => lan?.close());

/** Connections to both ports; every server served some, and knew the client. */
async function serveAll(): Promise<void> {
  const listening = await lan.capture('director');
  const listeningToClient = await lan.capture('client');
  for (const port of [1883, 8000]) {
    const said = await lan.meet(port, 6);
    expect([...new Set(said)].sort()).toEqual([1, 2, 3].map((number) => `server${number} 192.168.1.10`));
  }
  const { passed, answers } = split(await listening());
  expect(passed.filter(({ out }) => !out).length).toBeGreaterThanOrEqual(12 * 3);
  expect(passed.filter(({ out }) => out)).toHaveLength(passed.filter(({ out }) => !out).length);
  expect(answers).toEqual([]);
  const client = split(await listeningToClient());
  expect(client.answers.length).toBeGreaterThanOrEqual(12 * 2); // data and the end may be one frame
  expect(client.answers.every(({ source }) => source === 1883 || source === 8000)).toBe(true);
}

function split(frames: readonly Frame[]): { passed: Frame[]; answers: Frame[] } {
  const tcp = frames.filter(({ type }) => type === 'tcp');
  return { passed: tcp.filter(({ to }) => to === VIP), answers: tcp.filter(({ from }) => from === VIP) };
}

function table(): string[] {
  return inside(namespace(), 'ipvsadm', '-Ln').trim().split('\n').slice(3).map(words);
}

/** A line of ipvsadm or ip, without its columns and the numbers of connections. */
function words(line: string): string {
  return line.trim().split(/\s+/).slice(0, 5).join(' ');
}

const expectedTable = ['FWM 80 lc', ...SERVERS.map((server) => `-> ${server}:0 Route 1 0`)];

describe('with the address on an interface of the director', () => {
  let role: Role;

  beforeEach(async () => {
    role ??= await lan.role('director', director);
  });

  test('three servers serve all ports, and answer without the director', async () => {
    expect((await role.verify()).every(({ problem }) => problem === 'missing')).toBe(true);
    expect(changed(await role.apply())).toEqual([service, ...servers, marks, address]);
    await serveAll();
    expect(table()).toEqual(expectedTable);
    expect(await role.verify()).toEqual([]);
    expect(await role.apply()).toEqual([]);
    expect((await role.plan()).map(({ action }) => action)).toEqual(Array(6).fill('keep'));
  });

  test('what somebody breaks is named and mended, and nothing else', async () => {
    inside(
      namespace(),
      'sh',
      '-c',
      `ip addr del ${VIP}/32 dev lan; nft flush ruleset
       ipvsadm -e -f 80 -r 192.168.1.102:0 -g -w 5; ipvsadm -d -f 80 -r 192.168.1.103:0; ipvsadm -E -f 80 -s rr`,
    );
    const problems = await role.verify();
    expect(problems.map(({ problem, what, is = problem }) => [what, is])).toEqual([
      ['service FWM 80: lc', 'rr'],
      ['server 192.168.1.103:0 of FWM 80: direct, weight 1', 'missing'],
      ['nf_tables table inet ipvs-direct-director: 1 marks, 0 rules', 'missing'],
      [`address ${VIP}/32 on lan`, 'missing'],
      ['server 192.168.1.102:0 of FWM 80: direct, weight 1', 'direct, weight 5'],
    ]);
    expect(changed(await role.apply())).toEqual([
      service.replace('make', 'change'),
      servers[2],
      marks,
      address,
      // Less is given last.
      servers[1]?.replace('make', 'change'),
    ]);
    expect(await role.verify()).toEqual([]);
    expect(table()).toEqual(expectedTable);
    await serveAll();
  });

  test('a part of the table of marks is noticed, too', async () => {
    inside(namespace(), 'nft', 'flush table inet ipvs-direct-director');
    expect(await role.verify()).toEqual([
      {
        problem: 'changed',
        what: 'nf_tables table inet ipvs-direct-director: 1 marks, 0 rules',
        is: expect.stringContaining('missing'),
      },
    ]);
    expect(changed(await role.apply())).toEqual([marks.replace('make', 'change')]);
    expect(await role.verify()).toEqual([]);
  });

  test('a role that is removed leaves what it found', async () => {
    const steps = [service, ...servers, marks, address].map((step) => step.replace('make', 'take-back'));
    expect(changed(await role.remove())).toEqual(steps.reverse());
    expect(snapshot(namespace())).toBe(before);
    expect(await role.remove()).toEqual([]);
    expect(records().filter((name) => name.includes('direct-director'))).toEqual([]);
  });
});

describe('with packets that are routed to the director', () => {
  const rule = 'make ipv4 rule for mark 80 to table 100';
  const route = 'make local route default in table 100';

  test('a rule for the mark and a local route take them, without the address', async () => {
    lan.lab.host('client').ip(`route add ${VIP} via 192.168.1.2`);
    const role = await lan.role('director', byRouting);
    expect(changed(await role.apply())).toEqual([service, ...servers, marks, route, rule]);
    await serveAll();
    expect(table()).toEqual(expectedTable);
    const [rules, routes, addresses] = ['rule show', 'route show table 100', 'addr show'].map((command) =>
      lan.lab
        .host('director')
        .ip(command)
        .split('\n')
        .map((line) => line.trim()),
    );
    expect(rules).toContain('32765:\tfrom all fwmark 0x50 lookup 100 proto static');
    expect(rules).toHaveLength(5); // with the three of the kernel, and the end of the last line
    expect(routes).toEqual(['local default dev lo proto static scope host', '']);
    expect(addresses?.join()).not.toContain(VIP);
    expect(await role.verify()).toEqual([]);

    lan.lab.host('director').ip('rule del fwmark 80 lookup 100', 'route flush table 100');
    expect((await role.verify()).map(({ problem }) => problem)).toEqual(['missing', 'missing']);
    expect(changed(await role.apply())).toEqual([route, rule]);
    expect(await role.apply()).toEqual([]);
    expect(await lan.meet(1883, 1)).toHaveLength(1);

    expect(await role.remove()).toHaveLength(7);
    lan.lab.host('client').ip(`route del ${VIP}`);
  });

  test('it leaves what it found; what was there already is kept, and stays', async () => {
    expect(snapshot(namespace())).toBe(before);
    lan.lab.host('director').ip('rule add fwmark 80 lookup 100', 'route add local default dev lo table 100');
    const there = snapshot(namespace());
    const role = await lan.role('director', byRouting);
    expect(changed(await role.apply())).toEqual([service, ...servers, marks]);
    await role.remove();
    expect(snapshot(namespace())).toBe(there);
  });
});
