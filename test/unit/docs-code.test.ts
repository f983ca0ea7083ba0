// Code in the README and in docs/ is checked as a reader's program is: its imports exist, and every name, option and
// type is the library's.
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { type CodeBlock, codeBlocks, guidePages, readPage } from '../guide.js';

const root = resolve(import.meta.dirname, '../..');
const pages = [...readdirSync(root).filter((name) => name.endsWith('.md')), ...guidePages];

/** Handles that a block without imports may use: it continues the block before it. */
const handles: Readonly<Record<string, string>> = {
  ipvs: "import('ipvs').Ipvs",
  conntrack: "import('ipvs').Conntrack",
  netfilter: "import('ipvs').Netfilter",
  network: "import('ipvs').Network",
  state: "import('ipvs').DesiredState",
  kernel: "import('ipvs/testing').MemoryKernel",
  web: "import('ipvs').VirtualService",
  service: "import('ipvs').VirtualService",
  server: "import('ipvs').RealServer",
  Ipvs: "typeof import('ipvs').Ipvs",
  Conntrack: "typeof import('ipvs').Conntrack",
  Netfilter: "typeof import('ipvs').Netfilter",
  Network: "typeof import('ipvs').Network",
  DesiredState: "typeof import('ipvs').DesiredState",
};
const callOf = new RegExp(`^(?:${Object.keys(handles).join('|')})\\.\\w+(?:\\(.*\\))?$`);
/** Arguments of calls in prose, which stand for a value of the reader. */
const placeholders = [
  'selector',
  'rule',
  'key',
  'changes',
  'flow',
  'filter',
  'tuple',
  'iterable',
  'options',
  'path',
  'record',
  'owner',
  'name',
  'ms',
  'document',
  'namespace',
  'types',
  'receiveBuffer',
];

/** Declares, on the first line of a block without imports, the handles that it uses and does not declare. */
function withHandles(text: string): string {
  if (/^import /m.test(text)) return text;
  const used = Object.entries(handles).filter(
    ([name]) => new RegExp(`\\b${name}\\.`).test(text) && !new RegExp(`\\b(?:const|let) ${name}\\b`).test(text),
  );
  const declared = used.map(([name, type]) => `const ${name} = /** @type {${type}} */ (/** @type {unknown} */ (0)); `);
  return declared.join('') + text;
}

/** Returns true for an object, and for a list of objects: another list may be one that the program extends. */
function isConstant(node: ts.Expression): boolean {
  if (!ts.isArrayLiteralExpression(node)) return ts.isObjectLiteralExpression(node);
  return node.elements.length > 0 && node.elements.every((element) => ts.isObjectLiteralExpression(element));
}

/** Declares constants in JavaScript `as const`: `'tcp'` in one is a protocol for its reader, not any string. */
function withConstants(text: string): string {
  const source = ts.createSourceFile('block.mjs', text, ts.ScriptTarget.ES2023, true);
  const insertions: (readonly [at: number, text: string])[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.initializer && isConstant(node.initializer))
      insertions.push([node.initializer.getStart(), '/** @type {const} */ ('], [node.initializer.end, ')']);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return insertions
    .sort(([a], [b]) => b - a)
    .reduce((result, [at, added]) => result.slice(0, at) + added + result.slice(at), text);
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  // JavaScript has no types of parameters, and indexes arrays that it knows.
  noImplicitAny: false,
  allowJs: true,
  checkJs: true,
  noEmit: true,
  skipLibCheck: true,
  paths: {
    ipvs: [resolve(root, 'src/index.ts')],
    'ipvs/kernel': [resolve(root, 'src/kernel/index.ts')],
    'ipvs/testing': [resolve(root, 'src/memory/index.ts')],
  },
};

