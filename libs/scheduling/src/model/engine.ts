import type { EngineEpoch, EngineId } from './ids.js';

/** What an engine can do. Decisions it cannot carry out are lowered to the nearest one it can. */
export interface EngineCapabilities {
  /** Holds KV under hard pins with a TTL; false for a stock vLLM. */
  readonly pins: boolean;
  /** Holds KV under soft pins (evictable last). */
  readonly softPins: boolean;
  /** Orders its own waiting queue by the rank of the hints. */
  readonly ordersByRank: boolean;
  /** Takes a new rank for a turn that it has already. */
  readonly reranks: boolean;
}

/**
 * Prefill time of `x` uncached tokens on an idle engine: `base + perToken*x + perTokenSquared*x^2`, in seconds.
 * Continuum section 4.2 (PR): offline profile, quadratic fit.
 */
export interface PrefillCost {
  readonly baseSeconds: number;
  readonly perTokenSeconds: number;
  readonly perTokenSquaredSeconds: number;
}

/** Facts of an engine that do not change within an epoch. */
export interface EngineDescription {
  readonly engineId: EngineId;
  readonly epoch: EngineEpoch;
  readonly capabilities: EngineCapabilities;
  /** KV blocks in the pool; 0 when the engine does not say. */
  readonly totalBlocks: number;
  /** KV blocks that fit the host memory behind the pool; absent: none, or the engine does not say. */
  readonly hostBlocks?: number;
  /** Seconds that one token's KV takes from host memory to the pool; absent: not known. */
  readonly reloadSecondsPerToken?: number;
  /** Tokens in a block. */
  readonly blockTokens: number;
  /** Sequences that may run at once. */
  readonly maxRunningRequests: number;
  readonly prefillCost: PrefillCost;
}

/** One observation of an engine's pool and queues. */
export interface EngineLoad {
  readonly freeBlocks: number;
  readonly evictableBlocks: number;
  readonly pinnedBlocks: number;
  readonly activeBlocks: number;
  readonly runningRequests: number;
  readonly waitingRequests: number;
}

/**
 * Pure. Seconds to have `tokens` tokens of KV again that were overwritten: from host memory, where the engine has one and
 * tells its speed, taken to be there still; else by computing. PR(r) of Continuum section 4.2, with and without offloading.
 */
export const rebuildSeconds = (
  { prefillCost, hostBlocks = 0, reloadSecondsPerToken = Infinity }: EngineDescription,
  tokens: number,
): number => {
  const computing = prefillSeconds(prefillCost, tokens);
  return hostBlocks === 0 ? computing : Math.min(computing, Math.max(0, tokens) * reloadSecondsPerToken);
};

/** Pure. Seconds to compute `tokens` tokens of KV on an idle engine: PR(r) of Continuum section 4.2. */
export const prefillSeconds = (cost: PrefillCost, tokens: number): number =>
  tokens <= 0 ? 0 : cost.baseSeconds + cost.perTokenSeconds * tokens + cost.perTokenSquaredSeconds * tokens * tokens;
