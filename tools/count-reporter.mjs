// Jest reporter: writes how many tests passed and failed to the file named by TEST_COUNTS_FILE. Jest's own --json
// cannot be relied on: it fails on error objects with cycles, which is when the counts matter.
import { writeFileSync } from 'node:fs';

export default class CountReporter {
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numRuntimeErrorTestSuites }) {
    const file = process.env.TEST_COUNTS_FILE;
    if (file === undefined) return;
    // A suite that cannot even load has no tests to count.
    writeFileSync(file, JSON.stringify({ passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites }));
  }
}
