import { RandomStreams } from '@holdfast/simulation';
import { mean, quantileSorted, sampleWithReplacement } from 'simple-statistics';

/** A figure and where it lies, with the given confidence. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2_000;
const CONFIDENCE = 0.95;

/**
 * Pure. The mean of some values, and its percentile bootstrap interval (Efron 1979): the same resamples each time, as the
 * stream is seeded. One value has an interval of no width, and none says nothing of chance.
 *
 * @throws Error without values.
 */
export const bootstrapMean = (values: readonly number[]): Estimate => {
  const value = mean([...values]);
  if (values.length < 2) return { value, low: value, high: value };
  const stream = new RandomStreams('bootstrap').stream('resamples');
  const sample = [...values];
  const means = Array.from({ length: RESAMPLES }, () =>
    mean(sampleWithReplacement(sample, sample.length, () => stream.uniform())),
  ).sort((a, b) => a - b);
  const tail = (1 - CONFIDENCE) / 2;
  return { value, low: quantileSorted(means, tail), high: quantileSorted(means, 1 - tail) };
};
