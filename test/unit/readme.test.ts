// What the README says of roles is what they take.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { RoleDescription } from '../../src/index.js';
import { describe } from '../../src/roles/descriptions.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, text = '']) => text);

test('each kind of role has an example, and each example is one that can be', async () => {
  const told: string[] = [];
  const role = { plan: async () => [], apply: async () => [], verify: async () => [], remove: async () => [] };
  const Role = {
    open: async (description: RoleDescription) => {
      told.push(description.role);
      expect(describe(description, 'readme').length).toBeGreaterThan(2);
      return role;
    },
  };
  for (const example of examples.filter((text) => text.startsWith("import { Role } from 'ipvs';\n"))) {
    const body = example.replace(/^import .*$/m, '');
    await new Function('Role', 'console', `return (async () => {${body}})()`)(Role, { log: () => {} });
  }
  expect(told.sort()).toEqual(['direct-director', 'ingress', 'nat-director', 'node', 'real-server']);
});
