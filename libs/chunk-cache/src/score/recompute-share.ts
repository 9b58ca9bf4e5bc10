import { contextDistance, defaultDistanceForm, type DistanceForm, type WeighedContext } from './context-distance.js';
import { contextOverlap } from './context-overlap.js';

/** A stored variant as the scores see it. */
export interface ScoredContext<Id> extends WeighedContext<Id> {
  /** CCI, from `contextImpact`. */
  readonly impact: number;
}

/** How the share of a chunk to recompute follows from its context. */
export type ShareForm =
  | {
      /** Cache-Craft's Eq. 12: alpha * CCI * (1 - beta'). */
      readonly kind: 'paper';
      readonly alpha: number;
      /** What a variant without a context is worth behind one: `full` as in open code, `none`: nothing. */
      readonly emptyContext: 'full' | 'none';
    }
  | {
      /** alpha * the symmetric distance, which holds intra attention already. */
      readonly kind: 'symmetric';
      readonly alpha: number;
      readonly distance?: DistanceForm;
    };

/**
 * Pure. CFO: share of a chunk's tokens to recompute so that it fits what precedes it now, in [0, 1].
 *
 * @param now - ids of the chunks that precede it now, in prompt order.
 */
export const recomputeShare = <Id>(variant: ScoredContext<Id>, now: readonly Id[], form: ShareForm): number => {
  if (form.kind === 'symmetric') {
    return clamp(form.alpha * contextDistance(variant, now, form.distance ?? defaultDistanceForm));
  }
  const isLost = form.emptyContext === 'none' && variant.chunks.length === 0 && now.length > 0;
  const { adjustedBeta } = contextOverlap(variant.chunks, now);
  return clamp(form.alpha * variant.impact * (1 - (isLost ? 0 : adjustedBeta)));
};

const clamp = (share: number): number => Math.min(1, Math.max(0, share));

/** Pure. N of Eq. 14: whole tokens that make up a share, at most all. */
export const tokensOfShare = (share: number, lengthTokens: number): number =>
  Math.min(lengthTokens, Math.max(0, Math.ceil(share * lengthTokens - 1e-9)));
