// `npm run test:deploy`: the files of deploy/ before the programs that read them. Ends with `N passed, N failed`.
// What needs no program but Node is in specs of the control plane (metrics/deploy-files, config/deployment).
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { finish } from '../lib/test-runs.mjs';
import { imageRunsPrograms } from './image.mjs';
import { composeLoader, promtool } from './programs.mjs';

const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));

/** What promtool ends with when it only has remarks. */
const LINT_FOUND = 3;

const start = (file, args, { input = '' } = {}) => {
  const result = spawnSync(file, args, { cwd: deploy, encoding: 'utf8', input });
  if (result.error !== undefined) throw result.error;
  return result;
};

/** Fails with what the program said. */
const run = (file, args) => {
  const { status, stdout, stderr } = start(file, args);
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with exit ${status}\n${stdout}${stderr}`);
  return stdout;
};

/** The metrics page of a service on which nothing has happened: every name is on it. */
const metricsPage = async () => {
  const built = new URL('../../apps/control-plane/dist/metrics/service-metrics.js', import.meta.url);
  const { ServiceMetrics } = await import(built);
  return new ServiceMetrics().page({
    checks: { listening: true, accepting: true, engines: true, storage: true },
    isLeaseHeld: true,
    engines: new Map([['engine-0', true]]),
    pool: { engines: [], programs: 0, queuedTurns: 0, deferredTurns: 0 },
    pinsHeld: 0,
    jobs: { waiting: 0 },
    journalRows: 0,
    spans: { exportedSpans: 0, droppedSpans: 0, failedSpans: 0, queuedSpans: 0 },
  });
};

const checks = {
  'promtool takes the alert rules': async () => run(await promtool(), ['check', 'rules', 'prometheus/alerts.yml']),
  'every alert fires when it should, and is quiet otherwise': async () =>
    run(await promtool(), ['test', 'rules', 'prometheus/alerts.test.yml']),
  'promtool takes the scrape configuration': async () =>
    run(await promtool(), ['check', 'config', '--syntax-only', 'prometheus/prometheus.yml']),
  'promtool finds nothing to say about the names of our metrics': async () => {
    const { status, stdout, stderr } = start(await promtool(), ['check', 'metrics'], { input: await metricsPage() });
    // Those of the process have the names that prom-client gives them.
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !line.startsWith('nodejs_'));
    if (said.length > 0 || ![0, LINT_FOUND].includes(status)) throw new Error(`exit ${status}\n${said.join('\n')}`);
  },
  'promtool refuses what is wrong': async () => {
    const input = 'groups: [{ name: a, rules: [{ alert: A, expr: "rate(x[5m" }] }]';
    const { status } = start(await promtool(), ['check', 'rules', '/dev/stdin'], { input });
    if (status === 0) throw new Error('a rule that is no PromQL was taken');
  },
  'what the Dockerfile puts into the image runs a program': imageRunsPrograms,
  'the compose file loads, with every service, network and volume that it names': async () => {
    const loaded = run(await composeLoader(), ['-no-interpolation', '-format', 'json', 'compose.yaml']);
    const { length } = Object.keys(JSON.parse(loaded).services);
    if (length < 7) throw new Error(`${length} services were loaded; expected: 7 or more`);
  },
  'the compose file asks for the passwords it needs': async () => {
    const { status, stderr } = start(await composeLoader(), ['compose.yaml']);
    if (status === 0 || !stderr.includes('PASSWORD')) throw new Error(`loaded without passwords: ${stderr}`);
  },
};

const counts = { passed: 0, failed: 0 };
for (const [title, check] of Object.entries(checks)) {
  try {
    await check();
    counts.passed += 1;
    console.error(`ok      ${title}`);
  } catch (error) {
    counts.failed += 1;
    console.error(`FAILED  ${title}\n${error.message}`);
  }
}
finish(counts);
