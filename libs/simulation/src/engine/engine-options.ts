import type { StepTimeCoefficients } from '../profiles/step-time.js';

/** Size and speed of one modelled engine. */
export interface EngineModelOptions {
  /** KV blocks in the pool. */
  readonly totalBlocks: number;
  /** Tokens in a block. */
  readonly blockTokens: number;
  /** Sequences that may run at once. */
  readonly maxRunningRequests: number;
  /** Tokens one step may compute, prefill and decode together. */
  readonly tokenBudget: number;
  /** Share of the pool that hard pins may take together, 0 to 1. */
  readonly maxPinnedFraction: number;
  readonly stepTime: StepTimeCoefficients;
  /** Names this life of the engine; a restarted engine is a new model with another epoch. */
  readonly epoch: string;
  /** False leaves `stored` and `removed` out of `drainEvents`, for runs nobody watches. Default true. */
  readonly recordKvEvents?: boolean;
}

const requireInteger = (field: string, value: number, least: number): void => {
  if (!Number.isInteger(value) || value < least || value > 0x7fff_ffff) {
    throw new RangeError(`${field} is ${value}; allowed is an integer from ${least} to 2147483647`);
  }
};

/** Pure. Throws a RangeError that names the field, its value and what is allowed. */
export const validateEngineOptions = (options: EngineModelOptions): void => {
  requireInteger('totalBlocks', options.totalBlocks, 1);
  requireInteger('blockTokens', options.blockTokens, 1);
  requireInteger('maxRunningRequests', options.maxRunningRequests, 1);
  requireInteger('tokenBudget', options.tokenBudget, 1);
  const { maxPinnedFraction } = options;
  if (!(maxPinnedFraction >= 0 && maxPinnedFraction <= 1)) {
    throw new RangeError(`maxPinnedFraction is ${maxPinnedFraction}; allowed is a number from 0 to 1`);
  }
  for (const [field, value] of Object.entries(options.stepTime)) {
    if (!(typeof value === 'number' && value >= 0 && Number.isFinite(value))) {
      throw new RangeError(`stepTime.${field} is ${String(value)}; allowed is a finite number of microseconds from 0`);
    }
  }
};
