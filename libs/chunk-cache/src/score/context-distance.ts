import { contextOverlap, type ContextChunk } from './context-overlap.js';

/** What is expected of chunks that a variant has not seen. */
export interface DistanceForm {
  /** Attention expected to go to an unseen chunk, of that inside the chunk, when the variant saw no other chunk. */
  readonly unseenShare: number;
  /** Share of the attention to chunks in another order that counts as lost. */
  readonly orderWeight: number;
}

/** Values in use where nothing else is said. */
export const defaultDistanceForm: DistanceForm = { unseenShare: 0.25, orderWeight: 0.5 };

/** A variant's context with the attention it drew. */
export interface WeighedContext<Id> {
  readonly chunks: readonly ContextChunk<Id>[];
  /** Attention inside the chunk itself (Eq. 4). */
  readonly intra: number;
}

/**
 * Pure. Symmetric distance of two contexts, in [0, 1]: 0 only for the same chunks in the same order.
 *
 * Cache-Craft's beta asks how much of the old context survives, and so calls a variant perfect behind chunks that it never
 * saw. This one counts what was lost, what was gained and what changed places:
 * `(lost + gained + orderWeight * gamma * kept) / (old + gained + intra)`, where an unseen chunk is expected to draw as
 * much attention as the old ones did on average.
 */
export const contextDistance = <Id>(
  before: WeighedContext<Id>,
  now: readonly Id[],
  form: DistanceForm = defaultDistanceForm,
): number => {
  const { chunks, intra } = before;
  const old = chunks.reduce((sum, { inter }) => sum + inter, 0);
  const seen = new Set(chunks.map(({ id }) => id));
  const unseen = [...new Set(now)].filter((id) => !seen.has(id)).length;
  const { beta, orderPenalty } = contextOverlap(chunks, now);
  const expectedInter = old > 0 ? old / chunks.length : Math.max(intra, Number.MIN_VALUE) * form.unseenShare;
  const gained = unseen * expectedInter;
  const kept = beta * old;
  const apart = old - kept + gained + form.orderWeight * orderPenalty * kept;
  const whole = old + gained + intra;
  return whole > 0 ? Math.min(1, apart / whole) : 0;
};
