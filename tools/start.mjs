// `npm start`: the service. When no engine is configured it brings two simulated ones, and says so.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const READY_DEADLINE_MS = 30_000;
const PROFILE = 'h100-llama-3.1-8b';

/** Starts a simulated engine; resolves with its process and address. Its standard error is ours. */
const startEngine = () =>
  new Promise((resolve, reject) => {
    const entry = `${root}apps/sim-engine/dist/main.js`;
    const args = [entry, '--port', '0', '--profile', PROFILE, '--log-level', 'warn'];
    // Not in the terminal's foreground group: Ctrl-C ends the service first, which then lets the engines go.
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const timer = setTimeout(() => {
      child.kill();
      reject(new Error(`the simulated engine was not ready within ${READY_DEADLINE_MS / 1000} s`));
    }, READY_DEADLINE_MS);
    child.once('exit', (code) => reject(new Error(`the simulated engine ended with exit code ${code}`)));
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer);
      resolve({ child, address: JSON.parse(line).address });
    });
  });

const engines = [];
const stopEngines = () => engines.forEach(({ child }) => child.kill('SIGTERM'));
process.on('exit', stopEngines);

const env = { ...process.env };
// A question about the configuration needs no engine.
const asksOnly = process.argv.slice(2).some((arg) => ['--check-config', '--help', '--version'].includes(arg));
if (!env.HOLDFAST_ENGINES && !asksOnly) {
  console.error(`No engine is configured (HOLDFAST_ENGINES): starting two simulated ones, ${PROFILE}, no GPU needed.`);
  for (let index = 0; index < 2; index += 1) engines.push(await startEngine());
  env.HOLDFAST_ENGINES = engines.map(({ address }) => address).join(',');
}
const service = spawn(process.execPath, [`${root}apps/control-plane/dist/main.js`, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env,
});
process.on('SIGINT', () => {}); // The service has it from the terminal and stops in order.
process.on('SIGTERM', () => service.kill('SIGTERM'));
service.on('exit', (code, signal) => {
  stopEngines();
  process.exit(code ?? (signal === 'SIGINT' ? 130 : 143));
});
