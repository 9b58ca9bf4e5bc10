// What the Dockerfile puts into the image, made by its own RUN lines in a folder of this machine, and started there. What
// only Docker can show (the base image, the user) is not.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const READY_DEADLINE_MS = 60_000;
const END_DEADLINE_MS = 30_000;

/** The RUN commands of a stage of the Dockerfile. */
const runsOf = (dockerfile, stage) => {
  const text = dockerfile.split(/^FROM /m).find((part) => part.split('\n', 1)[0].endsWith(` AS ${stage}`));
  if (text === undefined) throw new Error(`the Dockerfile has no stage ${stage}`);
  return [...text.replaceAll('\\\n', ' ').matchAll(/^RUN (.+)$/gm)].map(([, command]) => command);
};

/** Makes the image's /app at `app`, from the checkout with its builds. */
const makeApp = (app) => {
  const dockerfile = readFileSync(join(repository, 'Dockerfile'), 'utf8');
  const [collect, ...others] = runsOf(dockerfile, 'build').filter((command) => command.includes('/app'));
  const [install] = runsOf(dockerfile, 'dependencies');
  if (collect === undefined || install === undefined || others.length > 0) {
    throw new Error('the Dockerfile has other steps than this check knows');
  }
  mkdirSync(join(app, '..'), { recursive: true });
  for (const [command, cwd] of [
    [collect, repository],
    [install, app],
  ]) {
    const line = command.replaceAll(/(?<=\s)\/app\b/g, app);
    const { status, stderr } = spawnSync('sh', ['-ec', line], { cwd, encoding: 'utf8' });
    if (status !== 0) throw new Error(`RUN ${line} ended with exit ${status}\n${stderr.slice(-2_000)}`);
  }
};

/** Starts a program of the image; resolves with what it says when it is ready. */
const start = async (app, [entry, ...args], env) => {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd: app,
    // Nothing of the checkout is to be found by accident.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (log = (log + text).slice(-5_000)));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const ready = (async () => {
    for await (const line of createInterface({ input: child.stdout }))
      if (line.includes('"ready"')) return JSON.parse(line);
    throw new Error(`${entry} ended before it was ready\n${log}`);
  })();
  const stop = async () => {
    child.kill('SIGTERM');
    return within(ended, END_DEADLINE_MS, `${entry} did not end`, () => child.kill('SIGKILL'));
  };
  try {
    return { ready: await within(ready, READY_DEADLINE_MS, `${entry} was not ready\n${log}`), stop };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
};

const within = async (work, deadlineMs, message, onLate = () => {}) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      onLate();
      reject(new Error(`${message} within ${deadlineMs} ms`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** Makes the image's files and lets its service run a program on its simulated engine, with a database from outside. */
export const imageRunsPrograms = async () => {
  const { startPostgres } = await import('@holdfast/platform');
  const { Holdfast } = await import('@holdfast/sdk');
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-image-'));
  const app = join(scratch, 'app');
  const running = [];
  try {
    makeApp(app);
    const database = await startPostgres({ durable: false });
    running.push(database);
    const engine = await start(app, ['apps/sim-engine/dist/main.js', '--port', '0'], {});
    running.push(engine);
    const service = await start(app, ['apps/control-plane/dist/main.js'], {
      DATABASE_URL: database.url,
      HOLDFAST_ENGINES: engine.ready.address,
      HOLDFAST_GRPC_ADDRESS: '127.0.0.1:0',
      HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0',
    });
    running.push(service);
    const holdfast = new Holdfast({ address: service.ready.grpc });
    const { outputTokens } = await holdfast.run({ name: 'image' }, async (program) => {
      const { usage } = await program.turn({ promptIds: Uint32Array.of(1, 2, 3), maxTokens: 4, ignoreEos: true });
      return usage;
    });
    holdfast.close();
    if (outputTokens !== 4) throw new Error(`the turn had ${outputTokens} output tokens; expected: 4`);
    const code = await running.pop().stop();
    if (code !== 0) throw new Error(`the service ended with exit ${code}; expected: 0`);
  } finally {
    for (const one of running.reverse()) await one.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
};
