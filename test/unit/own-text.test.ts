// Facts travel as data: no code reads a text again that this library has made for people.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../src', import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const forbidden: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['looks into a message', /\.message\)?\.(split|startsWith|endsWith|includes|match|indexOf|slice|search)\(/],
  ['matches a message', /\.(test|exec)\([^()]*\.message\)/],
  ['looks into the text of a step', /\.(what|is)\??\.(split|startsWith|endsWith|includes|match|indexOf|search)\(/],
  ['splits a list of differences', /split\('(; |, |: )'\)/],
  ['looks at the words of a service', /(startsWith|endsWith|includes)\('(FWM|TCP|UDP|SCTP)/],
  [
    'looks at the words of an item',
    /(startsWith|endsWith|includes|replace)\(['/]\^?(sysctl|timeout|link|address|unknown)[ :]/,
  ],
  ['looks at a part of a code', /\.code\.(startsWith|endsWith|includes|match)\(/],
  ['keys by a description', /\.(get|set|has|delete)\(describe\w+\(/],
];

/** The one reader of names that records of version 1 have. */
const converter = 'desired/record/version-1.ts';

test.each(forbidden)('no module %s', (_, pattern) => {
  const found = files.flatMap((file) =>
    file === converter
      ? []
      : read(file)
          .split('\n')
          .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
  expect(found).toEqual([]);
});

test('records do not name objects by descriptions', () => {
  const found = files.filter(
    (file) => file.startsWith('desired/record/') && /\bdescribe(Service|Server)\b/.test(read(file)),
  );
  expect(found).toEqual([]);
});
