// Adds up the reports in a folder (vitest's JSON, doctest's JUnit XML), names what failed, and ends
// with one line. Fails if a test failed, if a file could not be run, or if nothing ran at all.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * @typedef {{ status: string, fullName: string, failureMessages: string[] }} TestReport
 * @typedef {{ name: string, status: string, message: string, assertionResults: TestReport[] }} FileReport
 */

/** Here, too, because whoever sees only the end of the output wants to know. @param {string} report
 * @param {FileReport} file @param {string} test @param {string | undefined} why */
function tell(report, file, test, why) {
  const first = why?.split('\n').slice(0, 6).join('\n    ');
  console.log(`FAILED: ${report}: ${relative('.', file.name)}: ${test}\n    ${first ?? ''}`);
}

const folder = process.argv[2] ?? '.';
let passed = 0;
let failed = 0;
for (const name of readdirSync(folder)) {
  // A run that ended before it could report (scripts/test).
  if (name.endsWith('.failed')) {
    failed++;
    console.log(`FAILED: ${name}: ended before it could report`);
  }
  const text = readFileSync(join(folder, name), 'utf8');
  if (name.endsWith('.json')) {
    const report = JSON.parse(text);
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    for (const file of /** @type {FileReport[]} */ (report.testResults)) {
      const failures = file.assertionResults.filter((test) => test.status === 'failed');
      for (const test of failures) tell(name, file, test.fullName, test.failureMessages[0]);
      // A file that can not even be loaded has no tests that could fail.
      if (file.status !== 'failed' || failures.length > 0) continue;
      failed++;
      tell(name, file, '(the file)', file.message);
    }
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
