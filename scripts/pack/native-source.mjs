// The addon's source as the package ships it: one file instead of 83, and a binding.gyp beside it. A binding.gyp at the
// top of a package makes npm compile during the installation.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const sources = /"sources": \[[^\]]*\]/;

/** Returns the sources that a binding.gyp lists, by their paths below native/. @param {string} gyp */
export function listedSources(gyp) {
  const [list = ''] = sources.exec(gyp) ?? [];
  return [...list.matchAll(/"native\/([^"]+)"/g)].map(([, path = '']) => path);
}

/**
 * Returns one source with every listed one and every header of the project, each once and before its first use.
 * `#line` makes messages of the compiler name the original file.
 * @param {readonly string[]} listed
 * @param {(path: string) => string} read
 */
export function oneSource(listed, read) {
  /** @type {Set<string>} */
  const included = new Set();
  /** @param {string} path @returns {string[]} */
  const expand = (path) => {
    if (included.has(path)) return [];
    included.add(path);
    const lines = read(path).trimEnd().split('\n');
    return [
      `#line 1 "${path}"`,
      ...lines.flatMap((line, index) => {
        if (line === '#pragma once') return [''];
        const [, header] = /^#include "(.+)"$/.exec(line) ?? [];
        if (header === undefined) return [line];
        const text = expand(header);
        return text.length > 0 ? [...text, `#line ${index + 2} "${path}"`] : [''];
      }),
    ];
  };
  return `${listed.flatMap(expand).join('\n')}\n`;
}

/**
 * Returns binding.gyp for the folder native/: its paths are below that folder, and `ipvs.cc` is the only source.
 * @param {string} gyp
 */
export function shippedGyp(gyp) {
  const text = gyp
    .replace(/^ *#.*\n/gm, '')
    .replace(sources, '"sources": ["ipvs.cc"]')
    .replace('"include_dirs": ["native", ', '"include_dirs": [')
    .replaceAll('<(module_root_dir)/native/', '<(module_root_dir)/');
  if (/\bnative\b/.test(text))
    throw new Error(`cannot change the paths of binding.gyp: unknown use of native in ${text}`);
  return text;
}

/** Returns the files below native/ that only the package has. @param {string} root @returns {Record<string, string>} */
export function nativeFiles(root) {
  const gyp = readFileSync(join(root, 'binding.gyp'), 'utf8');
  const read = (/** @type {string} */ path) => readFileSync(join(root, 'native', path), 'utf8');
  return { 'binding.gyp': shippedGyp(gyp), 'ipvs.cc': oneSource(listedSources(gyp), read) };
}
