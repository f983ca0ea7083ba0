// The package as it ships: what a fresh process loads, which files there are, and that its types compile.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ipvs-package-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs a program that imports the package by its name, and returns its output. */
function run(...args: string[]): string {
  return execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
}

/** Returns the files that importing an entry loads, by their paths below the package. */
function loadedBy(entry: string): string[] {
  const files: string[] = JSON.parse(run('scripts/loaded-files.mjs', entry));
  return files.map((file) => file.replace(`file://${root}/`, '')).sort();
}

describe('importing', () => {
  const library = ['dist/common.js', 'dist/index.js', 'dist/library.js'];

  test('ipvs loads three files: no schema, no dependency, no code that talks to a kernel', () => {
    expect(loadedBy('ipvs')).toEqual(library);
  });

  test('ipvs/kernel and ipvs/testing load their own file and the shared one', () => {
    expect(loadedBy('ipvs/kernel')).toEqual(['dist/common.js', 'dist/kernel/index.js']);
    expect(loadedBy('ipvs/testing')).toEqual(['dist/common.js', 'dist/memory/index.js']);
  });

  test('ipvs loads neither the addon nor the streams of Node', () => {
    const program = `
      const streams = () => process.moduleLoadList.filter((name) => /NativeModule (stream|net)$/.test(name));
      const before = streams();
      await import('ipvs');
      const addons = process.report.getReport().sharedObjects.filter((name) => name.endsWith('.node'));
      console.log(JSON.stringify({ before, after: streams(), addons }));`;
    const { before, after, addons } = JSON.parse(run('--input-type=module', '--eval', program));
    expect(after).toEqual(before);
    expect(addons).toEqual([]);
  });

  test('the first document loads the schema, and only a document in YAML loads its parser', () => {
    const program = join(directory, 'document.mjs');
    writeFileSync(
      program,
      `import { CheckedDocument } from '${root}/dist/index.js';
      await CheckedDocument.parse({ owner: 'test' });`,
    );
    const loaded = loadedBy(`file://${program}`);
    expect(loaded).toEqual(expect.arrayContaining([...library, 'dist/schema.js']));
    expect(loaded.filter((file) => file.startsWith('node_modules/zod/'))).not.toEqual([]);
    expect(loaded.filter((file) => file.startsWith('node_modules/yaml/'))).toEqual([]);
  });
});

test('the entries share their classes', () => {
  const program = `
    import { Ipvs, IpvsError } from 'ipvs';
    import { KernelFailure } from 'ipvs/kernel';
    import { MemoryKernel } from 'ipvs/testing';
    const kernel = new MemoryKernel();
    const port = await kernel.openIpvs({});
    const failure = await port.service({ fwmark: 1, family: 'ipv4' }).catch((error) => error);
    const ipvs = await Ipvs.open({ kernel });
    const error = await ipvs.service({ fwmark: 1 }).catch((error) => error);
    let missing;
    try { kernel.namespace('none'); } catch (error) { missing = error; }
    console.log(JSON.stringify([failure, error, missing].map((one) => one.constructor.name)));
    console.log(failure.constructor === KernelFailure, missing.constructor === IpvsError);`;
  expect(run('--input-type=module', '--eval', program)).toBe('["KernelFailure","IpvsError","IpvsError"]\ntrue true\n');
});

test('the types of every entry compile without skipLibCheck, and without the types of Node', () => {
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(root, join(directory, 'node_modules/ipvs'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  const program = join(directory, 'consumer.ts');
  writeFileSync(
    program,
    `import { Ipvs, IpvsError, type Flow } from 'ipvs';
    import { type Kernel, KernelFailure } from 'ipvs/kernel';
    import { MemoryKernel } from 'ipvs/testing';
    const kernel: Kernel = new MemoryKernel();
    export const flow = (one: Flow): bigint | undefined => one.counters?.original.packets;
    export const opened: Promise<Ipvs> = Ipvs.open({ kernel });
    export const errors: readonly Error[] = [new IpvsError('ERR_IPVS_SYSTEM', ''), new KernelFailure(1, '')];`,
  );
  const checked = ts.createProgram([program], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  });
  expect(checked.getSourceFiles().some(({ fileName }) => fileName === `${root}/dist/index.d.ts`)).toBe(true);
  const found = ts.getPreEmitDiagnostics(checked);
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
}, 120_000);

test('the package has some tens of files: no sources in TypeScript, no tests', () => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, npm_config_cache: join(directory, 'npm') },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }]: [{ files: { path: string }[] }] = JSON.parse(output);
  const paths = files.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['binding.gyp', 'dist/index.js', 'dist/index.d.ts', 'LICENSE']));
  expect(paths.filter((path) => /^(src|test|scripts|out|native\/(test|fuzz))\//.test(path))).toEqual([]);
  // The sources in C++ are for users without a binary that fits.
  expect(paths.filter((path) => !path.startsWith('native/')).length).toBeLessThanOrEqual(30);
  expect(paths.length).toBeLessThanOrEqual(110);
}, 60_000);
