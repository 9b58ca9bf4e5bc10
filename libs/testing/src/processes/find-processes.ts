import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A process that runs. */
export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * Processes whose command line or environment contains `text`, this one left out: what a program under test left
 * behind, when it was started with a text of its own in its environment.
 *
 * @throws Error on systems without /proc.
 */
export function findProcesses(text: string): FoundProcess[] {
  if (!existsSync('/proc/self/environ')) throw new Error('processes are found by /proc, which this system lacks');
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  return pids.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      const isMatch = command.includes(text) || environment.includes(text);
      return isMatch ? [{ pid, command: command.replaceAll('\0', ' ').trim() }] : [];
    } catch {
      return []; // It has ended meanwhile, or belongs to somebody else.
    }
  });
}
