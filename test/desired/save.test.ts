// Scenario 12, in both directions: what ipvsadm has saved is a document, and the other way round.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DesiredState, formatIpvsadm, Ipvs, parseIpvsadm, type SavedService, savedServices } from '../../src/index.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { deleteNamespace, makeNamespace, sortedLines } from '../ipvs/world.js';
import { records } from '../roles/lan.js';
import { shell } from '../roles/talk.js';
import { tables } from './random-table.js';

/** Every kind of service, as `ipvsadm -Sn` writes it; thresholds, which that leaves out, are of others below. */
const saved = `
-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 1
-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 0
-a -t 10.0.0.1:80 -r 10.1.0.3:80 -g -w 65535
-A -t 10.0.0.1:81 -s wlc
-A -u 10.0.0.1:53 -s rr -o
-a -u 10.0.0.1:53 -r 10.1.0.1:5353 -m -w 3
-A --sctp-service 10.0.0.1:90 -s wrr
-a --sctp-service 10.0.0.1:90 -r 10.1.0.1:90 -m -w 2
-A -t 10.0.0.2:0 -s wlc -p 600 -M 255.255.255.0
-a -t 10.0.0.2:0 -r 10.1.0.1:0 -m -w 1
-A -u 10.0.0.3:5060 -s rr -p 360 --pe sip
-a -u 10.0.0.3:5060 -r 10.1.0.1:5060 -m -w 1
-A -t 10.0.0.4:80 -s sh -b sh-fallback,sh-port
-a -t 10.0.0.4:80 -r 10.1.0.1:80 -m -w 1
-A -t 10.0.0.4:81 -s mh -b mh-fallback,mh-port
-A -t 10.0.0.4:82 -s sh -b sh-port
-A -t 10.0.0.4:83 -s rr -b flag-1,flag-3
-A -t [fd00::1]:443 -s wrr -p 120 -M 64
-a -t [fd00::1]:443 -r [fd00::11]:8443 -m -w 1
-a -t [fd00::1]:443 -r [fd00::12]:443 -g -w 5
-A -u [fd00::1]:53 -s lc -o
-A --sctp-service [fd00::1]:90 -s rr
-a --sctp-service [fd00::1]:90 -r [fd00::11]:90 -i -w 1
-A -t 10.0.0.5:80 -s rr
-a -t 10.0.0.5:80 -r 10.1.0.1:80 -i -w 1 --tun-type ipip
-a -t 10.0.0.5:80 -r 10.1.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-a -t 10.0.0.5:80 -r 10.1.0.3:80 -i -w 1 --tun-type gue --tun-port 6081 --tun-csum
-a -t 10.0.0.5:80 -r 10.1.0.4:80 -i -w 1 --tun-type gue --tun-port 6082 --tun-remcsum
-a -t 10.0.0.5:80 -r 10.1.0.5:80 -i -w 1 --tun-type gre --tun-nocsum
-a -t 10.0.0.5:80 -r 10.1.0.6:80 -i -w 1 --tun-type gre --tun-csum
-A -f 258 -s rr
-a -f 258 -r 10.1.0.1:0 -m -w 1
-a -f 258 -r 10.1.0.2:0 -g -w 1
-A -f 258 -6 -s wlc -p 300
-a -f 258 -6 -r [fd00::11]:0 -m -w 1
-A -f 7 -s sh -p 90 -M 255.255.0.0
-A -f 4294967294 -s rr
`;

let from: string;
let to: string;

beforeEach(() => {
  [from, to] = [makeNamespace(), makeNamespace()];
});

afterEach(() => {
  for (const name of [from, to]) deleteNamespace(name);
});

const save = (namespace: string): string => shell(namespace, 'ipvsadm -Sn');
const withThresholds = (namespace: string): string => shell(namespace, 'ipvsadm -Ln --thresholds | sort');

async function read(namespace: string): Promise<SavedService[]> {
  await using ipvs = await Ipvs.open({ namespace });
  return savedServices(await ipvs.table());
}

/** An empty namespace becomes as the document says. */
async function apply(services: readonly SavedService[], record?: false): Promise<void> {
  await using state = await DesiredState.open({ owner: 'saved', namespace: to, services }, { record });
  // Services of UDP also change expire_nodest_conn.
  const made = (await state.apply()).filter(({ action }) => action === 'make');
  expect(made).toHaveLength(services.reduce((sum, { servers }) => sum + 1 + servers.length, 0));
  expect((await state.plan()).steps).toEqual([]);
}

test('what ipvsadm saves is a document, which makes the same table', async () => {
  shell(from, 'ipvsadm -R', saved.trim());
  const text = save(from);
  expect(sortedLines(text).length).toBe(sortedLines(saved).length);
  const services = parseIpvsadm(text);
  expect(parseIpvsadm(saved)).toHaveLength(services.length);
  await apply(services);
  expect(sortedLines(save(to))).toEqual(sortedLines(text));
  // The other of the two ways to the same document.
  expect(sortedLines(formatIpvsadm(await read(to)))).toEqual(sortedLines(formatIpvsadm(services)));
  await using state = await DesiredState.open({ owner: 'saved', namespace: to, services: await read(from) });
  expect((await state.plan()).steps).toEqual([]);
  await state.remove();
  expect(save(to)).toBe('');
  expect(records()).toEqual([]);
});

