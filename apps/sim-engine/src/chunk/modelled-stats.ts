import type { chunk } from '@holdfast/contracts';
import { fingerprint, mix, unit } from '../output/mix.js';

/** Attention to a chunk one place further away, of that to the nearer one. */
const DECAY = 0.7;
/** Attention of a token to earlier chunks, at most, of all its attention. */
const MOST_INTER = 0.4;

/** Pure. Attention of a chunk to those before it, from seeds: relevance by pair, decay with distance, the rest inside. */
export const modelledStats = (tokenIds: readonly number[], prefixChunkIds: readonly string[]): chunk.SegmentStats => {
  const seed = fingerprint(0, Uint32Array.from(tokenIds));
  const relevance = prefixChunkIds.map((id, place) => {
    const pair = mix(seed, fingerprint(1, Uint32Array.from(Buffer.from(id))));
    return unit(pair) * DECAY ** (prefixChunkIds.length - 1 - place);
  });
  const total = relevance.reduce((sum, value) => sum + value, 0);
  const share = Math.min(MOST_INTER, total * MOST_INTER);
  const inter = relevance.map((value) => (total === 0 ? 0 : (tokenIds.length * share * value) / total));
  return {
    segmentId: 0,
    inter,
    intra: tokenIds.length * (1 - share),
    tokenInterRanks: Buffer.from(tokenIds.map((_, index) => mix(seed, index) & 0xff)),
    queryAttention: [],
  };
};
