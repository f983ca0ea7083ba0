// docs/concepts.md: its drawings and tables are those of the data, nothing overlaps, and its examples run.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { client, packetPaths, pathTable, virtual } from '../../scripts/docs/packet-paths.mjs';
import { draw } from '../../scripts/docs/sequence-drawing.mjs';
import { withTables } from '../../scripts/docs/write-drawings.mjs';
import { Ipvs, Netfilter } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';
import { codeBlocks, readPage } from '../guide.js';

const drawings = new URL('../../docs/drawings/', import.meta.url);
const page = readPage('docs/concepts.md');

test('docs/drawings has the drawings of scripts/docs/packet-paths.mjs and no others; scripts/docs/drawings writes them', () => {
  expect(readdirSync(drawings).sort()).toEqual(packetPaths.map(({ name }) => `${name}.svg`).sort());
  for (const path of packetPaths)
    expect(readFileSync(new URL(`${path.name}.svg`, drawings), 'utf8'), path.name).toBe(draw(path).svg);
});

test('the page shows each drawing with the table of its hops', () => {
  expect(withTables(page)).toBe(page);
  for (const path of packetPaths) {
    expect(page).toContain(`](drawings/${path.name}.svg)\n\n<!-- hops: ${path.name} -->\n\n${pathTable(path)}\n`);
  }
});

test('no text of a drawing overlaps another one, or leaves the drawing', () => {
  for (const path of packetPaths) {
    const { texts, width, height } = draw(path);
    expect(texts.length).toBeGreaterThan(10);
    for (const [index, one] of texts.entries()) {
      expect(one.left >= 8 && one.right <= width - 8 && one.top >= 0 && one.bottom <= height, one.text).toBe(true);
      const over = texts
        .slice(index + 1)
        .filter(
          (other) =>
            one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom,
        );
      expect(over.map(({ text }) => `${path.name}: ${one.text} / ${text}`)).toEqual([]);
    }
  }
});

test('a path begins with the request of the client and ends with a reply from the virtual address', () => {
  for (const { name, hops } of packetPaths) {
    expect(hops[0]?.packet, name).toEqual({ source: client, destination: virtual });
    expect(hops.at(-1)?.packet, name).toEqual({ source: virtual, destination: client });
    expect(hops.at(-1)?.to, name).toBe('client');
    for (const [index, hop] of hops.entries()) if (index > 0) expect(hop.from, name).toBe(hops[index - 1]?.to);
  }
});

test('the drawings have a dark variant of every colour', () => {
  const { svg } = draw(packetPaths[0] as (typeof packetPaths)[number]);
  const [light = '', dark = ''] = svg.split('@media (prefers-color-scheme: dark)');
  const classes = (css: string) => [...css.matchAll(/([.\w-]+) \{[^}]*#[0-9a-f]{6}/g)].map(([, name]) => name).sort();
  expect(classes(light.slice(light.indexOf('<style>')))).toEqual(classes(dark.slice(0, dark.indexOf('</style>'))));
});

test('the examples of the page run', async () => {
  const kernel = new MemoryKernel();
  const open = { Ipvs: { open: () => Ipvs.open({ kernel }) }, Netfilter: { open: () => Netfilter.open({ kernel }) } };
  const blocks = codeBlocks('docs/concepts.md').filter(({ language }) => language === 'js');
  expect(blocks.length).toBe(3);
  for (const { text } of blocks) {
    const body = text.replaceAll(/^import .*$/gm, '');
    await new Function(...Object.keys(open), `return (async () => {${body}})()`)(...Object.values(open));
  }
  await using ipvs = await Ipvs.open({ kernel });
  expect((await ipvs.services()).map(String).sort()).toEqual([
    'FWM  80 lc persistent 300',
    'TCP  198.51.100.1:443 wlc persistent 600 mask 255.255.255.0',
    'TCP  198.51.100.1:80 wrr',
  ]);
});
