/**
 * Runs the built programs of this repository as processes, as their users do. Every wait has a deadline, and a failure
 * carries the end of the process's log.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What to start. */
export interface BuiltProcessOptions {
  /** Built file, relative to the repository's root, e.g. `apps/sim-engine/dist/main.js`. */
  readonly entry: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default 120 s. */
  readonly readyWithinMs?: number;
  /** Default 20 s. */
  readonly stopWithinMs?: number;
}

/** How a process ended. */
export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const READY_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 20_000;
const KEPT_LOG_CHARACTERS = 20_000;

/** A process of a built program. */
export class BuiltProcess {
  readonly #entry: string;
  readonly #readyWithinMs: number;
  readonly #stopWithinMs: number;
  readonly #child: ChildProcess;
  readonly #end: Promise<ProcessEnd>;
  #output = '';
  #log = '';
  #hasEnded = false;

  /** @throws Error when the program is not built. */
  constructor({ entry, args = [], env = {}, ...limits }: BuiltProcessOptions) {
    if (!existsSync(`${ROOT}${entry}`)) throw new Error(`${entry} is not built; run: npm run build`);
    this.#entry = entry;
    this.#readyWithinMs = limits.readyWithinMs ?? READY_DEADLINE_MS;
    this.#stopWithinMs = limits.stopWithinMs ?? STOP_DEADLINE_MS;
    this.#child = spawn(process.execPath, [`${ROOT}${entry}`, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: what a terminal sends by Ctrl-C, `signalGroup` sends.
      detached: true,
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-KEPT_LOG_CHARACTERS);
    });
    this.#end = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (exitCode, signal) => {
        this.#hasEnded = true;
        resolve({ exitCode, signal });
      });
    });
  }

  /** Process id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Standard output so far. */
  get output(): string {
    return this.#output;
  }

  /** The end of standard error. */
  get log(): string {
    return this.#log;
  }

  /** Resolves with the first line of standard output that is a JSON object of event `ready`. */
  async ready(): Promise<Readonly<Record<string, string>>> {
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    const line = (async (): Promise<Readonly<Record<string, string>>> => {
      for await (const text of lines) if (text.includes('"ready"')) return JSON.parse(text) as Record<string, string>;
      throw this.#failure('ended before it was ready');
    })();
    return this.#within(line, { deadlineMs: this.#readyWithinMs, what: 'was not ready' });
  }

  /** Resolves when it has ended, within `deadlineMs`. */
  ended(deadlineMs: number): Promise<ProcessEnd> {
    return this.#within(this.#end, { deadlineMs, what: 'did not end' });
  }

  /** Sends a signal to the process alone. Modifies state. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal to the process and what it started in its group, as a terminal does. Modifies state. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
  }

  /** Ends it by SIGTERM, and by SIGKILL if it hangs. May be called again. Modifies state. */
  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.signal('SIGTERM');
    try {
      await this.ended(this.#stopWithinMs);
    } catch (error) {
      this.signal('SIGKILL');
      throw error;
    }
  }

  async #within<T>(work: Promise<T>, { deadlineMs, what }: { deadlineMs: number; what: string }): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#failure(`${what} within ${deadlineMs} ms`)), deadlineMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.#entry} ${what}; its log ends with:\n${this.#log}`);
  }
}
