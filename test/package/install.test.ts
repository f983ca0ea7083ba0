// Installing the tarball: no version of npm runs a script, prints a warning, or compiles.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { emptyProject, pack, runWith, type Tarball, useFolder } from './world.js';

useFolder();
let tarball: Tarball;
beforeAll(() => {
  tarball = pack();
});

/** Each npm, with a Node that it supports. */
const versions = [
  { npm: 10, node: 20 },
  { npm: 11, node: 20 },
  { npm: 12, node: 24 },
];

describe.each(versions)('npm $npm', ({ npm, node }) => {
  test('install, ci and rebuild run no script and print no warning', () => {
    const project = emptyProject();
    const run = (...words: string[]): void => {
      // An npm that started this test may have been told to be silent.
      const options = ['--loglevel=notice', '--foreground-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
      options.push('--no-update-notifier');
      const { stdout, stderr } = runWith(node, project, 'npx', '--yes', `npm@${npm}`, ...words, ...options);
      // A setting of this machine that this npm does not know is no matter of the package.
      expect(stderr.replace(/^npm warn Unknown \w+ config .*\n/gm, '')).toBe('');
      // A script that runs is announced with "> ipvs@VERSION install".
      expect(stdout.trim()).toMatch(/^(?:added \d+ packages? in \S+|rebuilt dependencies successfully)$/);
      expect(existsSync(join(project, 'node_modules/ipvs/dist/index.js'))).toBe(true);
      for (const folder of ['build', 'native/build'])
        expect(existsSync(join(project, 'node_modules/ipvs', folder)), folder).toBe(false);
    };
    run('install', tarball.path);
    const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8'));
    expect(lock.packages['node_modules/ipvs']).not.toHaveProperty('hasInstallScript');
    rmSync(join(project, 'node_modules'), { recursive: true });
    run('ci');
    run('rebuild');
  }, 600_000);
});
