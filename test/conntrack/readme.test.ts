import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Conntrack } from '../../src/index.js';
import { examples } from '../guide.js';
import { deleteNamespace, run } from '../ipvs/world.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = `${root}/readme-conntrack.mjs`;
const namespace = `conntrack-readme-${process.pid}`;

beforeAll(() => {
  run('ip', 'netns', 'add', namespace);
});
afterAll(() => {
  rmSync(file, { force: true });
  deleteNamespace(namespace);
});

test('the example of docs/conntrack.md does what it says', async () => {
  const example = examples.find((text) => text.startsWith('import { Conntrack }')) ?? '';
  await using conntrack = await Conntrack.open({ namespace });
  await conntrack.setSettings({ accounting: true });
  const client = { source: '10.9.0.1', destination: '10.0.0.1', sourcePort: 4000 };
  await conntrack.create({ original: { ...client, protocol: 'tcp', destinationPort: 80 }, timeout: 100 });
  const udp = { ...client, protocol: 'udp', destinationPort: 53 } as const;
  const to = (address: string) => ({ timeout: 100, nat: { destination: { address } } });
  await conntrack.create({ original: udp, ...to('10.0.1.1') });
  await conntrack.create({ original: { ...udp, sourcePort: 4001 }, ...to('10.0.1.2') });
  writeFileSync(file, example); // a package may import itself by its name
  const command = [`--net=/run/netns/${namespace}`, process.execPath, file];
  const output = execFileSync('nsenter', command, { encoding: 'utf8', cwd: root });
  expect(output).toMatch(/^3 of \d+ flows \(\d+\.\d %\)\n10\.9\.0\.1 10\.0\.0\.1 ESTABLISHED 0n\n/);
  expect(output).toMatch(/destination: '10\.0\.0\.1',\s+destinationPort: 53,\s+flows: 2/);
  const left = await conntrack.flows({ protocol: 'udp' }).toArray();
  expect(left.map((flow) => flow.reply.source)).toEqual(['10.0.1.2']);
});
