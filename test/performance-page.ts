import { readFileSync } from 'node:fs';

/** The page about performance. Everything after {@link MARKER} is generated. */
export const page = new URL('../docs/performance.md', import.meta.url);

/** What `npm run bench -- --json` wrote. */
const measured = new URL('../docs/performance.json', import.meta.url);

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
}

interface Measured {
  readonly machine: { readonly processors: number; readonly node: string };
  readonly results: readonly { readonly title: string; readonly rows: readonly Row[] }[];
}

/** Returns the page as the measurements have it. Keeps its introduction, which is written by hand. */
export function performancePage(): string {
  const [introduction = ''] = readFileSync(page, 'utf8').split(MARKER);
  const { machine, results } = JSON.parse(readFileSync(measured, 'utf8')) as Measured;
  const about = `One run of \`npm run bench\` with Node ${machine.node} on ${machine.processors} processors. A ratio is ours / theirs.`;
  return [
    `${introduction}${MARKER}\n## Measured\n\n${about}\n`,
    ...results.map(({ title, rows }) => `### ${title}\n\n${table(rows)}`),
  ].join('\n');
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
