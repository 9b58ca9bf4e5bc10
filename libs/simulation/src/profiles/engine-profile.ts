import type { PrefillCost } from '@holdfast/scheduling';
import { gpuMemoryGib, hostLinkGbPerSecond, models, type ProfileRow, profileRows } from './profile-data.js';
import { prefillCostOf, type StepTimeCoefficients } from './step-time.js';

/** A modelled engine: size and speed of one GPU (or group) with one model, in BF16. */
export interface EngineProfile {
  /** `<gpu>-<model>[-tpN]`. */
  readonly name: string;
  readonly gpu: string;
  readonly model: string;
  /** GPUs over which the model is split. */
  readonly tensorParallel: number;
  readonly totalBlocks: number;
  /** Tokens in a block. */
  readonly blockTokens: number;
  /** KV bytes of one token, over all GPUs. */
  readonly kvBytesPerToken: number;
  /** Microseconds that one token's KV takes from host memory to the GPUs. */
  readonly reloadMicrosPerToken: number;
  /** Sequences that may run at once: vLLM's default. */
  readonly maxRunningRequests: number;
  /** Tokens one step may compute: Continuum's runs use 2,048. */
  readonly tokenBudget: number;
  readonly stepTime: StepTimeCoefficients;
  /** Prefill of x tokens alone, as a quadratic; see `prefillCostOf`. */
  readonly prefillCost: PrefillCost;
  /** Mean absolute error of the step-time fit, in per cent. */
  readonly fitErrorPercent: number;
}

const BLOCK_TOKENS = 16;
const MEMORY_UTILISATION = 0.9;
const BYTES_PER_PARAMETER = 2;
const MAX_RUNNING_REQUESTS = 256;
const TOKEN_BUDGET = 2_048;

/** (GPU memory x utilisation - weights) / KV bytes of a block, over all GPUs of the group. */
const computedBlocks = ({ gpu, model, tensorParallel }: ProfileRow): number => {
  const memoryBytes = gpuMemoryGib[gpu] * 2 ** 30 * tensorParallel;
  const { parameters, kvBytesPerToken } = models[model];
  const kvBytes = memoryBytes * MEMORY_UTILISATION - parameters * BYTES_PER_PARAMETER;
  return Math.floor(kvBytes / (kvBytesPerToken * BLOCK_TOKENS));
};

/** Of the nominal bandwidth that copies of whole blocks reach: 50 of 64 GB/s were measured on an H100 (README.md). */
const LINK_EFFICIENCY = 50 / 64;

/** Each GPU of the group loads its share over a link of its own. */
const reloadMicrosPerToken = ({ gpu, model, tensorParallel }: ProfileRow): number => {
  const bytesPerMicro = hostLinkGbPerSecond[gpu] * 1e3 * LINK_EFFICIENCY * tensorParallel;
  return models[model].kvBytesPerToken / bytesPerMicro;
};

const toProfile = (row: ProfileRow): EngineProfile => {
  const [base, prefillToken, decodeSequence, contextToken, prefillPair] = row.micros;
  const stepTime: StepTimeCoefficients = {
    baseMicros: base,
    perPrefillTokenMicros: prefillToken,
    perDecodeSequenceMicros: decodeSequence,
    perContextTokenMicros: contextToken,
    perPrefillPairMicros: prefillPair,
  };
  return {
    name: `${row.gpu}-${row.model}${row.tensorParallel === 1 ? '' : `-tp${row.tensorParallel}`}`,
    gpu: row.gpu,
    model: row.model,
    tensorParallel: row.tensorParallel,
    totalBlocks: row.publishedBlocks ?? computedBlocks(row),
    blockTokens: BLOCK_TOKENS,
    kvBytesPerToken: models[row.model].kvBytesPerToken,
    reloadMicrosPerToken: reloadMicrosPerToken(row),
    maxRunningRequests: MAX_RUNNING_REQUESTS,
    tokenBudget: TOKEN_BUDGET,
    stepTime,
    prefillCost: prefillCostOf(stepTime, TOKEN_BUDGET),
    fitErrorPercent: row.fitErrorPercent,
  };
};

const profiles: ReadonlyMap<string, EngineProfile> = new Map(
  profileRows.map(toProfile).map((profile) => [profile.name, profile]),
);

/** Names that `engineProfile` knows, sorted. */
export const engineProfileNames: readonly string[] = [...profiles.keys()].sort();

/** Pure. The profile of that name. Throws a RangeError that lists the known names. */
export const engineProfile = (name: string): EngineProfile => {
  const profile = profiles.get(name);
  if (profile === undefined) {
    throw new RangeError(`engine profile is "${name}"; allowed are ${engineProfileNames.join(', ')}`);
  }
  return profile;
};
