// Every construct that can be written: our options, the same by hand, and what becomes of packets.
import type { NetfilterState } from '../../src/index.js';
import { addresses, type HostName } from './world.js';

export interface Construct {
  readonly name: string;
  readonly state: NetfilterState;
  /** What stands in the table. */
  readonly text: string;
  /** Packets, and the mark that they have behind the hook `at`. */
  readonly packets?: readonly Packet[];
  /** Connections, and who answers. */
  readonly connections?: readonly Connection[];
}

export interface Packet {
  readonly from: HostName;
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'dccp' | 'udplite';
  readonly port: number;
  readonly at: 'prerouting' | 'input' | 'output';
  readonly mark: number;
}

export interface Connection {
  readonly from: HostName;
  readonly to: string;
  readonly port: number;
  /** Some of what the one who answers sees; null: nobody answers. */
  readonly seen: Partial<Record<'name' | 'remote' | 'local' | 'port' | 'segment', string | number>> | null;
}

const { client, virtual, router, other, server1, server2 } = addresses;
const keyTypes = {
  port: 'inet_proto . inet_service',
  ip: 'ipv4_addr',
  ip_port: 'ipv4_addr . inet_proto . inet_service',
  ip6: 'ipv6_addr',
  ip6_port: 'ipv6_addr . inet_proto . inet_service',
} as const;
type Shape = keyof typeof keyTypes;
type MarkHook = Packet['at'];

function map(hook: MarkHook, shape: Shape, elements: string): string {
  return `map ${hook}_${shape} { type ${keyTypes[shape]} : mark; counter; elements = { ${elements} }\n}\n`;
}

const lookups: Readonly<Record<Shape, string>> = {
  port: 'meta l4proto . th dport',
  ip: 'ip daddr',
  ip_port: 'ip daddr . meta l4proto . th dport',
  ip6: 'ip6 daddr',
  ip6_port: 'ip6 daddr . meta l4proto . th dport',
};

function lookup(hook: MarkHook, shape: Shape): string {
  return `meta mark set ${lookups[shape]} map @${hook}_${shape}`;
}

export function chain(purpose: 'mark' | 'nat' | 'mss', hook: string, ...rules: string[]): string {
  const priorities = { mark: 'mangle', mss: 'mangle', nat: hook === 'prerouting' || hook === 'output' ? -100 : 100 };
  const type = purpose === 'nat' ? 'nat' : purpose === 'mark' && hook === 'output' ? 'route' : 'filter';
  const head = `type ${type} hook ${hook} priority ${priorities[purpose]}; policy accept;`;
  return `chain ${purpose}_${hook} { ${head}\n${rules.join('\n')}\n}\n`;
}

const markMap = (hook: MarkHook, shape: Shape, elements: string): string =>
  `${map(hook, shape, elements)}\n${chain('mark', hook, lookup(hook, shape))}`;

const from = (from: HostName, at: MarkHook, to: string, protocol: Packet['protocol'], port: number, mark: number) =>
  ({ from, to, protocol, port, at, mark }) as const;
/** Of the client, as they come in. */
const come = (to: string, protocol: Packet['protocol'], port: number, mark: number): Packet =>
  from('client', 'prerouting', to, protocol, port, mark);

