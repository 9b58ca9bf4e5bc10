import { engineProfile } from '@holdfast/simulation';
import { startPostgres } from '@holdfast/platform';
import { BuiltProcess } from '@holdfast/testing/processes';
import type { ProgressDisplay } from '../../output/progress.js';
import { latencyErrors, type LatencyError } from '../latency-errors.js';
import type { LatencyName } from '../latencies.js';
import { compareDecisions, type DecisionComparison } from './compare-decisions.js';
import { runLive, type LiveRun } from './live-service.js';
import { liveWorkload, type LiveWorkloadShape } from './live-workload.js';
import { simulateRun } from './simulate-run.js';
import { turnLatencies } from './turn-latencies.js';

/** Profile of the simulated engines. */
export const LIVE_PROFILE = 'h100-llama-3.1-8b';
/** KV blocks of an engine: 28,032 tokens, which is room for all pins, and 14,400, so that some are revoked. */
export const LIVE_BLOCKS = [1_752, 900] as const;
/** So many that it matters where a program begins. */
export const LIVE_ENGINES = 2;
export const LIVE_SEED = 1;

/** What they do with pins: nothing, two constants, Continuum's rule, prices. */
export const LIVE_POLICIES = ['vllm-fcfs', 'static-ttl:ttl=2s', 'infinite-pin', 'continuum', 'holdfast'] as const;

export const LIVE_SHAPE: LiveWorkloadShape = {
  programs: 16,
  meanSecondsBetweenArrivals: 1.2,
  turns: [3, 7],
  firstPromptTokens: [1_500, 5_000],
  addedTokens: [100, 1_200],
  outputTokens: [10, 80],
};

const DISPATCH_WINDOW = 4;

/** One policy, live and simulated. */
export interface LiveResult {
  readonly policy: string;
  /** KV blocks of each engine. */
  readonly blocks: number;
  readonly turns: number;
  readonly comparison: DecisionComparison;
  readonly errors: Readonly<Record<LatencyName, LatencyError>>;
}

export interface LivePartOptions {
  readonly policies: readonly string[];
  readonly shape: LiveWorkloadShape;
  readonly engines: number;
  /** KV blocks of each engine: one run of every policy for each. */
  readonly blocks: readonly number[];
  /** Seconds of the programs in a real one. */
  readonly timeScale: number;
  readonly signal: AbortSignal;
  readonly progress: ProgressDisplay;
}

/** Runs one workload on simulated engines behind a real service, then in the simulator, for each policy. */
export const measureLive = async (options: LivePartOptions): Promise<readonly LiveResult[]> => {
  const { policies, blocks: memories, shape, progress } = options;
  progress.expect(memories.length * policies.length * shape.programs);
  const postgres = await startPostgres({ durable: false });
  try {
    const results: LiveResult[] = [];
    for (const blocks of memories) {
      for (const [index, policy] of policies.entries()) {
        const own = { blocks, databaseUrl: postgres.url, pool: `live-${blocks}-${index}` };
        results.push(await measurePolicy(policy, { ...options, ...own }));
      }
    }
    return results;
  } finally {
    await postgres.stop();
  }
};

const measurePolicy = async (
  policy: string,
  options: Omit<LivePartOptions, 'blocks'> & Pick<LiveResult, 'blocks'> & Pick<LiveRun, 'databaseUrl' | 'pool'>,
): Promise<LiveResult> => {
  const { shape, timeScale, blocks } = options;
  const { stepTime, tokenBudget, prefillCost } = engineProfile(LIVE_PROFILE);
  const engines = Array.from({ length: options.engines }, () => startEngine(blocks, timeScale));
  try {
    const ready = await Promise.all(engines.map((engine) => engine.ready()));
    const live = await runLive({
      ...options,
      engines: ready.map(({ address = '' }) => address),
      policy,
      dispatchWindow: DISPATCH_WINDOW,
      prefillCost: [prefillCost.baseSeconds, prefillCost.perTokenSeconds, prefillCost.perTokenSquaredSeconds].join(','),
      arrivals: liveWorkload(shape, LIVE_SEED),
      seed: LIVE_SEED,
    });
    const simulated = simulateRun(live, { stepTime, tokenBudget, maxPinnedFraction: 1 });
    return {
      policy,
      blocks,
      turns: live.turns.length,
      comparison: compareDecisions(live, simulated),
      errors: latencyErrors(...turnLatencies(live.turns, simulated.turns)),
    };
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()));
  }
};

const startEngine = (blocks: number, timeScale: number): BuiltProcess =>
  new BuiltProcess({
    entry: 'apps/sim-engine/dist/main.js',
    args: [
      ['--port', '0'],
      ['--profile', LIVE_PROFILE],
      ['--blocks', String(blocks)],
      ['--max-pinned-fraction', '1'],
      ['--time-scale', String(timeScale)],
      ['--log-level', 'warn'],
    ].flat(),
  });
