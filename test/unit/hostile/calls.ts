// A call of every public function and method, with valid arguments: all options that there are.
import * as library from '../../../src/index.js';
import * as kernelEntry from '../../../src/kernel/index.js';
import type { MemoryKernel } from '../../../src/memory/index.js';
import * as testing from '../../../src/memory/index.js';
import type { Call } from './run.js';

const { Ipvs, Conntrack, Netfilter, Network, DesiredState, Role } = library;

const call = { signal: new AbortController().signal, timeout: 1000 };
const service = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
const server = { address: '10.0.0.1', port: 80 } as const;
const serviceOptions = {
  ...service,
  family: 'ipv4',
  scheduler: 'mh',
  schedulerFlags: ['mh-port'],
  persistence: { timeout: 60, netmask: 24, engine: 'sip' },
} as const;
const serverOptions = {
  ...server,
  forwarding: 'tunnel',
  tunnel: { type: 'gue', port: 6080, checksum: 'remote' },
  weight: 1,
  upperThreshold: 2,
  lowerThreshold: 1,
} as const;
const tuple = {
  source: '10.0.0.1',
  destination: '10.0.0.2',
  protocol: 'tcp',
  sourcePort: 1,
  destinationPort: 80,
  zone: 0,
  family: 'ipv4',
} as const;
const flowKey = { original: tuple, zone: 0, id: 1 };
const flowChanges = {
  timeout: 60,
  mark: 1,
  markMask: 255,
  status: ['assured'],
  state: 'ESTABLISHED',
  labels: { set: [1], clear: [2] },
  helper: 'ftp',
  tcp: { windowScale: { original: 1, reply: 1 }, flags: { original: 1, reply: 1 } },
  sequenceAdjustment: { original: { position: 1, before: 1, after: 1 }, reply: { position: 1, before: 1, after: 1 } },
  synproxy: { initialSequence: 1, initialTimestamp: 1, timestampOffset: 1 },
} as const;
const flow = {
  ...flowChanges,
  original: tuple,
  reply: { ...tuple, source: '10.0.0.2', destination: '10.0.0.1' },
  zone: 0,
  nat: { source: { address: ['10.0.0.3', '10.0.0.4'], port: [1, 2] }, destination: { address: '10.0.0.5', port: 1 } },
  master: tuple,
} as const;
const flowFilter = {
  family: 'ipv4',
  protocol: 'tcp',
  source: '10.0.0.0/8',
  destination: '10.0.0.2',
  sourcePort: 1,
  destinationPort: 80,
  replySource: '10.0.0.2',
  replyDestination: '10.0.0.1',
  replySourcePort: 80,
  replyDestinationPort: 1,
  mark: 1,
  markMask: 255,
  zone: 0,
  status: ['assured'],
  notStatus: ['dying'],
  state: 'ESTABLISHED',
  filterIn: 'kernel',
} as const;
const stale = {
  address: '192.0.2.1',
  port: 53,
  protocol: 'udp',
  servers: ['10.0.0.1', { address: '10.0.0.2', port: 53 }],
  untranslated: 'keep',
  zone: 0,
} as const;
const expectation = {
  tuple: { ...tuple, zone: undefined },
  any: ['source', 'sourcePort'],
  master: tuple,
  zone: 0,
  timeout: 60,
  flags: 1,
  class: 0,
  helper: 'ftp',
  function: 'nat-follow-master',
  nat: { direction: 'original', tuple },
} as const;
const packets = {
  hook: 'prerouting',
  mask: 255,
  family: 'ipv4',
  source: '10.0.0.0/8',
  destination: '192.0.2.1',
  protocol: 'tcp',
  port: { from: 80, to: 81 },
  inputInterface: 'eth0',
  local: true,
} as const;
const mark = { ...packets, mark: 1 };
const rule = {
  type: 'dnat',
  hook: 'prerouting',
  to: '10.0.0.1',
  toPort: 80,
  mark: { mark: 1, mask: 255 },
  source: '10.0.0.0/8',
  destination: '192.0.2.1',
  protocol: 'tcp',
  port: { from: 80, to: 81 },
  inputInterface: 'eth0',
  local: true,
} as const;
const rules = [
  rule,
  { type: 'snat', hook: 'postrouting', to: '10.0.0.1', source: '10.0.0.0/8', outputInterface: 'eth0' },
] as const;
const namespace = { path: '/proc/self/ns/net' };
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
const document = {
  owner: 'hostile',
  services: [
    {
      ...service,
      scheduler: 'rr',
      servers: ['10.0.0.1', { ...server, address: '10.0.0.2', weight: 1 }],
      drain: { timeout: 1 },
    },
  ],
  addresses: [{ interface: 'lo', address: '192.0.2.1/32', announce: false }],
  marks: [{ destination: '192.0.2.2', mark: 1 }],
  nat: [{ type: 'masquerade', source: '10.0.0.0/8' }],
  drain: { timeout: 0 },
  timeouts: { tcp: 900, tcpFin: 120, udp: 300 },
  sysctls: { 'net.ipv4.ip_forward': 1 },
} as const;
const role = {
  role: 'direct-director',
  vip: ['192.0.2.1'],
  mark: 1,
  ports: [{ protocol: 'tcp', port: 80 }],
  interface: 'lo',
  servers: ['10.0.0.1', { address: '10.0.0.2', forwarding: 'tunnel', tunnel: { type: 'ipip' }, weight: 1 }],
  scheduler: 'rr',
  persistence: 60,
} as const;
const savedService = { ...serviceOptions, servers: [serverOptions] };
const progress = {
  service: { protocol: 'tcp', address: '192.0.2.1', port: 80 },
  server: { address: '10.0.0.1', port: 80 },
};

