// The kernel in memory is one: what is said of every kernel that tracks connections.
import { MemoryKernel } from '../../src/memory/index.js';
import { conntrackConformance } from '../conformance/conntrack.js';

conntrackConformance(async () => {
  const kernel = new MemoryKernel();
  kernel.addNamespace('blue');
  return { kernel, namespace: 'blue', dispose: async () => {} };
});
