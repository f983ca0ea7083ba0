// Links between the pages of the project: each leads to a file, and to a heading of it.
import { existsSync, readdirSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { guidePages, readPage } from '../guide.js';

const root = resolve(import.meta.dirname, '../..');
const pages = [...readdirSync(root).filter((name) => name.endsWith('.md')), ...guidePages];

/** Returns a page without its blocks of code and its spans of code. */
function prose(text: string): string {
  return text.replaceAll(/^\s*```[\s\S]*?^\s*```\s*$/gm, '').replaceAll(/`[^`\n]*`/g, '');
}

/** Returns the targets of the links and pictures of a page. */
function linksOf(text: string): string[] {
  const inline = [...prose(text).matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)].map(([, target = '']) => target);
  const html = [...prose(text).matchAll(/<(?:a|img|source)\b[^>]*\b(?:href|src|srcset)="([^"]+)"/g)];
  return [...inline, ...html.map(([, target = '']) => target)];
}

/** Returns the anchors of the headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  const headings = text.replaceAll(/^\s*```[\s\S]*?^\s*```\s*$/gm, '').matchAll(/^#{1,6} +(.*?) *$/gm);
  return [...headings].map(([, heading = '']) => {
    const shown = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const anchor = shown
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

/** Returns why a link of a page is broken, or `undefined`. */
function problemOf(page: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : posix.join(posix.dirname(page), path);
  if (file.startsWith('..')) return `${page}: ${target}: outside the project`;
  if (!existsSync(resolve(root, file))) return `${page}: ${target}: no such file`;
  if (anchor === undefined) return undefined;
  return anchorsOf(readPage(file)).includes(anchor) ? undefined : `${page}: ${target}: no such heading`;
}

test('every link between pages leads to a file and to a heading', () => {
  const links = pages.flatMap((page) => linksOf(readPage(page)).map((target) => ({ page, target })));
  expect(links.length).toBeGreaterThan(40);
  expect(links.map(({ page, target }) => problemOf(page, target)).filter(Boolean)).toEqual([]);
});

/** Files that exist only while npm packs (scripts/pack/main.mjs). */
const packed = ['native/ipvs.cc', 'native/binding.gyp'];

test('every file of the project that the prose names exists', () => {
  const named = pages.flatMap((page) => {
    const text = readPage(page).replaceAll(/^\s*```[\s\S]*?^\s*```\s*$/gm, '');
    const spans = text.matchAll(/`((?:test|src|native|scripts|examples|docs)\/[\w./-]+)`/g);
    return [...spans].map(([, path = '']) => ({ page, path }));
  });
  expect(named.length).toBeGreaterThan(30);
  const missing = named.filter(({ path }) => !packed.includes(path) && !existsSync(resolve(root, path)));
  expect(missing.map(({ page, path }) => `${page}: ${path}`)).toEqual([]);
});

test('every page in docs/ can be reached from the README', () => {
  const reached = new Set(['README.md']);
  for (const page of reached) {
    for (const target of linksOf(readPage(page))) {
      const path = posix.join(posix.dirname(page), target.split('#')[0] ?? '');
      if (!/^[a-z]+:/.test(target) && path.endsWith('.md') && existsSync(resolve(root, path))) reached.add(path);
    }
  }
  expect(guidePages.filter((page) => !reached.has(page))).toEqual([]);
});

test('the checks find broken links', () => {
  expect(linksOf('[a](b.md) `[c](d.md)`\n```js\n[e](f.md)\n```\n![g](h.svg) <img src="i.svg">')).toEqual([
    'b.md',
    'h.svg',
    'i.svg',
  ]);
  expect(anchorsOf('# A b: `c`\n## [D](e.md), f\n## A b c\n')).toEqual(['a-b-c', 'd-f', 'a-b-c-1']);
  expect(problemOf('docs/ipvs.md', 'none.md')).toBe('docs/ipvs.md: none.md: no such file');
  expect(problemOf('docs/ipvs.md', 'documents.md#none')).toBe('docs/ipvs.md: documents.md#none: no such heading');
  expect(problemOf('README.md', '../outside.md')).toMatch(/outside the project/);
  expect(problemOf('docs/ipvs.md', 'https://kernel.org/')).toBeUndefined();
});
