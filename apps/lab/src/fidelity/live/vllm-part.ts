import { startPostgres } from '@holdfast/platform';
import type { StepTimeCoefficients } from '@holdfast/simulation';
import { BuiltProcess } from '@holdfast/testing/processes';
import { UsageError } from '../../cli/exit.js';
import { fitStepTimes } from '../fit-step-times.js';
import { latencyErrors, type LatencyError } from '../latency-errors.js';
import type { Latencies, LatencyName } from '../latencies.js';
import { compareDecisions, type DecisionComparison } from './compare-decisions.js';
import type { LivePartOptions } from './live-part.js';
import { runLive } from './live-service.js';
import { liveWorkload, type LiveWorkloadShape } from './live-workload.js';
import type { RecordedRun } from './recorded-run.js';
import { simulateRun, type SimulatedRun } from './simulate-run.js';
import { turnLatencies } from './turn-latencies.js';

/** Programs for a small model on a CPU: contexts of some hundred tokens, of which its pool holds ten. */
export const VLLM_SHAPE: LiveWorkloadShape = {
  programs: 20,
  meanSecondsBetweenArrivals: 6,
  turns: [2, 5],
  firstPromptTokens: [200, 900],
  addedTokens: [30, 200],
  outputTokens: [8, 32],
};
export const VLLM_POLICY = 'holdfast';
/** Of the turns, in order of submission. */
const FITTED_SHARE = 0.5;
const SEED = 1;
const DISPATCH_WINDOW = 4;

/** As tools/vllm/serve.mjs starts it, with one block for vLLM itself. */
const ENGINE_ARGS = [
  ['--blocks', '257'],
  ['--max-num-batched-tokens', '512'],
  ['--max-pinned-fraction', '1'],
].flat();
const TOKEN_BUDGET = 512;
const READY_WITHIN_MS = 420_000;
const STOP_WITHIN_MS = 60_000;

/** SmolLM2-135M on two idle cores, roughly: where the fit begins. */
const FIRST_GUESS: StepTimeCoefficients = {
  baseMicros: 40_000,
  perPrefillTokenMicros: 500,
  perDecodeSequenceMicros: 2_000,
  perContextTokenMicros: 1,
  perPrefillPairMicros: 0.1,
};
const PREFILL_COST = '0.04,0.0005,0';

/** One run on a real vLLM, and what the simulator makes of it. */
export interface VllmResult {
  readonly turns: number;
  readonly fittedTurns: number;
  readonly stepTime: StepTimeCoefficients;
  /** Of the turns that nothing was fitted on. */
  readonly errors: Readonly<Record<LatencyName, LatencyError>>;
  /** Of the whole run. */
  readonly comparison: DecisionComparison;
}

/**
 * Runs a workload on a vLLM with the plug-in behind a real service; then the simulator, whose step times are fitted on the
 * first turns and which is judged on the others.
 */
export const measureVllm = async (options: Pick<LivePartOptions, 'signal' | 'progress'>): Promise<VllmResult> => {
  const live = await runOnVllm(options);
  const simulate = (stepTime: StepTimeCoefficients): SimulatedRun =>
    simulateRun(live, { stepTime, tokenBudget: TOKEN_BUDGET, maxPinnedFraction: 1 });
  const modelled = (stepTime: StepTimeCoefficients): readonly Latencies[] =>
    turnLatencies(live.turns, simulate(stepTime).turns)[1];
  const [measured] = turnLatencies(live.turns, live.turns);
  const fittedTurns = Math.floor(measured.length * FITTED_SHARE);
  const stepTime = fitStepTimes(FIRST_GUESS, measured.slice(0, fittedTurns), modelled);
  return {
    turns: measured.length,
    fittedTurns,
    stepTime,
    errors: latencyErrors(measured.slice(fittedTurns), modelled(stepTime).slice(fittedTurns)),
    comparison: compareDecisions(live, simulate(stepTime)),
  };
};

const runOnVllm = async (options: Pick<LivePartOptions, 'signal' | 'progress'>): Promise<RecordedRun> => {
  const engine = new BuiltProcess({
    entry: 'tools/vllm/serve.mjs',
    args: ENGINE_ARGS,
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
  });
  const postgres = await startPostgres({ durable: false });
  try {
    const { address, kvControlAddress } = await readyVllm(engine);
    options.progress.expect(VLLM_SHAPE.programs);
    return await runLive({
      ...options,
      engines: [`${address}/${kvControlAddress}`],
      policy: VLLM_POLICY,
      pool: 'vllm',
      databaseUrl: postgres.url,
      dispatchWindow: DISPATCH_WINDOW,
      prefillCost: PREFILL_COST,
      timeScale: 1,
      arrivals: liveWorkload(VLLM_SHAPE, SEED),
      seed: SEED,
    });
  } finally {
    await engine.stop();
    await postgres.stop();
  }
};

const readyVllm = async (engine: BuiltProcess): Promise<Readonly<Record<string, string>>> => {
  try {
    return await engine.ready();
  } catch (error) {
    // Most often it is not set up, which the last line of its log says.
    throw new UsageError(`--parts is vllm: ${error instanceof Error ? error.message : String(error)}`);
  }
};
