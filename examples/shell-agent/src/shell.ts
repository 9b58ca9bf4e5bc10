import { spawn } from 'node:child_process';

/** Characters of output that the model gets to see: the last ones, where results and errors are. */
const MAX_OUTPUT_CHARACTERS = 4_000;

/** How a command is run. */
export interface ShellOptions {
  readonly directory: string;
  /** Aborting it kills the command and everything it started. */
  readonly signal: AbortSignal;
}

/** What a command did. */
export interface ShellResult {
  /** Exit code, or the name of the signal that ended it. */
  readonly exit: number | NodeJS.Signals;
  /** Standard output and error as they came, its beginning cut off beyond 4,000 characters. */
  readonly output: string;
}

/**
 * Runs a command by `sh`. Rejects with the signal's reason when that aborts, and with the spawn error when there is no
 * shell.
 */
export const runShell = (command: string, { directory, signal }: ShellOptions): Promise<ShellResult> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    // A process group of its own, so that killing it leaves no children behind.
    const shell = spawn('sh', ['-c', command], { cwd: directory, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (text: string): void => {
      output = (output + text).slice(-MAX_OUTPUT_CHARACTERS);
    };
    shell.stdout.setEncoding('utf8').on('data', take);
    shell.stderr.setEncoding('utf8').on('data', take);
    const kill = (): void => {
      if (shell.pid !== undefined) killGroup(shell.pid);
    };
    signal.addEventListener('abort', kill, { once: true });
    shell.once('error', reject);
    shell.once('close', (code, killedBy) => {
      signal.removeEventListener('abort', kill);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve({ exit: code ?? killedBy ?? 'SIGKILL', output });
    });
  });

const killGroup = (groupId: number): void => {
  try {
    process.kill(-groupId, 'SIGKILL');
  } catch (error) {
    // The group has ended by itself in the meantime: that is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};
