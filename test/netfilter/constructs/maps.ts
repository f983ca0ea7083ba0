// Marks for one address, one port or both: they stand in maps.
import { addresses } from '../world.js';
import { type Construct, chain, come, from, lookup, map, markMap } from './construct.js';

const { virtual, router, server1 } = addresses;

export const maps: readonly Construct[] = [
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
