import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SETUP = fileURLToPath(new URL('../../../../tools/vllm/setup.mjs', import.meta.url));

/** Installs vLLM where it is missing, with its own progress; seconds when all is there. Rejects when it cannot. */
export const setUpVllm = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SETUP], { stdio: ['ignore', 'inherit', 'inherit'], signal });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error('vLLM could not be set up; the reason is above'));
    });
  });
