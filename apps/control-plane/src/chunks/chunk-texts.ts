import { identifyChunk, tokenDigest, type ChunkIdentity } from '@holdfast/chunk-cache';
import type { ChunkTextRow } from '@holdfast/persistence';
import type { Instant } from '@holdfast/scheduling';

/** A chunk that variants can be built of. */
export interface ChunkText {
  readonly chunk: ChunkIdentity;
  /** For people. */
  readonly name: string;
  readonly tokenIds: Uint32Array;
}

/** Pure. */
export const textRow = ({ chunk, name, tokenIds }: ChunkText, seenAt: Instant): ChunkTextRow => ({
  chunkId: chunk.id,
  tenantId: chunk.tenant,
  name,
  salt: chunk.salt,
  source: chunk.source,
  sourceVersion: chunk.sourceVersion,
  fingerprint: chunk.fingerprint,
  tokenIds,
  seenAt,
});

/** Pure. */
export const textOfRow = ({ tenantId, tokenIds, name, ...row }: ChunkTextRow): ChunkText => {
  const { salt, source, sourceVersion, fingerprint } = row;
  const traits = { tenant: tenantId, salt, source, sourceVersion, fingerprint };
  return { chunk: identifyChunk({ ...traits, tokenDigest: tokenDigest(tokenIds) }), name, tokenIds };
};
