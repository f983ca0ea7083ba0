// Calls of documents and roles.
import * as library from '../../../src/index.js';
import type { MemoryKernel } from '../../../src/memory/index.js';
import { CallList, call, exports, namespace } from './call-list.js';
import { server, service } from './ipvs-calls.js';

const { DesiredState, Role } = library;

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
const progress = {
  service: { protocol: 'tcp', address: '192.0.2.1', port: 80 },
  server: { address: '10.0.0.1', port: 80 },
};

const desired = (kernel: MemoryKernel) => DesiredState.open(document, { kernel, record: false });
const opened = (kernel: MemoryKernel) => Role.open(role, { kernel, record: false });

const calls = new CallList();
calls.add('CheckedDocument.parse', () => library.CheckedDocument, [document]);
calls.add(
  'DesiredState.open',
  () => DesiredState,
  (kernel) => [document, { ...call, kernel, record: false }],
);
calls.add('applyDocument', exports, (kernel) => [
  document,
  { ...call, kernel, record: false, adopt: false, onFailure: 'leave', settle: true },
]);
const snapshots = new WeakMap<MemoryKernel, library.StateSnapshot>();
calls.add(
  'planDocument',
  async (kernel) => {
    snapshots.set(kernel, await (await desired(kernel)).snapshot());
    return library;
  },
  (kernel) => [document, snapshots.get(kernel), { adopt: true }],
);
calls.addMethods('DesiredState', desired, {
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
calls.addMethods(
  'DesiredState',
  desired,
  { watch: [{ ...call, adopt: false, repair: true, interval: 10 }] },
  { endless: true },
);
calls.add(
  'StateSnapshot.parse',
  () => library.StateSnapshot,
  ['{"version":2,"of":{"owner":"a"},"snapshot":{"time":0,"sysctls":{},"netfilter":{}},"owned":[]}'],
  { throws: true },
);
calls.add(
  'Role.open',
  () => Role,
  (kernel) => [role, { ...call, namespace, name: 'a', kernel, record: false }],
);
calls.addMethods('Role', opened, { plan: [], apply: [], remove: [], verify: [], close: [] });

export { calls as desiredCalls };
