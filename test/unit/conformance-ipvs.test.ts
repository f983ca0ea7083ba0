// The kernel in memory is one: what is said of every kernel with IPVS.
import { MemoryKernel } from '../../src/memory/index.js';
import { ipvsConformance } from '../conformance/ipvs.js';

ipvsConformance(async () => {
  const kernel = new MemoryKernel();
  kernel.addNamespace('empty');
  const blue = kernel.addNamespace('blue');
  const { network } = blue;
  network.change({ operation: 'update-link', name: 'lo', changes: { up: true } });
  network.change({ operation: 'add-link', link: { name: 'd0', details: { kind: 'dummy' }, up: true } });
  return {
    kernel,
    namespace: 'blue',
    empty: 'empty',
    datagram: async (address, port) => void blue.connect({ protocol: 'udp', client: '10.255.255.1', address, port }),
    dispose: async () => {},
  };
});
