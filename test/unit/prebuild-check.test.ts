// The inspection of prebuilt binaries (npm run prebuild -- --check), on the addon of this machine and on made-up ones.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSharedObject } from '../../scripts/prebuild/elf.mjs';
import { faultsOf, highestGlibc } from '../../scripts/prebuild/rules.mjs';

const root = resolve(import.meta.dirname, '../..');
const exported = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const good = { machine: 'x64', needed: ['libm.so.6', 'libc.so.6'], versions: ['GLIBC_2.2.5', 'GLIBC_2.17'], exported };
const musl = { machine: 'arm64', needed: ['libc.so'], versions: [], exported };

describe('the addon that node-gyp built', () => {
  const addon = readSharedObject(readFileSync(join(root, 'build/Release/ipvs.node')));

  test('exports the two functions that Node calls, and nothing else', () => {
    expect(addon.exported).toEqual(exported);
  });

  test('needs the C library, and neither libstdc++ nor libgcc', () => {
    expect(addon.machine).toBe(process.arch);
    expect(addon.needed.some((name) => /^libc\./.test(name))).toBe(true);
    expect(addon.needed.filter((name) => /stdc|gcc/.test(name))).toEqual([]);
  });
});

test('the program node itself is read: machine, libraries and their versions', () => {
  const node = readSharedObject(readFileSync(process.execPath));
  expect(node.machine).toBe(process.arch);
  expect(node.needed.some((name) => /^libc\./.test(name))).toBe(true);
  expect(node.exported).not.toContain('napi_register_module_v1');
  const isGlibc = node.needed.includes('libc.so.6');
  expect(node.versions.some((version) => version.startsWith('GLIBC_'))).toBe(isGlibc);
});

test('a file that is no ELF file is rejected', () => {
  expect(() => readSharedObject(Buffer.from('#!/bin/sh\n'))).toThrow('not a 64-bit little-endian ELF file');
});

test('the highest glibc is found by number, not by text', () => {
  expect(highestGlibc(['GLIBC_2.4', 'GLIBC_2.17', 'GLIBC_2.2.5'])).toEqual([2, 17]);
  expect(highestGlibc(['GLIBCXX_3.4.30'])).toBeUndefined();
});

test('a good binary breaks no rule', () => {
  expect(faultsOf('x64-glibc', good, 1_100_000)).toEqual([]);
  expect(faultsOf('arm64-musl', musl, 1_500_000)).toEqual([]);
});

test.each([
  ['another machine', 'arm64-glibc', good, 1, 'is for x64'],
  ['a size over the limit', 'x64-glibc', good, 1_600_001, 'has 1600001 bytes'],
  ['a glibc that is too new', 'x64-glibc', { ...good, versions: ['GLIBC_2.29'] }, 1, 'needs glibc 2.29, and 2.28'],
  ['a dynamic libstdc++', 'x64-glibc', { ...good, needed: [...good.needed, 'libstdc++.so.6'] }, 1, 'libstdc++.so.6'],
  ['a version of libstdc++', 'x64-glibc', { ...good, versions: [...good.versions, 'GLIBCXX_3.4'] }, 1, 'GLIBCXX_3.4'],
  ['a symbol too many', 'x64-glibc', { ...good, exported: ['_ZdlPv', ...exported] }, 1, 'exports 3 symbols (_ZdlPv'],
  ['a symbol too few', 'x64-glibc', { ...good, exported: exported.slice(1) }, 1, 'exports 1 symbols'],
  ['a binary for glibc named as one for musl', 'x64-musl', good, 1, 'libm.so.6, libc.so.6'],
  ['a binary for musl named as one for glibc', 'arm64-glibc', musl, 1, 'libc.so, which'],
])('%s is reported', (_what, target, found, bytes, fault) => {
  expect(faultsOf(target, found, bytes).join('; ')).toContain(fault);
});
