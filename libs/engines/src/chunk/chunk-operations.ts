import type { EngineAbilities } from '@holdfast/chunk-cache';
import type { chunk } from '@holdfast/contracts';

/** What an engine that reuses chunks says of itself. */
export interface ChunkCapabilities extends EngineAbilities {
  readonly epoch: string;
  /** Model, weights, positions, number type and tokenizer in one digest. */
  readonly fingerprint: string;
  readonly kvBytesPerToken: number;
  /** Bytes for stored KV: of the largest tier, which holds everything that smaller ones do. */
  readonly capacityBytes: number;
  /** The tier that a prefill reads from without waiting: the accelerator's memory, or the host's where there is none. */
  readonly fastTier: chunk.Tier;
  /** Neutral prefix that the engine suggests to build chunks behind; may be empty. */
  readonly neutralPrefixIds: readonly number[];
}

/** The part of a turn that only an engine of holdfast.chunk.v1 understands. */
export interface ChunkWork {
  /** Lowered to the engine's abilities already. */
  readonly plan: chunk.Plan;
  readonly salt: string;
  /** The plan names what the engine holds in this epoch; after a restart it is EPOCH_STALE. Empty for any. */
  readonly epoch: string;
  readonly fingerprint: string;
  /** Compare the answer with a full recompute afterwards. */
  readonly isShadowed: boolean;
}

/**
 * Operations on stored KV: holdfast.chunk.v1 (ccp/1). Errors are those of `EngineClient`. Mutating ones are idempotent by
 * their `opId`.
 */
export interface ChunkOperations {
  capabilities(): Promise<ChunkCapabilities>;
  build(request: Omit<chunk.BuildRequest, 'withStats'>): Promise<readonly chunk.Variant[]>;
  /** Copies variants to a tier; returns those that are there then. */
  copy(opId: string, tier: chunk.Tier, variantIds: readonly string[]): Promise<readonly string[]>;
  /** Drops variants everywhere; those that are not there count as dropped. */
  evict(opId: string, variantIds: readonly string[]): Promise<void>;
  invalidate(request: Partial<chunk.InvalidateRequest> & { readonly opId: string }): Promise<readonly string[]>;
  /** Everything that the engine holds. */
  list(): Promise<readonly chunk.Variant[]>;
  /** Throws away what the caller does not know; says what the engine does not have. */
  reconcile(opId: string, known: readonly chunk.KnownVariant[]): Promise<chunk.ReconcileResponse>;
  /** Events from a sequence on, until the signal aborts; a gap asks for a reconcile. */
  watchEvents(options: {
    readonly epoch: string;
    readonly since: bigint;
    readonly signal: AbortSignal;
  }): AsyncIterable<chunk.WatchEventsResponse>;
}
