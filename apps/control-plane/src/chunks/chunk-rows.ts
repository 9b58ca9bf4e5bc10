import {
  contextImpact,
  identifyChunk,
  variantContext,
  type ChunkIdentity,
  type Foundation,
  type Variant,
} from '@holdfast/chunk-cache';
import type { chunk } from '@holdfast/contracts';
import type { ChunkVariantRow } from '@holdfast/persistence';
import type { Instant } from '@holdfast/scheduling';

/** A variant in an engine, as the registry knows it. */
export interface KnownVariant {
  readonly variant: Variant;
  readonly generation: bigint;
  /** Of the chunk, for people. */
  readonly name: string;
  readonly storedAt: Instant;
  /** Where the engine had it when it was stored; none when only its row is known. */
  readonly tiers: readonly chunk.Tier[];
}

/** In which context an engine computed a variant. */
export interface BuiltContext {
  readonly preceding: readonly ChunkIdentity[];
  readonly foundation: Foundation;
  readonly foundationDigest: string;
}

/** Pure. What an engine reports of a stored variant, as the registry keeps it. */
export const knownVariant = (
  stored: chunk.Variant,
  facts: BuiltContext & { readonly chunk: ChunkIdentity; readonly name: string; readonly storedAt: Instant },
): KnownVariant => {
  const { stats, tokenCount } = stored;
  const intra = stats?.intra ?? 0;
  const inter = facts.preceding.map((_, index) => stats?.inter[index] ?? 0);
  // Masses stand for densities: engines do not say how long the earlier parts were.
  const outside = inter.reduce((sum, mass) => sum + mass, 0);
  const impact = contextImpact({ inter: outside, intra }, 'ratio');
  const measured = {
    preceding: facts.preceding.map((other, index) => ({ chunk: other, inter: inter[index]! })),
    intra,
    impact,
    foundation: facts.foundation,
    foundationDigest: facts.foundationDigest,
  };
  const ranks = stats?.tokenInterRanks;
  return {
    variant: {
      id: stored.spec!.variantId,
      chunk: facts.chunk,
      context: variantContext(facts.chunk, measured),
      lengthTokens: tokenCount,
      sizeBytes: Math.max(1, Number(stored.bytes)),
      // A mean over contexts has `neutral` as its foundation, and nothing else that is stored was repaired.
      depth: 0,
      ...(ranks?.length === tokenCount ? { tokenInter: Uint8Array.from(ranks) } : {}),
    },
    generation: stored.generation,
    name: facts.name,
    storedAt: facts.storedAt,
    tiers: stored.tiers,
  };
};

/** Pure. */
export const toRow = (engineId: string, { variant, generation, name, storedAt }: KnownVariant): ChunkVariantRow => {
  const { chunk: of, context } = variant;
  return {
    engineId,
    variantId: variant.id,
    generation,
    chunkId: of.id,
    name,
    tenantId: of.tenant,
    salt: of.salt,
    source: of.source,
    sourceVersion: of.sourceVersion,
    fingerprint: of.fingerprint,
    tokenDigest: of.tokenDigest,
    foundation: context.foundation,
    foundationDigest: context.foundationDigest,
    preceding: context.chunks,
    intra: context.intra,
    impact: context.impact,
    lengthTokens: variant.lengthTokens,
    sizeBytes: variant.sizeBytes,
    depth: variant.depth,
    tokenRanks: variant.tokenInter === undefined ? null : Uint8Array.from(variant.tokenInter),
    storedAt,
  };
};

/** Pure. A row that was written by `toRow`. Its context was checked when it was made. */
export const fromRow = (row: ChunkVariantRow): KnownVariant => {
  const { salt, source, sourceVersion, fingerprint, tokenDigest } = row;
  const of = identifyChunk({ tenant: row.tenantId, salt, source, sourceVersion, fingerprint, tokenDigest });
  const { intra, impact, foundationDigest } = row;
  return {
    variant: {
      id: row.variantId,
      chunk: of,
      context: { chunks: row.preceding, intra, impact, foundation: row.foundation as Foundation, foundationDigest },
      lengthTokens: row.lengthTokens,
      sizeBytes: row.sizeBytes,
      depth: row.depth,
      ...(row.tokenRanks === null ? {} : { tokenInter: row.tokenRanks }),
    },
    generation: row.generation,
    name: row.name,
    storedAt: row.storedAt,
    tiers: [],
  };
};
