import {
  createEviction,
  VariantStore,
  type ChunkIdentity,
  type EvictionName,
  type ShareForm,
} from '@holdfast/chunk-cache';
import { uniqueTokens, type ChunkRequest } from './chunk-trace.js';
import { ChunkNaming } from './stored-chunk.js';

/** Work of a stretch of a trace. */
export interface WorkCounts {
  readonly tokens: number;
  /** Tokens of chunks that were computed or recomputed. */
  readonly computedTokens: number;
}

/** How a trace is replayed. */
export interface WorkReplay {
  readonly policy: EvictionName;
  /** Of the tokens of all chunks, each counted once. */
  readonly capacityShare: number;
  /** What a use costs. */
  readonly form: ShareForm;
  /** A further variant of a chunk is stored when its best one costs more than this share. */
  readonly admitAbove: number;
  /** Variants a chunk; memory alone decides without. */
  readonly mostVariants?: number;
  /** Shares of the requests at which counting starts, ascending from 0; each window ends where the next begins. */
  readonly windows: readonly number[];
}

/** Pure. Variants that depend on what preceded them: how many tokens are computed or recomputed? */
export const replayWork = (requests: readonly ChunkRequest[], replay: WorkReplay): readonly WorkCounts[] => {
  const { policy, capacityShare, form, admitAbove, mostVariants, windows } = replay;
  const naming = new ChunkNaming();
  const store = new VariantStore({
    capacityBytes: capacityShare * uniqueTokens(requests),
    form,
    eviction: createEviction(policy, { objective: 'work', form }),
    ...(mostVariants === undefined ? {} : { mostVariants }),
  });
  const counts = windows.map(() => ({ tokens: 0, computedTokens: 0 }));
  for (const [index, { parts }] of requests.entries()) {
    const window = counts[windows.findLastIndex((from) => index >= from * requests.length)]!;
    const preceding: ChunkIdentity[] = [];
    for (const part of parts.chunks) {
      const chunk = naming.identityOf(part);
      const before = preceding.map(({ id }) => id);
      const found = store.reference(chunk.id, before);
      window.tokens += part.lengthTokens;
      window.computedTokens += (found?.recomputeShare ?? 1) * part.lengthTokens;
      if (found === null) store.put(naming.variantOf(part, preceding, 0));
      else if (found.recomputeShare > admitAbove) {
        store.put(naming.variantOf(part, preceding, found.variant.depth + 1));
      }
      preceding.push(chunk);
    }
  }
  return counts;
};
