import { join } from 'node:path';
import { LaunchedProcess, REPOSITORY, textOf, type ReadyLine } from './launched-process.js';

/** How the engine is to be. */
export interface VllmOptions {
  /** Without the plug-in: a vLLM that has never heard of Holdfast. */
  readonly isStock?: boolean;
  /** More options of `tools/vllm/serve.mjs`. */
  readonly args?: readonly string[];
}

const READY_WITHIN_MS = 400_000;

/** One running vLLM, started through the launcher that people use, too. */
export class VllmProcess {
  readonly #launcher: LaunchedProcess;
  readonly #ready: ReadyLine;

  private constructor(launcher: LaunchedProcess, ready: ReadyLine) {
    this.#launcher = launcher;
    this.#ready = ready;
  }

  /** Starts an engine; resolves when it serves. Rejects with the end of its log. */
  static async start({ isStock = false, args = [] }: VllmOptions = {}): Promise<VllmProcess> {
    const serve = [join(REPOSITORY, 'tools/vllm/serve.mjs'), '--exit-with-stdin', ...(isStock ? ['--stock'] : [])];
    const launcher = new LaunchedProcess({
      name: 'vLLM',
      command: process.execPath,
      args: [...serve, ...args],
      readyWithinMs: READY_WITHIN_MS,
    });
    try {
      return new VllmProcess(launcher, await launcher.ready());
    } catch (error) {
      await launcher.stop();
      throw error;
    }
  }

  /** Where VllmEngine is served, as host:port. */
  get address(): string {
    return textOf(this.#ready, 'address');
  }

  /** Where KvControl is served. Undefined on a stock engine. */
  get kvControlAddress(): string | undefined {
    return 'kvControlAddress' in this.#ready ? textOf(this.#ready, 'kvControlAddress') : undefined;
  }

  /** The engine as the control plane's HOLDFAST_ENGINES wants it. */
  get target(): string {
    return this.kvControlAddress === undefined ? this.address : `${this.address}/${this.kvControlAddress}`;
  }

  /** The end of its log. */
  get log(): string {
    return this.#launcher.log;
  }

  /** Options that start another engine on the same ports. */
  get portArgs(): readonly string[] {
    const portOf = (address: string): string => address.split(':').at(-1) ?? '0';
    const control = this.kvControlAddress === undefined ? [] : ['--kv-port', portOf(this.kvControlAddress)];
    return ['--port', portOf(this.address), ...control];
  }

  /** Ends it as a crash does: all its processes at once. */
  async kill(): Promise<void> {
    process.kill(-Number(this.#ready['pid']), 'SIGKILL');
    await this.#launcher.ended();
  }

  /** Ends it in order. May be called again. */
  stop(): Promise<void> {
    return this.#launcher.stop();
  }
}