const maps: readonly Construct[] = [
  {
    name: 'a port',
    state: { marks: [{ protocol: 'tcp', port: 80, mark: 80 }] },
    text: markMap('prerouting', 'port', 'tcp . 80 : 80'),
    packets: [
      come(virtual.ipv4, 'tcp', 80, 80),
      come(server1.ipv6, 'tcp', 80, 80),
      come(virtual.ipv4, 'udp', 80, 0),
      come(virtual.ipv4, 'tcp', 81, 0),
    ],
  },
  ...(['udp', 'sctp', 'dccp', 'udplite'] as const).map((protocol) => ({
    name: `a port of ${protocol}`,
    state: { marks: [{ protocol, port: 65535, mark: 0xffffffff }] },
    text: markMap('prerouting', 'port', `${protocol} . 65535 : 0xffffffff`),
    packets: [
      come(virtual.ipv4, protocol, 65535, 0xffffffff),
      come(virtual.ipv6, protocol, 65535, 0xffffffff),
      come(virtual.ipv4, 'tcp', 65535, 0),
    ],
  })),
  {
    name: 'an address',
    state: { marks: [{ destination: virtual.ipv4, mark: 0x102 }] },
    text: markMap('prerouting', 'ip', `${virtual.ipv4} : 0x102`),
    packets: [
      come(virtual.ipv4, 'udp', 53, 0x102),
      come(virtual.ipv4, 'tcp', 1, 0x102),
      come(router.ipv4, 'tcp', 1, 0),
    ],
  },
  {
    name: 'an address and a port',
    state: { marks: [{ destination: virtual.ipv4, protocol: 'tcp', port: 1883, mark: 7 }] },
    text: markMap('prerouting', 'ip_port', `${virtual.ipv4} . tcp . 1883 : 7`),
    packets: [
      come(virtual.ipv4, 'tcp', 1883, 7),
      come(virtual.ipv4, 'udp', 1883, 0),
      come(virtual.ipv4, 'tcp', 1884, 0),
      come(router.ipv4, 'tcp', 1883, 0),
    ],
  },
  {
    name: 'an address of IPv6',
    state: { marks: [{ destination: virtual.ipv6, mark: 0x80000000 }] },
    text: markMap('prerouting', 'ip6', `${virtual.ipv6} : 0x80000000`),
    packets: [come(virtual.ipv6, 'udp', 53, 0x80000000), come(server1.ipv6, 'udp', 53, 0)],
  },
  {
    name: 'an address of IPv6 and a port',
    state: { marks: [{ destination: 'FD09:1:0::100', protocol: 'udp', port: 53, mark: 1 }] },
    text: markMap('prerouting', 'ip6_port', `${virtual.ipv6} . udp . 53 : 1`),
    packets: [come(virtual.ipv6, 'udp', 53, 1), come(virtual.ipv6, 'tcp', 53, 0), come(server1.ipv6, 'udp', 53, 0)],
  },
  {
    name: 'an address, for what this machine serves',
    state: { marks: [{ hook: 'input', destination: virtual.ipv4, mark: 258 }] },
    text: markMap('input', 'ip', `${virtual.ipv4} : 258`),
    packets: [
      from('client', 'input', virtual.ipv4, 'udp', 5, 258),
      from('client', 'prerouting', virtual.ipv4, 'udp', 5, 0),
      from('client', 'input', '10.9.1.1', 'udp', 5, 0),
    ],
  },
  {
    name: 'a port, for what this machine sends',
    state: { marks: [{ hook: 'output', protocol: 'udp', port: 53, mark: 3 }] },
    text: markMap('output', 'port', 'udp . 53 : 3'),
    packets: [
      from('router', 'output', server1.ipv4, 'udp', 53, 3),
      from('router', 'output', server1.ipv4, 'udp', 54, 0),
    ],
  },
  {
    name: "Swarm's ingress: a port as it comes in, the address for what is served",
    state: {
      marks: [
        { protocol: 'tcp', port: 9090, mark: 0x102 },
        { hook: 'input', destination: '10.9.1.100/32', mark: 0x102 },
      ],
    },
    text: `${map('prerouting', 'port', 'tcp . 9090 : 0x102')} ${map('input', 'ip', '10.9.1.100 : 0x102')}
      ${chain('mark', 'prerouting', lookup('prerouting', 'port'))} ${chain('mark', 'input', lookup('input', 'ip'))}`,
    packets: [
      come(server1.ipv4, 'tcp', 9090, 0x102),
      from('client', 'input', virtual.ipv4, 'udp', 9, 0x102),
      from('client', 'input', router.ipv4, 'udp', 9, 0),
    ],
  },
];

