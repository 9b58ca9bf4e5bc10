/** A chunk that preceded another when its KV was computed, and the attention that went to it (Eq. 3). */
export interface ContextChunk<Id> {
  readonly id: Id;
  readonly inter: number;
}

/** How much of an old context is left in a new one. */
export interface ContextOverlap {
  /** Eq. 6: share of the old attention that went to chunks which are there again; 1 for an empty old context. */
  readonly beta: number;
  /** Chunks in both. */
  readonly sharedChunks: number;
  /** Eq. 7: pairs of them in another order, of all pairs; 0 for fewer than two. */
  readonly orderPenalty: number;
  /** Eq. 8: beta * (1 - orderPenalty). */
  readonly adjustedBeta: number;
}

/**
 * Pure. Compares what preceded a chunk when it was stored with what precedes it now (Cache-Craft, Eq. 6 to 8). Old chunks
 * that no attention went to count alike.
 *
 * @param before - in prompt order, each id once.
 * @param now - in prompt order; of an id that stands twice the first place counts.
 */
export const contextOverlap = <Id>(before: readonly ContextChunk<Id>[], now: readonly Id[]): ContextOverlap => {
  const places = placesOf(now);
  const total = before.reduce((sum, { inter }) => sum + inter, 0);
  const shared: number[] = [];
  let kept = 0;
  for (const { id, inter } of before) {
    const place = places.get(id);
    if (place === undefined) continue;
    shared.push(place);
    kept += total > 0 ? inter : 1;
  }
  const beta = before.length === 0 ? 1 : Math.min(1, kept / (total > 0 ? total : before.length));
  const orderPenalty = inversionShare(shared);
  return { beta, sharedChunks: shared.length, orderPenalty, adjustedBeta: beta * (1 - orderPenalty) };
};

/** Pure. First place of each id. */
const placesOf = <Id>(ids: readonly Id[]): ReadonlyMap<Id, number> => {
  const places = new Map<Id, number>();
  for (const [place, id] of ids.entries()) if (!places.has(id)) places.set(id, place);
  return places;
};

const inversionShare = (places: readonly number[]): number => {
  const pairs = (places.length * (places.length - 1)) / 2;
  if (pairs === 0) return 0;
  let inverted = 0;
  for (let first = 0; first < places.length; first += 1) {
    for (let second = first + 1; second < places.length; second += 1) {
      if (places[first]! > places[second]!) inverted += 1;
    }
  }
  return inverted / pairs;
};
