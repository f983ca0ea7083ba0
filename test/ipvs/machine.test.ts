// The virtual machine of scripts/with-ipvs.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { run } from './world.js';

/** Its first process left the command here. */
const inMachine = existsSync('/run/with-ipvs/command');

test.skipIf(!inMachine)('a container engine finds cgroup2 with controllers that it can switch on', () => {
  expect(run('findmnt', '-no', 'FSTYPE', '/sys/fs/cgroup').trim()).toBe('cgroup2');
  expect(readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8').split(/\s+/)).toEqual(
    expect.arrayContaining(['cpu', 'memory', 'pids']),
  );
  run('sh', '-c', 'echo +memory +pids >/sys/fs/cgroup/cgroup.subtree_control');
  expect(readFileSync('/sys/fs/cgroup/cgroup.subtree_control', 'utf8').trim().split(' ').sort()).toEqual([
    'memory',
    'pids',
  ]);
});
