// `npm run jaeger`: builds Jaeger if needed (tools/jaeger/setup.mjs), starts it on the loopback with its traces in
// memory, and prints one JSON line when it serves:
// {"event":"ready","query":"http://127.0.0.1:16686","otlp":"http://127.0.0.1:4318","pid":PID}
// SIGTERM and SIGINT stop it. Its log goes to stderr.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort } from '../lib/free-port.mjs';
import { externalJaeger, whyNotServing } from './lib/external-jaeger.mjs';
import { jaegerConfig } from './lib/jaeger-config.mjs';
import { jaegerBinary } from './lib/paths.mjs';

const USAGE = `usage: npm run jaeger -- [--query-port N] [--otlp-port N] [--max-traces N]
  --query-port  of the query API; default 16686, 0 takes a free one
  --otlp-port   of the OTLP/HTTP receiver; default 4318, 0 takes a free one
  --max-traces  kept in memory; default 50000
environment: HOLDFAST_JAEGER_URL (a Jaeger of your own: none is built or started), HOLDFAST_JAEGER_CACHE (folder)`;

const READY_WITHIN_MS = 30_000;
const STOP_GRACE_MS = 5_000;
const POLL_MS = 100;

const readOptions = () => {
  const { values } = parseArgs({
    options: {
      'query-port': { type: 'string', default: '16686' },
      'otlp-port': { type: 'string', default: '4318' },
      'max-traces': { type: 'string', default: '50000' },
      help: { type: 'boolean', default: false },
    },
  });
  const whole = (name, range) => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= range.from && value <= range.to) return value;
    throw new Error(`--${name} is "${values[name]}"; allowed: a whole number from ${range.from} to ${range.to}`);
  };
  return {
    wantsHelp: values.help,
    queryPort: whole('query-port', { from: 0, to: 65_535 }),
    otlpPort: whole('otlp-port', { from: 0, to: 65_535 }),
    maxTraces: whole('max-traces', { from: 1, to: 10_000_000 }),
  };
};

const untilServing = async (place, exited) => {
  const deadline = Date.now() + READY_WITHIN_MS;
  let ended;
  exited.then((how) => (ended = how));
  for (;;) {
    const why = await whyNotServing(place);
    if (ended !== undefined) throw new Error(`Jaeger ended before it served: ${ended}; its log is above`);
    if (why === undefined) return;
    if (Date.now() > deadline) throw new Error(`Jaeger did not serve within ${READY_WITHIN_MS / 1_000} s: ${why}`);
    await delay(POLL_MS);
  }
};

const announce = (place, more) => {
  process.stdout.write(`${JSON.stringify({ event: 'ready', ...place, ...more })}\n`);
  console.error(`Traces of the service: OTEL_EXPORTER_OTLP_ENDPOINT=${place.otlp} npm start`);
  console.error(`Look them up: curl '${place.query}/api/traces?service=holdfast-control-plane&limit=5'`);
};

const serveOwn = async (options, stopping) => {
  const ports = { query: await freePort(options.queryPort), otlp: await freePort(options.otlpPort) };
  const config = jaegerConfig({ ports: { ...ports, queryGrpc: await freePort(0) }, maxTraces: options.maxTraces });
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-jaeger-'));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  // A group of its own: Ctrl-C reaches this process, which then ends Jaeger.
  const child = spawn(jaegerBinary(), ['--config', file], { stdio: ['ignore', 2, 2], detached: true });
  const exited = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(signal ?? `exit ${code}`));
  });
  const place = { query: `http://127.0.0.1:${ports.query}`, otlp: `http://127.0.0.1:${ports.otlp}` };
  try {
    const isStopped = await Promise.race([untilServing(place, exited), stopping]);
    if (isStopped !== undefined) return;
    announce(place, { pid: child.pid });
    const ended = await Promise.race([stopping.then(() => undefined), exited]);
    if (ended !== undefined) throw new Error(`Jaeger ended by itself: ${ended}`);
  } finally {
    child.kill('SIGTERM');
    await Promise.race([exited, delay(STOP_GRACE_MS)]);
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
};

const main = async () => {
  const options = readOptions();
  if (options.wantsHelp) return console.error(USAGE);
  const setup = fileURLToPath(new URL('setup.mjs', import.meta.url));
  if (spawnSync(process.execPath, [setup], { stdio: ['ignore', 'inherit', 'inherit'] }).status !== 0) process.exit(1);
  const stopping = new Promise((resolve) => {
    process.on('SIGTERM', () => resolve('SIGTERM'));
    process.on('SIGINT', () => resolve('SIGINT'));
  });
  const external = externalJaeger();
  if (external === undefined) return serveOwn(options, stopping);
  announce(external, { external: true });
  // Nothing runs here: the process stays for whoever stops it, as with one of our own.
  const stay = setInterval(() => undefined, 60_000);
  await stopping;
  return clearInterval(stay);
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`jaeger: ${error.message}`);
    process.exit(1);
  },
);
