// NAT of the destination: dnat, redirect, hairpin.
import { addresses } from '../world.js';
import { type Construct, chain, sees } from './construct.js';

const { client, virtual, router, server1, server2 } = addresses;

export const destinationNat: readonly Construct[] = [
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
