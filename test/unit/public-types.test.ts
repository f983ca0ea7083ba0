// Users without @types/node can compile against what is published.
import { resolve } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** As scripts/build writes them, by their paths below src. */
function declarations(): Map<string, string> {
  const config = ts.getParsedCommandLineOfConfigFile(
    `${root}/tsconfig.build.json`,
    { emitDeclarationOnly: true, declarationMap: false, sourceMap: false, noCheck: true, outDir: '/declarations' },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
  );
  const program = ts.createProgram([`${root}/src/index.ts`], config?.options ?? {});
  const written = new Map<string, string>();
  program.emit(undefined, (path, text) => written.set(path.replace('/declarations/', ''), text));
  return written;
}

test('no type that is reached from the entry is one of Node', { timeout: 60_000 }, () => {
  const all = declarations();
  const seen = new Set<string>();
  const wrong: string[] = [];
  const look = (path: string): void => {
    const text = all.get(path);
    if (text === undefined || seen.has(path)) return;
    seen.add(path);
    if (/\b(Buffer|NodeJS)\b/.test(text.replace(/\/\*[\s\S]*?\*\//g, ''))) wrong.push(`${path}: Buffer`);
    for (const [, name = ''] of text.matchAll(/(?:from |import\()'([^']+)'/g)) {
      if (name.startsWith('.')) look(resolve('/', path, '..', name.replace(/\.js$/, '.d.ts')).slice(1));
      else wrong.push(`${path}: ${name}`);
    }
  };
  look('index.d.ts');
  expect(seen.size).toBeGreaterThan(30);
  expect(wrong).toEqual([]);
});
