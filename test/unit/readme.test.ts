// The examples of the documentation, in memory.
import { expect, test } from 'vitest';
import { DesiredState, Ipvs, type RoleDescription } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';
import { describe } from '../../src/roles/descriptions.js';
import { examples } from '../guide.js';

test('each kind of role has an example, and each example is one that can be', async () => {
  const told: string[] = [];
  const nothing = async () => [];
  const role = { plan: nothing, apply: nothing, verify: nothing, remove: nothing, close: nothing };
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

test('the examples of documents and of the kernel in memory run', async () => {
  const kernel = new MemoryKernel();
  const run = async (imports: string, names: Record<string, unknown>): Promise<unknown[]> => {
    const example = examples.find((text) => text.startsWith(imports));
    if (!example) throw new Error(`no example begins with ${imports}`);
    const said: unknown[] = [];
    const all = { ...names, console: { log: (...words: unknown[]) => said.push(words.join(' ')) } };
    const body = example.replaceAll(/^import .*$/gm, '');
    await new Function(...Object.keys(all), `return (async () => {${body}})()`)(...Object.values(all));
    return said;
  };
  const open = (document: string) => DesiredState.open(document, { kernel });
  const [plan] = await run("import { DesiredState } from 'ipvs';", { DesiredState: { open } });
  expect(plan).toContain('+ service TCP 10.0.0.1:80: wrr');
  await using ipvs = await Ipvs.open({ kernel });
  expect(await ipvs.table()).toEqual([]);
  expect(await run("import { Ipvs } from 'ipvs';\nimport { MemoryKernel }", { Ipvs, MemoryKernel })).toEqual(['1']);
});
