// The real kernel does what the one in memory does; see test/unit/conformance-netfilter.test.ts.
import { addNamespace, deleteNamespace } from '../../src/index.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { netfilterConformance } from '../conformance/netfilter.js';
import './world.js'; // loads the modules

let count = 0;

netfilterConformance(async () => {
  const namespace = `ipvs-nft-${process.pid}-${++count}`;
  await addNamespace(namespace);
  return { kernel: nativeKernel, namespace, dispose: () => deleteNamespace(namespace) };
});
