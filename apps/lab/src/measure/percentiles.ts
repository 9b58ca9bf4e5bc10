import { quantileSorted } from 'simple-statistics';

const STEPS = 100;

/** Pure. The 101 percentiles, from the least to the largest; empty without values. */
export const percentilesOf = (values: readonly number[]): readonly number[] => {
  if (values.length === 0) return [];
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({ length: STEPS + 1 }, (_, step) => rounded(quantileSorted(sorted, step / STEPS)));
};

/** Pure. To the microsecond, so that stored figures stay short. */
export const rounded = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
