// Scenario 11: what others made stays as it is, and what they break is noticed.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type {
  DesiredDocument,
  DesiredService,
  DesiredState,
  DriftReport,
  WatchDocumentOptions,
} from '../../src/index.js';
import { failure, load, records } from '../roles/lan.js';
import { withoutCounters } from '../roles/swarm.js';
import { Director, OWNER, until } from './director.js';

const ADDRESS = '198.51.100.1';
const TABLE = 'inet ipvs-test';
let director: Director;
let state: DesiredState;
/** Of the namespace, with all that others made. */
let before: string;

beforeAll(async () => {
  load('ip_vs', 'ip_vs_rr', 'ip_vs_wlc', 'ip_vs_wrr');
  director = await Director.make();
  director.shell(`
    ipvsadm -A -f 999 -s rr; ipvsadm -a -f 999 -r 10.2.0.13:0 -m -w 7 -x 100 -y 50
    ipvsadm -A -t 10.1.0.100:8443 -s wrr -p 60; ipvsadm -a -t 10.1.0.100:8443 -r 10.2.0.12:443 -m
    ip addr add 198.51.100.99/24 dev clients
    iptables-nft -t nat -A PREROUTING -p tcp --dport 5555 -j DNAT --to-destination 10.2.0.13:5555
    iptables-nft -t mangle -A PREROUTING -d 10.1.0.100 -p tcp --dport 5556 -j MARK --set-mark 999
    nft 'table inet others { chain c { type filter hook prerouting priority mangle; tcp dport 5557 counter meta mark set 999; }; }'`);
  before = all();
});

afterEach(async () => {
  await state.remove();
  expect(all()).toBe(before);
  expect(records()).toEqual([]);
});

afterAll(async () => {
  await director?.close();
});

/** Each program takes a quarter of a second where the machine is emulated: as few as can be. */
function all(): string {
  const text = director.shell(
    'ipvsadm -Ln --thresholds; ip -o addr; nft list ruleset 2>/dev/null; ipvsadm -L --timeout',
  );
  return [...rows(), text].join('\n');
}

