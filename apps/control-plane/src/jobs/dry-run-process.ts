/**
 * Runs `apps/dry-run` as a process of its own: this service cannot import the simulation, so that no policy of it can
 * see what a simulation knows, and minutes of computing must not hold up the scheduler loop.
 */
import type { JsonValue } from '@holdfast/persistence';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ProgramScript } from './dry-run-script.js';

/** What is replayed. */
export interface DryRunRequest {
  readonly policies: readonly string[];
  readonly engineProfile: string;
  readonly engines: readonly { readonly totalBlocks: number | null }[];
  readonly dispatchWindow: number;
  readonly programs: readonly ProgramScript[];
}

// `src` and `dist` lie at the same depth.
const ENTRY = fileURLToPath(new URL('../../../dry-run/dist/main.js', import.meta.url));
const MAX_OUTPUT_CHARACTERS = 1_000_000;
const KEPT_LOG_CHARACTERS = 2_000;

/** @throws Error when the process fails, says too much, or the signal aborts. */
export const runDryRun = async (request: DryRunRequest, signal: AbortSignal): Promise<JsonValue> => {
  if (!existsSync(ENTRY)) throw new Error(`${ENTRY} is not there; build apps/dry-run`);
  const child = spawn(process.execPath, [ENTRY], { stdio: ['pipe', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
  let output = '';
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (output.length > MAX_OUTPUT_CHARACTERS) child.kill('SIGKILL');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-KEPT_LOG_CHARACTERS)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // A process that ends early closes its input; its exit code says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(request));
  const exitCode = await ended;
  if (exitCode !== 0) throw new Error(`the dry run ended with ${exitCode ?? 'a signal'}: ${log.trim()}`);
  return JSON.parse(output) as JsonValue;
};
