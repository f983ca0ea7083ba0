// Writes docs/drawings/NAME.svg for each packet path, and the tables of docs/concepts.md between their markers.
import { readFileSync, writeFileSync } from 'node:fs';
import { packetPaths, pathTable } from './packet-paths.mjs';
import { draw } from './sequence-drawing.mjs';

const docs = new URL('../../docs/', import.meta.url);
const page = new URL('concepts.md', docs);

/** Returns the page with the tables of the paths. @param {string} text @returns {string} */
export function withTables(text) {
  return packetPaths.reduce((page, path) => {
    const [begin, end] = [`<!-- hops: ${path.name} -->\n\n`, '\n\n<!-- end -->'];
    const from = page.indexOf(begin);
    const to = page.indexOf(end, from);
    if (from < 0 || to < 0) throw new Error(`docs/concepts.md has no marker ${begin.trim()} with an end`);
    return page.slice(0, from + begin.length) + pathTable(path) + page.slice(to);
  }, text);
}

if (import.meta.url === `file://${process.argv[1]}`) {
  for (const path of packetPaths) writeFileSync(new URL(`drawings/${path.name}.svg`, docs), draw(path).svg);
  writeFileSync(page, withTables(readFileSync(page, 'utf8')));
}
