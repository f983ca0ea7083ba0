// Draws a packet path as SVG: three machines from left to right, and an arrow with its addresses for each hop.
import { changesOf, machineLines } from './packet-paths.mjs';

/** @typedef {import('./packet-paths.mjs').PacketPath} PacketPath @typedef {import('./packet-paths.mjs').Place} Place */

/**
 * A line of text, with the space that it takes: in pixels, estimated from the widest common fonts.
 * @typedef {{ text: string, left: number, right: number, top: number, bottom: number }} TextBox
 */

const WIDTH = 950;
const HEADER = 96; // height of the title and of the boxes of the machines
const HOP = 84;
const columns = { client: 134, director: 475, server: 816 };
const BOX = 248;
const titles = { client: 'Client', director: 'Director', server: 'Real server' };

const style = `
    .page { fill: #ffffff } .machine { fill: #f0f4f8; stroke: #8a9bad } .life { stroke: #b6c2ce; stroke-dasharray: 3 4 }
    text { fill: #1f2933; font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; text-anchor: middle }
    .title { font-size: 15px; font-weight: 600 } .name { font-weight: 600; font-size: 13px } .note { fill: #52606d }
    .mono { font: 12.5px ui-monospace, Menlo, "DejaVu Sans Mono", monospace } .new { fill: #b4430a; font-weight: 700 }
    .request { stroke: #1f5fa8; fill: none } .reply { stroke: #2f7d4f; fill: none }
    .request-head { fill: #1f5fa8 } .reply-head { fill: #2f7d4f }
    .halo { stroke: #ffffff; stroke-width: 6px; stroke-linejoin: round; paint-order: stroke }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 } .machine { fill: #1c2430; stroke: #5b6b7c } .life { stroke: #3b4754 }
      text { fill: #e6edf3 } .note { fill: #9aa7b4 } .new { fill: #ffa657 } .halo { stroke: #0d1117 }
      .request { stroke: #6cb6ff } .reply { stroke: #6bc48d }
      .request-head { fill: #6cb6ff } .reply-head { fill: #6bc48d }
    }`;

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/**
 * @param {PacketPath} path
 * @returns {{ svg: string, texts: TextBox[], width: number, height: number }}
 */
export function draw(path) {
  const height = HEADER + 24 + path.hops.length * HOP + 8;
  /** @type {string[]} */
  const parts = [];
  /** @type {TextBox[]} */
  const texts = [];

  /** @param {number} x @param {number} y baseline @param {string} kind @param {string} text @param {string} [markup] */
  const write = (x, y, kind, text, markup = escaped(text)) => {
    const size = kind.includes('mono') ? 7.7 : kind.includes('title') ? 8.6 : kind.includes('name') ? 8 : 6.9;
    const half = (text.length * size) / 2;
    texts.push({ text, left: x - half, right: x + half, top: y - 11, bottom: y + 3 });
    parts.push(`<text class="${kind}" x="${x}" y="${y}">${markup}</text>`);
  };

  write(WIDTH / 2, 20, 'title', path.title);
  const lines = machineLines(path);
  for (const place of /** @type {Place[]} */ (['client', 'director', 'server'])) {
    const x = columns[place];
    parts.push(`<line class="life" x1="${x}" y1="${HEADER}" x2="${x}" y2="${height - 8}"/>`);
    parts.push(`<rect class="machine" x="${x - BOX / 2}" y="32" width="${BOX}" height="${HEADER - 32}" rx="6"/>`);
    write(x, 50, 'name', titles[place]);
    for (const [index, line] of lines[place].entries()) write(x, 68 + index * 17, 'mono', line);
  }

  const changes = changesOf(path);
  for (const [index, { from, to, packet, outer, note }] of path.hops.entries()) {
    const arrow = HEADER + 24 + index * HOP + 42;
    const [start, end] = [columns[from], columns[to]];
    const kind = end > start ? 'request' : 'reply';
    const back = end > start ? -1 : 1;
    const middle = (start + end) / 2;
    const head = `${end},${arrow} ${end + back * 10},${arrow - 5} ${end + back * 10},${arrow + 5}`;
    parts.push(
      `<line class="${kind}" x1="${start}" y1="${arrow}" x2="${end + back * 8}" y2="${arrow}" stroke-width="2"/>`,
    );
    parts.push(`<polygon class="${kind}-head" points="${head}"/>`);
    const half = (/** @type {'source' | 'destination'} */ side) =>
      changes[index]?.[side] ? `<tspan class="new">${packet[side]}</tspan>` : packet[side];
    write(
      middle,
      arrow - 10,
      'mono halo',
      `${packet.source} → ${packet.destination}`,
      `${half('source')} → ${half('destination')}`,
    );
    if (outer) {
      const text = `outer ${outer[0]} → ${outer[1]}`;
      write(middle, arrow - 28, 'mono halo', text, `<tspan class="new">${text}</tspan>`);
    }
    write(middle, arrow + 18, 'note halo', note);
  }

  const described = path.hops
    .map(({ packet, note }) => `${packet.source} to ${packet.destination}: ${note}.`)
    .join(' ');
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(path.title)}</title>`,
    `<desc>${escaped(described)}</desc>`,
    `<style>${style}\n</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
  return { svg, texts, width: WIDTH, height };
}
