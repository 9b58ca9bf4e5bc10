import type { Instant } from '@holdfast/scheduling';

/** A stored KV of a chunk in an engine. */
export interface ChunkVariantRow {
  readonly engineId: string;
  readonly variantId: string;
  readonly generation: bigint;
  readonly chunkId: string;
  /** For people. */
  readonly name: string;
  readonly tenantId: string;
  readonly salt: string;
  readonly source: string;
  readonly sourceVersion: string;
  readonly fingerprint: string;
  readonly tokenDigest: string;
  readonly foundation: string;
  readonly foundationDigest: string;
  readonly preceding: readonly { readonly id: string; readonly inter: number }[];
  readonly intra: number;
  readonly impact: number;
  readonly lengthTokens: number;
  readonly sizeBytes: number;
  readonly depth: number;
  readonly tokenRanks: Uint8Array | null;
  readonly storedAt: Instant;
}

/** The tokens of a chunk, from which variants of it are built. */
export interface ChunkTextRow {
  readonly chunkId: string;
  readonly tenantId: string;
  /** For people. */
  readonly name: string;
  readonly salt: string;
  readonly source: string;
  readonly sourceVersion: string;
  readonly fingerprint: string;
  readonly tokenIds: Uint32Array;
  /** When it was first seen. */
  readonly seenAt: Instant;
}

/** What a tenant's chunks are kept under. */
export interface ChunkTenantRow {
  readonly tenantId: string;
  readonly salt: string;
  /** Bytes of stored KV in each engine; null is the service's default. */
  readonly quotaBytes: number | null;
  readonly version: number;
}
