import { contextDistance } from '../score/context-distance.js';
import type { Variant } from '../store/variant.js';
import { expectationOf, rankVariants } from './cache-craft-planner.js';
import type { ChunkPlan } from './chunk-plan.js';
import type { ChunkPlanner, PlannerInput } from './chunk-planner.js';
import { laySegments, withRequestFix, type ChunkPlace, type ReuseChoice } from './lay-segments.js';

/**
 * The KV of a mean over contexts is nearer to that behind an unknown context than the KV behind any single one, so its
 * distance counts for this much of a single variant's.
 */
const MEAN_DISTANCE_FACTOR = 0.5;

/**
 * The variant whose context is nearest by the symmetric distance, means over contexts favoured; then one budget for all
 * reused chunks, which the engine spends on the tokens that the question attends to. Weighting them by how far their KV is
 * expected to be off was measured and is worse (docs/chunk-quality.md, `holdfast-value`). Cache-Craft's own shares spend
 * tokens on chunks that the question is not about.
 */
export class HoldfastPlanner implements ChunkPlanner {
  readonly name = 'holdfast';

  plan(input: PlannerInput): ChunkPlan {
    const { recomputeShare } = input;
    const plan = laySegments(input, (place) => (recomputeShare >= 1 ? null : choose(place)));
    const reused = plan.segments
      .filter(({ kind }) => kind === 'reuse')
      .reduce((sum, { start, end }) => sum + end - start, 0);
    return withRequestFix(plan, {
      selector: 'query',
      countTokens: Math.round(recomputeShare * reused),
      firstTokens: 0,
    });
  }
}

const choose = (place: ChunkPlace): ReuseChoice => {
  const [best, ...others] = rankVariants(place, (variant) => distanceOf(variant, place));
  if (best === undefined) return null;
  return {
    variant: best.variant.id,
    alternates: others.map(({ variant }) => variant.id),
    stopAfterLayers: 0,
    fix: null,
    expected: expectationOf(best, place),
  };
};

const distanceOf = ({ context }: Variant, { preceding }: ChunkPlace): number =>
  contextDistance(context, preceding) * (context.foundation === 'neutral' ? MEAN_DISTANCE_FACTOR : 1);
