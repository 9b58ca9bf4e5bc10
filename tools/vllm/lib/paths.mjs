import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** This tool's own files. */
export const toolFile = (name) => join(repository, 'tools', 'vllm', name);

/** Where everything is kept: outside the repository, so that a fresh clone finds it again. */
export const cacheFolder = () => process.env.HOLDFAST_VLLM_CACHE || join(homedir(), '.cache', 'holdfast', 'vllm');

/** The places inside the cache. */
export const layout = (cache = cacheFolder()) => ({
  cache,
  venv: join(cache, 'venv'),
  python: join(cache, 'venv', 'bin', 'python'),
  vllm: join(cache, 'venv', 'bin', 'vllm'),
  model: join(cache, 'model'),
  gatewayVenv: join(cache, 'gateway'),
  gateway: join(cache, 'gateway', 'bin', 'smg'),
  stamps: join(cache, 'stamps'),
  logs: join(cache, 'logs'),
  downloads: join(cache, 'downloads'),
});