/** Without what belongs to documents here. */
function foreign(): string {
  const text = director.shell('ipvsadm -Sn; ip -o addr; nft list ruleset 2>/dev/null');
  const [first = '', ...tables] = text.split(/^(?=table )/m);
  const lines = first
    .split('\n')
    .filter((line) => !/^-[Aa] |198\.51\.100\.1\//.test(line) || / 999 |:8443 /.test(line));
  return [...lines.sort(), ...tables.filter((table) => !table.startsWith('table inet ipvs-'))].join('\n');
}

function document(servers: readonly number[], more: Partial<DesiredDocument> = {}): DesiredDocument {
  return {
    owner: OWNER,
    namespace: director.namespace,
    services: [
      {
        protocol: 'tcp',
        address: director.virtual,
        port: 80,
        servers: servers.map((number) => director.server(number)),
      },
      { fwmark: 5, marks: [{ destination: ADDRESS }], servers: [director.server(1).address] },
    ],
    addresses: [{ interface: 'clients', address: ADDRESS }],
    nat: [{ type: 'masquerade', source: '10.2.0.0/24', destination: '192.0.2.0/24' }],
    timeouts: { tcp: 7200 },
    drain: { timeout: 60 },
    ...more,
  };
}

/** Of the table, sorted. */
function rows(): string[] {
  return director.shell('ipvsadm -Sn').trim().split('\n').sort();
}

test('nothing of it changes while a document comes, changes, drains and goes', async () => {
  const theirs = foreign();
  const expectUntouched = (): void => expect(foreign()).toBe(theirs);
  state = await director.open(document([1, 2]));
  expect(await state.apply()).not.toEqual([]);
  expectUntouched();
  await state.apply(document([1, 2, 3], { nat: [], timeouts: { udp: 60 } }));
  expectUntouched();

  const held = Number((await director.hold('long', 80)).replace('server', ''));
  const others = [1, 2, 3].filter((number) => number !== held);
  await state.apply(document(others));
  const { address, port } = director.server(held);
  expect((await state.draining()).map(({ server }) => server)).toEqual([{ family: 'ipv4', address, port }]);
  expectUntouched();
  await state.cancelDrain({ service: { protocol: 'tcp', address: '10.1.0.100', port: 80 }, server: { address, port } });
  await state.apply(document(others, { drain: { timeout: 1 } }));
  for await (const _ of state.drain({ interval: 200 }));
  expect(rows().filter((row) => row.includes(director.serverName(held)))).toEqual([]);
  expectUntouched();
  await director.reset('long');

  // Less and less, then all that is left.
  await state.apply(document([], { addresses: [], nat: [] }));
  expectUntouched();
  expect(await state.remove()).not.toEqual([]);
  expectUntouched();
  expect(all()).toBe(before);
});

test('a server of others within a service stays, and is told', async () => {
  const server = '10.2.0.13:9999';
  state = await director.open(document([1]));
  await state.apply();
  director.shell(`ipvsadm -a -t 10.1.0.100:80 -r ${server} -m -w 3`);
  const told = { action: 'foreign', what: `server ${server} of TCP 10.1.0.100:80: nat, weight 3` };
  const plan = await state.plan();
  expect([plan.steps, plan.empty]).toEqual([[told], true]);
  expect(String(plan)).toContain(`? ${told.what}`);
  const steps = await state.apply(document([2]));
  expect(steps.map(({ action }) => action)).toEqual(['make', 'drain', 'take-back']);
  expect((await state.plan()).steps).toEqual([told]);
  await state.remove();
  // The service cannot go: that would take the server of others with it.
  expect(rows().filter((row) => row.includes(':80 '))).toEqual([
    '-A -t 10.1.0.100:80 -s wlc',
    `-a -t 10.1.0.100:80 -r ${server} -m -w 3`,
  ]);
  expect((await state.plan({ owner: OWNER, namespace: director.namespace })).steps).toEqual([
    told,
    expect.objectContaining({ action: 'wait', is: `it has servers that others made: ${server}` }),
  ]);
  director.shell(`ipvsadm -d -t 10.1.0.100:80 -r ${server}`);
  expect((await state.remove()).map(({ action }) => action)).toEqual(['take-back']);
});

test('a service of others that is in the way is named; it is taken over if that is asked for', async () => {
  const wanted: DesiredService = { fwmark: 999, scheduler: 'wlc', servers: [director.server(1).address] };
  const ours = document([1], { services: [wanted] });
  const theirs = director.shell('ipvsadm -Sn | grep -- "-f 999"');
  state = await director.open(ours);
  const error = await failure(state.apply());
  expect(error.code).toBe('ERR_IPVS_FOREIGN');
  expect(error.message).toContain(
    'not applied: service FWM 999 belongs to another program and differs (scheduler rr instead of wlc). Adopt it with ' +
      '`{ adopt: true }`, or use another mark',
  );
  expect(all()).toBe(before);
  expect((await state.plan()).conflicts).toHaveLength(1);

  const steps = await state.apply(undefined, { adopt: true });
  expect(steps.map(({ action, what }) => `${action} ${what}`)).toContain('change service FWM 999: wlc');
  expect(rows().filter((row) => row.includes('-f 999'))).toEqual([
    '-A -f 999 -s wlc',
    '-a -f 999 -r 10.2.0.11:0 -m -w 1',
    // Not wanted, so not adopted.
    '-a -f 999 -r 10.2.0.13:0 -m -w 7',
  ]);
  expect((await state.plan()).empty).toBe(true);
  // With all of the namespace: nothing else is left.
  await state.apply(undefined, { adopt: 'all' });
  expect(rows()).toEqual(['-A -f 999 -s wlc', '-a -f 999 -r 10.2.0.11:0 -m -w 1']);
  await state.remove();
  expect(rows()).toEqual(['']);
  director.shell(
    `ipvsadm -R; ipvsadm -e -f 999 -r 10.2.0.13:0 -m -w 7 -x 100 -y 50`,
    [theirs.trim(), '-A -t 10.1.0.100:8443 -s wrr -p 60', '-a -t 10.1.0.100:8443 -r 10.2.0.12:443 -m', ''].join('\n'),
  );
});

test('two owners share a service of another program, and it stays', async () => {
  const theirs = foreign();
  const share = (address: string): DesiredService => ({ fwmark: 999, shared: true, servers: [address] });
  const [first = '', second = ''] = director.servers;
  state = await director.open({ owner: OWNER, namespace: director.namespace, services: [share(first)] });
  const other = await director.open({ owner: 'other', namespace: director.namespace, services: [share(second)] });
  await state.apply();
  await other.apply();
  expect(rows().filter((row) => row.includes('-f 999'))).toEqual([
    '-A -f 999 -s rr',
    `-a -f 999 -r ${first}:0 -m -w 1`,
    `-a -f 999 -r ${second}:0 -m -w 1`,
    '-a -f 999 -r 10.2.0.13:0 -m -w 7',
  ]);
  for (const one of [state, other]) expect((await one.plan()).empty).toBe(true);
  await state.remove();
  expect((await other.plan()).empty).toBe(true);
  await other.remove();
  expect(foreign()).toBe(theirs);
});

test('two owners live side by side', async () => {
  state = await director.open(document([1, 2]));
  const other = await director.open({
    owner: 'other',
    namespace: director.namespace,
    services: [
      { protocol: 'tcp', address: director.virtual, port: 81, servers: [director.server(1)] },
      { fwmark: 6, marks: [{ destination: ADDRESS, protocol: 'udp' }], servers: [director.server(2).address] },
    ],
    addresses: [{ interface: 'clients', address: '198.51.100.2' }],
  });
  await other.apply();
  const theirs = (): string[] => [
    ...rows().filter((row) => /:81 |-f 6 /.test(row)),
    director.shell('nft list table inet ipvs-other; ip -o addr show to 198.51.100.2'),
  ];
  const atFirst = theirs();
  expect(atFirst).toHaveLength(5);
  await state.apply();
  expect(theirs()).toEqual(atFirst);
  for (const one of [state, other]) expect((await one.plan()).steps).toEqual([]);
  await state.apply(document([3]));
  await state.apply(undefined, { adopt: true });
  expect(theirs()).toEqual(atFirst);
  expect((await other.plan()).steps).toEqual([]);

  // What one has, the other cannot take; nor does it go with the other.
  const both = document([3], { services: [...(document([3]).services ?? []), { fwmark: 6, scheduler: 'rr' }] });
  expect((await failure(state.apply(both))).message).toContain('service FWM 6 belongs to owner other and differs');
  expect(theirs()).toEqual(atFirst);
  const ours = rows().filter((row) => /:80 |-f 5 /.test(row));
  await other.remove();
  expect(rows().filter((row) => /:80 |-f 5 /.test(row))).toEqual(ours);
  expect((await state.plan(document([3]))).empty).toBe(true);
});

async function watching(
  options: WatchDocumentOptions,
  work: (reports: readonly DriftReport[]) => Promise<void>,
): Promise<void> {
  const reports: DriftReport[] = [];
  const stop = new AbortController();
  const watch = await state.watch({ ...options, signal: stop.signal });
  const loop = (async () => {
    for await (const report of watch) reports.push(report);
  })();
  const ended = loop.catch((error: unknown) => error);
  try {
    await work(reports);
  } finally {
    stop.abort();
  }
  expect(await ended).toMatchObject({ name: 'AbortError' });
}

test('what somebody breaks of marks, NAT and addresses is mended at once', async () => {
  state = await director.open(document([1]));
  await state.apply();
  const table = (): string => withoutCounters(director.shell(`nft list table ${TABLE} 2>/dev/null || true`));
  const whole = table();
  const theirs = foreign();
  expect(whole).toMatch(/masquerade/);
  // Without events it looks only once a minute.
  await watching({ repair: true, interval: 60_000 }, async (reports) => {
    expect(reports).toEqual([]);
    let told = 0;
    const broken = async (script: string, drift: object): Promise<void> => {
      director.shell(script);
      await until(() => reports.length > told, Boolean, 30_000);
      const report = reports[told++];
      expect(report?.error).toBeUndefined();
      expect(report?.drift).toEqual([expect.objectContaining(drift)]);
      expect(report?.repaired).toHaveLength(1);
      expect(table()).toBe(whole);
      expect(foreign()).toBe(theirs);
      await sleep(1000); // what it did itself is told to it, too
      expect(reports).toHaveLength(told);
    };
    const what = `nf_tables table ${TABLE}: 1 marks, 1 rules`;
    await broken(`nft flush table ${TABLE}`, { problem: 'changed', what });
    await broken(`nft delete table ${TABLE}`, { problem: 'missing', what });
    await broken(`ip addr del ${ADDRESS}/32 dev clients`, {
      what: `address ${ADDRESS}/32 on clients`,
      problem: 'missing',
    });
    await broken(`nft flush table ${TABLE}`, { problem: 'changed', what });
    expect((await state.plan()).steps).toEqual([]);
  });
});

test('a service that somebody deletes is noticed, and mended if that is asked for', async () => {
  state = await director.open(document([1, 2]));
  await state.apply();
  const ours = rows();
  const broken = 'ipvsadm -D -t 10.1.0.100:80; ipvsadm -e -f 5 -r 10.2.0.11:0 -m -w 9';
  await watching({ interval: 300 }, async (reports) => {
    director.shell(broken);
    await until(() => reports.length > 0, Boolean, 30_000);
    await sleep(1000);
    // Both, or first the one: the same is not told again.
    expect(reports.length).toBeLessThanOrEqual(2);
    expect(reports.at(-1)?.repaired).toEqual([]);
    expect(
      reports
        .at(-1)
        ?.drift.map(({ problem, what }) => `${problem} ${what}`)
        .sort(),
    ).toEqual([
      'changed server 10.2.0.11:0 of FWM 5: nat, weight 1',
      `missing server ${director.serverName(1)} of TCP 10.1.0.100:80: nat, weight 1`,
      `missing server ${director.serverName(2)} of TCP 10.1.0.100:80: nat, weight 1`,
      'missing service TCP 10.1.0.100:80: wlc',
    ]);
  });
  await watching({ interval: 300, repair: true }, async (reports) => {
    await until(() => reports.length > 0, Boolean, 30_000);
    expect(reports[0]?.repaired).toHaveLength(4);
    expect(rows()).toEqual(ours);
    director.shell(broken);
    await until(() => reports.length > 1, Boolean, 30_000);
    await until(() => rows().join() === ours.join(), Boolean, 30_000);
  });
});
