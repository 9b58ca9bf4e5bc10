import type { ChunkId } from '../identity/chunk-identity.js';
import type { Variant } from '../store/variant.js';

/** A chunk was asked for. */
export interface ChunkReference {
  readonly chunk: ChunkId;
  /** Chunks that precede it now, in prompt order. */
  readonly preceding: readonly ChunkId[];
  /** Counts references from 1: the clock of all policies, so that load does not change what is kept. */
  readonly tick: number;
}

/** A variant was used for a reference. */
export interface VariantUse {
  readonly variant: Variant;
  /** CFO of this use. */
  readonly recomputeShare: number;
  readonly tick: number;
}

/**
 * Chooses what leaves a full store. One instance belongs to one store; the store tells it all that happens, in order.
 * Policies are deterministic: of equal worth the variant stored first goes.
 */
export interface EvictionPolicy {
  /** As asked for. */
  readonly name: string;
  /** Modifies state. Comes before the use or the storing that the reference leads to. */
  onReference(reference: ChunkReference): void;
  /** Modifies state. */
  onUse(use: VariantUse): void;
  /** Modifies state. */
  onStored(variant: Variant, tick: number): void;
  /** Modifies state. */
  onRemoved(variant: Variant): void;
  /** What keeping a variant is worth, for each byte of it; the least leaves first. */
  worth(variant: Variant, tick: number): number;
}
