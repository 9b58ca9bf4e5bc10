/** A program that says with one line of JSON when it serves. Every wait has a deadline. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What to start. */
export interface LaunchOptions {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Undefined: not handed on. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly readyWithinMs: number;
}

/** What the program says of itself; the fields are its own. */
export type ReadyLine = Readonly<Record<string, unknown>>;

const STOP_DEADLINE_MS = 60_000;
const KEPT_LOG_CHARACTERS = 8_000;

/** The repository's folder: the sources lie deeper when they are built. */
const findRepository = (): string => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== '/'; folder = dirname(folder)) {
    if (existsSync(join(folder, 'tools/vllm/serve.mjs'))) return folder;
  }
  throw new Error('tools/vllm/serve.mjs is in no folder above this file');
};

/** The repository's folder. */
export const REPOSITORY = findRepository();

/** See the file header. */
export class LaunchedProcess {
  readonly #options: LaunchOptions;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #ready: Promise<ReadyLine>;
  #log = '';
  #hasEnded = false;

  /** Starts it; `stop` is due from now on. */
  constructor(options: LaunchOptions) {
    this.#options = options;
    const env = { ...process.env, ...options.env };
    this.#child = spawn(options.command, options.args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child.stdin?.on('error', () => undefined); // It may end before the pipe does.
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text));
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        this.#hasEnded = true;
        resolve();
      };
      this.#child.once('error', (error) => {
        this.#keep(error.message);
        end();
      });
      this.#child.once('close', end);
    });
    this.#ready = this.#readOutput();
    this.#ready.catch(() => undefined); // Told to those who wait for it.
  }

  /** The end of its log. */
  get log(): string {
    return this.#log;
  }

  /** Resolves with the first line of JSON that has an `event` of `ready`. Rejects with the end of the log. */
  ready(): Promise<ReadyLine> {
    return this.#within(this.#ready, this.#options.readyWithinMs, 'did not serve');
  }

  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#child.kill(signal);
  }

  /** Resolves when it has ended, by whatever cause. */
  async ended(): Promise<void> {
    try {
      await this.#within(this.#ended, STOP_DEADLINE_MS, 'did not end');
    } catch (error) {
      this.#child.kill('SIGKILL');
      throw error;
    }
  }

  /** Ends it in order. May be called again. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    await this.ended();
  }

  /** All of it, as long as it runs: one whose pipe is full stands still. */
  #readOutput(): Promise<ReadyLine> {
    const { stdout } = this.#child;
    if (stdout === null) throw new Error(`${this.#options.name} has no output`);
    return new Promise((resolve, reject) => {
      createInterface({ input: stdout })
        .on('line', (line) => {
          const ready = readyLine(line);
          if (ready === null) this.#keep(`${line}\n`);
          else resolve(ready);
        })
        .on('close', () => reject(this.#failure('ended before it served')));
    });
  }

  async #within<Result>(work: Promise<Result>, deadlineMs: number, what: string): Promise<Result> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#failure(`${what} within ${deadlineMs / 1_000} s`)), deadlineMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #keep(text: string): void {
    this.#log = (this.#log + text).slice(-KEPT_LOG_CHARACTERS);
  }

  #failure(what: string): Error {
    return new Error(`${this.#options.name} ${what}; its log ends with:\n${this.#log}`);
  }
}

const readyLine = (line: string): ReadyLine | null => {
  if (!line.includes('"ready"')) return null;
  try {
    return JSON.parse(line) as ReadyLine;
  } catch {
    return null; // A line of its log that has the word.
  }
};

/** A text of a ready line. */
export const textOf = (ready: ReadyLine, field: string): string => {
  const value = ready[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new Error(`the ready line has ${field} ${JSON.stringify(value)}; allowed: a text`);
};
