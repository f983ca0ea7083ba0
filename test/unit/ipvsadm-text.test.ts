// The text of ipvsadm-save, both ways.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatIpvsadm, Ipvs, parseIpvsadm, type SavedService, savedServices } from '../../src/index.js';
import { MemoryKernel } from '../../src/testing/index.js';

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
  const lines = (saved: string): string[] => saved.trim().split('\n').sort();
  expect(lines(formatIpvsadm(savedServices(await ipvs.table())))).toEqual(lines(text));
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

test.each([
  ['-A -t web:http -s rr', 'line 1: web:http is no address with a port; names are not looked up'],
  ['-A -t 192.0.2.1:80 -s rr\n-A -t 192.0.2.1:80 -s rr', 'line 2: this service stands there already'],
  ['-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m', 'line 1: its service does not stand above it'],
  ['-D -t 192.0.2.1:80', 'line 1: it begins with -A or -a, not with -D'],
  ['-A -t 192.0.2.1:80 --what', 'line 1: --what is not known here'],
  ['-A -s rr', 'line 1: it names no service'],
  [
    '-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -g',
    'line 2: 10.0.0.1:8080: direct forwarding keeps the port',
  ],
])('%s', (wrong, message) => {
  expect(() => parseIpvsadm(wrong)).toThrow(message);
});

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
