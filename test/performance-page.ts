import { readFileSync } from 'node:fs';

/** The page about performance. Everything after {@link MARKER} is generated. */
export const page = new URL('../docs/performance.md', import.meta.url);

/** What `npm run bench -- --json` and `npm run bench -- scale --json` wrote. */
const measured = new URL('../docs/performance.json', import.meta.url);
const grown = new URL('../docs/scale.json', import.meta.url);

const MARKER = '<!-- The rest of this page is generated from docs/performance.json by scripts/docs/performance. -->\n';

/** A row of a benchmark, as scripts/bench/lib.mjs has it. */
interface Row {
  readonly name: string;
  readonly ours: number;
  readonly reference: number;
  readonly referenceName: string;
  readonly ratio: number;
  readonly unit: string;
  readonly target?: string;
  readonly met?: boolean;
  /** Of a row about growth, whose `ours` is the exponent. */
  readonly points?: readonly { readonly size: number; readonly time: number }[];
}

interface Measured {
  readonly machine: { readonly processors: number; readonly node: string };
  readonly results: readonly { readonly title: string; readonly rows: readonly Row[] }[];
}

/** Returns the page as the measurements have it. Keeps its introduction, which is written by hand. */
export function performancePage(): string {
  const [introduction = ''] = readFileSync(page, 'utf8').split(MARKER);
  const { machine, results } = readMeasured(measured);
  const growth = readMeasured(grown);
  const about = `One run of \`npm run bench\` with Node ${machine.node} on ${machine.processors} processors. A ratio is ours / theirs.`;
  return [
    `${introduction}${MARKER}\n## Measured\n\n${about}\n`,
    ...results.map(({ title, rows }) => `### ${title}\n\n${table(rows)}`),
    `## Growth\n\nOne run of \`npm run bench -- scale\` with Node ${growth.machine.node} on ${growth.machine.processors} processors. Times are in milliseconds. An exponent of 1 is linear.\n`,
    ...growth.results.map(({ title, rows }) => `### ${title.split(';')[0]}\n\n${growthTable(rows)}`),
  ].join('\n');
}

function readMeasured(file: URL): Measured {
  return JSON.parse(readFileSync(file, 'utf8')) as Measured;
}

const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, useGrouping: false });

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ name, ours, unit, reference, referenceName, ratio, target, met }) => {
    const judged = target === undefined ? '' : `${target}${met ? '' : ', missed'}`;
    const cells = [name, `${short.format(ours)} ${unit}`, referenceName, `${short.format(reference)} ${unit}`];
    return `| ${[...cells, short.format(ratio), judged].join(' | ')} |`.replaceAll('|  |', '| |');
  });
  return `${['| benchmark | ours | compared with | theirs | ratio | target |', `|${'---|'.repeat(6)}`, ...lines].join('\n')}\n`;
}

const count = new Intl.NumberFormat('en', { useGrouping: true });

function growthTable(rows: readonly Row[]): string {
  const lines = rows.map(({ name, ours, points = [] }) => {
    const times = points.map(({ size, time }) => `${count.format(size)}: ${short.format(time)}`);
    return `| ${name.replace('scale ', '')} | ${times.join(' · ')} | ${ours.toFixed(2)} |`;
  });
  return `${['| operation | size: time | exponent |', `|${'---|'.repeat(3)}`, ...lines].join('\n')}\n`;
}
