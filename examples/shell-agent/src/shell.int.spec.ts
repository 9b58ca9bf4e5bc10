import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runShell } from './shell.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shell-spec-'));
});
afterAll(() => rm(directory, { recursive: true }));

const run = (command: string, signal = new AbortController().signal): ReturnType<typeof runShell> =>
  runShell(command, { directory, signal });
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // There is no such process.
  }
};

const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  const giveUpAtMs = performance.now() + 5_000;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`still not so after 5 s: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

describe('the shell', () => {
  it('gives output, errors and exit code', async () => {
    const { exit, output } = await run('echo out; echo err >&2; exit 3');
    expect(exit).toBe(3);
    expect(output.trim().split('\n').sort()).toEqual(['err', 'out']);
    expect((await run('pwd')).output.trim()).toContain(directory);
  });

  it('names the signal that ended a command', async () => {
    expect((await run('kill -TERM $$')).exit).toBe('SIGTERM');
  });

  it('keeps the end of a long output', async () => {
    const { output } = await run('seq 1 100000');
    expect(output).toHaveLength(4_000);
    expect(output.endsWith('99999\n100000\n')).toBe(true);
  });

  it('kills a command that is given up, and what it started', async () => {
    const abort = new AbortController();
    const running = run('sleep 60 & echo $! > pid.txt; wait', abort.signal);
    const childPid = async (): Promise<number> =>
      Number(await readFile(join(directory, 'pid.txt'), 'utf8').catch(() => 0));
    await until(async () => (await childPid()) > 0);
    const pid = await childPid();
    expect(isAlive(pid)).toBe(true);
    abort.abort(new Error('too slow'));
    await expect(running).rejects.toThrow('too slow');
    // A process that was killed may stay as a zombie where nobody reaps orphans.
    await until(async () => !isAlive(pid) || (await run(`ps -o stat= -p ${pid}`)).output.startsWith('Z'));
  });

  it('does not start a command whose signal has aborted', async () => {
    await expect(run('touch never', AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
    expect((await run('ls never')).exit).not.toBe(0);
  });
});
