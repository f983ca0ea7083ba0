import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { examples } from '../guide.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = `${root}/readme-network.mjs`;
/** Namespaces of the example; another program's of these names are left alone. */
const names = ['left', 'right'].map((name) => `/run/netns/${name}`);

afterAll(() => rmSync(file, { force: true }));

test.skipIf(names.some(existsSync))('the example of docs/network.md connects two namespaces and leaves nothing', () => {
  const example = examples.find((text) => text.startsWith('import { addNamespace, deleteNamespace, Network }'));
  writeFileSync(file, example ?? ''); // a package may import itself by its name
  // It begins with the earlier value of ip_forward, which a namespace takes over from the machine.
  expect(execFileSync(process.execPath, [file], { encoding: 'utf8', cwd: root })).toMatch(/^[01] 10\.1\.0\.1\n$/);
  expect(names.filter(existsSync)).toEqual([]);
});