const general: readonly Construct[] = [
  {
    name: 'an interface',
    state: { marks: [{ inputInterface: 'clients', protocol: 'tcp', port: 80, mark: 5 }] },
    text: chain('mark', 'prerouting', 'iifname "clients" tcp dport 80 counter meta mark set 5'),
    packets: [
      come(server1.ipv4, 'tcp', 80, 5),
      come(server1.ipv4, 'tcp', 81, 0),
      from('server1', 'prerouting', virtual.ipv4, 'tcp', 80, 0),
    ],
  },
  {
    name: 'an output interface',
    state: { marks: [{ hook: 'output', outputInterface: 'servers', mark: 6 }] },
    text: chain('mark', 'output', 'oifname "servers" counter meta mark set 6'),
    packets: [from('router', 'output', server1.ipv4, 'udp', 1, 6), from('router', 'output', client.ipv4, 'udp', 1, 0)],
  },
  {
    name: 'prefixes',
    state: {
      marks: [
        { destination: '10.9.2.0/28', mark: 28 },
        { destination: '10.9.2.0/24', mark: 24 },
        { destination: 'fd09:2::/64', mark: 64 },
        { destination: 'fd09:2::10/125', mark: 125 },
      ],
    },
    text: chain(
      'mark',
      'prerouting',
      'ip daddr 10.9.2.0/24 counter meta mark set 24',
      'ip daddr 10.9.2.0/28 counter meta mark set 28',
      'ip6 daddr fd09:2::/64 counter meta mark set 64',
      'ip6 daddr fd09:2::10/125 counter meta mark set 125',
    ),
    packets: [
      come(server1.ipv4, 'udp', 1, 28),
      come('10.9.2.16', 'udp', 1, 24),
      come(virtual.ipv4, 'udp', 1, 0),
      come(server1.ipv6, 'udp', 1, 125),
      come('fd09:2::18', 'udp', 1, 64),
      come(virtual.ipv6, 'udp', 1, 0),
    ],
  },
  {
    name: 'a range of ports',
    state: { marks: [{ protocol: 'udp', port: { from: 8000, to: 8010 }, mark: 8 }] },
    text: chain('mark', 'prerouting', 'udp dport 8000-8010 counter meta mark set 8'),
    packets: [
      come(virtual.ipv4, 'udp', 7999, 0),
      come(virtual.ipv4, 'udp', 8000, 8),
      come(virtual.ipv6, 'udp', 8010, 8),
      come(virtual.ipv4, 'udp', 8011, 0),
    ],
  },
  {
    name: 'a source',
    state: { marks: [{ source: client.ipv4, destination: '10.9.0.0/16', protocol: 'tcp', mark: 9 }] },
    text: chain(
      'mark',
      'prerouting',
      'ip saddr 10.9.1.2 ip daddr 10.9.0.0/16 meta l4proto tcp counter meta mark set 9',
    ),
    packets: [
      come(virtual.ipv4, 'tcp', 9, 9),
      come(virtual.ipv4, 'udp', 9, 0),
      come(virtual.ipv6, 'tcp', 9, 0),
      from('server1', 'prerouting', virtual.ipv4, 'tcp', 9, 0),
    ],
  },
  {
    name: 'what is for this machine, and what is not',
    state: {
      marks: [
        { protocol: 'udp', local: true, mark: 11 },
        { source: '10.9.1.0/24', local: false, mark: 12 },
      ],
    },
    text: chain(
      'mark',
      'prerouting',
      'fib daddr type local meta l4proto udp counter meta mark set 11',
      'ip saddr 10.9.1.0/24 fib daddr type != local counter meta mark set 12',
    ),
    packets: [
      come(virtual.ipv4, 'udp', 9, 11),
      come(virtual.ipv6, 'udp', 9, 11),
      come(virtual.ipv4, 'tcp', 9, 0),
      come(server1.ipv4, 'udp', 9, 12),
      come(server1.ipv6, 'udp', 9, 0),
    ],
  },
  {
    name: 'a family',
    state: { marks: [{ family: 'ipv6', protocol: 'tcp', port: 80, mark: 10 }] },
    text: chain('mark', 'prerouting', 'meta nfproto ipv6 tcp dport 80 counter meta mark set 10'),
    packets: [come(virtual.ipv6, 'tcp', 80, 10), come(virtual.ipv4, 'tcp', 80, 0)],
  },
  {
    name: 'some bits, over others',
    state: {
      marks: [
        { protocol: 'tcp', port: 80, mark: 0x11110011 },
        { destination: virtual.ipv4, mark: 0xab00, mask: 0xff00 },
        { hook: 'input', protocol: 'tcp', mark: 0, mask: 1 },
      ],
    },
    text: `${map('prerouting', 'port', 'tcp . 80 : 0x11110011')}
      ${chain('mark', 'prerouting', lookup('prerouting', 'port'), 'ip daddr 10.9.1.100 counter meta mark set meta mark & 0xffff00ff | 0xab00')}
      ${chain('mark', 'input', 'meta l4proto tcp counter meta mark set meta mark & 0xfffffffe')}`,
    packets: [
      come(virtual.ipv4, 'tcp', 80, 0x1111ab11),
      come(virtual.ipv4, 'tcp', 81, 0xab00),
      come(server1.ipv4, 'tcp', 80, 0x11110011),
      from('client', 'input', virtual.ipv4, 'tcp', 80, 0x1111ab10),
    ],
  },
];

