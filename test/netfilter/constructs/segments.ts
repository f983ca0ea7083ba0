// Sizes of TCP segments.
import { addresses } from '../world.js';
import { type Construct, chain, sees } from './construct.js';

const { server1, server2 } = addresses;

export const segments: readonly Construct[] = [
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
