// Adds up the reports in a folder (vitest's JSON, doctest's JUnit XML) and prints one line.
// Fails if a test failed, if a file could not be run, or if nothing ran at all.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '.';
let passed = 0;
let failed = 0;
for (const name of readdirSync(folder)) {
  // A run that ended before it could report (scripts/test).
  if (name.endsWith('.failed')) failed++;
  const text = readFileSync(join(folder, name), 'utf8');
  if (name.endsWith('.json')) {
    const report = JSON.parse(text);
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    // A file that can not even be loaded has no tests that could fail.
    const broken = report.testResults.filter(
      (/** @type {{ status: string, assertionResults: { status: string }[] }} */ file) =>
        file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
    );
    failed += broken.length;
  } else if (name.endsWith('.xml')) {
    const cases = text.match(/<testcase[ >]/g)?.length ?? 0;
    const failures = [...text.matchAll(/<testsuite [^>]*?failures="(\d+)"|<testsuite [^>]*?errors="(\d+)"/g)];
    const broken = Math.min(
      cases,
      failures.reduce((sum, [, a, b]) => sum + Number(a ?? b ?? 0), 0),
    );
    passed += cases - broken;
    failed += broken;
  }
}
console.log(`${passed} passed, ${failed} failed`);
if (passed === 0 || failed > 0) process.exitCode = 1;
