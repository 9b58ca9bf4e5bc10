import type { EngineCapabilities } from '@holdfast/scheduling';
import { BlockEngine } from '../extent-engine/block-engine.js';
import { ExtentEngine } from '../extent-engine/extent-engine.js';
import type { EngineProfile } from '../profiles/engine-profile.js';
import { prefillCostOf } from '../profiles/step-time.js';
import type { PoolEngine } from './simulate.js';

/**
 * What engines can carry out, by level: `full` as vLLM with the plug-in and the sim-engine, `order` without pins, `stock` in
 * order of arrival and without pins.
 */
export const ENGINE_ABILITIES = {
  full: { pins: true, softPins: true, ordersByRank: true, reranks: true },
  order: { pins: false, softPins: false, ordersByRank: true, reranks: false },
  stock: { pins: false, softPins: false, ordersByRank: false, reranks: false },
} as const satisfies Readonly<Record<string, EngineCapabilities>>;

/** A level of {@link ENGINE_ABILITIES}. */
export type EngineAbilities = keyof typeof ENGINE_ABILITIES;

/** Equal engines of a pool. */
export interface PoolOptions {
  readonly profile: EngineProfile;
  readonly engines: number;
  /** Of the profile's KV blocks. */
  readonly kvScale: number;
  /** Host memory for KV, of an engine's KV blocks; absent or 0: none. */
  readonly hostKvScale?: number;
  /** The first prompt tokens of every program are the same ones, so many; default 0. Runs take several times as long. */
  readonly sharedPromptTokens?: number;
  /** Tokens one step may compute. */
  readonly tokenBudget: number;
  readonly maxRunningRequests: number;
  /** Default `full`. */
  readonly abilities?: EngineAbilities;
}

/** Pure. KV blocks of one engine. */
export const poolBlocks = ({ profile, kvScale }: Pick<PoolOptions, 'profile' | 'kvScale'>): number =>
  Math.max(1, Math.min(0x7fff_ffff, Math.round(profile.totalBlocks * kvScale)));

/** Pure. KV blocks that fit the host memory of one engine. */
const hostBlocks = (options: PoolOptions): number =>
  Math.min(0x7fff_ffff, Math.round(poolBlocks(options) * (options.hostKvScale ?? 0)));

/**
 * Pure. New engines `e1`, `e2`, ... Pins may take the whole pool, as the pressure rule makes them
 * give way.
 *
 * @throws RangeError for options that the engine model refuses.
 */
export const createPool = (options: PoolOptions): readonly PoolEngine[] => {
  const { profile, engines, tokenBudget, maxRunningRequests, abilities = 'full', sharedPromptTokens = 0 } = options;
  const totalBlocks = poolBlocks(options);
  const { blockTokens, stepTime, reloadMicrosPerToken } = profile;
  const host = { blocks: hostBlocks(options), reloadMicrosPerToken };
  const model = {
    ...{ totalBlocks, blockTokens, maxRunningRequests, tokenBudget, stepTime, host },
    maxPinnedFraction: 1,
    epoch: '1',
  };
  return Array.from({ length: engines }, (_, index) => ({
    engine: sharedPromptTokens === 0 ? new ExtentEngine(model) : new BlockEngine(model, sharedPromptTokens),
    description: {
      engineId: `e${index + 1}`,
      epoch: '1',
      capabilities: ENGINE_ABILITIES[abilities],
      totalBlocks,
      hostBlocks: host.blocks,
      reloadSecondsPerToken: reloadMicrosPerToken / 1e6,
      blockTokens,
      maxRunningRequests,
      prefillCost: prefillCostOf(stepTime, tokenBudget),
    },
  }));
};
