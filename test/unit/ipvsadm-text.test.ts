// The text of ipvsadm-save, both ways.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  applyDocument,
  DesiredState,
  formatIpvsadm,
  Ipvs,
  parseIpvsadm,
  type SavedService,
  type Step,
  savedServices,
} from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';
import { tables } from '../desired/random-table.js';

const text = `-A -t 192.168.1.100:80 -s wlc -p 300 -M 255.255.255.0
-a -t 192.168.1.100:80 -r 10.0.0.1:8080 -m -w 1
-a -t 192.168.1.100:80 -r 10.0.0.2:8080 -m -w 0 -x 100 -y 50
-A -u [2001:db8::1]:53 -s rr -o
-a -u [2001:db8::1]:53 -r [fd00::1]:53 -g -w 5
-A --sctp-service 192.168.1.100:9 -s sh -b sh-fallback,sh-port
-A -f 80 -s lc
-a -f 80 -r 192.168.1.101:0 -i -w 1 --tun-type ipip
-a -f 80 -r 192.168.1.102:0 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-A -f 80 -6 -s rr
`;

const linesOf = (saved: string): string[] => saved.trim().split('\n').sort();

test('it is read and written as it is', () => {
  expect(formatIpvsadm(parseIpvsadm(text))).toBe(text);
  expect(parseIpvsadm(text)).toHaveLength(5);
});

test('it goes into a kernel and comes out of it', async () => {
  await using ipvs = await Ipvs.open({ kernel: new MemoryKernel() });
  for (const { servers, ...service } of parseIpvsadm(text)) {
    const added = await ipvs.addService(service);
    for (const server of servers) await added.addServer(server);
  }
  expect(linesOf(formatIpvsadm(savedServices(await ipvs.table())))).toEqual(linesOf(text));
});

test('long options, defaults, comments, and marks that ipvsadm writes as negative', () => {
  const services = parseIpvsadm(`# a comment

--add-service --tcp-service 192.0.2.1:80 --scheduler rr --persistent
--add-server --tcp-service 192.0.2.1:80 --real-server 10.0.0.1 --weight 3
-A -f -2 -s rr
`);
  expect(services).toEqual<SavedService[]>([
    {
      protocol: 'tcp',
      address: '192.0.2.1',
      port: 80,
      scheduler: 'rr',
      persistence: { timeout: 300 },
      servers: [{ address: '10.0.0.1', forwarding: 'direct', weight: 3 }],
    },
    { fwmark: 4294967294, scheduler: 'rr', servers: [] },
  ]);
});

