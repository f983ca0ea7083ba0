// Calls of the network, and of namespaces.
import { Network } from '../../../src/index.js';
import type { MemoryKernel } from '../../../src/memory/index.js';
import { CallList, call, exports, namespace, open } from './call-list.js';

const link = {
  kind: 'vxlan',
  name: 'vx0',
  mtu: 1400,
  address: '02:42:0a:00:00:14',
  up: false,
  id: 1,
  port: 4789,
  local: '10.0.0.1',
  remote: '10.0.0.2',
  device: 'lo',
  learning: true,
} as const;
const veth = {
  kind: 'veth',
  name: 'e0',
  peer: { name: 'e1', namespace, mtu: 1500, address: '02:42:0a:00:00:15', up: true },
} as const;
const address = {
  interface: 'lo',
  address: '192.0.2.1/32',
  scope: 'global',
  label: 'lo:1',
  noDad: true,
  protocol: 99,
} as const;
const route = {
  destination: '198.51.100.0/24',
  family: 'ipv4',
  nexthops: [{ via: '127.0.0.2', interface: 'lo', weight: 1, onlink: true }],
  source: '127.0.0.1',
  table: 100,
  scope: 'global',
  type: 'unicast',
  metric: 1,
  mtu: 1400,
  protocol: 4,
} as const;
const routeKey = {
  destination: '198.51.100.0/24',
  family: 'ipv4',
  interface: 'lo',
  table: 100,
  type: 'unicast',
} as const;
const routingRule = {
  family: 'ipv4',
  priority: 100,
  mark: 1,
  mask: 255,
  source: '10.0.0.0/8',
  destination: '192.0.2.1',
  inputInterface: 'lo',
  outputInterface: 'lo',
  invert: false,
  table: 100,
  action: 'lookup',
  suppressPrefixLength: 0,
  protocol: 4,
} as const;
const neighbour = {
  interface: 'lo',
  address: '192.0.2.9',
  linkAddress: '02:42:0a:00:00:14',
  state: 'permanent',
  proxy: false,
} as const;
const entry = {
  interface: 'lo',
  linkAddress: '00:00:00:00:00:00',
  destination: '10.0.0.9',
  port: 4789,
  vni: 1,
  sourceVni: 1,
  via: 'lo',
  self: true,
  master: false,
  state: 'permanent',
  append: true,
} as const;
const { append: _, ...entryKey } = entry;
const udpTunnel = { type: 'fou', port: 5555, family: 'ipv4', protocol: 4 } as const;

const network = (kernel: MemoryKernel) => Network.open({ kernel });

const calls = new CallList();
calls.add(
  'Network.open',
  () => Network,
  (kernel) => [{ ...open, kernel }],
);

calls.addMethods('Network', network, {
  links: [call],
  link: ['lo', call],
  addLink: [link, call],
  updateLink: ['lo', { up: true, mtu: 1500, address: '02:42:0a:00:00:14', master: null, name: 'lo1' }, call],
  deleteLink: ['lo', call],
  addresses: [{ interface: 'lo', family: 'ipv4' }, call],
  addAddress: [address, call],
  deleteAddress: [{ interface: 'lo', address: '192.0.2.1/32', scope: 'global' }, call],
  routes: [{ table: 'all', family: 'ipv4', protocol: 4 }, call],
  addRoute: [route, call],
  setRoute: [route, call],
  deleteRoute: [routeKey, call],
  routeTo: ['127.0.0.1', { source: '127.0.0.1', mark: 1, interface: 'lo', inputInterface: 'lo', ...call }],
  rules: [{ family: 'ipv4' }, call],
  addRule: [routingRule, call],
  deleteRule: [routingRule, call],
  neighbours: [{ interface: 'lo', family: 'ipv4', proxy: false }, call],
  setNeighbour: [neighbour, call],
  deleteNeighbour: [neighbour, call],
  forwardingEntries: [{ interface: 'lo' }, call],
  addForwardingEntry: [entry, call],
  deleteForwardingEntry: [entryKey, call],
  apply: [
    [
      { change: 'add-link', link: veth },
      { change: 'update-link', name: 'lo', changes: { up: true } },
    ],
    call,
  ],
  announce: [{ interface: 'lo', address: '192.0.2.1', count: 1, interval: 1 }, call],
  sysctl: [{ family: 'ipv4', interface: 'lo', name: 'forwarding' }, call],
  setSysctl: ['net.ipv4.ip_forward', 1, call],
  watch: [{ types: ['link-added', 'link-removed'], ...call }],
  udpTunnels: [call],
  addUdpTunnel: [udpTunnel, call],
  deleteUdpTunnel: [{ port: 5555, family: 'ipv4' }, call],
  close: [],
});
for (const name of ['addNamespace', 'deleteNamespace'])
  calls.add(name, exports, (kernel) => ['a', { ...call, kernel }]);
calls.add('namespaces', exports, (kernel) => [{ ...call, kernel }]);

export { calls as networkCalls };
