// The kernel in memory is tested by what this one does.
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { ipvsConformance } from '../conformance/ipvs.js';
import { deleteNamespace, makeNamespace, run, runIn } from './world.js';

ipvsConformance(async () => {
  const namespace = makeNamespace();
  const empty = `${namespace}-empty`;
  run('ip', 'netns', 'add', empty);
  return {
    kernel: nativeKernel,
    namespace,
    empty,
    datagram: async (address, port) => {
      runIn(namespace, 'bash', '-c', `echo x >/dev/udp/${address}/${port}`);
    },
    dispose: async () => {
      deleteNamespace(namespace);
      deleteNamespace(empty);
    },
  };
});
