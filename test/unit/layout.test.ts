// Which code may read the host, and which sources each build has. Imports are in layers.test.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

function sources(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(directory, name));
}

/** Files outside src/linux that may use the clock of the host, and why. */
const usesHost: Readonly<Record<string, RegExp>> = {
  // A time limit of a call is real time in memory too: a test that waits forever ends.
  'src/memory/machine.ts': /setTimeout/,
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
