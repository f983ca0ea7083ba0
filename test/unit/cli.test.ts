// The program `ipvs`: its words, its exit status, and why it cannot build.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let directory = '';
/** A copy of the package without other packages. */
let copy = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ipvs-cli-'));
  copy = join(directory, 'ipvs');
  mkdirSync(join(copy, 'native'), { recursive: true });
  cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(copy, 'package.json'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs the program of the copy, in an environment of these variables. */
function ipvs(words: readonly string[], environment: Record<string, string> = {}, ...flags: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, join(copy, 'dist/cli.js'), ...words], {
    encoding: 'utf8',
    env: environment,
  });
  return { status, stdout, stderr };
}

/** Returns a folder for PATH with programs that do this. */
function programs(scripts: Record<string, string>): string {
  const folder = mkdtempSync(join(directory, 'path-'));
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

/** Returns a node-gyp that runs this program. */
function nodeGyp(program: string): string {
  const file = join(mkdtempSync(join(directory, 'gyp-')), 'node-gyp.js');
  writeFileSync(file, program);
  return file;
}

const tools = { 'g++': '', make: '', python3: '' };

test('prints help and version with exit status 0', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(ipvs(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  expect(ipvs(['--help'])).toMatchObject({ status: 0, stderr: '' });
  expect(ipvs(['--help']).stdout).toMatch(/^usage: ipvs COMMAND .*^ {2}build +compile the native addon/ms);
  expect(ipvs(['build', '--help']).stdout).toMatch(/^usage: ipvs build\n/);
});

test('a wrong command line ends with exit status 2, and names the likely command', () => {
  expect(ipvs([])).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/^usage: ipvs COMMAND/) });
  const unknown = `ipvs: unknown command "biuld" (commands: build); did you mean 'build'?\n`;
  expect(ipvs(['biuld'])).toEqual({ status: 2, stdout: '', stderr: unknown });
  const extra = 'ipvs: build takes no arguments: --fast\n';
  expect(ipvs(['build', '--fast'])).toEqual({ status: 2, stdout: '', stderr: extra });
});

test('build on another system says that there is nothing to build for', () => {
  const flag = `--import=data:text/javascript,Object.defineProperty(process,'platform',{value:'darwin'})`;
  const { status, stderr } = ipvs(['build'], {}, flag);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ipvs: cannot build the native addon: it controls the Linux kernel, and this is darwin\./);
});

test('build without node-gyp names two ways to get one', () => {
  const { status, stderr } = ipvs(['build'], { PATH: programs(tools) });
  expect(status).toBe(1);
  expect(stderr).toContain('node-gyp is not found. Run it as `npx ipvs build`, or install it');
});

test('build names each program that is missing, and the packages that have them', () => {
  const npm_config_node_gyp = nodeGyp('');
  const missing = (environment: Record<string, string>) => ipvs(['build'], { npm_config_node_gyp, ...environment });
  const { status, stderr } = missing({ PATH: programs({}) });
  expect(status).toBe(1);
  expect(stderr).toContain('cannot build the native addon: g++, make, python3 not found.');
  expect(stderr).toContain('apt-get install g++ make python3');
  expect(stderr).toContain('apk add g++ make python3 linux-headers');
  expect(missing({ PATH: programs(tools), CXX: 'ccache clang++' }).stderr).toContain(': clang++ not found.');
  expect(missing({ PATH: programs(tools), PYTHON: '/nowhere/python3' }).stderr).toContain(
    ': /nowhere/python3 not found',
  );
});

test('build shows the messages of a compilation that fails', () => {
  const npm_config_node_gyp = nodeGyp("console.error('no such header'); process.exit(7);");
  const { status, stdout, stderr } = ipvs(['build'], { npm_config_node_gyp, PATH: programs(tools) });
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/no such header\nipvs: cannot build .*: node-gyp failed with exit status 7\. /);
});

test('build refuses a binary that Node cannot load, and leaves the previous one', () => {
  mkdirSync(join(copy, 'build/Release'), { recursive: true });
  writeFileSync(join(copy, 'build/Release/ipvs.node'), 'previous');
  const npm_config_node_gyp = nodeGyp(`
    const { mkdirSync, writeFileSync } = require('node:fs');
    const folder = process.argv[process.argv.indexOf('-C') + 1] + '/build/Release';
    mkdirSync(folder, { recursive: true });
    writeFileSync(folder + '/ipvs.node', 'no program');`);
  const { status, stderr } = ipvs(['build'], { npm_config_node_gyp, PATH: programs(tools) });
  expect(status).toBe(1);
  expect(stderr).toContain('Node cannot load what was compiled');
  expect(readFileSync(join(copy, 'build/Release/ipvs.node'), 'utf8')).toBe('previous');
  rmSync(join(copy, 'build'), { recursive: true });
});

test('node-gyp is that of the project, else of npm_config_node_gyp, else of the npm that runs, else of the one in PATH', () => {
  const says = (name: string) => `console.error('this is ${name}'); process.exit(1);`;
  const npm = (name: string): string => {
    const folder = mkdtempSync(join(directory, 'npm-'));
    for (const part of ['bin', 'node_modules/node-gyp/bin']) mkdirSync(join(folder, part), { recursive: true });
    writeFileSync(join(folder, 'bin/npm-cli.js'), '');
    chmodSync(join(folder, 'bin/npm-cli.js'), 0o755);
    writeFileSync(join(folder, 'node_modules/node-gyp/bin/node-gyp.js'), says(name));
    return join(folder, 'bin/npm-cli.js');
  };
  const PATH = programs(tools);
  symlinkSync(npm('the npm in PATH'), join(PATH, 'npm'));
  const environment: Record<string, string> = { PATH };
  const found = () => /this is (.*)/.exec(ipvs(['build'], environment).stderr)?.[1];
  expect(found()).toBe('the npm in PATH');
  environment.npm_execpath = npm('the npm that runs');
  expect(found()).toBe('the npm that runs');
  environment.npm_config_node_gyp = nodeGyp(says('the configured one'));
  expect(found()).toBe('the configured one');
  mkdirSync(join(directory, 'node_modules/node-gyp/bin'), { recursive: true });
  writeFileSync(join(directory, 'node_modules/node-gyp/bin/node-gyp.js'), says('the one of the project'));
  expect(found()).toBe('the one of the project');
  rmSync(join(directory, 'node_modules'), { recursive: true });
});
