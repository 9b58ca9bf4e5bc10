// Everything that tests the chunk engine: sets it up, then runs ruff, mypy and pytest, and the specs of test/chunks with
// a control plane and a database. Ends with `N passed, N failed`. With patterns only the specs that they name run.
import { finish, runPytest, runSpecs, succeeds } from '../lib/test-runs.mjs';
import { engineFolder, setUp } from './lib/install-steps.mjs';

const checks = [
  ['ruff', 'check', 'src', 'tests', 'scripts'],
  ['ruff', 'format', '--check', '--quiet', 'src', 'tests', 'scripts'],
  ['mypy'],
];

const run = async (patterns) => {
  const { python, model } = await setUp();
  const specs = () => runSpecs('chunks', patterns, { TEST_CHUNKS_PYTHON: python, TEST_CHUNKS_MODEL: model });
  if (patterns.length > 0) return [specs()];
  // One thread: the models of these tests are so small that threads wait for each other longer than they compute.
  const env = { PYTHONPATH: 'src', OMP_NUM_THREADS: '1', HOLDFAST_CHUNKS_MODEL: model };
  const options = { cwd: engineFolder, env };
  const results = checks.map((check) => succeeds(python, ['-m', ...check], options));
  const passed = results.filter(Boolean).length;
  return [
    { passed, failed: results.length - passed },
    runPytest(python, ['-m', 'model or not model'], options),
    specs(),
  ];
};

const counts = await run(process.argv.slice(2)).catch((error) => {
  console.error(`the tests could not run: ${error.message}`);
  return [{ passed: 0, failed: 1 }];
});
finish(...counts);
