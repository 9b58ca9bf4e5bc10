import { mayMeet, type ChunkId, type ChunkIdentity } from '../identity/chunk-identity.js';
import type { Foundation, VariantContext } from './variant.js';

/** What was measured when a variant was computed. */
export interface MeasuredContext {
  /** Chunks before it, in prompt order, with the attention that went to them (Eq. 3). */
  readonly preceding: readonly { readonly chunk: ChunkIdentity; readonly inter: number }[];
  /** Attention inside the chunk (Eq. 4). */
  readonly intra: number;
  /** CCI, from `contextImpact`. */
  readonly impact: number;
  readonly foundation: Foundation;
  readonly foundationDigest: string;
}

/**
 * Pure. The context of a variant of `chunk`. Throws a RangeError when a chunk before it belongs to another tenant, salt or
 * fingerprint: its text would leak into KV that others get to use.
 */
export const variantContext = (chunk: ChunkIdentity, measured: MeasuredContext): VariantContext => {
  for (const { chunk: other } of measured.preceding) {
    if (!mayMeet(chunk, other)) {
      throw new RangeError(
        `preceding chunk ${other.id} is of tenant "${other.tenant}"; ` +
          `allowed are chunks of tenant "${chunk.tenant}" with the same salt and fingerprint`,
      );
    }
  }
  const { intra, impact, foundation, foundationDigest } = measured;
  const merged = new Map<ChunkId, number>();
  for (const { chunk: other, inter } of measured.preceding) merged.set(other.id, (merged.get(other.id) ?? 0) + inter);
  const chunks = [...merged].map(([id, inter]) => ({ id, inter }));
  return { chunks, intra, impact, foundation, foundationDigest };
};
