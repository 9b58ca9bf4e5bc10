import { identifyChunk, tokenDigest, type ChunkIdentity, type ChunkPrompt } from '@holdfast/chunk-cache';
import type { program as wire } from '@holdfast/contracts';

/** A prompt with chunks as tokens, before it is known which engine runs it. */
export interface ChunkLayout {
  readonly tenantId: string;
  /** System prompt and what the template puts before it. */
  readonly headIds: Uint32Array;
  /** In prompt order, each text once. */
  readonly chunks: readonly LaidChunk[];
  readonly tailTokens: number;
}

/** A chunk of a request with its tokens. */
export interface LaidChunk {
  readonly name: string;
  readonly source: string;
  readonly sourceVersion: string;
  readonly tokenIds: Uint32Array;
  readonly tokenDigest: string;
}

/** What makes chunks of one tenant on one engine comparable. */
export interface ChunkScope {
  readonly tenant: string;
  readonly salt: string;
  readonly fingerprint: string;
}

/** A version has to be named for the identity; callers that name none have one. */
const NO_VERSION = '-';
/** Source of system prompts, among those of chunks. */
export const HEAD_SOURCE = 'system prompt';

/** Pure. The chunks of a request as tokens; a text that stands twice is laid once, since it adds nothing. */
export const layChunks = (
  chunks: readonly wire.Chunk[],
  encode: (text: string) => Uint32Array,
): readonly LaidChunk[] => {
  const laid = new Map<string, LaidChunk>();
  for (const { id, text, source, sourceVersion } of chunks) {
    // A chunk is encoded by itself, and what follows it begins anew: so its tokens are the same in every prompt.
    const tokenIds = encode(`${text}\n\n`);
    const digest = tokenDigest(tokenIds);
    const key = JSON.stringify([source, sourceVersion, digest]);
    if (laid.has(key)) continue;
    laid.set(key, { name: id, source, sourceVersion: sourceVersion || NO_VERSION, tokenIds, tokenDigest: digest });
  }
  return [...laid.values()];
};

/** Pure. */
export const identityOf = (chunk: LaidChunk, scope: ChunkScope): ChunkIdentity =>
  identifyChunk({ ...scope, source: chunk.source, sourceVersion: chunk.sourceVersion, tokenDigest: chunk.tokenDigest });

/** Pure. The system prompt as something that can be stored, for its exact reuse. */
export const headIdentity = (headIds: Uint32Array, scope: ChunkScope): ChunkIdentity =>
  identifyChunk({ ...scope, source: HEAD_SOURCE, sourceVersion: NO_VERSION, tokenDigest: tokenDigest(headIds) });

/** Pure. The layout as a planner sees it. */
export const promptOf = (layout: ChunkLayout, scope: ChunkScope): ChunkPrompt => ({
  headTokens: layout.headIds.length,
  headDigest: tokenDigest(layout.headIds),
  head: layout.headIds.length === 0 ? null : headIdentity(layout.headIds, scope),
  chunks: layout.chunks.map((chunk) => ({ chunk: identityOf(chunk, scope), lengthTokens: chunk.tokenIds.length })),
  tailTokens: layout.tailTokens,
});
