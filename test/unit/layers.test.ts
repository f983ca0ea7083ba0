// Imports run downwards: no file imports a higher layer or another module of its own layer, and there are no cycles.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../src', import.meta.url));
/** Folders of src/, lowest layer first. */
const layers = [
  ['common'],
  ['kernel'],
  ['linux', 'memory'],
  ['ipvs', 'conntrack', 'netfilter', 'network'],
  ['items'],
  ['roles'],
  ['desired'],
  ['cli'],
];

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

/** The files that each file imports: values, types and `import()`. */
const imports = new Map(
  files.map((file) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
    const own = importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'));
    return [file, own.map((name) => join(dirname(file), name.replace(/\.js$/, '.ts')))];
  }),
);

const folderOf = (file: string): string => relative('.', file).split('/')[0] ?? '';
const layerOf = (file: string): number => layers.findIndex((folders) => folders.includes(folderOf(file)));

test('every file belongs to a layer, and every import is found', () => {
  expect(files.length).toBeGreaterThan(150);
  expect(files.filter((file) => file !== 'index.ts' && layerOf(file) < 0)).toEqual([]);
  expect([...imports.values()].flat().filter((file) => !imports.has(file))).toEqual([]);
  // An import type, an import() and a re-export are imports.
  const text = "export { a } from './a.js'; import type { B } from './b.js'; const c = await import('./c.js');";
  expect(ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)).toEqual([
    './a.js',
    './b.js',
    './c.js',
  ]);
});

test('no file imports a higher layer, or another module of its layer', () => {
  const upwards = [...imports].flatMap(([file, targets]) =>
    targets
      .filter(
        (target) => file !== 'index.ts' && folderOf(target) !== folderOf(file) && layerOf(target) >= layerOf(file),
      )
      .map((target) => `${file} imports ${target}`),
  );
  expect(upwards).toEqual([]);
});

test('no files import each other in a circle', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' > '));
    if (done.has(file)) return;
    done.add(file);
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});
