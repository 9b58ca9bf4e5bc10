import type { vllm } from '@holdfast/contracts';
import type { ModelStats } from '@holdfast/simulation';
import type { EngineSettings } from '../engine-settings.js';

/** Everything a load report is made from. */
export interface LoadFigures {
  readonly stats: ModelStats;
  /** Output tokens per second of model time, over the last seconds. */
  readonly tokensPerSecond: number;
  /** Prompt tokens of waiting requests that are not cached. */
  readonly waitingUncachedTokens: number;
  /** Prompt tokens of requests without output yet. */
  readonly prefillPendingTokens: number;
}

/** Cached blocks nobody uses or pins are not "used": they give way at once. */
const usedBlocks = ({ activeBlocks, pinnedBlocks }: ModelStats): number => activeBlocks + pinnedBlocks;

const hitRate = ({ promptTokens, cachedTokens }: ModelStats): number =>
  promptTokens === 0 ? 0 : cachedTokens / promptTokens;

/** Pure. The answer of GetLoads for the engine's one rank. */
export const schedulerLoad = (figures: LoadFigures, settings: EngineSettings): vllm.SchedulerLoad => {
  const { stats } = figures;
  return {
    dpRank: 0,
    numRunningReqs: stats.runningRequests,
    numWaitingReqs: stats.waitingRequests,
    numTotalReqs: stats.runningRequests + stats.waitingRequests,
    numUsedTokens: usedBlocks(stats) * settings.blockTokens,
    maxTotalNumTokens: stats.totalBlocks * settings.blockTokens,
    tokenUsage: usedBlocks(stats) / stats.totalBlocks,
    genThroughput: figures.tokensPerSecond,
    cacheHitRate: hitRate(stats),
    utilization: stats.runningRequests / settings.maxRunningRequests,
    maxRunningRequests: settings.maxRunningRequests,
    numWaitingUncachedTokens: figures.waitingUncachedTokens,
  };
};

/** Pure. The load record on the event stream; `sample` counts the records of the engine. */
export const engineLoad = (
  figures: LoadFigures,
  settings: EngineSettings,
  record: { readonly sample: bigint; readonly loadOnly: boolean },
): vllm.EngineLoad => {
  const { stats } = figures;
  return {
    runningRequests: stats.runningRequests,
    waitingRequests: stats.waitingRequests,
    waitingUncachedTokens: figures.waitingUncachedTokens,
    tokenUsage: usedBlocks(stats) / stats.totalBlocks,
    genThroughput: figures.tokensPerSecond,
    maxRunningRequests: settings.maxRunningRequests,
    ageMs: 0,
    ...record,
    cacheHitRate: hitRate(stats),
    numUsedTokens: usedBlocks(stats) * settings.blockTokens,
    maxTotalNumTokens: stats.totalBlocks * settings.blockTokens,
    activeTokenUsage: stats.activeBlocks / stats.totalBlocks,
    engineReportsSteps: true,
    prefillPendingTokens: figures.prefillPendingTokens,
  };
};
