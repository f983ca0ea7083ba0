// Inspects prebuilt binaries and prints a table. The exit status is 1 when one is absent or breaks a rule.
//   node scripts/prebuild/check.mjs [TARGET ...]   (default: all four)
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { argv } from 'node:process';
import { readSharedObject } from './elf.mjs';
import { faultsOf, highestGlibc, TARGETS } from './rules.mjs';

const root = resolve(import.meta.dirname, '../..');
const chosen = argv.length > 2 ? argv.slice(2) : TARGETS;
/** @type {string[][]} */
const rows = [['target', 'machine', 'size', 'exports', 'glibc', 'needs']];
/** @type {string[]} */
const faults = [];

for (const target of chosen) {
  const [arch, libc] = target.split('-');
  const path = `prebuilds/linux-${arch}/ipvs.${libc}.node`;
  if (!existsSync(resolve(root, path))) {
    rows.push([target, 'absent']);
    faults.push(`${path}: does not exist. To make it: npm run prebuild -- ${target}`);
    continue;
  }
  const content = readFileSync(resolve(root, path));
  try {
    const found = readSharedObject(content);
    rows.push([
      target,
      found.machine,
      `${(content.length / 1e6).toFixed(2)} MB`,
      String(found.exported.length),
      highestGlibc(found.versions)?.join('.') ?? '-',
      found.needed.join(' '),
    ]);
    faults.push(...faultsOf(target, found, content.length).map((fault) => `${path}: ${fault}`));
  } catch (error) {
    rows.push([target, 'unreadable']);
    faults.push(`${path}: ${error instanceof Error ? error.message : error}`);
  }
}

const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
for (const row of rows)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
