/**
 * Variants that no request asked for: the mean of a chunk's KV over several neutral contexts. It is nearer to the KV behind
 * an unknown context than the KV behind any single one (docs/chunk-quality.md, `neutral-store` beside `system-store`).
 */
import { textDigest, type ChunkId } from '@holdfast/chunk-cache';
import { chunk } from '@holdfast/contracts';
import type { ChunkText } from './chunk-texts.js';
import { specOf } from './turn-chunks.js';

/** Pure. The one name of a chunk's mean in an engine: building it twice stores it once. */
export const meanVariantId = (chunkId: ChunkId): string => `m-${textDigest(['mean/1', chunkId]).slice(0, 32)}`;

/** Pure. Orders an engine to build the mean of a chunk behind a system prompt and each neutral context. */
export const meanItem = (
  text: ChunkText,
  { head, neutralIds }: { readonly head: ChunkText | null; readonly neutralIds: readonly number[] },
): chunk.BuildItem => {
  const [first = [], ...others] = neutralContexts(neutralIds);
  const headIds = Array.from(head?.tokenIds ?? []);
  // Neither counts as a chunk: nobody asks for them, and nothing is lost when others stand there.
  const behind = (neutral: readonly number[]): chunk.BuildPart[] =>
    [headIds, [...neutral]].filter((ids) => ids.length > 0).map((tokenIds) => ({ chunkId: '', tokenIds }));
  return {
    variant: specOf(text.chunk, meanVariantId(text.chunk.id), []),
    prefix: behind(first),
    tokenIds: Array.from(text.tokenIds),
    moreContexts: others.map((neutral) => ({ parts: behind(neutral) })),
  };
};

/** Pure. Several contexts from the one text that an engine suggests: each half, and both in either order. */
export const neutralContexts = (ids: readonly number[]): readonly (readonly number[])[] => {
  const middle = Math.ceil(ids.length / 2);
  const [one, two] = [ids.slice(0, middle), ids.slice(middle)];
  return [one, two, [...one, ...two], [...two, ...one]];
};
