import { contextOverlap } from '../score/context-overlap.js';
import { recomputeShare, tokensOfShare, type ShareForm } from '../score/recompute-share.js';
import type { Variant } from '../store/variant.js';
import { chooseTokens, toRanges } from '../tokens/choose-tokens.js';
import type { ChunkPlan, TokenFix } from './chunk-plan.js';
import type { ChunkPlanner, PlannerInput } from './chunk-planner.js';
import { laySegments, type ChunkPlace, type ReuseChoice } from './lay-segments.js';

/** Parameters of Cache-Craft's plan. */
export interface CacheCraftPlannerOptions {
  readonly name: string;
  /** The share form for an alpha. */
  readonly form: (alpha: number) => ShareForm;
}

/** CFO from which a chunk is computed instead. */
const FULL_RECOMPUTE = 1;

/**
 * Cache-Craft (arXiv 2502.15734): of each chunk the variant of least CFO; of its tokens the ceil(CFO * length) that send
 * most attention to earlier chunks (Eq. 12 and 14), known before execution.
 */
export class CacheCraftPlanner implements ChunkPlanner {
  readonly name: string;

  constructor(private readonly options: CacheCraftPlannerOptions) {
    this.name = options.name;
  }

  plan(input: PlannerInput): ChunkPlan {
    const form = this.options.form(input.recomputeShare);
    return laySegments(input, (place) => (input.recomputeShare >= 1 ? null : choose(place, form)));
  }
}

const choose = (place: ChunkPlace, form: ShareForm): ReuseChoice => {
  const ranked = rankVariants(place, (variant) => recomputeShare(variant.context, place.preceding, form));
  const [best, ...others] = ranked;
  if (best === undefined || best.share >= FULL_RECOMPUTE) return null;
  return {
    variant: best.variant.id,
    alternates: others.map(({ variant }) => variant.id),
    stopAfterLayers: 0,
    fix: fixOf(best.variant, tokensOfShare(best.share, place.lengthTokens)),
    expected: expectationOf(best, place),
  };
};

const fixOf = ({ tokenInter, lengthTokens }: Variant, countTokens: number): TokenFix | null => {
  if (countTokens === 0) return null;
  if (tokenInter === undefined) return { selector: 'inter', countTokens };
  return { selector: 'plan', tokens: toRanges(chooseTokens({ lengthTokens, countTokens, scores: tokenInter })) };
};

/** A variant with what it costs in a place. */
export interface RankedVariant {
  readonly variant: Variant;
  readonly share: number;
}

/** Pure. Variants of the right length by ascending share; of equal ones the one stored first. */
export const rankVariants = (
  { variants, lengthTokens }: ChunkPlace,
  shareOf: (variant: Variant) => number,
): readonly RankedVariant[] =>
  variants
    .filter((variant) => variant.lengthTokens === lengthTokens)
    .map((variant, index) => ({ variant, share: shareOf(variant), index }))
    .sort((a, b) => a.share - b.share || a.index - b.index);

/** Pure. What the records say of a reuse. */
export const expectationOf = (
  { variant, share }: RankedVariant,
  { preceding }: ChunkPlace,
): { readonly recomputeShare: number; readonly impact: number; readonly overlap: number } => ({
  recomputeShare: share,
  impact: variant.context.impact,
  overlap: contextOverlap(variant.context.chunks, preceding).adjustedBeta,
});
