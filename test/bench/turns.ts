import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { build, type Histogram } from 'hdr-histogram-js';
import { vllm } from '@holdfast/contracts';
import { Holdfast, type Program } from '@holdfast/sdk';
import { ServiceProcesses } from '@holdfast/testing/processes';

export interface TurnRow {
  readonly concurrency: number;
  readonly turns: number;
  readonly directP50Ms: number;
  readonly directP99Ms: number;
  readonly throughP50Ms: number;
  readonly throughP99Ms: number;
  readonly addedP50Ms: number;
  readonly addedP99Ms: number;
}

export interface RelayRow {
  readonly streams: number;
  readonly directTokensPerSecond: number;
  readonly throughTokensPerSecond: number;
  readonly ratio: number;
}

export interface LoopLag {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface ServiceResults {
  readonly turn: readonly TurnRow[];
  readonly relay: readonly RelayRow[];
  readonly controlPlaneLoopLag: LoopLag;
}

/** So fast that the engine's own model time does not count. */
const TIME_SCALE = 2_000;
const PROMPT_TOKENS = 256;
const OUTPUT_TOKENS = 16;
const TURNS_IN_ALL = 1_500;
/** Until the compiler has seen the whole path: the first 1,500 turns after a start take a third longer. */
const WARM_UP_TURNS = 1_500;
const RELAYED_TOKENS = 100_000;

/** Runs the service benchmarks: an engine, a control plane with its database, and both ways to reach the engine. */
export const benchService = async (say: (what: string) => void): Promise<ServiceResults> => {
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const lagFile = join(scratch, 'lag.json');
  const preload = new URL('loop-lag.js', import.meta.url).href;
  const services = new ServiceProcesses({
    engines: 1,
    timeScale: TIME_SCALE,
    env: {
      NODE_OPTIONS: `--import ${preload}`,
      BENCH_LOOP_LAG_FILE: lagFile,
      HOLDFAST_POLICY: process.env['HOLDFAST_POLICY'] ?? 'continuum',
    },
    through: (address) => {
      engineAddress = address;
      return Promise.resolve(address);
    },
  });
  let engineAddress = '';
  try {
    await services.start();
    const bench = new ServiceBench(engineAddress, services.address);
    const turn: TurnRow[] = [];
    for (const concurrency of [1, 64]) {
      say(`turns, ${concurrency} at once`);
      turn.push(await bench.turns(concurrency));
    }
    const relay: RelayRow[] = [];
    for (const streams of [1, 16]) {
      say(`tokens relayed, ${streams} streams`);
      relay.push(await bench.relay(streams));
    }
    bench.close();
    await services.stop();
    const controlPlaneLoopLag = JSON.parse(readFileSync(lagFile, 'utf8')) as LoopLag;
    return { turn, relay, controlPlaneLoopLag };
  } finally {
    await services.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
};

class ServiceBench {
  readonly #engine: vllm.VllmEngineClient;
  readonly #holdfast: Holdfast;
  #requests = 0;

  constructor(engineAddress: string, serviceAddress: string) {
    this.#engine = new vllm.VllmEngineClient(engineAddress, credentials.createInsecure());
    this.#holdfast = new Holdfast({ address: serviceAddress });
  }

  /** Each program alternates a turn through the service and one straight to the engine, so that noise hits both. */
  async turns(concurrency: number): Promise<TurnRow> {
    await this.#round(concurrency, WARM_UP_TURNS);
    const { direct, through } = await this.#round(concurrency, TURNS_IN_ALL);
    const at = (histogram: Histogram, percentile: number): number => histogram.getValueAtPercentile(percentile) / 1_000;
    return {
      concurrency,
      turns: through.totalCount,
      directP50Ms: at(direct, 50),
      directP99Ms: at(direct, 99),
      throughP50Ms: at(through, 50),
      throughP99Ms: at(through, 99),
      addedP50Ms: at(through, 50) - at(direct, 50),
      addedP99Ms: at(through, 99) - at(direct, 99),
    };
  }

  /** Tokens per second of long outputs, straight from the engine and through the service, one after the other. */
  async relay(streams: number): Promise<RelayRow> {
    const tokens = Math.ceil(RELAYED_TOKENS / streams);
    const rateOf = async (run: (index: number) => Promise<number>): Promise<number> => {
      const startedAt = process.hrtime.bigint();
      const counts = await Promise.all(Array.from({ length: streams }, (_, index) => run(index)));
      return counts.reduce((sum, count) => sum + count, 0) / (Number(process.hrtime.bigint() - startedAt) / 1e9);
    };
    // Programs are started beforehand: their start waits for the database, which is not what is measured.
    const programs = await Promise.all(Array.from({ length: streams }, () => this.#holdfast.start({ name: 'relay' })));
    const through = async (index: number): Promise<number> =>
      (await this.#through(programs[index] as Program, tokens)).length;
    const direct = (): Promise<number> => this.#direct(tokens);
    await rateOf(direct);
    await rateOf(through);
    // Twice each, interleaved; the better of two, since a pause of the machine only ever slows.
    const directRates = [await rateOf(direct)];
    const throughRates = [await rateOf(through)];
    directRates.push(await rateOf(direct));
    throughRates.push(await rateOf(through));
    await Promise.all(programs.map((program) => program.end()));
    const directTokensPerSecond = Math.max(...directRates);
    const throughTokensPerSecond = Math.max(...throughRates);
    return {
      streams,
      directTokensPerSecond,
      throughTokensPerSecond,
      ratio: throughTokensPerSecond / directTokensPerSecond,
    };
  }

  close(): void {
    this.#engine.close();
    this.#holdfast.close();
  }

  async #round(
    concurrency: number,
    turns: number,
  ): Promise<{ readonly direct: Histogram; readonly through: Histogram }> {
    const direct = build({ numberOfSignificantValueDigits: 3 });
    const through = build({ numberOfSignificantValueDigits: 3 });
    let left = turns;
    const programs = Array.from({ length: concurrency }, () =>
      this.#holdfast.run({ name: 'bench' }, async (program) => {
        while (left > 0) {
          left -= 1;
          await timed(through, () => this.#through(program, OUTPUT_TOKENS));
          await timed(direct, () => this.#direct(OUTPUT_TOKENS));
        }
      }),
    );
    await Promise.all(programs);
    return { direct, through };
  }

  async #through(program: Program, maxTokens: number): Promise<readonly number[]> {
    const { tokenIds } = await program.turn({ promptIds: this.#prompt(), maxTokens, ignoreEos: true });
    return tokenIds;
  }

  #direct(maxTokens: number): Promise<number> {
    const request = vllm.GenerateRequest.create({
      requestId: `direct-${this.#requests}`,
      input: { $case: 'tokenized', value: { originalText: '', inputIds: Array.from(this.#prompt()) } },
      samplingParams: vllm.SamplingParams.create({ maxTokens, ignoreEos: true }),
      stream: true,
    });
    return new Promise((resolve, reject) => {
      let tokens = 0;
      this.#engine
        .generate(request)
        .on('data', ({ response }: vllm.GenerateResponse) => {
          if (response?.$case === 'chunk') tokens += response.value.tokenIds.length;
        })
        .on('error', reject)
        .on('end', () => resolve(tokens));
    });
  }

  /** A prompt that nobody has sent before, so that no cache helps either side. */
  #prompt(): Uint32Array {
    this.#requests += 1;
    const start = (this.#requests * PROMPT_TOKENS) % 100_000;
    return Uint32Array.from({ length: PROMPT_TOKENS }, (_, index) => 1_000 + ((start + index * 7) % 100_000));
  }
}

const timed = async (histogram: Histogram, run: () => Promise<unknown>): Promise<void> => {
  const startedAt = process.hrtime.bigint();
  await run();
  histogram.recordValue(Number((process.hrtime.bigint() - startedAt) / 1_000n));
};
