/** The three ways of serving that are compared, and the two situations. */
import { credentials } from '@grpc/grpc-js';
import { vllm } from '@holdfast/contracts';
import { startControlPlane } from '../support/control-plane.js';
import type { VllmProcess } from '../support/vllm-process.js';
import { replay, type Measured } from './replay.js';
import { planWorkload, type WorkloadShape } from './workload.js';

/** Name of an arm. */
export type ArmName = 'stock' | 'order' | 'holdfast';
/** Name of a scenario. */
export type ScenarioName = 'contended' | 'alone';

/** How an arm is served. */
export interface Arm {
  readonly name: ArmName;
  readonly hasPlugin: boolean;
  readonly policy: string;
  readonly dispatchWindow: number;
}

/** Wide enough that the engine sees every turn at once and decides by itself. */
const ENGINE_DECIDES = 64;

/** Pure. The arms, with the policy of the third. */
export const armsWith = (policy: string): readonly Arm[] => [
  { name: 'stock', hasPlugin: false, policy: 'vllm-fcfs', dispatchWindow: ENGINE_DECIDES },
  { name: 'order', hasPlugin: false, policy: 'program-fcfs', dispatchWindow: 2 },
  { name: 'holdfast', hasPlugin: true, policy, dispatchWindow: ENGINE_DECIDES },
];

/** KV blocks of 32 tokens, one of which is vLLM's own. */
export const POOL_BLOCKS = 481;
/** Tokens of KV that the pool holds. */
export const POOL_TOKENS = (POOL_BLOCKS - 1) * 32;

/** The scenarios: programs that compete for the pool, and one at a time. */
export const SCENARIOS: Readonly<Record<ScenarioName, WorkloadShape>> = {
  contended: { programs: 14, arrivalsPerSecond: 0.7 },
  alone: { programs: 2, arrivalsPerSecond: null },
};

/** One run of one arm. */
export interface RunOptions {
  readonly arm: Arm;
  readonly scenario: ScenarioName;
  readonly seed: number;
  readonly engine: VllmProcess;
  readonly databaseUrl: string;
  /** Tells the pools of one run from those of others. */
  readonly ordinal: number;
  readonly signal: AbortSignal;
}

/** SmolLM2-135M on two cores, seconds: a step, and a token of prefill. */
const PREFILL_COST = '0.04,0.0005,0';

/** Starts a control plane of its own, replays the scenario, and stops it again. */
export const runArm = async (options: RunOptions): Promise<Measured> => {
  const { arm, scenario, seed, engine, databaseUrl, ordinal, signal } = options;
  const shape = SCENARIOS[scenario];
  // All arms get the same programs, so nothing may be left of the run before.
  await flushCache(engine.address);
  const controlPlane = await startControlPlane({
    engines: [engine.target],
    policy: arm.policy,
    databaseUrl,
    pool: `bench-${ordinal}`,
    dispatchWindow: arm.dispatchWindow,
    prefillCost: PREFILL_COST,
  });
  try {
    const { address } = controlPlane;
    return await replay(planWorkload(seed, shape), { address, shape, poolTokens: POOL_TOKENS, signal });
  } finally {
    await controlPlane.process.stop();
  }
};

const FLUSH_SECONDS = 30;

/** Empties the prefix cache of an idle engine. */
const flushCache = async (address: string): Promise<void> => {
  const client = new vllm.VllmEngineClient(address, credentials.createInsecure());
  try {
    const { success, message } = await new Promise<{ readonly success: boolean; readonly message: string }>(
      (resolve, reject) => {
        client.flushCache({ timeoutS: FLUSH_SECONDS }, (error, response) =>
          error === null ? resolve(response) : reject(error),
        );
      },
    );
    if (!success) throw new Error(`the engine at ${address} did not empty its prefix cache: ${message}`);
  } finally {
    client.close();
  }
};
