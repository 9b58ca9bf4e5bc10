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
  /** Host memory behind the pool; absent: what is overwritten is lost. */
  readonly host?: HostMemory;
  /** Names this life of the engine; a restarted engine is a new model with another epoch. */
  readonly epoch: string;
  /** False leaves `stored` and `removed` out of `drainEvents`, for runs nobody watches. Default true. */
  readonly recordKvEvents?: boolean;
}

/**
 * A second tier: blocks that are overwritten go there, and come back instead of being computed again. Copying out takes
 * no time (it runs beside everything else, in the other direction of the link); a step that reloads lasts at least as
 * long as the transfer, which overlaps with computing layer by layer.
 */
export interface HostMemory {
  /** KV blocks that fit. */
  readonly blocks: number;
  /** Microseconds that one token's KV takes from host to GPU. */
  readonly reloadMicrosPerToken: number;
}

const requireInteger = (field: string, value: number, least: number): void => {
  if (!Number.isInteger(value) || value < least || value > 0x7fff_ffff) {
    throw new RangeError(`${field} is ${value}; allowed is an integer from ${least} to 2147483647`);
  }
};

const requireMicros = (field: string, value: unknown): void => {
  if (!(typeof value === 'number' && value >= 0 && Number.isFinite(value))) {
    throw new RangeError(`${field} is ${String(value)}; allowed is a finite number of microseconds from 0`);
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
  for (const [field, value] of Object.entries(options.stepTime)) requireMicros(`stepTime.${field}`, value);
  if (options.host === undefined) return;
  requireInteger('host.blocks', options.host.blocks, 0);
  requireMicros('host.reloadMicrosPerToken', options.host.reloadMicrosPerToken);
};
