import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);

/** Pages in docs/, by their paths from the root of the project. */
export const guidePages: readonly string[] = readdirSync(new URL('docs/', root))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);

/** A block of code in a page. */
export interface CodeBlock {
  /** Path of the page, and the line of its first line of code. */
  readonly place: string;
  readonly page: string;
  /** Word after the opening fence: `js`, `ts`, `sh`, or nothing. */
  readonly language: string;
  readonly text: string;
}

/** Returns the text of a file of the project. */
export function readPage(page: string): string {
  return readFileSync(new URL(page, root), 'utf8');
}

/** Returns the blocks of code of a page. @throws Error for a fence that is not closed */
export function codeBlocks(page: string, text = readPage(page)): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { readonly language: string; readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^\s*```(\w*)\s*$/.exec(line);
    if (!fence) open?.lines.push(line);
    else if (!open) open = { language: fence[1] ?? '', line: index + 2, lines: [] };
    else {
      const { language, lines } = open;
      blocks.push({ place: `${page}:${open.line}`, page, language, text: lines.map((one) => `${one}\n`).join('') });
      open = undefined;
    }
  }
  if (open) throw new Error(`${page}:${open.line}: this block of code has no end`);
  return blocks;
}

/** The examples in JavaScript of the README, then of the pages in docs/. */
export const examples: readonly string[] = ['README.md', ...guidePages].flatMap((page) =>
  codeBlocks(page)
    .filter(({ language }) => language === 'js')
    .map(({ text }) => text),
);