const sees = (from: HostName, to: string, port: number, seen: Connection['seen']): Connection => ({
  from,
  to,
  port,
  seen,
});

const sourceNat: readonly Construct[] = [
  {
    name: 'masquerade by mark',
    state: { marks: [{ protocol: 'tcp', port: 80, mark: 0x4000 }], rules: [{ type: 'masquerade', mark: 0x4000 }] },
    text: `${map('prerouting', 'port', 'tcp . 80 : 0x4000')}
      ${chain('nat', 'postrouting', 'meta mark 0x4000 counter masquerade')}
      ${chain('mark', 'prerouting', lookup('prerouting', 'port'))}`,
    connections: [
      sees('client', server1.ipv4, 80, { name: 'server1', remote: router.ipv4 }),
      sees('client', server1.ipv6, 80, { name: 'server1', remote: router.ipv6 }),
      sees('client', server1.ipv4, 8080, { name: 'server1', remote: client.ipv4 }),
    ],
  },
  {
    name: "masquerade by a bit of the mark: kube-proxy's",
    state: {
      marks: [{ protocol: 'tcp', port: { from: 80, to: 81 }, mark: 0x4000, mask: 0x4000 }],
      rules: [{ type: 'masquerade', mark: { mark: 0x4000, mask: 0x4000 } }],
    },
    text: `${chain('nat', 'postrouting', 'meta mark & 0x4000 == 0x4000 counter masquerade')}
      ${chain('mark', 'prerouting', 'tcp dport 80-81 counter meta mark set meta mark & 0xffffbfff | 0x4000')}`,
    connections: [
      sees('client', server1.ipv4, 80, { name: 'server1', remote: router.ipv4 }),
      sees('client', server1.ipv4, 8080, { name: 'server1', remote: client.ipv4 }),
    ],
  },
  {
    name: 'masquerade by destination',
    state: {
      rules: [
        { type: 'masquerade', destination: server1.ipv4 },
        { type: 'masquerade', destination: 'fd09:2::11/128', protocol: 'tcp', port: 80 },
      ],
    },
    text: chain(
      'nat',
      'postrouting',
      'ip6 daddr fd09:2::11 tcp dport 80 counter masquerade',
      'ip daddr 10.9.2.11 counter masquerade',
    ),
    connections: [
      sees('client', server1.ipv4, 80, { remote: router.ipv4 }),
      sees('client', server2.ipv4, 80, { remote: client.ipv4 }),
      sees('client', server1.ipv6, 80, { remote: router.ipv6 }),
      sees('client', server1.ipv6, 8080, { remote: client.ipv6 }),
    ],
  },
  {
    name: 'masquerade what is not for this machine',
    state: { rules: [{ type: 'masquerade', source: '10.9.1.0/24', outputInterface: 'servers', local: false }] },
    text: chain(
      'nat',
      'postrouting',
      'oifname "servers" ip saddr 10.9.1.0/24 fib daddr type != local counter masquerade',
    ),
    connections: [
      sees('client', server1.ipv4, 80, { remote: router.ipv4 }),
      sees('client', virtual.ipv4, 80, { name: 'router', remote: client.ipv4 }),
      sees('client', server1.ipv6, 80, { remote: client.ipv6 }),
    ],
  },
  {
    name: 'snat as packets leave',
    state: {
      rules: [
        { type: 'snat', to: other.ipv4, source: '10.9.1.0/24', destination: '10.9.2.0/24' },
        { type: 'snat', to: other.ipv6, destination: 'fd09:2::/64', protocol: 'tcp', port: 80 },
      ],
    },
    text: chain(
      'nat',
      'postrouting',
      'ip6 daddr fd09:2::/64 tcp dport 80 counter snat ip6 to fd09:2::5',
      'ip saddr 10.9.1.0/24 ip daddr 10.9.2.0/24 counter snat ip to 10.9.2.5',
    ),
    connections: [
      sees('client', server1.ipv4, 80, { remote: other.ipv4 }),
      sees('client', server1.ipv6, 80, { remote: other.ipv6 }),
      sees('client', server1.ipv6, 8080, { remote: client.ipv6 }),
    ],
  },
  {
    name: 'snat of what this machine serves',
    state: {
      rules: [{ type: 'snat', hook: 'input', to: '10.9.1.77', protocol: 'tcp', port: 80, inputInterface: 'clients' }],
    },
    text: chain('nat', 'input', 'iifname "clients" tcp dport 80 counter snat ip to 10.9.1.77'),
    connections: [
      sees('client', virtual.ipv4, 80, { name: 'router', remote: '10.9.1.77' }),
      sees('client', virtual.ipv4, 8080, { name: 'router', remote: client.ipv4 }),
      sees('client', virtual.ipv6, 80, { name: 'router', remote: client.ipv6 }),
    ],
  },
];

