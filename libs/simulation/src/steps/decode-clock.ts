/**
 * Exact time of many decode steps at once.
 *
 * While the same B sequences decode and nothing else happens, step k (from 0) takes `first + k*slope`: every sequence is
 * one token longer each step. Durations are whole picoseconds, so that sums in closed form equal sums step by step, and
 * stay below 2^53 for segments of up to 4,096 steps.
 */
export interface DecodeSegment {
  /** Picoseconds of the first step. */
  readonly first: number;
  /** Picoseconds by which each next step is longer. */
  readonly slope: number;
}

/** Steps of one segment at most; longer stretches are several segments. */
export const LONGEST_SEGMENT = 4_096;

/** Pure. Picoseconds of the first `steps` steps. */
export const picosOfSteps = ({ first, slope }: DecodeSegment, steps: number): number =>
  steps * first + slope * ((steps * (steps - 1)) / 2);

/** Pure. The smallest number of steps whose end is at or after `picos`, at most `limit`. */
export const stepsUntil = (segment: DecodeSegment, picos: number, limit: number): number => {
  if (picos <= 0) return 0;
  let low = 0;
  let high = limit;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (picosOfSteps(segment, middle) >= picos) high = middle;
    else low = middle + 1;
  }
  return low;
};
