import { uniqueTokens, type ChunkRequest } from './chunk-trace.js';
import type { HitCounts } from './replay-hits.js';

/**
 * Pure. The most tokens that any store of a size can find again, future known: what is used farthest in the future leaves
 * first (Belady 1966), token by token. A token is a page of its own here, all pages are of one size and may pass the store
 * by, so the rule is optimal; a store that keeps whole chunks only can at most equal it. `hits` counts whole chunks found.
 */
export const beladyHits = (requests: readonly ChunkRequest[], capacityShare: number): HitCounts => {
  const references = requests.flatMap(({ parts }) => parts.chunks);
  const capacity = capacityShare * uniqueTokens(requests);
  const nextUses = nextUsesOf(references.map(({ id }) => id));
  const held = new Map<string, { tokens: number; nextUse: number }>();
  const counts = { references: references.length, hits: 0, tokens: 0, hitTokens: 0 };
  let used = 0;
  for (const [index, { id, lengthTokens }] of references.entries()) {
    const found = held.get(id)?.tokens ?? 0;
    counts.tokens += lengthTokens;
    counts.hitTokens += found;
    if (found === lengthTokens) counts.hits += 1;
    used += lengthTokens - found;
    held.set(id, { tokens: lengthTokens, nextUse: nextUses[index]! });
    while (used > capacity) {
      const [farthest, entry] = farthestOf(held);
      const dropped = Math.min(entry.tokens, used - capacity);
      used -= dropped;
      entry.tokens -= dropped;
      if (entry.tokens <= 0) held.delete(farthest);
    }
  }
  return counts;
};

const nextUsesOf = (ids: readonly string[]): readonly number[] => {
  const nextUses = new Array<number>(ids.length).fill(Infinity);
  const last = new Map<string, number>();
  for (let index = ids.length - 1; index >= 0; index -= 1) {
    nextUses[index] = last.get(ids[index]!) ?? Infinity;
    last.set(ids[index]!, index);
  }
  return nextUses;
};

type Held = Map<string, { tokens: number; nextUse: number }>;

const farthestOf = (held: Held): readonly [string, { tokens: number; nextUse: number }] => {
  let farthest: readonly [string, { tokens: number; nextUse: number }] | null = null;
  for (const entry of held) {
    if (farthest === null || entry[1].nextUse > farthest[1].nextUse) farthest = entry;
  }
  if (farthest === null) throw new RangeError('the store is empty; allowed is one that holds tokens');
  return farthest;
};