/** Returns the calls in the prose of a page, such as `web.update({ weight: 0 })`, each on the line that it has there. */
function callsIn(page: string): CodeBlock {
  let fenced = false;
  const lines = readPage(page)
    .split('\n')
    .map((line) => {
      if (/^\s*```/.test(line)) fenced = !fenced;
      if (fenced) return '';
      const calls = [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
      return calls
        .filter((code) => callOf.test(code) && !code.includes('...'))
        .map((code) => `void (${code.replace(/\(\)$/, '')});`)
        .join(' ');
    });
  const declared = placeholders.map((name) => `const ${name} = /** @type {any} */ (0); `).join('');
  return { place: `${page}:1`, page, language: 'js', text: `${declared}${lines.join('\n')}\n` };
}

const parsed = new Map<string, ts.SourceFile | undefined>();

/** Returns the errors of the compiler for blocks and for files of the project, each with its place. */
function problemsOf(blocks: readonly CodeBlock[], paths: readonly string[] = []): string[] {
  const files = new Map(
    blocks.map((block, index) => {
      const { language, text } = block;
      const name = resolve(root, `block-${index}.${language === 'ts' ? 'mts' : 'mjs'}`);
      const whole = `${language === 'ts' ? text : withHandles(withConstants(text))}export {};\n`;
      return [name, { block, text: whole }] as const;
    }),
  );
  const programs = new Map(
    paths.map((path) => [resolve(root, path), withConstants(readFileSync(resolve(root, path), 'utf8'))]),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  const textOf = (name: string): string | undefined => {
    const path = resolve(name);
    return files.get(path)?.text ?? programs.get(path);
  };
  host.getCurrentDirectory = () => root;
  host.fileExists = (name) => textOf(name) !== undefined || fileExists(name);
  host.readFile = (name) => textOf(name) ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const text = textOf(name);
    if (text !== undefined) return ts.createSourceFile(name, text, version, true);
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, version, ...rest));
    return parsed.get(name);
  };
  const program = ts.createProgram([...files.keys(), ...programs.keys()], options, host);
  const places = [
    ...[...files].map(([name, { block }]) => ({ name, page: block.page, first: Number(block.place.split(':')[1]) })),
    ...paths.map((path) => ({ name: resolve(root, path), page: path, first: 1 })),
  ];
  return places.flatMap(({ name, page, first }) => {
    const source = program.getSourceFile(name);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ file, start = 0, messageText }) => {
      const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + first;
      return `${page}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}

const block = (language: string, text: string): CodeBlock => ({ place: 'test.md:1', page: 'test.md', language, text });

test('every example in JavaScript and TypeScript compiles, in pages and in recipes', () => {
  const blocks = pages.flatMap((page) => codeBlocks(page)).filter(({ language }) => /^[jt]s$/.test(language));
  expect(blocks.length).toBeGreaterThan(15);
  const programs = ['examples/recipes', 'examples/container'].flatMap((folder) =>
    readdirSync(resolve(root, folder))
      .filter((name) => name.endsWith('.mjs'))
      .map((name) => `${folder}/${name}`),
  );
  expect(programs.length).toBeGreaterThan(8);
  expect(problemsOf(blocks, programs)).toEqual([]);
}, 240_000);

test('every call that the prose names exists, and takes the arguments that it shows', () => {
  const calls = guidePages.map(callsIn);
  const count = calls.reduce((sum, { text }) => sum + (text.match(/void \(/g)?.length ?? 0), 0);
  expect(count).toBeGreaterThan(100);
  expect(problemsOf(calls)).toEqual([]);
  const wrong = [block('js', 'void (ipvs.addServices);\n'), block('js', 'void (web.update({ weigth: 0 }));\n')];
  expect(problemsOf(wrong)).toHaveLength(2);
}, 240_000);

/** Returns the examples in the comments of a source: blocks after `@example`, each on the line that it has there. */
function examplesIn(path: string): CodeBlock[] {
  const text = readPage(path);
  if (!text.includes('@example')) return [];
  const lines = text.split('\n').map((line) => (/^ \*( |$)/.test(line) ? line.slice(3) : ''));
  return codeBlocks(path, lines.join('\n')).filter(({ language }) => language === 'ts');
}

test('every public class has an example, and it compiles', () => {
  const paths = readdirSync(resolve(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `src/${path}`);
  const blocks = paths.flatMap(examplesIn);
  const documented = paths.flatMap((path) =>
    [...readPage(path).matchAll(/@example(?:(?!\*\/)[\s\S])*\*\/\nexport (?:abstract )?class (\w+)/g)].map(
      ([, name]) => name,
    ),
  );
  const names: Record<string, readonly string[]> = JSON.parse(readPage('test/unit/fixtures/public-names.json'));
  const isClass = new RegExp(`export (?:abstract )?class (${Object.values(names).flat().join('|')})\\b`, 'g');
  const classes = paths
    .filter((path) => !path.startsWith('src/linux/') && !path.startsWith('src/cli/'))
    .flatMap((path) => [...readPage(path).matchAll(isClass)].map(([, name]) => name));
  expect(classes.length).toBeGreaterThan(20);
  expect(classes.filter((name) => !documented.includes(name))).toEqual([]);
  expect(problemsOf(blocks)).toEqual([]);
}, 240_000);

test('a block of code names its language', () => {
  const languages = new Set(pages.flatMap((page) => codeBlocks(page)).map(({ language }) => language));
  expect([...languages].filter((name) => !['js', 'ts', 'sh', 'yaml', 'text', 'cpp', 'json'].includes(name))).toEqual(
    [],
  );
});

test('the check finds a wrong name, option, method and global', () => {
  const wrong = [
    block('js', "import { Ipvz } from 'ipvs';\nconsole.log(Ipvz);\n"),
    block('js', "import { Ipvs } from 'ipvs';\nconst ipvs = await Ipvs.open({ name: 'blue' });\nawait ipvs.close();\n"),
    block('ts', "import { Ipvs } from 'ipvs';\nconst ipvs: Ipvs = await Ipvs.open();\nawait ipvs.addServer({});\n"),
    block('js', "import { Ipvs } from 'ipvs';\nawait ipvs.close(Ipvs);\n"),
    block('js', 'await ipvs.closeAll();\n'),
  ];
  const problems = problemsOf(wrong);
  for (const text of ['Ipvz', "'name'", 'addServer', "'ipvs'", 'closeAll'])
    expect(problems.join('\n'), problems.join('\n')).toContain(text);
  expect(problemsOf([block('js', 'await ipvs.close();\n')])).toEqual([]);
});
