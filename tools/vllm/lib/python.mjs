import { spawnSync } from 'node:child_process';
import { pythonMinors } from './versions.mjs';

const PROBE = 'import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])';

/** Finds a Python that vLLM runs on. Throws an Error that says what was tried and what is needed. */
export const findPython = () => {
  const { from, below } = pythonMinors;
  const minors = Array.from({ length: below - from }, (_, index) => `python3.${from + index}`);
  const configured = process.env.HOLDFAST_VLLM_PYTHON;
  const candidates = configured ? [configured] : ['python3', ...minors.reverse()];
  const tried = [];
  for (const candidate of candidates) {
    const { status, stdout, stderr, error } = spawnSync(candidate, ['-c', PROBE], { encoding: 'utf8' });
    if (error !== undefined) {
      tried.push(`${candidate}: not found`);
      continue;
    }
    if (status !== 0) {
      tried.push(`${candidate}: has no venv (${stderr.trim().split('\n').at(-1)})`);
      continue;
    }
    const [major, minor] = stdout.trim().split(' ').map(Number);
    if (major === 3 && minor >= from && minor < below) return candidate;
    tried.push(`${candidate}: is ${major}.${minor}`);
  }
  throw new Error(
    `No usable Python. Needed is Python 3.${from} to 3.${below - 1} with the venv module ` +
      `(on Debian and Ubuntu: apt install python3-venv). Name one with HOLDFAST_VLLM_PYTHON.\n  ${tried.join('\n  ')}`,
  );
};
