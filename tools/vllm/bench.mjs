// Sets vLLM up, then runs the bench on it: `npm run bench:vllm -- --help`.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { repository } from './lib/paths.mjs';

const isHelp = process.argv.includes('--help');
if (!isHelp && process.env.HOLDFAST_VLLM_URL) {
  console.error('HOLDFAST_VLLM_URL is set; the bench compares engines that it starts itself: unset it');
  process.exit(2);
}
const setup = isHelp
  ? 0
  : spawnSync(process.execPath, [join(repository, 'tools/vllm/setup.mjs')], { stdio: 'inherit' }).status;
if (setup !== 0) process.exit(1);
const entry = join(repository, 'test/dist/vllm/bench/main.js');
const child = spawn(process.execPath, [entry, ...process.argv.slice(2)], { stdio: 'inherit' });
process.on('SIGINT', () => {}); // The terminal sends it to the bench, too, which stops its engines first.
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code) => process.exit(code ?? 1));
