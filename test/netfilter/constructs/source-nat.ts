// NAT of the source: masquerade, snat.
import { addresses } from '../world.js';
import { type Construct, chain, lookup, map, sees } from './construct.js';

const { client, virtual, router, other, server1, server2 } = addresses;

export const sourceNat: readonly Construct[] = [
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
