// The tarball: which files it has, how large it is, and what linters of packages find.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { install, pack, root, type Tarball, useFolder } from './world.js';

/** Limits of the package with its four binaries; without them, the rest has to leave room for 1.3 MB each. */
const limits = { files: 100, packed: 2_500_000, installed: 8_000_000 };
const binary = { packed: 480_000, installed: 1_300_000 };

useFolder();
let tarball: Tarball;
let project = '';
beforeAll(() => {
  tarball = pack();
  project = install(tarball);
});

const pathsOf = ({ files }: Tarball): string[] => files.map(({ path }) => path);

test('has the code, its types, the source of the addon, the virtual machine, the documentation, the examples and the licences, and nothing else', () => {
  const others = pathsOf(tarball).filter((path) => !/^(?:dist|docs|examples|prebuilds)\//.test(path));
  expect(others.sort()).toEqual([
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'THIRD-PARTY-LICENSES',
    'native/binding.gyp',
    'native/exports.map',
    'native/ipvs.cc',
    'package.json',
    'scripts/debian/private-apt',
    'scripts/debian/unpack',
    'scripts/need',
    'scripts/vm/fetch-kernel',
    'scripts/vm/fetch-root',
    'scripts/vm/guest-init',
    'scripts/vm/run',
    'scripts/with-ipvs',
  ]);
  const dist = readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  expect(pathsOf(tarball).filter((path) => path.startsWith('dist/'))).toHaveLength(dist.length);
});

test('links between its pages lead to files that it has', () => {
  const paths = pathsOf(tarball);
  const installed = join(project, 'node_modules/ipvs');
  const missing = paths
    .filter((path) => path.endsWith('.md'))
    .flatMap((page) =>
      [...readFileSync(join(installed, page), 'utf8').matchAll(/\]\((?![a-z]+:)([^)#]+)/g)]
        .map(([, target = '']) => posix.join(posix.dirname(page), target))
        .filter((path) => !paths.some((packed) => packed === path || packed.startsWith(`${path}/`)))
        .map((path) => `${page}: ${path}`),
    );
  expect(missing).toEqual([]);
});

test('packing leaves no file behind', () => {
  const ignored = ['status', '--short', '--ignored', 'native', 'THIRD-PARTY-LICENSES'];
  expect(execFileSync('git', ignored, { cwd: root, encoding: 'utf8' })).not.toMatch(/^!!/m);
});

test('has at most 100 files, and is within the limits of size', () => {
  const binaries = tarball.files.filter(({ path }) => path.endsWith('.node'));
  const missing = 4 - binaries.length;
  expect(missing).toBeGreaterThanOrEqual(0);
  expect(tarball.files.length + missing).toBeLessThanOrEqual(limits.files);
  expect(tarball.size + missing * binary.packed).toBeLessThanOrEqual(limits.packed);
  const modules = join(project, 'node_modules');
  const sizes = readdirSync(modules, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.startsWith('ipvs/build/'))
    .map((path) => statSync(join(modules, path)))
    .map((one) => (one.isFile() ? one.size : 0));
  const installed = sizes.reduce((sum, size) => sum + size, 0);
  console.log(
    `files ${tarball.files.length}, packed ${tarball.size}, installed ${installed}, ${binaries.length} binaries`,
  );
  expect(installed + missing * binary.installed).toBeLessThanOrEqual(limits.installed);
});

test('requires two small packages', () => {
  const installed = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'));
  expect(installed.sort()).toEqual(['ipvs', 'node-addon-api', 'node-gyp-build']);
});

test('the program is executable, and its link in node_modules/.bin runs', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const program = join(project, 'node_modules/.bin/ipvs');
  expect(execFileSync(program, ['--version'], { encoding: 'utf8' })).toBe(`${version}\n`);
});

test('publint finds nothing', () => {
  const words = ['run', tarball.path, '--strict'];
  const output = execFileSync(join(root, 'node_modules/.bin/publint'), words, { encoding: 'utf8' });
  expect(output).toContain('All good!');
});

test('attw finds nothing, for importers that resolve as Node or as a bundler does', () => {
  const words = [tarball.path, '--profile', 'esm-only', '--format', 'json'];
  const output = execFileSync(join(root, 'node_modules/.bin/attw'), words, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const { analysis } = JSON.parse(output);
  expect(Object.keys(analysis.entrypoints)).toEqual(expect.arrayContaining(['.', './kernel', './testing']));
});
