import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../scripts/lab.mjs';
import { examples } from '../guide.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = `${root}/readme-roles.mjs`;
const lab = new Lab();
/** The namespace of the example; another program's of that name is left alone. */
const blue = !existsSync('/run/netns/blue');

beforeAll(() => {
  lab.add({ host: { networks: { eth0: ['192.168.1.2/24'] } }, other: { networks: { eth0: ['192.168.1.3/24'] } } });
});
afterAll(async () => {
  rmSync(file, { force: true });
  if (blue) execFileSync('ip', ['netns', 'delete', 'blue']);
  await lab.close();
});

/** The example that begins with that import and holds that text, run on a host. `more`: after it. */
function runExample(imported: string, text = '', name: 'host' | 'other' = 'host', more = ''): string {
  const example = examples.find((found) => found.startsWith(`import { ${imported} }`) && found.includes(text));
  if (example === undefined) throw new Error(`no example imports ${imported}`);
  writeFileSync(file, `${example}\n${more}\nprocess.exit();\n`); // a package may import itself by its name
  const { namespace } = lab.host(name);
  const command = [`--net=/run/netns/${namespace}`, process.execPath, file];
  return execFileSync('nsenter', command, { encoding: 'utf8', cwd: root });
}

test('the roles of docs/roles.md', () => {
  runExample('Role', "role: 'real-server'");
  const output = runExample('Role', "role: 'direct-director'");
  expect(output).toMatch(/^make service FWM 80: lc\n/);
  expect(output).toContain('make nf_tables table inet ipvs-direct-director');
  expect(output.trimEnd().split('\n').at(-1)).toBe('[]');
});

test('the other roles of docs/roles.md', () => {
  const more = `for (const role of [nat, ingress, node]) {
    const made = await role.apply();
    console.log(role.name, made.length > 5, await role.verify());
    await role.remove();
  }`;
  const output = runExample('Role', "role: 'nat-director'", 'other', more);
  expect(output).toBe('nat-director true []\ningress true []\nnode true []\n');
});

test.skipIf(!blue)('marks, NAT and addresses of docs/netfilter.md', () => {
  expect(runExample('addNamespace, Netfilter, Network')).toBe('0n\n');
  const { namespace } = lab.host('host');
  const rules = execFileSync('ip', ['netns', 'exec', namespace, 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
  expect(rules).toContain('192.168.1.100 counter packets 0 bytes 0 : 0x00000050');
  expect(rules).not.toContain('snat');
  const there = execFileSync('ip', ['-n', 'blue', 'address'], { encoding: 'utf8' });
  expect(there).toContain('inet 192.168.1.100/32');
  expect(execFileSync('ip', ['-n', 'blue', 'rule'], { encoding: 'utf8' })).toContain(
    '1000:\tfrom all fwmark 0x50 lookup 100',
  );
});
