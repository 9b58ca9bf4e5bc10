import { splitBudget } from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';
import { prefillPairs, stepMicros, type StepTimeCoefficients } from '@holdfast/simulation';
import type { ResolvedSegment } from './resolve-plan.js';

/** Work of a resolved plan. Invariants: reused and recomputed tokens of a segment sum to its length, totals to the prompt. */
export interface PlanWork {
  readonly segments: readonly chunk.SegmentResult[];
  readonly computedTokens: number;
  readonly reusedTokens: number;
  readonly prefixTokens: number;
  readonly loadedBytes: bigint;
  /** Of these, from files. */
  readonly diskBytes: bigint;
  /** Pairs of a computed token and one that it attends to. */
  readonly pairs: number;
}

/** Pure. What is computed and loaded. */
export const planWork = (segments: readonly ResolvedSegment[], requestFix: chunk.RequestFix | undefined): PlanWork => {
  const budgets = splitBudget(
    requestFix?.tokenCount ?? 0,
    segments.map(({ kind, start, end }) => ({ lengthTokens: kind === 'reuse' ? end - start : 0, weight: 1 })),
  );
  const results = segments.map((segment, index) => resultOf(segment, budgets[index]!));
  const sum = (value: (result: chunk.SegmentResult, index: number) => number): number =>
    results.reduce((total, result, index) => total + value(result, index), 0);
  return {
    segments: results,
    computedTokens: sum(({ recomputedTokens }) => recomputedTokens),
    reusedTokens: sum(({ reusedTokens }) => reusedTokens),
    prefixTokens: sum(({ reusedTokens }, index) => (segments[index]!.kind === 'prefix' ? reusedTokens : 0)),
    loadedBytes: results.reduce((total, { loadedBytes }) => total + loadedBytes, 0n),
    diskBytes: results.reduce(
      (total, { loadedBytes, loadedFrom }) => total + (loadedFrom === chunk.Tier.DISK ? loadedBytes : 0n),
      0n,
    ),
    pairs: sum(({ recomputedTokens }, index) => prefillPairs(segments[index]!.start, recomputedTokens)),
  };
};

const resultOf = (segment: ResolvedSegment, budget: number): chunk.SegmentResult => {
  const length = segment.end - segment.start;
  const { segmentId, missReason, missedVariantId, variant } = segment;
  const recomputedTokens = variant === null ? length : segment.kind === 'prefix' ? 0 : repaired(segment, budget);
  return chunk.SegmentResult.fromPartial({
    segmentId,
    missReason,
    missedVariantId,
    recomputedTokens,
    reusedTokens: length - recomputedTokens,
    ...(variant === null
      ? {}
      : {
          variantId: variant.spec.variantId,
          generation: variant.generation,
          loadedFrom: variant.tiers[0] ?? chunk.Tier.MEMORY,
          loadedBytes: variant.bytes,
        }),
  });
};

const repaired = ({ fix, start, end }: ResolvedSegment, budget: number): number => {
  if (fix === undefined) return budget;
  const listed = fix.tokens.reduce((sum, range) => sum + range.end - range.start, 0);
  return Math.min(end - start, fix.selector <= chunk.Selector.PLAN ? listed : fix.tokenCount);
};

/** Pure. Microseconds that the prompt takes, loading first, then computing. */
export const prefillMicros = (
  work: PlanWork,
  cost: {
    readonly stepTime: StepTimeCoefficients;
    readonly loadBytesPerSecond: number;
    readonly diskBytesPerSecond: number;
  },
): { readonly load: number; readonly compute: number } => ({
  load:
    (Number(work.loadedBytes - work.diskBytes) / cost.loadBytesPerSecond +
      Number(work.diskBytes) / cost.diskBytesPerSecond) *
    1e6,
  compute: stepMicros(cost.stepTime, {
    prefillTokens: work.computedTokens,
    prefillPairs: work.pairs,
    decodeSequences: 0,
    decodeContextTokens: 0,
  }),
});