const service = '-A -t 192.0.2.1:80 -s rr';
test.each([
  ['-A -t web:http -s rr', 'line 1: web:http is not an address with a port. Host names are not resolved'],
  [`${service}\n${service}`, 'line 2: service TCP 192.0.2.1:80 repeats line 1'],
  ['-A -f 7\n\n# again\n-A -f 7 -s rr', 'line 4: service FWM 7 repeats line 1'],
  [
    `${service}\n-a -t 192.0.2.1:80 -r 10.0.0.1 -m\n-a -t 192.0.2.1:80 -r 10.0.0.1:80 -g`,
    'line 3: server 10.0.0.1:80 of TCP 192.0.2.1:80 repeats line 2',
  ],
  ['-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m', 'line 1: service TCP 192.0.2.1:80 has no -A line above this line'],
  ['-D -t 192.0.2.1:80', 'line 1: a line must begin with -A or -a, as ipvsadm -Sn writes it, not with -D'],
  ['-A -t 192.0.2.1:80 --what', 'line 1: --what is not an option that ipvsadm -Sn writes'],
  ['-A -s rr', 'line 1: it has no service'],
  ['-A -t 192.0.2.1:80 -t 192.0.2.2:80', 'line 1: -t is repeated'],
  ['-A -t 192.0.2.1:80 --tcp-service 192.0.2.2:80', 'line 1: --tcp-service is repeated'],
  ['-A -t 192.0.2.1:80 -u 192.0.2.1:80', 'line 1: -u contradicts -t'],
  ['-A -f 7 --sctp-service 192.0.2.1:80', 'line 1: --sctp-service contradicts -f'],
  ['-A -t 192.0.2.1:80 -f 7', 'line 1: -f contradicts -t'],
  ['-A -f 7 -f 8', 'line 1: -f is repeated'],
  ['-A -f 7 -6 -6', 'line 1: -6 is repeated'],
  ['-A -f 7 -s rr -s wlc', 'line 1: -s is repeated'],
  ['-A -f 7 -p 60 -p 70', 'line 1: -p is repeated'],
  ['-A -f 7 -p -p', 'line 1: -p is repeated'],
  ['-A -f 7 -p 60 -M 255.0.0.0 -M 255.0.0.0', 'line 1: -M is repeated'],
  ['-A -f 7 -o --ops', 'line 1: --ops is repeated'],
  ['-A -f 7 -s sh -b sh-port -b sh-fallback', 'line 1: -b is repeated'],
  ['-A -f 7\n-a -f 7 -r 10.0.0.1 -r 10.0.0.2', 'line 2: -r is repeated'],
  ['-A -f 7\n-a -f 7 -r 10.0.0.1 -m -g', 'line 2: -g contradicts -m'],
  ['-A -f 7\n-a -f 7 -r 10.0.0.1 -w 1 -w 1', 'line 2: -w is repeated'],
  [
    '-A -f 7\n-a -f 7 -r 10.0.0.1 -i --tun-type gre --tun-csum --tun-nocsum',
    'line 2: --tun-nocsum contradicts --tun-csum',
  ],
  ['-A -f 7 -w 1', 'line 1: -w is an option of servers, and this line is one of services'],
  ['-A -f 7 -r 10.0.0.1', 'line 1: -r is an option of servers'],
  ['-A -f 7\n-a -f 7 -r 10.0.0.1 -s rr', 'line 2: -s is an option of services, and this line is one of servers'],
  ['-A -f 7 rr', 'line 1: rr is neither an option nor the value of one'],
  ['-A -f 7 -s', 'line 1: -s requires a value'],
  ['-A -f 7 -s -o', 'line 1: -s requires a value'],
  ['-A -t 192.0.2.1:80 -6', 'line 1: -6 requires a mark (-f), not -t'],
  ['-A -f 0', 'line 1: the mark must be an integer from 1 to 4294967295, not 0'],
  ['-A -f 4294967297', 'line 1: the mark must be an integer from 1 to 4294967295, not 4294967297'],
  ['-A -f -2147483649', 'line 1: the mark must be an integer from 1 to 4294967295, not -2147483649'],
  ['-A -f 7 -M 255.0.0.0', 'line 1: -M requires -p'],
  ['-A -f 7 -p 60 -M 24', 'line 1: the netmask of IPv4 must be a mask such as 255.255.255.0, not 24'],
  ['-A -f 7 -6 -p 60 -M 129', 'line 1: an IPv6 netmask (a prefix length) must be an integer from 1 to 128, not 129'],
  ['-A -f 7\n-a -f 7 -r 10.0.0.1 -i --tun-port 6080', "line 2: the port of a tunnel requires type 'gue', not 'ipip'"],
  ['-A -f 7\n-a -f 7 -r 10.0.0.1 -g --tun-type ipip', "line 2: tunnel requires forwarding 'tunnel', not 'direct'"],
  ['-A -f 7\n-a -f 7 -r fd00::1 -g', 'line 2: fd00::1 is not an address with a port'],
  [
    '-A -f 7\n-a -f 7 -r [fd00::1] -g',
    "line 2: server fd00::1 and its service have different families, which requires forwarding 'tunnel'",
  ],
])('rejects %j', (wrong, message) => {
  expect(() => parseIpvsadm(wrong)).toThrow(message);
});

/** Rows that ipvsadm, keepalived, ldirectord and Docker make; the kernel accepts them, and some have no effect. */
const odd = `-A -f 1 -s wlc
-a -f 1 -r 10.0.0.7:80 -g -w 1
-a -f 1 -r 10.0.0.7:443 -i -w 1 --tun-type ipip
-a -f 1 -r 10.0.0.8:0 -m -w 0
-a -f 1 -r [fd00::7]:80 -i -w 2147483647 --tun-type gre --tun-csum
-A -t 10.0.0.1:80 -s none -p 60 -M 0.0.0.0
-a -t 10.0.0.1:80 -r 10.0.0.7:8080 -g -w 1
-a -t 10.0.0.1:80 -r 10.0.0.7:0 -m -w 1 -x 7 -y 7
-A -t 10.0.0.1:0 -s rr
-A -t 0.0.0.0:0 -s rr -p 0 -M 255.0.255.0
-A -t 10.0.0.2:80 -s unheard-of -o
-A -u [fd00::1]:53 -s mh -p 17179869 -M 1 --pe unheard-of -o -b mh-fallback,mh-port
-A -f 4294967295 -6 -s sh -p 300 -M 64 -b sh-port
-a -f 4294967295 -6 -r [fd00::7]:0 -i -w 3 --tun-type gue --tun-port 6080 --tun-remcsum
-a -f 4294967295 -6 -r 10.0.0.7:80 -i -w 3 --tun-type gue --tun-port 6080 --tun-nocsum
`;

