/** A half-open range of token offsets inside a chunk. */
export interface TokenRange {
  readonly start: number;
  readonly end: number;
}

/** How the tokens of one chunk are chosen when the planner chooses them. */
export interface TokenChoice {
  readonly lengthTokens: number;
  readonly countTokens: number;
  /** Tokens at the start that come first whatever the scores say (EPIC, arXiv 2410.15332). */
  readonly firstTokens?: number;
  /** Score of each token, such as Eq. 14's mass; higher is chosen earlier. Without, tokens follow their order. */
  readonly scores?: ArrayLike<number>;
}

/** Pure. Offsets of the chosen tokens, ascending; of equal scores the earlier token. Throws a RangeError on bad sizes. */
export const chooseTokens = ({
  lengthTokens,
  countTokens,
  firstTokens = 0,
  scores,
}: TokenChoice): readonly number[] => {
  if (scores !== undefined && scores.length !== lengthTokens) {
    throw new RangeError(`scores has ${scores.length} entries; allowed is one a token, ${lengthTokens}`);
  }
  if (!(countTokens >= 0 && countTokens <= lengthTokens)) {
    throw new RangeError(`countTokens is ${countTokens}; allowed is 0 to lengthTokens, ${lengthTokens}`);
  }
  const first = Math.min(firstTokens, countTokens);
  const rest = Array.from({ length: lengthTokens - first }, (_, index) => first + index);
  if (scores !== undefined) rest.sort((a, b) => scores[b]! - scores[a]! || a - b);
  const chosen = [...Array.from({ length: first }, (_, index) => index), ...rest.slice(0, countTokens - first)];
  return chosen.sort((a, b) => a - b);
};

/** Pure. Ascending offsets as ranges. */
export const toRanges = (offsets: readonly number[]): readonly TokenRange[] => {
  const ranges: { start: number; end: number }[] = [];
  for (const offset of offsets) {
    const last = ranges.at(-1);
    if (last?.end === offset) last.end = offset + 1;
    else ranges.push({ start: offset, end: offset + 1 });
  }
  return ranges;
};

/**
 * Pure. Whole blocks that hold chosen tokens, for engines that recompute blocks only (as MEPIC, arXiv 2512.16822): the
 * blocks with most chosen tokens, at least as many tokens as were chosen.
 */
export const toBlocks = (
  offsets: readonly number[],
  { blockTokens, lengthTokens }: { readonly blockTokens: number; readonly lengthTokens: number },
): readonly TokenRange[] => {
  const counts = new Map<number, number>();
  for (const offset of offsets) {
    const block = Math.floor(offset / blockTokens);
    counts.set(block, (counts.get(block) ?? 0) + 1);
  }
  const ordered = [...counts].sort(([a, many], [b, few]) => few - many || a - b);
  const taken: number[] = [];
  let tokens = 0;
  for (const [block] of ordered) {
    if (tokens >= offsets.length) break;
    taken.push(block);
    tokens += Math.min(blockTokens, lengthTokens - block * blockTokens);
  }
  const whole = taken
    .sort((a, b) => a - b)
    .flatMap((block) => {
      const start = block * blockTokens;
      return Array.from({ length: Math.min(blockTokens, lengthTokens - start) }, (_, index) => start + index);
    });
  return toRanges(whole);
};
