// The addon's source as the package ships it: one file, and a binding.gyp for the folder native/.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { listedSources, nativeFiles, oneSource, shippedGyp } from '../../scripts/pack/native-source.mjs';

const root = resolve(import.meta.dirname, '../..');
const gyp = readFileSync(join(root, 'binding.gyp'), 'utf8');

test('includes each header once, before its first use, and numbers lines as the original file does', () => {
  const files: Record<string, string> = {
    'a/one.cc': '#include "a/one.h"\n#include <vector>\nint one = 1;\n',
    'a/one.h': '#pragma once\n#include "b/two.h"\nextern int one;\n',
    'b/two.h': '#pragma once\nusing Two = int;\n',
    'b/two.cc': '#include "b/two.h"\nTwo two = 2;\n',
  };
  expect(oneSource(['a/one.cc', 'b/two.cc'], (path) => files[path] ?? '').split('\n')).toEqual([
    '#line 1 "a/one.cc"',
    '#line 1 "a/one.h"',
    '',
    '#line 1 "b/two.h"',
    '',
    'using Two = int;',
    '#line 3 "a/one.h"',
    'extern int one;',
    '#line 2 "a/one.cc"',
    '#include <vector>',
    'int one = 1;',
    '#line 1 "b/two.cc"',
    '',
    'Two two = 2;',
    '',
  ]);
});

test('has every source and header of the addon, and includes no file of the project', () => {
  const { 'ipvs.cc': text = '' } = nativeFiles(root);
  const inside = ['binding', 'conntrack', 'ipvs', 'netlink', 'netns'].flatMap((folder) =>
    readdirSync(join(root, 'native', folder)).map((name) => `${folder}/${name}`),
  );
  expect([...new Set([...text.matchAll(/^#line 1 "(.*)"$/gm)].map(([, name]) => name))].sort()).toEqual(inside.sort());
  expect(text).not.toMatch(/^#include "/m);
});

test('the shipped binding.gyp compiles that file with the options of the other', () => {
  const shipped = shippedGyp(gyp);
  expect(listedSources(gyp).length).toBeGreaterThan(10);
  expect(shipped).toContain('"sources": ["ipvs.cc"]');
  const options = (text: string) => text.match(/"(?:cflags\w*!?|defines|conditions)": .*/g);
  expect(options(shipped)).toEqual(options(gyp));
  expect(options(gyp)?.length).toBeGreaterThan(4);
});

test('paths of the shipped binding.gyp are below native/, and a use that is not known is refused', () => {
  const script = '"ldflags": ["-Wl,--version-script=<(module_root_dir)/native/exports.map"]';
  expect(shippedGyp(script)).toBe('"ldflags": ["-Wl,--version-script=<(module_root_dir)/exports.map"]');
  expect(() => shippedGyp('"libraries": ["native/some.a"]')).toThrow('unknown use of native');
});
