// Marks for anything else: each is a rule.
import { addresses } from '../world.js';
import { type Construct, chain, come, from, lookup, map } from './construct.js';

const { client, virtual, server1 } = addresses;

export const markRules: readonly Construct[] = [
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
    name: 'the beginning of the names of interfaces',
    state: {
      marks: [
        { inputInterface: 'cli*', mark: 7 },
        { inputInterface: 'clients', mark: 8 },
        { inputInterface: 'servers\\*', mark: 9 },
        { hook: 'output', outputInterface: 's*', mark: 10 },
        { hook: 'output', outputInterface: 'server*', mark: 11 },
      ],
    },
    text:
      chain(
        'mark',
        'prerouting',
        'iifname "cli*" counter meta mark set 7',
        'iifname "clients" counter meta mark set 8',
        'iifname "servers\\*" counter meta mark set 9',
      ) +
      chain('mark', 'output', 'oifname "s*" counter meta mark set 10', 'oifname "server*" counter meta mark set 11'),
    packets: [
      come(server1.ipv4, 'tcp', 80, 8),
      from('server1', 'prerouting', virtual.ipv4, 'tcp', 80, 0),
      from('router', 'output', server1.ipv4, 'udp', 1, 11),
      from('router', 'output', client.ipv4, 'udp', 1, 0),
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