test('what is written here is what ipvsadm writes, and takes', async () => {
  shell(from, 'ipvsadm -R', saved.trim());
  const text = formatIpvsadm(await read(from));
  // It sorts what it has read, and writes large marks as negative numbers, which it does not read itself.
  expect(sortedLines(text)).toEqual(sortedLines(save(from).replace('-f -2 ', '-f 4294967294 ')));
  shell(to, 'ipvsadm -R', text);
  expect(sortedLines(save(to))).toEqual(sortedLines(save(from)));
});

test('thresholds are kept, too, though ipvsadm does not save them', async () => {
  shell(
    from,
    `ipvsadm -A -t 10.0.0.1:80 -s rr
     ipvsadm -a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -x 1000 -y 500
     ipvsadm -a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -x 1000
     ipvsadm -a -t 10.0.0.1:80 -r 10.1.0.3:80 -i -w 4 -x 7 -y 7`,
  );
  const services = await read(from);
  const text = formatIpvsadm(services);
  expect(text).toContain('-r 10.1.0.1:80 -m -w 1 -x 1000 -y 500\n');
  shell(to, 'ipvsadm -R', text);
  expect(withThresholds(to)).toBe(withThresholds(from));
  shell(to, 'ipvsadm -C');
  await apply(parseIpvsadm(text), false);
  expect(withThresholds(to)).toBe(withThresholds(from));
});

test('a server that the kernel made local is one of the director still', async () => {
  shell(from, 'ipvsadm -A -t 10.0.0.1:80 -s rr; ipvsadm -a -t 10.0.0.1:80 -r 10.255.255.1:8080 -m');
  const text = save(from);
  await apply(parseIpvsadm(text), false);
  expect(save(to)).toBe(text);
  shell(to, 'ipvsadm -C; ipvsadm -R', formatIpvsadm(await read(from)));
  expect(save(to)).toBe(text);
});

/** ipvsadm writes marks from 2^31 on as negative numbers, which it does not read. */
function savedLines(text: string): string[] {
  const positive = (_: string, mark: string): string => `-f ${Number(mark) >>> 0}`;
  return sortedLines(text.replace(/-f (-\d+)/g, positive).replace(/ -x \d+ -y \d+/g, ''));
}

test('a random table of ipvsadm is saved, restored and adopted as it is', async () => {
  // The same table in every run; another seed looks for others.
  const seed = Number(process.env.IPVS_TEST_SEED ?? 325380428);
  const [table = ''] = fc.sample(tables(40, true), { seed, numRuns: 1 });
  const place = `seed ${seed} (IPVS_TEST_SEED)`;
  shell(from, 'ipvsadm -R', table);
  const before = save(from);
  const limits = withThresholds(from);
  expect(sortedLines(before), place).toHaveLength(sortedLines(table).length);
  const text = formatIpvsadm(await read(from));
  expect(savedLines(text), place).toEqual(savedLines(before));
  shell(to, 'ipvsadm -R', text);
  expect(save(to), place).toBe(before);
  expect(withThresholds(to), place).toBe(limits);

  for (const services of [parseIpvsadm(text), await read(from)]) {
    await using state = await DesiredState.open({ owner: 'random', namespace: from, services }, { record: false });
    const { changes } = await state.plan(undefined, { adopt: 'all' });
    expect(changes, place).toHaveLength(sortedLines(table).length);
    expect(
      changes.filter(({ action }) => action !== 'adopt'),
      place,
    ).toEqual([]);
    await state.apply(undefined, { adopt: 'all' });
    expect((await state.plan(undefined, { adopt: 'all' })).changes, place).toEqual([]);
    expect([save(from), withThresholds(from)], place).toEqual([before, limits]);
  }
  shell(to, 'ipvsadm -C');
  await apply(parseIpvsadm(text), false);
  expect([save(to), withThresholds(to)], place).toEqual([before, limits]);
});

test('rows of keepalived and Docker, which ipvsadm does not make, are saved and adopted as they are', async () => {
  const port = await nativeKernel.openIpvs({ namespace: from });
  const key = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  const service = { key, scheduler: 'rr', flags: 0, timeout: 360, netmask: 0, engine: '' };
  const zero = { ...service, key: { ...key, port: 0 } };
  const server = {
    key: { family: 'ipv4', address: '10.1.0.1', port: 8080 },
    forwarding: 'direct',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 'ipip',
    tunnelPort: 0,
    tunnelChecksum: 'none',
  } as const;
  const second = { ...server, key: { ...server.key, address: '10.1.0.2' }, forwarding: 'local' } as const;
  const third = { ...server, key: { ...server.key, address: '10.1.0.3' }, weight: 0x7fffffff } as const;
  const changes = [
    ...[service, zero].map((made) => ({ command: 'NEW_SERVICE', service: made }) as const),
    ...[server, second, third].map((made) => ({ command: 'NEW_DEST', service: key, server: made }) as const),
  ];
  expect(Array.from(await port.apply(changes))).toEqual([0, 0, 0, 0, 0]);
  await port.close();
  const before = save(from);
  expect(sortedLines(before)).toEqual([
    '-A -t 10.0.0.1:0 -s rr',
    '-A -t 10.0.0.1:80 -s rr',
    '-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -g -w 1',
    '-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -g -w 1',
    '-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -g -w 2147483647',
  ]);
  expect(sortedLines(formatIpvsadm(await read(from)))).toEqual(sortedLines(before));
  await using state = await DesiredState.open({ owner: 'odd', namespace: from, services: parseIpvsadm(before) });
  const steps = await state.apply(undefined, { adopt: 'all' });
  expect(steps.map(({ action }) => action)).toEqual(['adopt', 'adopt', 'adopt', 'adopt', 'adopt']);
  expect(save(from)).toBe(before);
  await state.remove();
});
