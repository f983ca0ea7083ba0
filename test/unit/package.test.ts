// The package as it ships: what a fresh process loads, whose code it contains, and that its types compile. The tarball is
// in test/package.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import description from '../../package.json' with { type: 'json' };
import { bundledNotice, bundledPackages, licencesText } from '../../scripts/pack/licences.mjs';

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
    const json = loadedBy(`file://${program}`);
    expect(json).toEqual(expect.arrayContaining([...library, 'dist/schema.js']));
    expect(json).not.toContain('dist/yaml.js');
    writeFileSync(program, readFileSync(program, 'utf8').replace("{ owner: 'test' }", "'owner: test'"));
    const yaml = loadedBy(`file://${program}`);
    expect(yaml).toContain('dist/yaml.js');
    expect([...json, ...yaml].filter((file) => file.startsWith('node_modules/'))).toEqual([]);
  });
});

describe('code of other packages', () => {
  /** Returns the packages that the sources import, by their names. */
  function importedPackages(): string[] {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
    const names = files
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => {
        const { importedFiles } = ts.preProcessFile(readFileSync(join(root, 'src', name), 'utf8'), true, false);
        return importedFiles.map(({ fileName }) => fileName).filter((one) => !/^(?:\.|node:)/.test(one));
      });
    return [...new Set(names)].sort();
  }

  test('every package that the sources import is in the bundle, and its licence is in THIRD-PARTY-LICENSES', () => {
    const bundled = bundledPackages(join(root, 'dist'));
    expect(bundled).toEqual(['ipaddr.js', 'yaml', 'zod']);
    expect(importedPackages()).toEqual(bundled);
    const text = licencesText(root, bundled);
    expect([...text.matchAll(/^---\n\n(\S+) \d/gm)].map(([, name]) => name)).toEqual(bundled);
    for (const name of bundled) {
      expect(text).toContain(readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8').trim());
      expect(Object.keys(description.dependencies)).not.toContain(name);
    }
  });

  test('the list of the bundle follows from the paths of its modules', () => {
    const paths = ['/a/node_modules/@one/two/x.js', '/a/node_modules/b/node_modules/zod/y.js', '/a/out/modules/z.js'];
    expect(bundledNotice(paths)).toBe('/*! Contains code of @one/two, zod: see THIRD-PARTY-LICENSES */');
    expect(bundledNotice(['/a/out/modules/z.js'])).toBe('');
  });

  test('the types import no package', () => {
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' });
    const imported = files
      .filter((name) => name.endsWith('.d.ts'))
      .flatMap((name) => ts.preProcessFile(readFileSync(join(root, 'dist', name), 'utf8'), true, true).importedFiles)
      .map(({ fileName }) => fileName);
    expect(imported.length).toBeGreaterThan(2);
    expect(imported.filter((name) => !name.startsWith('.'))).toEqual([]);
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