type Opened<T extends { open(options: { kernel: MemoryKernel }): Promise<unknown> }> = Awaited<ReturnType<T['open']>>;

const ipvs = async (kernel: MemoryKernel): Promise<Opened<typeof Ipvs>> => {
  const handle = await Ipvs.open({ kernel });
  await handle.addService(service);
  return handle;
};
const virtualService = async (kernel: MemoryKernel) => {
  const found = await (await ipvs(kernel)).service(service);
  await found.addServer(server);
  return found;
};
const realServer = async (kernel: MemoryKernel) => (await virtualService(kernel)).server(server);
const conntrack = (kernel: MemoryKernel) => Conntrack.open({ kernel });
const netfilter = (kernel: MemoryKernel) => Netfilter.open({ kernel });
const network = (kernel: MemoryKernel) => Network.open({ kernel });
const desired = (kernel: MemoryKernel) => DesiredState.open(document, { kernel, record: false });
const opened = (kernel: MemoryKernel) => Role.open(role, { kernel, record: false });

type Subject = Call['subject'];
type Rest = Pick<Call, 'throws' | 'endless' | 'accepts' | 'without'>;
const calls = new Map<string, Call>();

function add(name: string, subject: Subject, args: Call['args'] | readonly unknown[], rest: Rest = {}): void {
  const method = name.split('.').at(-1) ?? name;
  calls.set(name, { subject, method, args: typeof args === 'function' ? args : () => args, ...rest });
}

function onClass(
  name: string,
  subject: Subject,
  methods: Readonly<Record<string, readonly unknown[]>>,
  rest: Rest = {},
) {
  for (const [method, args] of Object.entries(methods)) add(`${name}.${method}`, subject, args, rest);
}

const exports = () => library;
const open = { namespace, ...call };

for (const [name, handle] of Object.entries({ Ipvs, Conntrack, Network }))
  add(
    `${name}.open`,
    () => handle,
    (kernel) => [{ ...open, kernel }],
  );
add(
  'Netfilter.open',
  () => Netfilter,
  (kernel) => [{ ...open, owner: 'ipvs', kernel }],
);

