// Front door of every command: makes a fresh clone ready (install, build), then runs the command. Node built-ins only,
// since nothing else is there yet.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [command, ...args] = process.argv.slice(2);

const commands = {
  demo: { entry: 'apps/demo/dist/main.js', build: true },
  lab: { entry: 'apps/lab/dist/main.js', build: true },
  start: { entry: 'tools/start.mjs', build: true },
  bench: { entry: 'test/dist/bench/main.js', build: true },
  test: { entry: 'tools/verify.mjs', build: false },
  jaeger: { entry: 'tools/jaeger/serve.mjs', build: false },
  'test:jaeger': { entry: 'tools/jaeger/test.mjs', build: true },
  'test:clients': { entry: 'tools/clients/test.mjs', build: true },
  'test:deploy': { entry: 'tools/deploy/test.mjs', build: true },
  'test:vllm': { entry: 'tools/vllm/test.mjs', build: true },
  soak: { entry: 'test/dist/bench/soak/main.js', build: true },
  'bench:gateways': { entry: 'tools/clients/bench-gateways.mjs', build: true },
  'bench:vllm': { entry: 'tools/vllm/bench.mjs', build: true },
  'test:chunks': { entry: 'tools/chunks/test.mjs', build: true },
  'start:chunk-engine': { entry: 'tools/chunks/serve.mjs', build: false },
  'bench:chunks': { entry: 'tools/chunks/bench.mjs', build: false },
};

const fail = (message) => {
  console.error(message);
  process.exit(1);
};

const chosen = commands[command] ?? fail(`unknown command "${command}"; known are ${Object.keys(commands).join(', ')}`);
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  fail(`Node ${process.versions.node} is too old: 20.19 or newer is needed`);

const run = (title, file, fileArgs) => {
  const started = Date.now();
  console.error(`${title} ...`);
  const { status, signal } = spawnSync(file, fileArgs, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) fail(`${title}: failed (${signal ?? `exit ${status}`})`);
  console.error(`${title}: done in ${((Date.now() - started) / 1000).toFixed(0)} s`);
};

const lock = createHash('sha256')
  .update(readFileSync(`${root}/package-lock.json`))
  .digest('hex');
const stamp = `${root}/node_modules/.holdfast-lock`;
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  run('Installing dependencies (about 45 s, 850 MB)', 'npm', [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
  writeFileSync(stamp, lock);
}
if (chosen.build) {
  run('Building (about 40 s the first time)', 'npx', ['nx', 'run-many', '-t', 'build', '--output-style=static']);
}

// The terminal sends Ctrl-C to the whole group: the command ends in its own way, and this process waits for it.
process.on('SIGINT', () => {});
const child = spawn(process.execPath, [`${root}/${chosen.entry}`, ...args], { stdio: 'inherit', cwd: process.cwd() });
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
