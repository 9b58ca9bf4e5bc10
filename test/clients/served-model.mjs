// One service for all specs of this folder, as its users run it: a control plane with authentication on, a simulated
// engine and a database, each a process of its own. Jest runs this once; the specs find it by test/clients/served.fixture.ts.
import { ServiceProcesses } from '@holdfast/testing/processes';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODEL = 'sim-llama-3.1-8b';
/** Model seconds per real second: an answer of 200 tokens takes some milliseconds. */
const TIME_SCALE = 100;
/** Calls of its tools that the simulated model makes for each message of the user, before it answers in words. */
const CALLS_PER_TASK = 2;
const MAX_CONTEXT_TOKENS = 32_768;

let services;
let folder;

export default async function start() {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-clients-'));
  const keyFile = join(folder, 'admin.key');
  services = new ServiceProcesses({
    engines: 1,
    timeScale: TIME_SCALE,
    engineArgs: [
      ...['--model', MODEL, '--tool-calls', String(CALLS_PER_TASK)],
      ...['--max-context', String(MAX_CONTEXT_TOKENS)],
    ],
    env: { HOLDFAST_AUTH: 'keys', HOLDFAST_ADMIN_KEY_FILE: keyFile, HOLDFAST_CALLER_STALL_LIMIT: '60s' },
  });
  try {
    await services.start();
    const served = {
      httpUrl: `http://${services.httpAddress}`,
      grpcAddress: services.address,
      apiKey: (await readFile(keyFile, 'utf8')).trim(),
      model: MODEL,
      callsPerTask: CALLS_PER_TASK,
      maxContextTokens: MAX_CONTEXT_TOKENS,
    };
    process.env.TEST_SERVED = JSON.stringify(served);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What test/clients/stop-served-model.mjs runs: Jest keeps one set of modules for both. */
export const stop = async () => {
  await services?.stop();
  await rm(folder, { recursive: true, force: true });
};
