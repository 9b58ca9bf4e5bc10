import { createEviction, VariantStore, type EvictionName, type ShareForm } from '@holdfast/chunk-cache';
import { uniqueTokens, type ChunkRequest } from './chunk-trace.js';
import { ChunkNaming } from './stored-chunk.js';

/** Counts of a stretch of a trace. */
export interface HitCounts {
  readonly references: number;
  readonly hits: number;
  readonly tokens: number;
  readonly hitTokens: number;
}

/** How a trace is replayed. */
export interface HitReplay {
  readonly policy: EvictionName;
  /** Of the tokens of all chunks, each counted once. */
  readonly capacityShare: number;
  /** Shares of the requests at which counting starts, ascending from 0; each window ends where the next begins. */
  readonly windows: readonly number[];
}

/** Any copy of a chunk serves any use of it. */
const ANY_COPY: ShareForm = { kind: 'paper', alpha: 0, emptyContext: 'full' };

/** Pure. One copy of each chunk, stored when it is missing: does the store still hold what is asked for? */
export const replayHits = (
  requests: readonly ChunkRequest[],
  { policy, capacityShare, windows }: HitReplay,
): readonly HitCounts[] => {
  const naming = new ChunkNaming();
  const store = new VariantStore({
    capacityBytes: capacityShare * uniqueTokens(requests),
    form: ANY_COPY,
    eviction: createEviction(policy, { objective: 'hits', form: ANY_COPY }),
    mostVariants: 1,
  });
  const counts = windows.map(() => ({ references: 0, hits: 0, tokens: 0, hitTokens: 0 }));
  for (const [index, { parts }] of requests.entries()) {
    const window = counts[windows.findLastIndex((from) => index >= from * requests.length)]!;
    for (const part of parts.chunks) {
      window.references += 1;
      window.tokens += part.lengthTokens;
      if (store.reference(naming.identityOf(part).id, []) === null) {
        store.put(naming.variantOf(part, [], 0));
        continue;
      }
      window.hits += 1;
      window.hitTokens += part.lengthTokens;
    }
  }
  return counts;
};
