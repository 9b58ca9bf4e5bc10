/** What a request costs before its first token by either way to an engine: a Generate call of its own, or a request stream. */
import { setTimeout as sleep } from 'node:timers/promises';
import { build, type Histogram } from 'hdr-histogram-js';
import { createVllmClient, type EngineClient } from '@holdfast/engines';
import { instant } from '@holdfast/scheduling';
import { BuiltProcess } from '@holdfast/testing/processes';

/** One way. */
export interface RequestsRow {
  readonly way: string;
  /** To the first token, in milliseconds. */
  readonly firstTokenP50Ms: number;
  readonly firstTokenP99Ms: number;
  /** To the end of the answer, in milliseconds. */
  readonly endP50Ms: number;
  /** Processor time of the caller for a request, in milliseconds. */
  readonly callerCpuMs: number;
}

/** So fast that the engine's own model time does not count. */
const TIME_SCALE = 2_000;
const PROMPT_IDS = Uint32Array.from({ length: 256 }, (_, index) => 32 + (index % 90));
const OUTPUT_TOKENS = 16;
const WARM_UP = 1_500;
const REQUESTS = 1_000;
/** Between two requests, as the turns of one agent come: code and data are cold by then. */
const REST_MS = 10;

/** Nobody listens there, so the engine is taken for one without KvControl, which is asked by calls. */
const NOWHERE = '127.0.0.1:1';

/** Measures both ways in turn, on one simulated engine. */
export const benchRequests = async (): Promise<readonly RequestsRow[]> => {
  const engine = new BuiltProcess({
    entry: 'apps/sim-engine/dist/main.js',
    args: ['--port', '0', '--time-scale', String(TIME_SCALE)],
  });
  const ways: Way[] = [];
  try {
    const { address } = await engine.ready();
    ways.push(new Way('a call each', String(address), NOWHERE), new Way('one stream', String(address)));
    for (const way of ways) await way.attach();
    for (let index = 0; index < WARM_UP; index += 1) for (const way of ways) await way.ask();
    for (const way of ways) way.reset();
    for (let index = 0; index < REQUESTS; index += 1) {
      for (const way of ways) {
        await sleep(REST_MS);
        await way.ask();
      }
    }
    return ways.map((way) => way.row());
  } finally {
    for (const way of ways) way.close();
    await engine.stop();
  }
};

class Way {
  readonly #client: EngineClient;
  #firstToken = micros();
  #end = micros();
  #cpuMicros = 0;
  #requests = 0;

  constructor(
    readonly name: string,
    address: string,
    kvControlAddress?: string,
  ) {
    this.#client = createVllmClient({
      engineId: name,
      address,
      prefillCost: { baseSeconds: 0, perTokenSeconds: 0, perTokenSquaredSeconds: 0 },
      ...(kvControlAddress === undefined ? {} : { kvControlAddress }),
    });
  }

  async attach(): Promise<void> {
    await this.#client.info();
  }

  async ask(): Promise<void> {
    const startedAt = performance.now();
    const cpu = process.cpuUsage();
    let isFirst = true;
    const call = {
      requestId: `${this.name}-${++this.#requests}`,
      promptIds: PROMPT_IDS,
      sampling: { maxTokens: OUTPUT_TOKENS, ignoreEos: true },
      hints: { programId: this.name, turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: false },
      signal: new AbortController().signal,
    };
    for await (const event of this.#client.generate(call)) {
      if (isFirst && event.type === 'tokens') note(this.#firstToken, startedAt);
      isFirst = false;
    }
    note(this.#end, startedAt);
    const { user, system } = process.cpuUsage(cpu);
    this.#cpuMicros += user + system;
  }

  /** Forgets what was measured. */
  reset(): void {
    this.#firstToken = micros();
    this.#end = micros();
    this.#cpuMicros = 0;
  }

  row(): RequestsRow {
    return {
      way: this.name,
      firstTokenP50Ms: this.#firstToken.getValueAtPercentile(50) / 1_000,
      firstTokenP99Ms: this.#firstToken.getValueAtPercentile(99) / 1_000,
      endP50Ms: this.#end.getValueAtPercentile(50) / 1_000,
      callerCpuMs: this.#cpuMicros / this.#end.totalCount / 1_000,
    };
  }

  close(): void {
    this.#client.close();
  }
}

const micros = (): Histogram => build({ numberOfSignificantValueDigits: 3 });

const note = (histogram: Histogram, startedAt: number): void =>
  histogram.recordValue(Math.max(1, Math.round((performance.now() - startedAt) * 1_000)));
