// Any user of the machine can hold the lock of /run/netns (flock), for ever.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** In a mount namespace of its own, with a /run/netns that no program has used yet. */
function run(program: string) {
  const path = fileURLToPath(new URL(`fixtures/${program}`, import.meta.url));
  const script = 'mount -t tmpfs none /run && mkdir /run/netns && exec "$0" "$@"';
  return spawnSync('unshare', ['--mount', 'sh', '-c', script, process.execPath, path], {
    encoding: 'utf8',
    timeout: 50_000,
  });
}

test('creating a namespace waits for the lock in vain, is given up, and succeeds when the lock is released', () => {
  const { stdout, stderr, status } = run('locked.mjs');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    others: true,
    late: {
      code: 'ERR_IPVS_TIMEOUT',
      message: expect.stringContaining(
        'cannot add namespace late: another process holds the lock of /run/netns (ETIMEDOUT: flock /run/netns)',
      ),
    },
    aborted: { code: 'AbortError', message: 'This operation was aborted' },
    worker: 1,
    inTime: 'made',
    shared: 'made',
  });
});

test('a process ends although a creation waits for the lock', () => {
  const { stdout, status } = run('locked-exit.mjs');
  expect({ stdout, status }).toEqual({ stdout: 'waits\n', status: 7 });
});
