// Everything that tests the chunk engine: sets it up, then runs ruff, mypy and pytest. Ends with `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineFolder, setUp } from './lib/install-steps.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'holdfast-test-chunks-'));
const report = join(scratch, 'pytest.xml');
const checks = [
  ['ruff', 'check', 'src', 'tests', 'scripts'],
  ['ruff', 'format', '--check', '--quiet', 'src', 'tests', 'scripts'],
  ['mypy'],
  ['pytest', '-m', 'model or not model', '--color=no', `--junitxml=${report}`, ...process.argv.slice(2)],
];

/** Passed and failed tests of a pytest report. Throws when there is none. */
const countOf = (file) => {
  const [suite] = /<testsuite [^>]*>/.exec(readFileSync(file, 'utf8')) ?? [''];
  const figure = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? Number.NaN);
  const failed = figure('failures') + figure('errors');
  const passed = figure('tests') - failed - figure('skipped');
  if (Number.isNaN(passed)) throw new Error(`${file} has no figures`);
  return { passed, failed };
};

const run = async () => {
  const places = await setUp();
  const counts = { passed: 0, failed: 0 };
  // One thread: the models of these tests are so small that threads wait for each other longer than they compute.
  const env = { ...process.env, PYTHONPATH: 'src', OMP_NUM_THREADS: '1', HOLDFAST_CHUNKS_MODEL: places.model };
  for (const [module, ...args] of checks) {
    const { status } = spawnSync(places.python, ['-m', module, ...args], { cwd: engineFolder, stdio: 'inherit', env });
    if (module === 'pytest') {
      const { passed, failed } = countOf(report);
      counts.passed += passed;
      counts.failed += failed;
    } else {
      counts[status === 0 ? 'passed' : 'failed'] += 1;
    }
  }
  return counts;
};

const counts = await run()
  .catch((error) => {
    console.error(`the tests could not run: ${error.message}`);
    return { passed: 0, failed: 1 };
  })
  .finally(() => rmSync(scratch, { recursive: true, force: true }));
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);
