// What CI runs, each command with the counts of its last line: `npm test`, `npm run test:jaeger` (which builds a Jaeger
// once), `npm run test:deploy` (promtool and a loader of compose files, once), `npm run test:clients` (which fetches
// clients that others wrote, once), `npm run test:vllm` (which downloads 1.1 GB once) and `npm run test:chunks` (140 MB
// more). One closing line with the counts of all.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const total = { passed: 0, failed: 0 };

/** Runs a command of tools/run.mjs, and takes the counts out of its last line. */
const run = async (command) => {
  const started = Date.now();
  const child = spawn(process.execPath, [`${root}tools/run.mjs`, command], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('close', resolve));
  const counts = { passed: 0, failed: 0 };
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /^(\d+) passed, (\d+) failed$/.exec(line.trim());
    if (found === null) console.log(line);
    else Object.assign(counts, { passed: Number(found[1]), failed: Number(found[2]) });
  }
  const code = await exited;
  // A command that failed without a count did not come as far as its tests.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  const seconds = ((Date.now() - started) / 1_000).toFixed(0);
  console.log(`--- ${command}: ${counts.passed} passed and ${counts.failed} failed in ${seconds} s`);
  total.passed += counts.passed;
  total.failed += counts.failed;
};

/** The job queue is tested on Redis, too, where there is one; a bare machine of Debian's kind gets it here. */
const ensureRedis = () => {
  const works = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
  if (process.env.REDIS_URL !== undefined || works('redis-server')) return;
  if (process.getuid?.() === 0 && works('apt-get')) {
    const apt = (...args) => spawnSync('apt-get', args, { stdio: 'ignore', timeout: 180_000 });
    apt('update', '--quiet');
    apt('install', '--yes', '--no-install-recommends', 'redis-server');
  }
  if (!works('redis-server'))
    console.log('no redis-server and no REDIS_URL: the job queue is tested on PostgreSQL alone');
};

ensureRedis();
for (const command of ['test', 'test:jaeger', 'test:deploy', 'test:clients', 'test:vllm', 'test:chunks'])
  await run(command);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);
