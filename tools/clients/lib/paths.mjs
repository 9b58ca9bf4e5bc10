import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** This tool's own files. */
export const toolFile = (name) => join(repository, 'tools', 'clients', name);

const cacheFolder = () => process.env.HOLDFAST_CLIENTS_CACHE || join(homedir(), '.cache', 'holdfast', 'clients');

/** Where everything is kept: outside the repository, so that a fresh clone finds it again. */
export const layout = (cache = cacheFolder()) => ({
  cache,
  /** Python clients. */
  venv: join(cache, 'python'),
  python: join(cache, 'python', 'bin', 'python'),
  /** Gateways: litellm's proxy and SMG. */
  gatewayVenv: join(cache, 'gateways'),
  gatewayPython: join(cache, 'gateways', 'bin', 'python'),
  /** Go programs. */
  bin: join(cache, 'bin'),
  stamps: join(cache, 'stamps'),
  logs: join(cache, 'logs'),
});
