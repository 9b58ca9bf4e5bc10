import type { ChunkId } from '../identity/chunk-identity.js';
import type { Variant } from '../store/variant.js';
import type { ChunkPlan, ChunkPrompt } from './chunk-plan.js';

/** What a planner decides from. */
export interface PlannerInput {
  readonly prompt: ChunkPrompt;
  /** Variants of a chunk that may be used, in order of storing. */
  readonly variantsOf: (chunk: ChunkId) => readonly Variant[];
  /**
   * How much is recomputed, 0 to 1; the quality controller's lever. Planners with a budget spend this share of the reused
   * tokens; Cache-Craft's forms take it as their alpha. At 1 nothing is reused but exact KV.
   */
  readonly recomputeShare: number;
}

/** Decides what of a prompt is reused, repaired and computed. */
export interface ChunkPlanner {
  readonly name: string;
  /** Pure. Throws a RangeError for a prompt without a tail, or a share outside of 0 to 1. */
  plan(input: PlannerInput): ChunkPlan;
}
