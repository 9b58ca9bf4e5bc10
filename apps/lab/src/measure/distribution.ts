import { mean, quantileSorted } from 'simple-statistics';

/** Mean and quantiles of some values. */
export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Pure. All zero without values. */
export const distributionOf = (values: readonly number[]): Distribution => {
  if (values.length === 0) return { mean: 0, p50: 0, p95: 0, p99: 0, max: 0 };
  const sorted = [...values].sort((a, b) => a - b);
  return {
    mean: mean(sorted),
    p50: quantileSorted(sorted, 0.5),
    p95: quantileSorted(sorted, 0.95),
    p99: quantileSorted(sorted, 0.99),
    max: sorted.at(-1)!,
  };
};

const STEPS = 100;

/** Pure. The 101 percentiles, from the least to the largest; empty without values. */
export const percentilesOf = (values: readonly number[]): readonly number[] => {
  if (values.length === 0) return [];
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({ length: STEPS + 1 }, (_, step) => rounded(quantileSorted(sorted, step / STEPS)));
};

/** Pure. To the microsecond, so that stored figures stay short. */
export const rounded = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
