import type { kv, vllm } from '@holdfast/contracts';
import type { EngineLoad } from '@holdfast/scheduling';

/** Pure. The load in KvControl's terms. */
export const loadFromStats = (stats: kv.KvStats): EngineLoad => ({
  freeBlocks: stats.freeBlocks,
  evictableBlocks: stats.evictableBlocks,
  pinnedBlocks: stats.pinnedBlocks,
  activeBlocks: stats.activeBlocks,
  runningRequests: stats.runningRequests,
  waitingRequests: stats.waitingRequests,
});

/**
 * Pure. The load of an engine without KvControl, all ranks together. It tells used from unused tokens only: what is
 * unused counts as free, although much of it still holds reusable KV.
 */
export const loadFromSchedulers = (loads: readonly vllm.SchedulerLoad[], blockTokens: number): EngineLoad => {
  const total = totalBlocksOf(loads, blockTokens);
  const activeBlocks = Math.min(Math.ceil(usedTokensOf(loads) / blockTokens), total);
  return {
    freeBlocks: total - activeBlocks,
    evictableBlocks: 0,
    pinnedBlocks: 0,
    activeBlocks,
    runningRequests: sum(loads, (load) => load.numRunningReqs),
    waitingRequests: sum(loads, (load) => load.numWaitingReqs),
  };
};

/** Pure. Blocks in the pool; 0 when the engine does not say. */
export const totalBlocksOf = (loads: readonly vllm.SchedulerLoad[], blockTokens: number): number =>
  Math.floor(sum(loads, (load) => load.maxTotalNumTokens) / blockTokens);

/** Older servicers leave the count of used tokens empty and fill the share. */
const usedTokensOf = (loads: readonly vllm.SchedulerLoad[]): number =>
  sum(loads, (load) => (load.numUsedTokens > 0 ? load.numUsedTokens : load.tokenUsage * load.maxTotalNumTokens));

const sum = (loads: readonly vllm.SchedulerLoad[], of: (load: vllm.SchedulerLoad) => number): number =>
  loads.reduce((total, load) => total + of(load), 0);
