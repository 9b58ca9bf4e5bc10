// Everything that tests the chunk engine: sets it up, then runs ruff, mypy and pytest. Ends with `N passed, N failed`.
import { finish, runPytest, succeeds } from '../lib/test-runs.mjs';
import { engineFolder, setUp } from './lib/install-steps.mjs';

const checks = [
  ['ruff', 'check', 'src', 'tests', 'scripts'],
  ['ruff', 'format', '--check', '--quiet', 'src', 'tests', 'scripts'],
  ['mypy'],
];

const run = async () => {
  const { python, model } = await setUp();
  // One thread: the models of these tests are so small that threads wait for each other longer than they compute.
  const env = { PYTHONPATH: 'src', OMP_NUM_THREADS: '1', HOLDFAST_CHUNKS_MODEL: model };
  const options = { cwd: engineFolder, env };
  const results = checks.map((check) => succeeds(python, ['-m', ...check], options));
  const passed = results.filter(Boolean).length;
  return [
    { passed, failed: results.length - passed },
    runPytest(python, ['-m', 'model or not model', ...process.argv.slice(2)], options),
  ];
};

const counts = await run().catch((error) => {
  console.error(`the tests could not run: ${error.message}`);
  return [{ passed: 0, failed: 1 }];
});
finish(...counts);
