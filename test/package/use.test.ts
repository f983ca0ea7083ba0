// The installed package: imported and required by each version of Node, checked by TypeScript, compiled by its program.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { install, pack, root, runWith, useFolder, writePrograms } from './world.js';

useFolder();
const namespace = `ipvs-package-${process.pid}`;
let project = '';
beforeAll(() => {
  execFileSync('ip', ['netns', 'add', namespace]);
  project = install(pack());
  writePrograms(project);
});
afterAll(() => {
  execFileSync('ip', ['netns', 'delete', namespace]);
});

/** The programs print the links that iproute2 lists, and no flows. */
const answer = (): string => {
  const output = execFileSync('ip', ['-n', namespace, '-json', 'link'], { encoding: 'utf8' });
  const links: { readonly ifname: string }[] = JSON.parse(output);
  return `${JSON.stringify({ links: links.map(({ ifname }) => ifname), count: 0 })}\n`;
};

describe.each([20, 22, 24, 26])('Node %i', (major) => {
  test('imports the package, and sends requests to the kernel', () => {
    expect(runWith(major, project, 'node', 'esm.mjs', namespace)).toEqual({ stdout: answer(), stderr: '' });
  });

  test('requires it from CommonJS', () => {
    expect(runWith(major, project, 'node', 'cjs.cjs', namespace)).toEqual({ stdout: answer(), stderr: '' });
  });

  test('checks documents as objects, JSON and YAML without any other package', () => {
    const program = `
      import { CheckedDocument } from 'ipvs';
      for (const given of [{ owner: 'a' }, '{ "owner": "a" }', 'owner: &name a', 'owner: [']) {
        console.log(await CheckedDocument.parse(given).then(({ document }) => document.owner, ({ code }) => code));
      }`;
    const { stdout } = runWith(major, project, 'node', '--input-type=module', '--eval', program);
    expect(stdout).toBe('a\na\na\nERR_IPVS_INVALID_ARGUMENT\n');
  });
});

/** Uses a value and a type of each entry. */
const consumer = `import { Conntrack, type Flow, Ipvs } from 'ipvs';
import { type Kernel, KernelFailure } from 'ipvs/kernel';
import { MemoryKernel } from 'ipvs/testing';
const kernel: Kernel = new MemoryKernel();
export const packets = (flow: Flow): bigint | undefined => flow.counters?.original.packets;
export const opened: Promise<Ipvs> = Ipvs.open({ kernel });
export const conntrack: Promise<Conntrack> = Conntrack.open({ kernel });
export const failure: Error = new KernelFailure(1, '');
`;

test.each([
  { file: 'consumer.mts', module: 'nodenext', resolution: 'nodenext' },
  { file: 'consumer.cts', module: 'nodenext', resolution: 'nodenext' },
  { file: 'consumer.ts', module: 'esnext', resolution: 'bundler' },
])('TypeScript checks $file with its resolution $resolution', ({ file, module, resolution }) => {
  const check = (text: string) => {
    writeFileSync(join(project, file), text);
    const libraries = { lib: ['es2023', 'dom', 'esnext.disposable'], types: [] };
    const options = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2023', ...libraries };
    const compilerOptions = { ...options, module, moduleResolution: resolution };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }));
    const program = join(root, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [program], { cwd: project, encoding: 'utf8' });
    return { status, stdout };
  };
  expect(check(consumer)).toEqual({ status: 0, stdout: '' });
  // The check sees the types of the package.
  expect(check(`${consumer}export const wrong: string = kernel;\n`).stdout).toContain(
    "Type 'Kernel' is not assignable",
  );
});

test('without a binary, opening names the command that compiles one, and the command does', () => {
  const bare = join(project, 'bare');
  cpSync(join(project, 'node_modules'), join(bare, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(bare, 'package.json'), '{ "private": true }\n');
  writePrograms(bare);
  const installed = join(bare, 'node_modules/ipvs');
  for (const folder of ['prebuilds', 'build']) rmSync(join(installed, folder), { recursive: true, force: true });
  expect(() => runWith(20, bare, 'node', 'esm.mjs', namespace)).toThrow('npx ipvs build');
  const { stdout } = runWith(20, bare, 'npx', '--no-install', 'ipvs', 'build');
  expect(stdout.trim()).toBe(join(installed, 'build/Release/ipvs.node'));
  expect(existsSync(join(installed, 'native/build'))).toBe(false);
  expect(runWith(20, bare, 'node', 'esm.mjs', namespace).stdout).toBe(answer());
}, 600_000);

test('runs a program on a kernel with IPVS from node_modules', () => {
  const program = `
    import { Ipvs } from 'ipvs';
    const ipvs = await Ipvs.open();
    console.log(String(await ipvs.addService({ protocol: 'tcp', address: '127.0.0.1', port: 80, scheduler: 'rr' })));
    await ipvs.close();`;
  writeFileSync(join(project, 'with-kernel.mjs'), program);
  const { stdout } = runWith(20, project, 'npx', '--no-install', 'ipvs-with-kernel', '--', 'node', 'with-kernel.mjs');
  expect(stdout).toContain('TCP  127.0.0.1:80 rr');
}, 600_000);
