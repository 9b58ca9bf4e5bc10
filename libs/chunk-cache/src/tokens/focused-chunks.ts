/** When chunks count as settled. */
export interface FocusRule {
  /** Layers before which nothing is decided. */
  readonly leastLayers: number;
  /** Layers for which the focused set must not change. */
  readonly steadyLayers: number;
  /** Smallest gap between two neighbours in the sorted scores that parts focused from unfocused chunks. */
  readonly leastGap: number;
}

/** Relevant chunks are reported to part from the rest after 10 to 15 layers of 32. */
export const defaultFocusRule: FocusRule = { leastLayers: 10, steadyLayers: 3, leastGap: 0.05 };

/** What was found. */
export interface Focus {
  /** Layers computed when the set was settled; recomputation of the others stops there. */
  readonly stopAfterLayers: number;
  /** Indices of the chunks that the question attends to, ascending. */
  readonly focused: readonly number[];
}

/**
 * Pure. Which chunks a question is about, from the attention that it paid so far (the idea of Cache-Craft's focused
 * chunks; its exact algorithm is not public). Running means over layers are normalised over chunks; the largest gap
 * between sorted neighbours parts them; a set that holds for some layers is final.
 *
 * @param layers - for each layer from the first, the question's mean attention to a token of each chunk.
 * @returns null while nothing is settled.
 */
export const findFocus = (layers: readonly (readonly number[])[], rule: FocusRule = defaultFocusRule): Focus | null => {
  const sums = (layers[0] ?? []).map(() => 0);
  let before = '';
  let steady = 0;
  for (const [index, layer] of layers.entries()) {
    for (const [chunk, attention] of layer.entries()) sums[chunk]! += attention;
    if (index + 1 < rule.leastLayers) continue;
    const focused = aboveLargestGap(sums, rule.leastGap);
    const name = focused.join();
    steady = focused.length > 0 && name === before ? steady + 1 : 1;
    before = name;
    if (focused.length > 0 && steady >= rule.steadyLayers) return { stopAfterLayers: index + 1, focused };
  }
  return null;
};

/** Indices above the largest gap, ascending; none when no gap is wide enough. */
const aboveLargestGap = (scores: readonly number[], leastGap: number): readonly number[] => {
  const total = scores.reduce((sum, score) => sum + score, 0);
  if (total <= 0) return [];
  const sorted = scores
    .map((score, index) => ({ index, share: score / total }))
    .sort((a, b) => b.share - a.share || a.index - b.index);
  let cut = 0;
  let widest = leastGap;
  for (let place = 1; place < sorted.length; place += 1) {
    const gap = sorted[place - 1]!.share - sorted[place]!.share;
    if (gap >= widest && (cut === 0 || gap > widest)) [cut, widest] = [place, gap];
  }
  return sorted
    .slice(0, cut)
    .map(({ index }) => index)
    .sort((a, b) => a - b);
};
