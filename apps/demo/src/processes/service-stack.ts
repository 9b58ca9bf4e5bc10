import { join } from 'node:path';
import type { DemoEngine } from '../engine-kinds.js';
import { ManagedProcess, type ManagedProcessOptions, type ReadyLine } from './managed-process.js';

/** What to run. */
export interface StackOptions {
  readonly policy: string;
  /** Name of the pool; pools share the database. */
  readonly pool: string;
  readonly databaseUrl: string;
  readonly engine: DemoEngine;
  readonly timeScale: number;
  /** Folder for logs of this run. */
  readonly logDir?: string;
}

const DIST = new URL('../../../', import.meta.url);
const CONTROL_PLANE = new URL('control-plane/dist/main.js', DIST);
const SIM_ENGINE = new URL('sim-engine/dist/main.js', DIST);
const SERVE_VLLM = new URL('../../../../tools/vllm/serve.mjs', import.meta.url);
const EXPORT_LOG = new URL('control-plane/dist/export-log.js', DIST);

/** Longest context of the model. */
const MAX_CONTEXT_TOKENS = 131_072;

/** vLLM starts in half a minute on an idle machine, and takes its time to stop all its processes. */
const VLLM_READY_MS = 300_000;
const VLLM_STOP_MS = 45_000;

/** A control plane and its engines, in processes of their own. */
export class ServiceStack {
  readonly #options: StackOptions;
  readonly #processes: ManagedProcess[] = [];
  #engines: readonly EngineAddress[] = [];
  #address = '';

  constructor(options: StackOptions) {
    this.#options = options;
  }

  /** Where ProgramService is. */
  get address(): string {
    return this.#address;
  }

  /** Where the KvControl of each engine is. */
  get kvControlAddresses(): readonly string[] {
    return this.#engines.map(({ kvControlAddress }) => kvControlAddress);
  }

  /** Starts engines, then the service, which has attached them when this resolves. `stop` is due also if it rejects. */
  async start(): Promise<void> {
    const { engines } = this.#options.engine;
    const starting = Array.from({ length: engines }, (_, index) => this.#startEngine(index + 1));
    this.#engines = (await Promise.all(starting)).map((ready) => {
      const address = textOf(ready, 'address');
      // The simulated engine serves both on one port.
      return { address, kvControlAddress: 'kvControlAddress' in ready ? textOf(ready, 'kvControlAddress') : address };
    });
    const ready = await this.#start('control-plane', CONTROL_PLANE, { env: this.#environment() });
    this.#address = textOf(ready, 'grpc');
  }

  /** Rejects if a process ends before `signal` aborts. */
  async mustLiveUntil(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.mustLiveUntil(signal)));
  }

  /** Ends the service first, so that it can let its engines go, then the engines. Modifies state. */
  async stop(): Promise<void> {
    const inOrder = [...this.#processes].reverse();
    await inOrder[0]?.stop();
    await Promise.all(inOrder.map((process) => process.stop()));
  }

  /** Writes the recorded events and decisions of the pool to PREFIX.*.jsonl. The service must have stopped. */
  async exportLog(prefix: string): Promise<void> {
    await this.#spawn('export-log', EXPORT_LOG, { env: this.#environment(), args: [prefix] }).completed();
  }

  #startEngine(ordinal: number): Promise<ReadyLine> {
    const { engine, timeScale } = this.#options;
    if (engine.kind === 'vllm') {
      const args = ['--blocks', String(engine.profile.totalBlocks + 1)];
      return this.#start(`engine-${ordinal}`, SERVE_VLLM, {
        args,
        readyWithinMs: VLLM_READY_MS,
        stopWithinMs: VLLM_STOP_MS,
      });
    }
    const args = [
      ['--profile', engine.profile.name],
      ['--time-scale', String(timeScale)],
      ['--max-context', String(MAX_CONTEXT_TOKENS)],
      ['--log-level', 'warn'],
    ].flat();
    return this.#start(`engine-${ordinal}`, SIM_ENGINE, { args });
  }

  #environment(): Readonly<Record<string, string>> {
    const { policy, pool, databaseUrl, engine, timeScale } = this.#options;
    const { baseSeconds, perTokenSeconds, perTokenSquaredSeconds } = engine.profile.prefillCost;
    return {
      ...withoutOwnSettings(),
      DATABASE_URL: databaseUrl,
      HOLDFAST_GRPC_ADDRESS: '127.0.0.1:0',
      HOLDFAST_HTTP_ADDRESS: '127.0.0.1:0',
      HOLDFAST_POOL: pool,
      HOLDFAST_ENGINES: this.#engines
        .map(({ address, kvControlAddress }) => `${address}/${kvControlAddress}`)
        .join(','),
      HOLDFAST_POLICY: policy,
      HOLDFAST_TIME_SCALE: String(timeScale),
      HOLDFAST_PREFILL_COST: [baseSeconds, perTokenSeconds, perTokenSquaredSeconds].join(','),
      // Limits of the service count model time, which flies here.
      HOLDFAST_PROGRAM_IDLE_LIMIT: '24h',
      HOLDFAST_ENGINE_ABSENCE_LIMIT: '1h',
      HOLDFAST_CALLER_STALL_LIMIT: '1h',
      HOLDFAST_DRAIN_LIMIT: '1s',
      HOLDFAST_LOG_LEVEL: 'warn',
    };
  }

  #start(name: string, entry: URL, rest: SpawnOptions): Promise<ReadyLine> {
    return this.#spawn(name, entry, rest).ready();
  }

  #spawn(name: string, entry: URL, rest: SpawnOptions): ManagedProcess {
    const { logDir } = this.#options;
    const logFile = logDir === undefined ? {} : { logFile: join(logDir, `${name}.log`) };
    const child = new ManagedProcess({ name, entry, ...rest, ...logFile });
    this.#processes.push(child);
    return child;
  }
}

type SpawnOptions = Pick<ManagedProcessOptions, 'args' | 'env' | 'readyWithinMs' | 'stopWithinMs'>;

interface EngineAddress {
  readonly address: string;
  readonly kvControlAddress: string;
}

/** Settings of the caller's environment must not leak into the comparison; empty counts as not set. */
const withoutOwnSettings = (): Record<string, string> =>
  Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('HOLDFAST_'))
      .map((name) => [name, '']),
  );

const textOf = (ready: ReadyLine, field: string): string => {
  const value = ready[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new Error(`the ready line has ${field} ${JSON.stringify(value)}; allowed: an address`);
};
