// Starts the vLLM of tools/vllm/setup.mjs, with or without the plug-in, and prints one JSON line when it serves:
// {"event":"ready","address":"127.0.0.1:PORT","kvControlAddress":"127.0.0.1:PORT","pid":PID}
// The engine's own log goes to stderr. SIGTERM and SIGINT stop it; so does the end of stdin with --exit-with-stdin.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../lib/free-port.mjs';
import { checkReachable, externalEngine } from './lib/external-engine.mjs';
import { isServing } from './lib/grpc-health.mjs';
import { layout } from './lib/paths.mjs';
import { USAGE, readServeOptions } from './lib/serve-options.mjs';
import { vllmCommand } from './lib/vllm-command.mjs';

const POLL_MS = 250;
const STOP_GRACE_MS = 15_000;

const emit = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** vLLM runs as three processes; as a group of their own they can be ended together. */
const startEngine = (options, { places, ports, folder }) => {
  const { args, env } = vllmCommand(options, { places, ports, eventsSocket: join(folder, 'kv-events.sock') });
  const child = spawn(places.vllm, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    detached: true,
  });
  child.stdout.pipe(process.stderr, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  const exited = new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(signal ?? `exit ${code}`));
  });
  return { child, exited };
};

const signalGroup = (pid, signal) => {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    // The group is gone.
    return false;
  }
};

const stopEngine = async ({ child, exited }) => {
  if (child.pid === undefined) return;
  // The main process stops its own children; whoever is left after the grace time is killed.
  child.kill('SIGTERM');
  await Promise.race([exited, delay(STOP_GRACE_MS, undefined, { ref: false })]);
  const deadline = Date.now() + STOP_GRACE_MS / 3;
  while (signalGroup(child.pid, 0) && Date.now() < deadline) await delay(100);
  signalGroup(child.pid, 'SIGKILL');
};

const untilServing = async (address, engine, readyWithinMs) => {
  const deadline = Date.now() + readyWithinMs;
  let ended;
  engine.exited.then((how) => (ended = how));
  while (Date.now() < deadline) {
    if (ended !== undefined) throw new Error(`vLLM ended before it served: ${ended}; its log is above`);
    if (await isServing(address)) return;
    await delay(POLL_MS);
  }
  throw new Error(`vLLM did not serve within ${readyWithinMs / 1_000} s; its log is above`);
};

const stopRequest = ({ exitsWithStdin }) =>
  new Promise((resolve) => {
    process.on('SIGTERM', () => resolve('SIGTERM'));
    process.on('SIGINT', () => resolve('SIGINT'));
    if (!exitsWithStdin) return;
    process.stdin.on('end', () => resolve('end of stdin'));
    process.stdin.on('error', () => resolve('end of stdin'));
    process.stdin.resume();
  });

const serveExternal = async (address, options) => {
  await checkReachable(address);
  const kvControlAddress = options.isStock ? undefined : process.env.HOLDFAST_KV_CONTROL_ADDRESS;
  emit({ event: 'ready', address, ...(kvControlAddress ? { kvControlAddress } : {}), external: true });
  await stopRequest(options);
  process.exit(0);
};

const serveOwn = async (options) => {
  const places = layout();
  if (!existsSync(places.vllm) || !existsSync(places.model)) {
    throw new Error(`no vLLM in ${places.cache}; set it up first: node tools/vllm/setup.mjs`);
  }
  const ports = { engine: await freePort(options.port), kvControl: await freePort(options.kvPort) };
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-vllm-'));
  const stopping = stopRequest(options);
  const engine = startEngine(options, { places, ports, folder });
  const address = `127.0.0.1:${ports.engine}`;
  try {
    const started = Date.now();
    const isStopped = await Promise.race([untilServing(address, engine, options.readyWithinMs), stopping]);
    if (isStopped !== undefined) return;
    const kvControlAddress = options.isStock ? {} : { kvControlAddress: `127.0.0.1:${ports.kvControl}` };
    emit({ event: 'ready', address, ...kvControlAddress, pid: engine.child.pid, startedInMs: Date.now() - started });
    const ended = await Promise.race([stopping.then(() => undefined), engine.exited]);
    if (ended !== undefined) throw new Error(`vLLM ended by itself: ${ended}`);
  } finally {
    await stopEngine(engine);
    rmSync(folder, { recursive: true, force: true });
  }
};

const main = async () => {
  const options = readServeOptions(process.argv.slice(2));
  if (options.wantsHelp) return console.error(USAGE);
  const external = externalEngine();
  return external === undefined ? serveOwn(options) : serveExternal(external, options);
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`serve: ${error.message}`);
    process.exit(1);
  },
);
