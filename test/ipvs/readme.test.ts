import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { examples } from '../guide.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = `${root}/readme-example.mjs`;

afterAll(() => {
  execFileSync('rm', ['-f', file]);
});

test('the example of the README runs and prints what it says', () => {
  const [example = ''] = examples;
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(14);
  // A package may import itself by its name.
  writeFileSync(file, example);
  const output = execFileSync(process.execPath, [file], { encoding: 'utf8', cwd: root });
  expect(output).toBe('127.0.0.3 0 0 0n\n127.0.0.2 3 0 0n\n');
});