const destinationNat: readonly Construct[] = [
  {
    name: 'dnat to a port',
    state: {
      rules: [
        { type: 'dnat', to: server1.ipv4, toPort: 8080, destination: virtual.ipv4, protocol: 'tcp', port: 80 },
        { type: 'dnat', to: server2.ipv6, toPort: 8080, destination: virtual.ipv6, protocol: 'tcp', port: 80 },
      ],
    },
    text: chain(
      'nat',
      'prerouting',
      'ip6 daddr fd09:1::100 tcp dport 80 counter dnat ip6 to [fd09:2::12]:8080',
      'ip daddr 10.9.1.100 tcp dport 80 counter dnat ip to 10.9.2.11:8080',
    ),
    connections: [
      sees('client', virtual.ipv4, 80, { name: 'server1', local: server1.ipv4, port: 8080, remote: client.ipv4 }),
      sees('client', virtual.ipv6, 80, { name: 'server2', local: server2.ipv6, port: 8080, remote: client.ipv6 }),
      sees('client', virtual.ipv4, 8080, { name: 'router', port: 8080 }),
    ],
  },
  {
    name: 'dnat that keeps the port',
    state: {
      rules: [
        { type: 'dnat', to: server1.ipv4, destination: virtual.ipv4 },
        { type: 'dnat', to: server1.ipv6, destination: virtual.ipv6 },
      ],
    },
    text: chain(
      'nat',
      'prerouting',
      'ip6 daddr fd09:1::100 counter dnat ip6 to fd09:2::11',
      'ip daddr 10.9.1.100 counter dnat ip to 10.9.2.11',
    ),
    connections: [
      sees('client', virtual.ipv4, 80, { name: 'server1', port: 80 }),
      sees('client', virtual.ipv6, 8080, { name: 'server1', port: 8080 }),
    ],
  },
  {
    name: 'dnat of what is for this machine, from outside and from itself: a published port',
    state: {
      rules: [
        { type: 'dnat', to: server1.ipv4, toPort: 80, protocol: 'tcp', port: 8080, local: true },
        { type: 'dnat', to: server1.ipv4, toPort: 80, protocol: 'tcp', port: 8080, local: true, hook: 'output' },
      ],
    },
    text: `${chain('nat', 'output', 'fib daddr type local tcp dport 8080 counter dnat ip to 10.9.2.11:80')}
      ${chain('nat', 'prerouting', 'fib daddr type local tcp dport 8080 counter dnat ip to 10.9.2.11:80')}`,
    connections: [
      sees('client', virtual.ipv4, 8080, { name: 'server1', port: 80, remote: client.ipv4 }),
      sees('client', router.ipv4, 8080, { name: 'server1', port: 80 }),
      sees('client', server2.ipv4, 8080, { name: 'server2', port: 8080 }),
      sees('router', virtual.ipv4, 8080, { name: 'server1', port: 80 }),
      sees('router', server2.ipv4, 8080, { name: 'server2', port: 8080 }),
    ],
  },
  {
    name: 'redirect',
    state: {
      rules: [
        { type: 'redirect', toPort: 80, protocol: 'tcp', port: 9090 },
        { type: 'redirect', toPort: 80, protocol: 'tcp', port: 9090, hook: 'output' },
      ],
    },
    text: `${chain('nat', 'output', 'tcp dport 9090 counter redirect to :80')}
      ${chain('nat', 'prerouting', 'tcp dport 9090 counter redirect to :80')}`,
    connections: [
      sees('client', server1.ipv4, 9090, { name: 'router', port: 80, local: '10.9.1.1' }),
      sees('client', virtual.ipv6, 9090, { name: 'router', port: 80 }),
      sees('router', server1.ipv4, 9090, { name: 'router', port: 80 }),
      sees('client', server1.ipv4, 80, { name: 'server1' }),
    ],
  },
  {
    name: 'hairpin: a server that calls its own service',
    state: {
      rules: [
        { type: 'dnat', to: server1.ipv4, destination: virtual.ipv4, protocol: 'tcp', port: 80 },
        { type: 'masquerade', source: '10.9.2.0/24', destination: '10.9.2.0/24' },
      ],
    },
    text: `${chain('nat', 'postrouting', 'ip saddr 10.9.2.0/24 ip daddr 10.9.2.0/24 counter masquerade')}
      ${chain('nat', 'prerouting', 'ip daddr 10.9.1.100 tcp dport 80 counter dnat ip to 10.9.2.11')}`,
    connections: [
      sees('server1', virtual.ipv4, 80, { name: 'server1', remote: router.ipv4 }),
      sees('client', virtual.ipv4, 80, { name: 'server1', remote: client.ipv4 }),
    ],
  },
  {
    name: 'hairpin without its second half',
    state: { rules: [{ type: 'dnat', to: server1.ipv4, destination: virtual.ipv4, protocol: 'tcp', port: 80 }] },
    text: chain('nat', 'prerouting', 'ip daddr 10.9.1.100 tcp dport 80 counter dnat ip to 10.9.2.11'),
    connections: [
      sees('server1', virtual.ipv4, 80, null),
      sees('client', virtual.ipv4, 80, { name: 'server1', remote: client.ipv4 }),
    ],
  },
];