onClass('Ipvs', ipvs, {
  info: [call],
  services: [call],
  service: [service, call],
  addService: [serviceOptions, call],
  setService: [serviceOptions, call],
  table: [{ ...call, consistent: true, attempts: 3 }],
  apply: [
    [
      { change: 'set-service', service: serviceOptions },
      { change: 'add-server', service, server: serverOptions },
    ],
    call,
  ],
  flush: [call],
  zero: [call],
  timeouts: [call],
  setTimeouts: [{ tcp: 900, tcpFin: 120, udp: 300 }, call],
  totals: [call],
  totalsByProcessor: [call],
  status: [call],
  connections: [
    {
      protocol: 'tcp',
      clientAddress: '198.51.100.1',
      clientPort: 1,
      virtualAddress: '192.0.2.1',
      virtualPort: 80,
      serverAddress: '10.0.0.1',
      serverPort: 80,
      state: 'established',
    },
    call,
  ],
  sysctls: [call],
  sysctl: ['conntrack', call],
  setSysctl: ['sync_threshold', [3, 50], call],
  daemons: [call],
  startDaemon: [
    { role: 'master', interface: 'lo', syncId: 1, maxLength: 1400, group: '224.0.0.82', port: 8848, ttl: 1 },
    call,
  ],
  stopDaemon: ['master', call],
  close: [],
});
onClass('VirtualService', virtualService, {
  read: [call],
  update: [
    { scheduler: 'sh', schedulerFlags: ['sh-port'], persistence: 60, onePacket: false },
    { ...call, ifUnchanged: true },
  ],
  zero: [call],
  delete: [call],
  servers: [call],
  server: [server, call],
  addServer: [{ ...serverOptions, address: '10.0.0.2' }, call],
  setServer: [serverOptions, call],
});
onClass('VirtualService', virtualService, { matches: [serviceOptions] }, { throws: true });
onClass('RealServer', realServer, {
  read: [call],
  update: [
    {
      forwarding: 'tunnel',
      tunnel: { type: 'gue', port: 1, checksum: 'none' },
      weight: 1,
      upperThreshold: 2,
      lowerThreshold: 1,
    },
    { ...call, ifUnchanged: true },
  ],
  drain: [{ ...call, timeLimit: 1000, interval: 10, onProgress: () => {} }],
  delete: [call],
});
onClass('RealServer', realServer, { matches: [serverOptions] }, { throws: true });
add('formatIpvsadm', exports, [[savedService]], { throws: true });
add('parseIpvsadm', exports, ['-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1\n'], {
  throws: true,
});
add('tableHeading', exports, ['1.2.1', 4096], { throws: true });
add('namespacePath', () => kernelEntry, [{ name: 'a' }], { throws: true });
add('compareStatistics', exports, [[{ processor: 0, found: 1 }], [{ processor: 0, found: 2 }], 1], { throws: true });
add('sumStatistics', exports, [[{ processor: 0, found: 1 }]], { throws: true });

onClass('Conntrack', conntrack, {
  usage: [call],
  statistics: [call],
  expectationStatistics: [call],
  settings: [call],
  setSettings: [
    { accounting: true, timestamps: true, events: 'auto', maximum: 1000, buckets: 1000, expectationMaximum: 10 },
    call,
  ],
  groups: [{ by: ['source', 'protocol'], filter: flowFilter, top: 3, order: 'flows' }, call],
  flow: [flowKey, call],
  create: [flow, call],
  update: [flowKey, flowChanges, call],
  delete: [flowKey, call],
  apply: [
    [
      { change: 'update-flow', flow: flowKey, set: { mark: 1 } },
      { change: 'delete-flow', flow: { reply: tuple } },
    ],
    call,
  ],
  zero: [flowFilter, call],
  deleteMatching: [flowFilter, call],
  flush: [{ family: 'ipv4', zone: 1 }, call],
  staleFlows: [stale, call],
  deleteStaleFlows: [stale, call],
  expectations: [{ family: 'ipv4' }, call],
  createExpectation: [expectation, call],
  deleteExpectation: [{ tuple, zone: 0, id: 1 }, call],
  flushExpectations: [call],
  watch: [
    {
      types: ['new', 'update', 'destroy'],
      filter: { family: 'ipv4', mark: 1 },
      receiveBuffer: 65536,
      reliable: false,
      resynchronise: { interval: 1000 },
    },
    call,
  ],
  close: [],
});
add('Conntrack.createAll', conntrack, [[flow], call], {
  accepts: [/./],
  // Taken until 65 536 have failed, which is tested with a signal in limits.test.ts.
  without: /endless/,
});
onClass(
  'Conntrack',
  conntrack,
  { flows: [flowFilter, { ...call, list: 'live' }], zeroedFlows: [flowFilter, call] },
  { throws: true },
);

onClass('Netfilter', netfilter, {
  marks: [call],
  mark: [packets, call],
  addMark: [mark, call],
  allocateMark: [packets, { from: 1, to: 9, taken: [1, 2] }, call],
  setMark: [packets, 2, call],
  deleteMark: [packets, call],
  rules: [call],
  addRule: [rule, call],
  deleteRule: [rule, call],
  apply: [
    [
      { change: 'add-mark', mark },
      { change: 'add-rule', rule },
    ],
    call,
  ],
  set: [{ marks: [mark], rules }, call],
  verify: [{ marks: [mark], rules }, call],
  watch: [call],
  deleteTable: [call],
  close: [],
});
const fwmark = async (kernel: MemoryKernel) => (await netfilter(kernel)).addMark(mark);
onClass('Fwmark', fwmark, { update: [{ mark: 2 }, call], delete: [call] });

