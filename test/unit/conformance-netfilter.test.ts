// The kernel in memory does what the real one does; see test/netfilter/conformance.test.ts.
import { MemoryKernel } from '../../src/memory/kernel.js';
import { netfilterConformance } from '../conformance/netfilter.js';

const kernel = new MemoryKernel();
let count = 0;

netfilterConformance(async () => {
  const namespace = `place-${++count}`;
  await kernel.namespaces.add(namespace);
  return { kernel, namespace, dispose: () => kernel.namespaces.delete(namespace) };
});
