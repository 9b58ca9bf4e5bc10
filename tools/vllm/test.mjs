// Everything that needs a real vLLM: sets it up, then runs the specs of test/vllm and the plug-in's own engine tests.
// Ends with `N passed, N failed`. With an engine of your own (HOLDFAST_VLLM_URL) only the conformance suite of the driver
// runs, without the cases that restart the engine.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { externalEngine } from './lib/external-engine.mjs';
import { layout, repository } from './lib/paths.mjs';

const scratch = mkdtempSync(join(tmpdir(), 'holdfast-test-vllm-'));
const counts = { passed: 0, failed: 0 };

const run = (title, file, args, cwd = repository) => {
  const started = Date.now();
  console.error(`${title} ...`);
  const { status } = spawnSync(file, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  console.error(`${status === 0 ? 'ok' : 'FAILED'}  ${title}  (${((Date.now() - started) / 1_000).toFixed(0)} s)`);
  return status === 0;
};

/** Adds what a report says. A program that wrote none, or failed without a failed test, counts as one failure. */
const count = (hasSucceeded, read) => {
  try {
    const { passed, failed } = read();
    counts.passed += passed;
    counts.failed += failed === 0 && !hasSucceeded ? 1 : failed;
  } catch (error) {
    console.error(`no test report: ${error.message}`);
    counts.failed += 1;
  }
};

const runSpecs = (patterns) => {
  const report = join(scratch, 'jest.json');
  const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  const options = ['--config', 'test/vllm/jest.config.mjs', '--verbose', '--json', `--outputFile=${report}`];
  const hasSucceeded = run('specs on a real vLLM', process.execPath, [...jest, ...options, ...patterns]);
  count(hasSucceeded, () => {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
    return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
  });
};

const runPluginTests = () => {
  const report = join(scratch, 'pytest.xml');
  const args = ['-m', 'pytest', '-m', 'engine', '-v', '--color=no', `--junitxml=${report}`];
  const hasSucceeded = run('engine tests of the plug-in', layout().python, args, join(repository, 'apps/vllm-plugin'));
  count(hasSucceeded, () => {
    const [suite] = /<testsuite [^>]*>/.exec(readFileSync(report, 'utf8')) ?? [''];
    const figure = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? Number.NaN);
    const failed = figure('failures') + figure('errors');
    const passed = figure('tests') - failed - figure('skipped');
    if (Number.isNaN(passed)) throw new Error(`${report} has no figures`);
    return { passed, failed };
  });
};

const main = () => {
  const isExternal = externalEngine() !== undefined;
  if (!run('set-up of vLLM', process.execPath, ['tools/vllm/setup.mjs', '--dev'])) {
    console.error('vLLM could not be set up, so none of these tests ran; what failed is above.');
    counts.failed += 1;
    return;
  }
  if (isExternal) {
    runSpecs([process.env.HOLDFAST_KV_CONTROL_ADDRESS ? 'plugin-conformance' : 'stock-conformance']);
    return;
  }
  runSpecs(process.argv.slice(2));
  if (process.argv.length === 2) runPluginTests();
};

try {
  main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);
