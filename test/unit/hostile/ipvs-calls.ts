// Calls of IPVS, and of the functions for its text.

import { Ipvs } from '../../../src/index.js';
import * as kernelEntry from '../../../src/kernel/index.js';
import type { MemoryKernel } from '../../../src/memory/index.js';
import { CallList, call, exports, open } from './call-list.js';

export const service = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const;
export const server = { address: '10.0.0.1', port: 80 } as const;
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
const savedService = { ...serviceOptions, servers: [serverOptions] };

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

const calls = new CallList();
calls.add(
  'Ipvs.open',
  () => Ipvs,
  (kernel) => [{ ...open, kernel }],
);

calls.addMethods('Ipvs', ipvs, {
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
calls.addMethods('VirtualService', virtualService, {
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
calls.addMethods('VirtualService', virtualService, { matches: [serviceOptions] }, { throws: true });
calls.addMethods('RealServer', realServer, {
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
calls.addMethods('RealServer', realServer, { matches: [serverOptions] }, { throws: true });
calls.add('formatIpvsadm', exports, [[savedService]], { throws: true });
calls.add('parseIpvsadm', exports, ['-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1\n'], {
  throws: true,
});
calls.add('tableHeading', exports, ['1.2.1', 4096], { throws: true });
calls.add('namespacePath', () => kernelEntry, [{ name: 'a' }], { throws: true });

export { calls as ipvsCalls };
