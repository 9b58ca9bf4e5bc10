// `npm run test:clients`: sets up the clients if needed, then runs the specs of test/clients. Ends with `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layout, repository } from './lib/paths.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'holdfast-test-clients-'));

const run = (args, env = {}) =>
  spawnSync(process.execPath, args, {
    cwd: repository,
    stdio: ['ignore', 'inherit', 'inherit'],
    // The service refuses settings of its prefix that it does not know.
    env: { ...process.env, HOLDFAST_CLIENTS_CACHE: undefined, ...env },
  }).status === 0;

/** Counts of the specs. A run that wrote none, or failed without a failed test, counts as one failure. */
const runSpecs = (patterns) => {
  const report = join(scratch, 'counts.json');
  const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  const options = ['--config', 'test/clients/jest.config.mjs', '--verbose'];
  const reporters = ['--reporters=default', `--reporters=${join(repository, 'tools/count-reporter.mjs')}`];
  const hasSucceeded = run([...jest, ...patterns, ...options, ...reporters], {
    TEST_COUNTS_FILE: report,
    TEST_CLIENTS: JSON.stringify(layout()),
  });
  try {
    const { passed, failed } = JSON.parse(readFileSync(report, 'utf8'));
    return { passed, failed: failed === 0 && !hasSucceeded ? 1 : failed };
  } catch (error) {
    console.error(`no test report: ${error.message}`);
    return { passed: 0, failed: 1 };
  }
};

const isSetUp = run(['tools/clients/setup.mjs'], { HOLDFAST_CLIENTS_CACHE: process.env.HOLDFAST_CLIENTS_CACHE });
if (!isSetUp) console.error('The clients could not be set up, so none of these tests ran; what failed is above.');
const { passed, failed } = isSetUp ? runSpecs(process.argv.slice(2)) : { passed: 0, failed: 1 };
rmSync(scratch, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
