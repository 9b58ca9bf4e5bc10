import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** What a process says on standard output when it serves. */
export type ReadyLine = Readonly<Record<string, unknown>> & { readonly event: 'ready' };

/** What to start. */
export interface ManagedProcessOptions {
  /** For messages and the log file. */
  readonly name: string;
  /** Built entry of the program. */
  readonly entry: URL;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where to keep its log; unset: only the last lines, in memory. */
  readonly logFile?: string;
  /** Milliseconds it may take to serve; a minute when unset. */
  readonly readyWithinMs?: number;
  /** Milliseconds it may take to stop; 10 s when unset. */
  readonly stopWithinMs?: number;
}

const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 10_000;
const COMPLETION_DEADLINE_MS = 60_000;
const KEPT_LOG_LINES = 20;
const PRELOAD = new URL('end-with-parent.js', import.meta.url);

/**
 * A Node process of this repository that says when it is ready. It is in a session of its own, so that Ctrl-C in a
 * terminal reaches the demo alone, which ends it in order; it also ends by itself when the demo is gone.
 */
export class ManagedProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<string>;
  readonly #log: string[] = [];
  readonly #logFile: WriteStream | undefined;
  readonly #readyWithinMs: number;
  readonly #stopWithinMs: number;
  #hasExited = false;

  constructor({ name, entry, args = [], env = {}, logFile, ...limits }: ManagedProcessOptions) {
    this.name = name;
    this.#readyWithinMs = limits.readyWithinMs ?? READY_DEADLINE_MS;
    this.#stopWithinMs = limits.stopWithinMs ?? STOP_DEADLINE_MS;
    this.#logFile = logFile === undefined ? undefined : createWriteStream(logFile);
    this.#child = spawn(process.execPath, ['--import', PRELOAD.href, entry.pathname, ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child.stdin?.on('error', () => undefined); // It may end before the pipe does.
    if (this.#child.stderr !== null) {
      createInterface({ input: this.#child.stderr }).on('line', (line) => this.#keep(line));
    }
    this.#exit = new Promise((resolve) => {
      const ended = (why: string): void => {
        this.#hasExited = true;
        this.#logFile?.end();
        resolve(why);
      };
      this.#child.once('error', (error) => ended(error.message));
      // Not `exit`: the last lines may still be in the pipe.
      this.#child.once('close', (code, signal) => ended(signal ?? `exit code ${code}`));
    });
  }

  /** Process id; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The last lines of its log. */
  get logTail(): string {
    return this.#log.join('\n');
  }

  /** Resolves when it serves. Rejects with the end of its log when it ends or is silent for too long. */
  ready(): Promise<ReadyLine> {
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => reject(this.#failure(what));
      const withinMs = this.#readyWithinMs;
      const timer = setTimeout(() => fail(`was not ready within ${withinMs / 1_000} s`), withinMs);
      void this.#exit.then((why) => {
        clearTimeout(timer);
        fail(`ended before it was ready (${why})`);
      });
      if (this.#child.stdout === null) return;
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        const ready = readyLineOf(line);
        if (ready === undefined) {
          this.#keep(line);
          return;
        }
        clearTimeout(timer);
        resolve(ready);
      });
    });
  }

  /** Resolves when it has ended with exit code 0. Rejects with the end of its log when it fails or takes too long. */
  async completed(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), COMPLETION_DEADLINE_MS);
    const why = await this.#exit;
    clearTimeout(timer);
    if (why !== 'exit code 0') throw this.#failure(`failed (${why})`);
  }

  /** Rejects with the end of its log if it ends before `signal` aborts; resolves when that aborts. */
  async mustLiveUntil(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      else signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const why = await Promise.race([this.#exit, aborted]);
    if (why !== undefined) throw this.#failure(`ended during the run (${why})`);
  }

  /** Ends it: in order if it can, at once if it takes too long. May be called again. Modifies state. */
  async stop(): Promise<void> {
    if (this.#hasExited) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#stopWithinMs);
    await this.#exit;
    clearTimeout(timer);
  }

  #keep(line: string): void {
    this.#logFile?.write(`${line}\n`);
    this.#log.push(line);
    if (this.#log.length > KEPT_LOG_LINES) this.#log.shift();
  }

  #failure(what: string): Error {
    const tail = this.#log.length === 0 ? 'it logged nothing' : `its log ends with:\n${this.logTail}`;
    return new Error(`${this.name} ${what}; ${tail}`);
  }
}

const readyLineOf = (line: string): ReadyLine | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && (value as { event?: unknown }).event === 'ready'
      ? (value as ReadyLine)
      : undefined;
  } catch {
    return undefined; // Not JSON: a line of the log.
  }
};