onClass('Network', network, {
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
for (const name of ['addNamespace', 'deleteNamespace']) add(name, exports, (kernel) => ['a', { ...call, kernel }]);
add('namespaces', exports, (kernel) => [{ ...call, kernel }]);

add('CheckedDocument.parse', () => library.CheckedDocument, [document]);
add(
  'DesiredState.open',
  () => DesiredState,
  (kernel) => [document, { ...call, kernel, record: false }],
);
add('applyDocument', exports, (kernel) => [
  document,
  { ...call, kernel, record: false, adopt: false, onFailure: 'leave', settle: true },
]);
const snapshots = new WeakMap<MemoryKernel, library.StateSnapshot>();
add(
  'planDocument',
  async (kernel) => {
    snapshots.set(kernel, await (await desired(kernel)).snapshot());
    return library;
  },
  (kernel) => [document, snapshots.get(kernel), { adopt: true }],
);
onClass('DesiredState', desired, {
  plan: [document, { ...call, adopt: 'all' }],
  apply: [document, { ...call, adopt: false, onFailure: 'leave', settle: true }],
  remove: [],
  snapshot: [],
  draining: [],
  drain: [{ ...call, interval: 10 }],
  cancelDrain: [progress, call],
  verify: [call],
  close: [],
});
onClass('DesiredState', desired, { watch: [{ ...call, adopt: false, repair: true, interval: 10 }] }, { endless: true });
add(
  'StateSnapshot.parse',
  () => library.StateSnapshot,
  ['{"version":2,"of":{"owner":"a"},"snapshot":{"time":0,"sysctls":{},"netfilter":{}},"owned":[]}'],
  { throws: true },
);
add(
  'Role.open',
  () => Role,
  (kernel) => [role, { ...call, namespace, name: 'a', kernel, record: false }],
);
onClass('Role', opened, { plan: [], apply: [], remove: [], verify: [], close: [] });

add(
  'MemoryKernel.fail',
  (kernel) => kernel,
  [{ part: 'ipvs', command: 'NEW_DEST', object: 'a', after: 1, times: 1, errno: 5, carriedOut: true }],
  { throws: true },
);
onClass(
  'MemoryKernel',
  (kernel) => kernel,
  { advance: [1], addNamespace: [namespace], namespace: [namespace] },
  { throws: true },
);
add(
  'MemoryNamespace.connect',
  (kernel) => kernel.namespace(),
  [{ protocol: 'tcp', address: '192.0.2.1', port: 80, client: '198.51.100.1', clientPort: 1, fwmark: 1, bytes: 60 }],
  { throws: true },
);
onClass(
  'MemoryNamespace',
  (kernel) => kernel.namespace(),
  { file: ['/proc/a'], setFile: ['/proc/a', 'a'] },
  { throws: true },
);
add(
  'MemoryKernel.new',
  () => ({ new: (options: testing.MemoryKernelOptions) => new testing.MemoryKernel(options) }),
  [
    {
      schedulers: ['rr'],
      engines: ['sip'],
      available: { ipvs: true, conntrack: true, netfilter: true },
      permission: true,
      maximumFlows: 10,
    },
  ],
  { throws: true },
);

/** Places that take values of several kinds. */
const unions: readonly (readonly [name: RegExp, accepts: RegExp])[] = [
  [/./, /persistence = (true|false|\{\}|an endless iterable|an object)/],
  [/./, /persistence\.engine = null/],
  [/Ipvs\.setSysctl/, /\[1\]\[[01]\] = -1/],
  [/parseIpvsadm/, /= an empty text/],
  [/Network\.updateLink/, /\.master = null/],
  // Parts of an object that was read, which do not say which one it is.
  [/Network\.delete(Address|Neighbour|ForwardingEntry)/, /\.(scope|linkAddress|state) = /],
  [/Network\.setSysctl/, /\[1\] = (true|false|-1|2\*\*53|an empty text|a space|"|a text of|100 000)/],
  [/parseIpvsadm/, /= a space/],
  [/namespacePath|Namespace|Kernel/, /= (a text with a newline|"__proto__"|"constructor"|a space)$/],
  [/ocument|Desired/, /sysctls\.|\.sysctls with |\.record = "constructor"|\.adopt = true/],
  [/Role/, /\.record = "constructor"/],
  [/MemoryKernel\.advance/, /= 0\.5$/],
  [/MemoryNamespace\.setFile/, /\[1\] = (an empty|a text|a space|100|half)/],
  [/Conntrack/, /\.helper = an empty text/],
  [/Conntrack/, /\.labels = \[\]/],
  [/Conntrack\.setSettings/, /\.events = (true|false)/],
];
for (const [name, call] of calls) {
  const accepts = unions.filter(([of]) => of.test(name)).map(([, pattern]) => pattern);
  // A document has a check of its own, and each call reads one.
  const depth = /ocument|Desired|Role/.test(name) ? { depth: 1 } : {};
  calls.set(name, { ...call, ...depth, accepts: [...(call.accepts ?? []), ...accepts] });
}

export { calls };