const segments: readonly Construct[] = [
  {
    name: 'segments of 1000 bytes',
    state: { rules: [{ type: 'clamp-mss', size: 1000, outputInterface: 'servers' }] },
    text: chain(
      'mss',
      'forward',
      'oifname "servers" meta l4proto tcp tcp flags syn counter tcp option maxseg size set 1000',
    ),
    connections: [
      sees('client', server1.ipv4, 80, { segment: 1000 }),
      sees('client', server1.ipv6, 80, { segment: 1000 }),
      sees('router', server1.ipv4, 80, { segment: 1460 }),
    ],
  },
  {
    name: 'segments that fit the path',
    state: { rules: [{ type: 'clamp-mss', size: 'path', hook: 'postrouting' }] },
    text: chain('mss', 'postrouting', 'meta l4proto tcp tcp flags syn counter tcp option maxseg size set rt mtu'),
    connections: [
      // The router's way to server2 takes 1300 bytes (see the test).
      sees('client', server2.ipv4, 80, { segment: 1260 }),
      sees('client', server1.ipv4, 80, { segment: 1460 }),
    ],
  },
  {
    name: 'segments of what this machine sends',
    state: { rules: [{ type: 'clamp-mss', size: 600, hook: 'output', family: 'ipv4', protocol: 'tcp', port: 80 }] },
    text: chain('mss', 'output', 'meta nfproto ipv4 tcp dport 80 tcp flags syn counter tcp option maxseg size set 600'),
    connections: [
      sees('router', server1.ipv4, 80, { segment: 600 }),
      sees('router', server1.ipv4, 8080, { segment: 1460 }),
      sees('router', server1.ipv6, 80, { segment: 1440 }),
    ],
  },
];

export const constructs: readonly Construct[] = [...maps, ...general, ...sourceNat, ...destinationNat, ...segments];
