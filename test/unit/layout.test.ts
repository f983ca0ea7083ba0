// The house: what is where, and what may use what.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

function sources(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(directory, name));
}

/** Floors from the ground up; rooms on one floor do not know each other. */
const floors = [
  ['kernel'],
  ['ipvs', 'conntrack', 'netfilter', 'network', 'testing'],
  ['roles'],
  ['desired', 'doctor', 'metrics'],
  ['cli'],
];

test('imports run downwards only', () => {
  const wrong = sources('src').flatMap((file) => {
    const [, room = ''] = relative(root, resolve(root, file)).split('/');
    if (room.endsWith('.ts')) return []; // src/index.ts shows everything
    const floor = floors.findIndex((rooms) => rooms.includes(room));
    expect(floor, `${file} is in a room that has no floor`).toBeGreaterThanOrEqual(0);
    const imports = [...readFileSync(join(root, file), 'utf8').matchAll(/from '(\.[^']+)'/g)];
    return imports
      .map(([, path = '']) => relative(join(root, 'src'), resolve(root, dirname(file), path)).split('/')[0] ?? '')
      .filter((other) => other !== room && floors.findIndex((rooms) => rooms.includes(other)) >= floor)
      .map((other) => `${file} uses ${other}`);
  });
  expect(wrong).toEqual([]);
});

/** Files outside the layer of the kernel that may use the clock of the host, and why. */
const usesHost: Readonly<Record<string, RegExp>> = {
  // A time limit of a call is real time there too: a test that waits for ever ends.
  'src/memory/machine.ts': /setTimeout/,
};

test('only the layer of the kernel reads the host: its files, its clock, its processes', () => {
  const host =
    /from 'node:(?:fs|os|timers|child_process|worker_threads|process)(?:\/\w+)?'|(?<![.\w])set(?:Timeout|Interval)\(|\b(?:performance|Date)\.now\(|\bnew Date\(|\bprocess\.(?:env|hrtime|uptime)\b/g;
  const wrong = sources('src')
    .filter((file) => !file.startsWith('src/kernel/') && !file.startsWith('src/cli/'))
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