test('writes flags as ipvsadm does, and reads -b without a value, which ipvsadm writes for sh and mh', () => {
  // Written by ipvsadm 1.31 for `-s sh -b flag-3` and `-s mh -b flag-1,flag-3`.
  const written = '-A -f 2 -s sh -b \n-A -f 6 -s mh -b mh-fallback\n-A -f 7 -s rr -b flag-1,flag-2,flag-3\n';
  expect(formatIpvsadm(parseIpvsadm(written))).toBe(written.replace(' -b \n', '\n'));
  const flags = { fwmark: 6, scheduler: 'mh', schedulerFlags: ['flag-1', 'flag-3'], servers: [] } as const;
  expect(formatIpvsadm([flags])).toBe('-A -f 6 -s mh -b mh-fallback\n');
  expect(() => parseIpvsadm('-A -f 2 -s')).toThrow('line 1: -s requires a value');
});

/** Without the setting that services of UDP bring along. */
function rows(steps: readonly Step[]): Step[] {
  return steps.filter(({ what }) => !what.startsWith('sysctl '));
}

test('accepts every row that a kernel may hold, in text and in documents', async () => {
  expect(formatIpvsadm(parseIpvsadm(odd))).toBe(odd);
  const known = { schedulers: ['rr', 'wlc', 'sh', 'mh', 'unheard-of'], engines: ['unheard-of'] };
  const [here, there] = [new MemoryKernel(known), new MemoryKernel(known)];
  const read = async (kernel: MemoryKernel): Promise<SavedService[]> => {
    await using ipvs = await Ipvs.open({ kernel });
    return savedServices(await ipvs.table());
  };
  await applyDocument({ owner: 'odd', services: parseIpvsadm(odd) }, { kernel: here });
  expect(linesOf(formatIpvsadm(await read(here)))).toEqual(linesOf(odd));
  await applyDocument({ owner: 'odd', services: await read(here) }, { kernel: there });
  expect(linesOf(formatIpvsadm(await read(there)))).toEqual(linesOf(odd));
  // Another owner adopts it all, and changes nothing.
  const services = parseIpvsadm(formatIpvsadm(await read(here)));
  await using other = await DesiredState.open({ owner: 'other', services }, { kernel: there });
  const steps = rows((await other.plan(undefined, { adopt: 'all' })).steps);
  expect(steps).toHaveLength(linesOf(odd).length);
  expect(steps.filter(({ action }) => action !== 'adopt')).toEqual([]);
});

test('a random table is saved, restored and adopted as it is', async () => {
  const property = fc.asyncProperty(tables(6, false), async (table) => {
    const [here, there] = [new MemoryKernel(), new MemoryKernel()];
    await applyDocument({ owner: 'one', services: parseIpvsadm(table) }, { kernel: here, record: false });
    await using ipvs = await Ipvs.open({ kernel: here });
    const services = savedServices(await ipvs.table());
    const saved = formatIpvsadm(services);
    expect(saved.split('\n')).toHaveLength(table.split('\n').length);
    expect(formatIpvsadm(parseIpvsadm(saved))).toBe(saved);
    await using state = await DesiredState.open({ owner: 'two', services }, { kernel: here, record: false });
    const steps = rows(await state.apply(undefined, { adopt: 'all' }));
    expect(steps.filter(({ action }) => action !== 'adopt')).toEqual([]);
    expect(steps).toHaveLength(saved.split('\n').length - 1);
    expect(formatIpvsadm(savedServices(await ipvs.table()))).toBe(saved);
    await applyDocument({ owner: 'one', services: parseIpvsadm(saved) }, { kernel: there, record: false });
    await using restored = await Ipvs.open({ kernel: there });
    expect(linesOf(formatIpvsadm(savedServices(await restored.table())))).toEqual(linesOf(saved));
  });
  await fc.assert(property, { numRuns: 20 });
}, 60_000);

test('whatever text it is, it is read or refused', () => {
  const word = fc.constantFrom(
    '-A',
    '-a',
    '-t',
    '192.0.2.1:80',
    '-f',
    '7',
    '-r',
    '10.0.0.1:80',
    '-m',
    '-p',
    '-s',
    'rr',
    '-6',
    '-w',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(word), (words) => {
      try {
        const services = parseIpvsadm(words.join(' '));
        expect(parseIpvsadm(formatIpvsadm(services))).toHaveLength(services.length);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_IPVS_INVALID_ARGUMENT' });
      }
    }),
  );
});
