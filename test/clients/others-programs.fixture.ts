/** Programs that tools/clients/setup.mjs has set up. Every run has a deadline. */
import { execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { places } from './places.fixture.js';
import { baseUrl, served } from './served.fixture.js';

const DEADLINE_MS = 100_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

const exec = promisify(execFile);
const limits = { timeout: DEADLINE_MS, maxBuffer: MAX_OUTPUT_BYTES };

/** Runs a script of test/clients/python and returns the JSON that it prints. */
export const runPython = async <Report>(script: string): Promise<Report> => {
  const file = fileURLToPath(new URL(`python/${script}`, import.meta.url));
  const env = {
    ...process.env,
    BASE_URL: baseUrl,
    API_KEY: served.apiKey,
    MODEL: served.model,
    // What litellm would fetch from elsewhere when it is loaded.
    LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const { stdout } = await exec(places.python, [file], { ...limits, env });
  return JSON.parse(stdout.slice(stdout.indexOf('{'))) as Report;
};

/** Runs a Go program; rejects with what it wrote to standard error. */
export const runGo = (name: 'grpcurl' | 'vegeta', args: readonly string[], input = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(`${places.bin}/${name}`, [...args], { timeout: DEADLINE_MS });
    let output = '';
    let problem = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (problem += text));
    child.on('error', reject);
    child.on('close', (code, signal) =>
      code === 0 ? resolve(output) : reject(new Error(`${name} ended with ${signal ?? code}: ${problem}`)),
    );
    child.stdin.on('error', () => undefined); // It may end before the pipe does.
    child.stdin.end(input);
  });
