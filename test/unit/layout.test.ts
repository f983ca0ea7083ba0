// Which code may read the host, which sources each build has, and how long and how alike files may be. Imports are in
// layers.test.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

function files(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => file !== 'native/ipvs.cc'); // exists while npm packs
}

function sources(directory: string): string[] {
  return files(directory).filter((name) => name.endsWith('.ts'));
}

/** Files outside src/linux that may use the clock of the host, and why. */
const usesHost: Readonly<Record<string, RegExp>> = {
  // A time limit of a call is real time in memory too: a test that waits forever ends.
  'src/memory/machine.ts': /setTimeout/,
  // The event loop has real time, whatever clock a kernel has.
  'src/common/slices.ts': /performance/,
};

test('only src/linux reads the host: its files, its clock, its processes', () => {
  const host =
    /from 'node:(?:fs|os|timers|child_process|worker_threads|process)(?:\/\w+)?'|(?<![.\w])set(?:Timeout|Interval)\(|\b(?:performance|Date)\.now\(|\bnew Date\(|\bprocess\.(?:env|hrtime|uptime)\b/g;
  const wrong = sources('src')
    .filter((file) => !file.startsWith('src/linux/') && !file.startsWith('src/cli/'))
    .flatMap((file) => {
      const found = readFileSync(join(root, file), 'utf8').match(host) ?? [];
      return found.filter((use) => !usesHost[file]?.test(use)).map((use) => `${file}: ${use}`);
    });
  expect(wrong).toEqual([]);
  expect("import { readFile } from 'node:fs/promises';".match(host)).not.toBeNull();
});

test('both builds of the addon have the same sources', () => {
  const list = (file: string, pattern: RegExp) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(pattern)].map(([, name]) => name).sort();
  const gyp = list('binding.gyp', /"native\/([a-z_/]+\.cc)"/g);
  const cmake = list('native/CMakeLists.txt', /^\s*((?:binding|conntrack|ipvs|netlink|netns)\/[a-z_]+\.cc)\)?\s*$/gm);
  expect(gyp.length).toBeGreaterThan(10);
  expect(cmake).toEqual(gyp);
  const files = ['binding', 'conntrack', 'ipvs', 'netlink', 'netns'].flatMap((directory) =>
    readdirSync(join(root, 'native', directory))
      .filter((name) => name.endsWith('.cc'))
      .map((name) => `${directory}/${name}`),
  );
  expect(files.sort()).toEqual(gyp);
});

test('the protocol stays in native/ without N-API', () => {
  for (const directory of ['netlink', 'netns', 'ipvs', 'conntrack']) {
    for (const name of readdirSync(join(root, 'native', directory))) {
      expect(readFileSync(join(root, 'native', directory, name), 'utf8'), name).not.toMatch(/napi\.h|Napi::/);
    }
  }
});

test('no file has more than 400 lines', () => {
  const data = /\.(json|txt|book|journal)$/;
  const long = ['src', 'native', 'test', 'scripts']
    .flatMap(files)
    .filter((file) => !data.test(file))
    .map((file) => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length - 1 }))
    .filter(({ lines }) => lines > 400);
  expect(long).toEqual([]);
});

/** Length of a passage that may not occur twice, in lines. */
const PASSAGE = 9;

/** Pairs of files that have a passage in common, and why. */
const repeated: Readonly<Record<string, string>> = {
  'src/conntrack/conntrack.ts, src/ipvs/ipvs.ts':
    'close() of a handle: a base class for one delegation would hide it from readers of the class',
  'src/desired/desired-state.ts, src/desired/role.ts':
    'close() of a handle: a base class for one delegation would hide it from readers of the class',
};

/** Returns the lines of a file without white space and imports, with their numbers. */
function linesOf(text: string): { readonly line: string; readonly number: number }[] {
  const blank = (imports: string): string => imports.replace(/[^\n]/g, '');
  return text
    .replace(/^(?:import|export)\s[^;=(]*?from '[^']*';$/gm, blank)
    .replace(/^#include .*$/gm, '')
    .split('\n')
    .map((line, index) => ({ line: line.replace(/\s/g, ''), number: index + 1 }))
    .filter(({ line }) => line !== '');
}

/** Returns the passages that occur more than once in these files: where they begin, and their lines. */
function repeatedPassages(texts: ReadonlyMap<string, string>): { readonly files: string; readonly places: string[] }[] {
  const windows = new Map<string, { readonly file: string; readonly index: number; readonly place: string }[]>();
  for (const [file, text] of texts) {
    const lines = linesOf(text);
    for (let index = 0; index + PASSAGE <= lines.length; index++) {
      const window = lines.slice(index, index + PASSAGE);
      const key = window.map(({ line }) => line).join('\n');
      windows.set(key, [...(windows.get(key) ?? []), { file, index, place: `${file}:${window[0]?.number}` }]);
    }
  }
  const twice = [...windows].filter(([, at]) => at.length > 1);
  const idOf = (at: readonly { readonly file: string; readonly index: number }[], back: number): string =>
    at.map(({ file, index }) => `${file}:${index - back}`).join();
  const known = new Set(twice.map(([, at]) => idOf(at, 0)));
  // A window that continues the one before it belongs to the same passage.
  return twice
    .filter(([, at]) => !known.has(idOf(at, 1)))
    .map(([, at]) => ({
      files: [...new Set(at.map(({ file }) => file))].sort().join(', '),
      places: at.map(({ place }) => place),
    }));
}

test('no passage of more than eight lines occurs twice in src and native', () => {
  const code = ['src', 'native'].flatMap(files).filter((file) => /\.(ts|cc|h)$/.test(file));
  const found = repeatedPassages(new Map(code.map((file) => [file, readFileSync(join(root, file), 'utf8')])));
  expect(found.filter(({ files }) => !Object.hasOwn(repeated, files))).toEqual([]);
  expect(found.map(({ files }) => files).sort()).toEqual(Object.keys(repeated).sort());
  const text = Array.from({ length: PASSAGE + 1 }, (_, index) => `line(${index});`).join('\n');
  expect(
    repeatedPassages(
      new Map([
        ['a', `import { x } from 'y';\n${text}`],
        ['b', `\n\n  ${text}`],
      ]),
    ),
  ).toEqual([{ places: ['a:2', 'b:3'], files: 'a, b' }]);
});
