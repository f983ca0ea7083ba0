// The table of docs/security.md: each call with each set of capabilities. Its rows of IPVS are compared where the kernel
// has it.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../scripts/lab.mjs';
import { readPage } from '../guide.js';

const program = fileURLToPath(new URL('programs/capabilities.mjs', import.meta.url));
const lab = new Lab();

beforeAll(() => {
  lab.add({ own: { networks: { eth0: ['192.0.2.2/24'] } }, other: {} });
});
afterAll(() => lab.close());

/** Returns the table: the capabilities of each call. */
function documented(): Map<string, readonly string[]> {
  const [, table = ''] = readPage('docs/security.md').split('## Capabilities of each call');
  const rows = [...(table.split('\n## ')[0]?.matchAll(/^\| `([^`]+)` \| ([^|]+) \|$/gm) ?? [])];
  return new Map(rows.map(([, call = '', text = '']) => [call, text.match(/[A-Z]+_[A-Z]+/g) ?? []]));
}

test.each(['none', 'NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'NET_ADMIN, NET_RAW, SYS_ADMIN'])(
  'a process with these capabilities can make exactly the calls that the table names: %s',
  async (names) => {
    const capabilities = names.match(/[A-Z]+_[A-Z]+/g)?.map(String) ?? [];
    const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
    const { stdout } = await promisify(execFile)('nsenter', [
      `--net=/run/netns/${lab.host('own').namespace}`,
      'setpriv',
      `--bounding-set=${bounding}`,
      '--inh-caps=-all',
      process.execPath,
      program,
      lab.host('other').namespace,
    ]);
    const measured: Record<string, boolean> = JSON.parse(stdout);
    const table = documented();
    expect(table.size).toBeGreaterThan(20);
    const wanted = Object.fromEntries(
      [...table]
        .filter(([call]) => 'ipvs.info()' in measured || !call.startsWith('ipvs.'))
        .map(([call, required]) => [call, required.every((name) => capabilities.includes(name))]),
    );
    expect(measured).toEqual(wanted);
  },
);
