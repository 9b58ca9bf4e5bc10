import { engineProfile } from '@holdfast/simulation';
import { startPostgres } from '@holdfast/platform';
import { BuiltProcess } from '@holdfast/testing/processes';
import type { ProgressDisplay } from '../../output/progress.js';
import { latencyErrors, type LatencyError } from '../latency-errors.js';
import type { LatencyName } from '../latencies.js';
import { compareDecisions, type DecisionComparison } from './compare-decisions.js';
import { runLive } from './live-service.js';
import { liveWorkload, type LiveWorkloadShape } from './live-workload.js';
import { simulateRun } from './simulate-run.js';
import { turnLatencies } from './turn-latencies.js';

/** Profile of the simulated engines. */
export const LIVE_PROFILE = 'h100-llama-3.1-8b';
/** So little memory that pins are revoked: 14,400 tokens an engine. */
export const LIVE_BLOCKS = 900;
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
  readonly turns: number;
  readonly comparison: DecisionComparison;
  readonly errors: Readonly<Record<LatencyName, LatencyError>>;
}

export interface LivePartOptions {
  readonly policies: readonly string[];
  readonly shape: LiveWorkloadShape;
  readonly engines: number;
  /** Seconds of the programs in a real one. */
  readonly timeScale: number;
  readonly signal: AbortSignal;
  readonly progress: ProgressDisplay;
}

/** Runs one workload on simulated engines behind a real service, then in the simulator, for each policy. */
export const measureLive = async (options: LivePartOptions): Promise<readonly LiveResult[]> => {
  const postgres = await startPostgres({ durable: false });
  try {
    const results: LiveResult[] = [];
    for (const [index, policy] of options.policies.entries()) {
      results.push(await measurePolicy(policy, { ...options, databaseUrl: postgres.url, pool: `live-${index}` }));
    }
    return results;
  } finally {
    await postgres.stop();
  }
};

const measurePolicy = async (
  policy: string,
  options: LivePartOptions & { readonly databaseUrl: string; readonly pool: string },
): Promise<LiveResult> => {
  const { shape, timeScale } = options;
  const { stepTime, tokenBudget, prefillCost } = engineProfile(LIVE_PROFILE);
  const engines = Array.from({ length: options.engines }, () => startEngine(timeScale));
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
      turns: live.turns.length,
      comparison: compareDecisions(live, simulated),
      errors: latencyErrors(...turnLatencies(live.turns, simulated.turns)),
    };
  } finally {
    await Promise.all(engines.map((engine) => engine.stop()));
  }
};

const startEngine = (timeScale: number): BuiltProcess =>
  new BuiltProcess({
    entry: 'apps/sim-engine/dist/main.js',
    args: [
      ['--port', '0'],
      ['--profile', LIVE_PROFILE],
      ['--blocks', String(LIVE_BLOCKS)],
      ['--max-pinned-fraction', '1'],
      ['--time-scale', String(timeScale)],
      ['--log-level', 'warn'],
    ].flat(),
  });
