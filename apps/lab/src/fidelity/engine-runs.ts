import { engineProfile, type StepTimeCoefficients } from '@holdfast/simulation';

/** One run of a real vLLM that is replayed, and what its engine was. */
export interface EngineRun {
  /** Name of its file, without the ending. */
  readonly name: string;
  readonly title: string;
  readonly totalBlocks: number;
  readonly maxRunningRequests: number;
  readonly tokenBudget: number;
  /** Step times to start from. */
  readonly stepTime: StepTimeCoefficients;
  readonly stepTimesOf: string;
  /** Requests in order of arrival on which step times are fitted; 0: they are used as they are. */
  readonly fittedRequests: number;
}

/** Of vLLM as it comes. */
export const BLOCK_TOKENS = 16;

const OWN = 'rtx-pro-6000-llama-3.1-8b';
const H100_QWEN = 'h100-qwen3-32b-tp2';
const L40S = 'l40s-llama-3.1-8b';

/** The runs of data/engine-calibration; settings and block counts are those that the runs recorded. */
export const engineRuns: readonly EngineRun[] = [
  {
    name: 'RTXPRO6000_Llama-3.1-8B',
    title: 'RTX PRO 6000, Llama-3.1-8B',
    totalBlocks: engineProfile(OWN).totalBlocks,
    maxRunningRequests: 128,
    tokenBudget: 2_048,
    stepTime: engineProfile(OWN).stepTime,
    stepTimesOf: OWN,
    fittedRequests: 0,
  },
  {
    name: 'RTXPRO6000_Qwen3-32B',
    title: '2 x RTX PRO 6000, Qwen3-32B',
    // Not recorded. (2 x 96 GiB x 0.9 - weights) / 4 MiB; 128 sequences of this trace need less than half of it.
    totalBlocks: 28_614,
    maxRunningRequests: 128,
    tokenBudget: 2_048,
    stepTime: engineProfile(H100_QWEN).stepTime,
    stepTimesOf: H100_QWEN,
    fittedRequests: 100,
  },
  {
    name: 'RTX4090_Llama-3.1-8B',
    title: 'RTX 4090, Llama-3.1-8B',
    totalBlocks: 2_588,
    maxRunningRequests: 256,
    tokenBudget: 2_048,
    stepTime: engineProfile(L40S).stepTime,
    stepTimesOf: L40S,
    fittedRequests: 100,
  },
];
