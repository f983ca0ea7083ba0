// The kernel in memory is tested by what this one does.
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { conntrackConformance } from '../conformance/conntrack.js';
import { deleteNamespace, run } from '../ipvs/world.js';

let count = 0;

conntrackConformance(async () => {
  const namespace = `conntrack-conformance-${process.pid}-${count++}`;
  run('ip', 'netns', 'add', namespace);
  return { kernel: nativeKernel, namespace, dispose: async () => deleteNamespace(namespace) };
});
