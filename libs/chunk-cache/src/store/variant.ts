import type { ChunkId, ChunkIdentity } from '../identity/chunk-identity.js';
import type { ScoredContext } from '../score/recompute-share.js';

/** Names one stored KV of a chunk. */
export type VariantId = string;

/**
 * What stood at position 0 when a variant was computed: `bare` nothing, `system` a system prompt, `neutral` a fixed text
 * that belongs to no tenant.
 */
export type Foundation = 'bare' | 'system' | 'neutral';

/** What preceded a chunk when a variant of it was computed. */
export interface VariantContext extends ScoredContext<ChunkId> {
  readonly foundation: Foundation;
  /** Digest of the tokens before the first chunk. */
  readonly foundationDigest: string;
}

/** One stored KV of a chunk. */
export interface Variant {
  readonly id: VariantId;
  readonly chunk: ChunkIdentity;
  readonly context: VariantContext;
  readonly lengthTokens: number;
  readonly sizeBytes: number;
  /**
   * Repairs that lie behind it: 0 when every token was computed in full, else one more than the deepest variant it was
   * repaired from. A repaired variant is stored under the context it was repaired for, never under the old one.
   */
  readonly depth: number;
  /** Eq. 14: each token's mass to earlier chunks, for the choice of tokens; absent when the engine did not measure it. */
  readonly tokenInter?: ArrayLike<number>;
}
