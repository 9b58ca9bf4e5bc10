/** A real vLLM as a process, through the launcher that people use, too. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How the engine is to be. */
export interface VllmOptions {
  /** Without the plug-in: a vLLM that has never heard of Holdfast. */
  readonly isStock?: boolean;
  /** More options of `tools/vllm/serve.mjs`. */
  readonly args?: readonly string[];
}

interface Ready {
  readonly address: string;
  readonly kvControlAddress?: string;
  readonly pid: number;
}

const READY_DEADLINE_MS = 400_000;
const STOP_DEADLINE_MS = 60_000;
const KEPT_LOG_CHARACTERS = 8_000;

/** The repository: the sources lie deeper when they are built. */
const findRoot = (): string => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== '/'; folder = dirname(folder)) {
    if (existsSync(join(folder, 'tools/vllm/serve.mjs'))) return folder;
  }
  throw new Error('tools/vllm/serve.mjs is in no folder above this file');
};

/** The repository's folder. */
export const REPOSITORY = findRoot();

/** One running vLLM. */
export class VllmProcess {
  readonly #launcher: ChildProcess;
  readonly #ended: Promise<void>;
  #ready: Ready = { address: '', pid: 0 };
  #log = '';
  #hasEnded = false;

  private constructor({ isStock = false, args = [] }: VllmOptions) {
    const launch = [join(REPOSITORY, 'tools/vllm/serve.mjs'), '--exit-with-stdin', ...(isStock ? ['--stock'] : [])];
    this.#launcher = spawn(process.execPath, [...launch, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#launcher.stdin?.on('error', () => undefined); // It may end before the pipe does.
    this.#launcher.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-KEPT_LOG_CHARACTERS);
    });
    this.#ended = new Promise((resolve) => {
      this.#launcher.once('close', () => {
        this.#hasEnded = true;
        resolve();
      });
    });
  }

  /** Starts an engine; resolves when it serves. Rejects with the end of its log. */
  static async start(options: VllmOptions = {}): Promise<VllmProcess> {
    const engine = new VllmProcess(options);
    try {
      engine.#ready = await engine.#untilReady();
      return engine;
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  /** Where VllmEngine is served, as host:port. */
  get address(): string {
    return this.#ready.address;
  }

  /** Where KvControl is served. Undefined on a stock engine. */
  get kvControlAddress(): string | undefined {
    return this.#ready.kvControlAddress;
  }

  /** An engine as the control plane's HOLDFAST_ENGINES wants it. */
  get target(): string {
    return this.kvControlAddress === undefined ? this.address : `${this.address}/${this.kvControlAddress}`;
  }

  /** The end of its log. */
  get log(): string {
    return this.#log;
  }

  /** Options that start another engine on the same ports. */
  get portArgs(): readonly string[] {
    const portOf = (address: string): string => address.split(':').at(-1) ?? '0';
    const control = this.kvControlAddress === undefined ? [] : ['--kv-port', portOf(this.kvControlAddress)];
    return ['--port', portOf(this.address), ...control];
  }

  /** Ends it as a crash does: all its processes at once. */
  async kill(): Promise<void> {
    if (this.#ready.pid > 0 && !this.#hasEnded) process.kill(-this.#ready.pid, 'SIGKILL');
    await this.#untilEnded();
  }

  /** Ends it in order. May be called again. */
  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.#launcher.stdin?.end();
    await this.#untilEnded();
  }

  async #untilReady(): Promise<Ready> {
    const { stdout } = this.#launcher;
    if (stdout === null) throw new Error('the launcher has no output');
    const first = (async (): Promise<Ready> => {
      for await (const line of createInterface({ input: stdout })) return JSON.parse(line) as Ready;
      throw new Error(`vLLM ended before it served; its log ends with:\n${this.#log}`);
    })();
    return within(first, READY_DEADLINE_MS, () => `vLLM did not serve; its log ends with:\n${this.#log}`);
  }

  async #untilEnded(): Promise<void> {
    try {
      await within(this.#ended, STOP_DEADLINE_MS, () => `vLLM did not end; its log ends with:\n${this.#log}`);
    } catch (error) {
      this.#launcher.kill('SIGKILL');
      throw error;
    }
  }
}

/** The result of the work; rejects with what went wrong when that takes too long. */
const within = async <Result>(work: Promise<Result>, deadlineMs: number, problem: () => string): Promise<Result> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${deadlineMs / 1_000} s: ${problem()}`)), deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};
