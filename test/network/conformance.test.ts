// The real kernel does what the one in memory does; see test/unit/conformance-network.test.ts.
import { spawnSync } from 'node:child_process';
import { addNamespace, deleteNamespace } from '../../src/index.js';
import { nativeKernel } from '../../src/linux/linux-kernel.js';
import { networkConformance } from '../conformance/network.js';
import { hasKind, newName } from './world.js';

const kinds = {
  dummy: hasKind('dummy'),
  ipip: hasKind('ipip', 'local', '127.7.7.7'),
  gre: hasKind('gre', 'local', '127.7.7.7'),
  macvlan: hasKind('macvlan', 'link', 'lo') || hasKind('dummy'),
  fou: spawnSync('ip', ['fou', 'show'], { stdio: 'ignore' }).status === 0,
};

networkConformance(
  async () => {
    const namespace = newName();
    await addNamespace(namespace);
    return { kernel: nativeKernel, namespace, dispose: () => deleteNamespace(namespace) };
  },
  { has: (kind) => kinds[kind] },
);
