// The kernel in memory does what the real one does; see test/network/conformance.test.ts.
import { MemoryKernel } from '../../src/memory/kernel.js';
import { networkConformance } from '../conformance/network.js';

const kernel = new MemoryKernel();
let count = 0;

networkConformance(async () => {
  const namespace = `place-${++count}`;
  await kernel.namespaces.add(namespace);
  return { kernel, namespace, dispose: () => kernel.namespaces.delete(namespace) };
});
