// Everything that must hold, in the order in which it fails cheapest. Ends with `N passed, N failed`, where each check
// and each test counts once.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'holdfast-verify-'));
const report = join(scratch, 'jest.json');
const bin = (name) => join(root, 'node_modules/.bin', name);

const checks = [
  ['generated code (Prisma)', bin('nx'), ['run-many', '-t', 'generate', '--output-style=static']],
  ['format', bin('prettier'), ['--check', '--log-level', 'warn', '.']],
  ['proto format', bin('buf'), ['format', '--diff', '--exit-code', 'proto']],
  ['proto lint', bin('buf'), ['lint', 'proto']],
  ['proto breaking', bin('buf'), ['breaking', 'proto', '--against', 'proto/released.binpb']],
  ['proto code is up to date', process.execPath, ['tools/check-generated.mjs']],
  ['lock file', process.execPath, ['tools/check-lock.mjs']],
  ['project graph', bin('nx'), ['graph', '--file=.nx/graph.json']],
  ['lint', bin('eslint'), ['.', '--max-warnings', '0']],
  ['types', bin('tsc'), ['-p', 'tsconfig.json', '--noEmit']],
  ['dead code', bin('knip'), ['--no-progress', '--no-config-hints']],
  ['build', bin('nx'), ['run-many', '-t', 'build', '--output-style=static']],
];

let passed = 0;
let failed = 0;

const run = (title, file, args, env = {}) => {
  const started = Date.now();
  const { status } = spawnSync(file, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, NX_SKIP_NX_CACHE: process.env.CI ? 'true' : 'false', ...env },
  });
  console.log(`${status === 0 ? 'ok' : 'FAILED'}  ${title}  (${((Date.now() - started) / 1000).toFixed(0)} s)`);
  return status === 0;
};

for (const [title, file, args] of checks) {
  if (run(title, file, args)) passed += 1;
  else failed += 1;
}

const jestArgs = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];
const reporters = ['--reporters=default', '--reporters=<rootDir>/tools/count-reporter.mjs'];
run('tests', process.execPath, [...jestArgs, ...reporters, '--maxWorkers=2', ...process.argv.slice(2)], {
  TEST_COUNTS_FILE: report,
});
try {
  const counts = JSON.parse(readFileSync(report, 'utf8'));
  passed += counts.passed;
  failed += counts.failed;
} catch (error) {
  console.error(`no test report: ${error.message}`);
  failed += 1;
}
rmSync(scratch, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
