// The types that are published: users without @types/node can compile against them, and their names are pinned.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';
import { beforeAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
/** Path of each entry below src, by its name in package.json. */
const entries = { ipvs: 'index', 'ipvs/kernel': 'kernel/index', 'ipvs/testing': 'memory/index' };

/** Names that each entry exports. */
const names = new Map<string, readonly string[]>();
/** Declarations as scripts/build writes them, by their paths below src. */
const declarations = new Map<string, string>();

beforeAll(() => {
  const config = ts.getParsedCommandLineOfConfigFile(
    `${root}/tsconfig.build.json`,
    { emitDeclarationOnly: true, declarationMap: false, sourceMap: false, noCheck: true, outDir: '/declarations' },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
  );
  const roots = Object.values(entries).map((entry) => `${root}/src/${entry}.ts`);
  const program = ts.createProgram(roots, config?.options ?? {});
  const checker = program.getTypeChecker();
  for (const [name, entry] of Object.entries(entries)) {
    const file = program.getSourceFile(`${root}/src/${entry}.ts`);
    const module = file && checker.getSymbolAtLocation(file);
    names.set(name, module ? checker.getExportsOfModule(module).map((symbol) => symbol.name) : []);
  }
  program.emit(undefined, (path, text) => declarations.set(path.replace('/declarations/', ''), text));
}, 180_000);

test.each(Object.entries(entries))('no type that is reached from %s is one of Node', (_name, entry) => {
  const seen = new Set<string>();
  const wrong: string[] = [];
  const look = (path: string): void => {
    const text = declarations.get(path)?.replace(/\/\*[\s\S]*?\*\//g, ''); // examples in comments import the package
    if (text === undefined || seen.has(path)) return;
    seen.add(path);
    if (/\b(Buffer|NodeJS)\b/.test(text)) wrong.push(`${path}: Buffer`);
    for (const [, name = ''] of text.matchAll(/(?:from |import\()'([^']+)'/g)) {
      if (name.startsWith('.')) look(resolve('/', path, '..', name.replace(/\.js$/, '.d.ts')).slice(1));
      else wrong.push(`${path}: ${name}`);
    }
  };
  look(`${entry}.d.ts`);
  expect(seen.size).toBeGreaterThan(15);
  expect(wrong).toEqual([]);
});

test('each entry exports the names of test/unit/fixtures/public-names.json', () => {
  // Adding a name is easy, and removing one breaks programs: a change of the list is deliberate.
  const pinned: Record<string, string[]> = JSON.parse(
    readFileSync(`${root}/test/unit/fixtures/public-names.json`, 'utf8'),
  );
  expect(Object.fromEntries([...names].map(([entry, list]) => [entry, list.toSorted()]))).toEqual(pinned);
});

test('no name is exported by two entries', () => {
  const all = [...names.values()].flat();
  expect(all.filter((name, index) => all.indexOf(name) !== index)).toEqual([]);
});

test('no exported name is a global of JavaScript, the DOM or Node', () => {
  const globals = new Set(Object.getOwnPropertyNames(globalThis));
  const libraries = resolve(ts.getDefaultLibFilePath({}), '..');
  for (const name of ['lib.es5.d.ts', 'lib.dom.d.ts']) {
    const file = ts.createSourceFile(name, readFileSync(`${libraries}/${name}`, 'utf8'), ts.ScriptTarget.Latest);
    for (const statement of file.statements)
      if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
        globals.add(statement.name.text);
  }
  expect(globals).toContain('Node');
  expect([...names.values()].flat().filter((name) => globals.has(name))).toEqual([]);
});
