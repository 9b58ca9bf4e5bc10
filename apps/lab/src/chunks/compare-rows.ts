import { beladyHits } from './belady.js';
import type { ChunkMeasure, ChunkSettings } from './chunk-settings.js';
import type { ChunkTrace } from './chunk-trace.js';
import { replayHits } from './replay-hits.js';
import { replayWork } from './replay-work.js';

/** Share of a trace's chunk tokens, over all of it and over its halves. */
export interface HalvesShare {
  readonly whole: number;
  /** Policies' parameters were chosen on the first half of RAGPulse. */
  readonly firstHalf: number;
  /** ... and are judged on the second, which starts with a warm store. */
  readonly secondHalf: number;
}

/** One policy at one capacity. */
export interface ChunkRow {
  readonly trace: string;
  readonly measure: ChunkMeasure;
  /** An eviction policy, `belady` or `infinite`. */
  readonly policy: string;
  /** Of the tokens of all chunks, each counted once; null is no bound. */
  readonly capacityShare: number | null;
  /** Most variants a chunk; null leaves it to memory. */
  readonly mostVariants: number | null;
  /** `hits`: share of tokens found. `work`: share of tokens computed or recomputed. Null in halves for `belady`. */
  readonly share: HalvesShare | { readonly whole: number; readonly firstHalf: null; readonly secondHalf: null };
}

const HALVES: readonly number[] = [0, 0.5];

/** Pure. Every policy at every capacity on one trace, and the bounds. */
export const compareRows = function* (trace: ChunkTrace, settings: ChunkSettings): Generator<ChunkRow> {
  if (settings.measures.includes('hits')) yield* hitRows(trace, settings);
  if (settings.measures.includes('work')) yield* workRows(trace, settings);
};

const hitRows = function* (
  { file, requests }: ChunkTrace,
  { policies, capacityShares }: ChunkSettings,
): Generator<ChunkRow> {
  const base = { trace: file, measure: 'hits', mostVariants: 1 } as const;
  for (const capacityShare of capacityShares) {
    for (const policy of policies) {
      const share = halves(
        replayHits(requests, { policy, capacityShare, windows: HALVES }),
        ({ hitTokens }) => hitTokens,
      );
      yield { ...base, policy, capacityShare, share };
    }
    const { hitTokens, tokens } = beladyHits(requests, capacityShare);
    const share = { whole: hitTokens / tokens, firstHalf: null, secondHalf: null };
    yield { ...base, policy: 'belady', capacityShare, share };
  }
  const unbounded = replayHits(requests, { policy: 'lru', capacityShare: Infinity, windows: HALVES });
  yield { ...base, policy: 'infinite', capacityShare: null, share: halves(unbounded, ({ hitTokens }) => hitTokens) };
};

const workRows = function* (
  { file, requests }: ChunkTrace,
  { policies, capacityShares, variants, form, admitAbove }: ChunkSettings,
): Generator<ChunkRow> {
  const replay = (options: Omit<Parameters<typeof replayWork>[1], 'form' | 'windows'>): HalvesShare =>
    halves(replayWork(requests, { ...options, form, windows: HALVES }), ({ computedTokens }) => computedTokens);
  const base = { trace: file, measure: 'work' } as const;
  for (const capacityShare of capacityShares) {
    for (const mostVariants of variants) {
      for (const policy of policies) {
        const share = replay({ policy, capacityShare, admitAbove, mostVariants });
        yield {
          ...base,
          policy,
          capacityShare,
          mostVariants: Number.isFinite(mostVariants) ? mostVariants : null,
          share,
        };
      }
    }
  }
  const share = replay({ policy: 'lru', capacityShare: Infinity, admitAbove: 0, mostVariants: Infinity });
  yield { ...base, policy: 'infinite', capacityShare: null, mostVariants: null, share };
};

const halves = <C extends { readonly tokens: number }>(
  counts: readonly C[],
  part: (count: C) => number,
): HalvesShare => {
  const shareOf = (some: readonly C[]): number => {
    const tokens = some.reduce((sum, count) => sum + count.tokens, 0);
    return tokens === 0 ? 0 : some.reduce((sum, count) => sum + part(count), 0) / tokens;
  };
  return { whole: shareOf(counts), firstHalf: shareOf(counts.slice(0, 1)), secondHalf: shareOf(counts.slice(1)) };
};
