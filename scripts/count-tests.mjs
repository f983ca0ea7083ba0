// Counts the results of all reports in the folders (vitest's JSON, doctest's JUnit XML), prints each failure and each
// skipped test, and ends with one line of totals. Fails if a test failed, if a file could not be run, if no test ran,
// if a test was skipped without a known reason (test/skips.json), or if it was skipped in every run although IPVS was
// tested ("nowhere" permits that, and --some: the runs were of some files only).
//   count-tests [--some] FOLDER...
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * @typedef {{ status: string, fullName: string, failureMessages: string[] }} TestReport
 * @typedef {{ name: string, status: string, message: string, assertionResults: TestReport[] }} FileReport
 * @typedef {{ file: string, test?: string, why: string, nowhere?: boolean }} KnownSkip
 */

/** @type {KnownSkip[]} */
const known = JSON.parse(readFileSync(new URL('../test/skips.json', import.meta.url), 'utf8'));

let passed = 0;
let failed = 0;
let skipped = 0;
/** Tests that passed in some run. @type {Set<string>} */
const ran = new Set();
/** Tests that have to run elsewhere. @type {Map<string, [report: string, file: string, test: string]>} */
const owed = new Map();

/** Counts and prints a failure. @param {string} report @param {string} file
 * @param {string} test @param {string | undefined} why */
function fail(report, file, test, why) {
  failed++;
  const first = why?.split('\n').slice(0, 6).join('\n    ');
  console.log(`FAILED: ${report}: ${file}: ${test}\n    ${first ?? ''}`);
}

/** @param {string} report @param {string} file @param {string} test */
function skip(report, file, test) {
  const reason = known.find((one) => file.endsWith(one.file) && test.includes(one.test ?? ''));
  if (!reason) return fail(report, file, test, 'skipped, and test/skips.json gives no reason');
  skipped++;
  if (!reason.nowhere) owed.set(`${file} ${test}`, [report, file, test]);
  console.log(`skipped: ${report}: ${file}: ${test}: ${reason.why}`);
}

/** @param {string} name @param {string} text */
function countVitest(name, text) {
  for (const file of /** @type {FileReport[]} */ (JSON.parse(text).testResults)) {
    const path = relative('.', file.name);
    const failures = failed;
    for (const { status, fullName, failureMessages } of file.assertionResults) {
      if (status === 'passed') {
        passed++;
        ran.add(`${path} ${fullName}`);
      } else if (status === 'failed') fail(name, path, fullName, failureMessages[0]);
      else skip(name, path, fullName);
    }
    // A file that cannot be loaded has no test that fails: count the file.
    if (file.status === 'failed' && failed === failures) fail(name, path, '(the file)', file.message);
  }
}

/** @param {string} name @param {string} text */
function countDoctest(name, text) {
  for (const [, test = '', body = ''] of text.matchAll(
    /<testcase [^>]*?name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs,
  )) {
    if (/<(failure|error)[ >]/.test(body)) fail(name, 'native', test, body.replace(/<[^>]*>/g, ' ').trim());
    else passed++;
  }
}

const { values: options, positionals: folders } = parseArgs({
  allowPositionals: true,
  options: { some: { type: 'boolean', default: false } },
});
let hasKernel = false;
for (const folder of folders) {
  for (const name of readdirSync(folder)) {
    hasKernel ||= name.startsWith('kernel-');
    const text = readFileSync(join(folder, name), 'utf8');
    // scripts/test writes this file for a run that ended before it could report.
    if (name.endsWith('.failed')) fail(name, folder, '(the run)', 'ended before it could report');
    else if (name.endsWith('.json')) countVitest(name, text);
    else if (name.endsWith('.xml')) countDoctest(name, text);
  }
}
if (hasKernel && !options.some)
  for (const [key, place] of owed) if (!ran.has(key)) fail(...place, 'skipped in every run');
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
if (passed === 0 || failed > 0) process.exitCode = 1;
