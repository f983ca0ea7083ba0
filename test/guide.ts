import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const pages = readdirSync(new URL('docs/', root))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);

/** The examples in JavaScript of the README, then of the pages in docs/. */
export const examples: readonly string[] = ['README.md', ...pages].flatMap((page) =>
  [...readFileSync(new URL(page, root), 'utf8').matchAll(/```js\n([\s\S]*?)```/g)].map(([, text = '']) => text),
);
