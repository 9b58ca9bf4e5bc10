import type { ChunkPlan, PlanCapture, PlanSegment, TokenFix, TokenSelector } from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';

const SELECTORS: Readonly<Record<TokenSelector, chunk.Selector>> = {
  plan: chunk.Selector.PLAN,
  first: chunk.Selector.FIRST,
  inter: chunk.Selector.INTER,
  kvDeviation: chunk.Selector.KV_DEVIATION,
  query: chunk.Selector.QUERY,
  value: chunk.Selector.VALUE,
  random: chunk.Selector.RANDOM,
};

/** What a plan on the wire names beside itself. */
export interface PlanNames {
  /** Generation of a variant as the planner knows it. */
  readonly generationOf: (variantId: string) => bigint;
  /** SHA-256 of the tokens of a segment. */
  readonly tokenDigestOf: (segment: PlanSegment) => Buffer;
  /** Under which name a capture is stored. */
  readonly specOf: (capture: PlanCapture) => chunk.VariantSpec;
}

/** Pure. A plan as the wire says it; the index of a segment is its id. */
export const planToProto = (plan: ChunkPlan, names: PlanNames): chunk.Plan => ({
  segments: plan.segments.map((segment, index) => segmentToProto(segment, index, names)),
  requestFix:
    plan.requestFix === null
      ? undefined
      : {
          selector: SELECTORS[plan.requestFix.selector],
          tokenCount: plan.requestFix.countTokens,
          firstTokens: plan.requestFix.firstTokens,
          seed: 0n,
        },
  maxLoadedBytes: 0n,
  captures: plan.captures.map((capture) => ({
    segmentId: capture.segment,
    variant: names.specOf(capture),
    onlyIfCanonical: true,
  })),
});

const segmentToProto = (segment: PlanSegment, index: number, names: PlanNames): chunk.Segment => {
  const { start, end } = segment;
  const base = { segmentId: index, range: { start, end } };
  if (segment.kind === 'compute')
    return { ...base, work: { $case: 'compute', value: { question: segment.chunk === null } } };
  const stored = {
    variantId: segment.variant,
    generation: names.generationOf(segment.variant),
    tokenDigest: names.tokenDigestOf(segment),
  };
  if (segment.kind === 'prefix') {
    return { ...base, work: { $case: 'prefix', value: { ...stored, onMiss: chunk.MissAction.RECOMPUTE } } };
  }
  const { fix, alternates, expected, stopAfterLayers } = segment;
  const onMiss = alternates.length === 0 ? chunk.MissAction.RECOMPUTE : chunk.MissAction.ALTERNATE;
  const value: chunk.ReuseSegment = {
    ...stored,
    chunkId: segment.chunk ?? '',
    onMiss,
    alternateVariantIds: [...alternates],
    fix: fix === null ? undefined : fixToProto(fix),
    layers: stopAfterLayers === 0 ? undefined : { stopAfter: stopAfterLayers },
    expected: {
      recomputeShare: expected.recomputeShare,
      contextImpact: expected.impact,
      prefixOverlap: expected.overlap,
      savedTokens: end - start,
      loadMs: 0,
    },
  };
  return { ...base, work: { $case: 'reuse', value } };
};

const fixToProto = (fix: TokenFix): chunk.Fix => ({
  selector: SELECTORS[fix.selector],
  tokens: fix.selector === 'plan' ? fix.tokens.map(({ start, end }) => ({ start, end })) : [],
  tokenCount: fix.selector === 'plan' ? 0 : fix.countTokens,
});
