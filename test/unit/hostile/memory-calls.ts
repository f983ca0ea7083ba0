// Calls of the kernel in memory.
import * as testing from '../../../src/memory/index.js';
import { CallList, namespace } from './call-list.js';

const calls = new CallList();
calls.add(
  'MemoryKernel.fail',
  (kernel) => kernel,
  [{ part: 'ipvs', command: 'NEW_DEST', object: 'a', after: 1, times: 1, errno: 5, carriedOut: true }],
  { throws: true },
);
calls.addMethods(
  'MemoryKernel',
  (kernel) => kernel,
  { advance: [1], addNamespace: [namespace], namespace: [namespace] },
  { throws: true },
);
calls.add(
  'MemoryNamespace.connect',
  (kernel) => kernel.namespace(),
  [{ protocol: 'tcp', address: '192.0.2.1', port: 80, client: '198.51.100.1', clientPort: 1, fwmark: 1, bytes: 60 }],
  { throws: true },
);
calls.addMethods(
  'MemoryNamespace',
  (kernel) => kernel.namespace(),
  { file: ['/proc/a'], setFile: ['/proc/a', 'a'] },
  { throws: true },
);
calls.add(
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

export { calls as memoryCalls };
