// What the `npm run test:*` commands share: running specs or pytest, and counting what passed and failed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Calls `use` with a folder that is gone afterwards. */
const withScratch = (use) => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  try {
    return use(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

/** Runs a program to its end with this process's output; true when it succeeded. */
export const succeeds = (file, args, { cwd = repository, env = {} } = {}) => {
  const options = { cwd, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } };
  return spawnSync(file, args, options).status === 0;
};

/** The counts that `read` finds. A run that wrote none, or failed without a failed test, counts as one failure. */
const counted = (hasSucceeded, read) => {
  try {
    const { passed, failed } = read();
    return { passed, failed: failed === 0 && !hasSucceeded ? 1 : failed };
  } catch (error) {
    console.error(`no test report: ${error.message}`);
    return { passed: 0, failed: 1 };
  }
};

/** Runs the specs of a folder under test/ that has a Jest configuration of its own; returns its counts. */
export const runSpecs = (folder, patterns, env = {}) =>
  withScratch((scratch) => {
    const report = join(scratch, 'counts.json');
    const jest = [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
    ];
    // Patterns before the options: what follows --reporters is taken for one.
    const options = ['--config', `test/${folder}/jest.config.mjs`, '--verbose', '--reporters=default'];
    const counter = `--reporters=${join(repository, 'tools/count-reporter.mjs')}`;
    const args = [...jest, ...patterns, ...options, counter];
    const hasSucceeded = succeeds(process.execPath, args, { env: { ...env, TEST_COUNTS_FILE: report } });
    return counted(hasSucceeded, () => JSON.parse(readFileSync(report, 'utf8')));
  });

/** Runs pytest of this Python in a folder; returns its counts. */
export const runPytest = (python, args, options) =>
  withScratch((scratch) => {
    const report = join(scratch, 'pytest.xml');
    const hasSucceeded = succeeds(python, ['-m', 'pytest', ...args, '--color=no', `--junitxml=${report}`], options);
    return counted(hasSucceeded, () => {
      const [suite] = /<testsuite [^>]*>/.exec(readFileSync(report, 'utf8')) ?? [''];
      const figure = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? Number.NaN);
      const failed = figure('failures') + figure('errors');
      const passed = figure('tests') - failed - figure('skipped');
      if (Number.isNaN(passed)) throw new Error(`${report} has no figures`);
      return { passed, failed };
    });
  });

/** Prints the sum of the counts as the closing line, and ends this process by it. */
export const finish = (...counts) => {
  const sum = (key) => counts.reduce((total, count) => total + count[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exit(sum('failed') === 0 ? 0 : 1);
};
