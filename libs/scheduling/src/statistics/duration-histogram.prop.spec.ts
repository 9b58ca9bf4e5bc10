import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bestReturnRate, binOf, DurationHistogram, shrunk } from './duration-histogram.js';

const durations = fc.array(fc.double({ min: 0.01, max: 5_000, noNaN: true }), { minLength: 1, maxLength: 80 });

const learned = (samples: readonly number[]): DurationHistogram => {
  const histogram = new DurationHistogram();
  for (const sample of samples) histogram.add(sample);
  return histogram;
};

describe('a histogram of durations', () => {
  it('shrinks to its parent: probabilities that sum to one', () => {
    fc.assert(
      fc.property(durations, durations, (own, all) => {
        const parent = shrunk(learned(all), learned(all).weights, 0);
        const sum = shrunk(learned(own), parent, 10).reduce((total, share) => total + share, 0);
        expect(sum).toBeCloseTo(1, 9);
      }),
    );
  });

  it('returns at least as fast as holding to the end would say, and no faster than the shortest horizon allows', () => {
    fc.assert(
      fc.property(durations, (samples) => {
        const rate = bestReturnRate(shrunk(learned(samples), new Float64Array(43), 0), 0, 0.2);
        const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
        // Bins are a factor of 1.42 wide, and the first one reaches to zero.
        expect(rate).toBeGreaterThanOrEqual(1 / (1.42 * mean + 0.3));
        expect(rate).toBeLessThanOrEqual(1 / Math.min(...samples) + 200);
      }),
    );
  });

  it('holds a call that is about to return dearer than one that has just begun', () => {
    const probabilities = shrunk(learned(Array.from({ length: 50 }, () => 60)), new Float64Array(43), 0);
    expect(bestReturnRate(probabilities, 50, 0.2)).toBeGreaterThan(2 * bestReturnRate(probabilities, 0, 0.2));
  });

  it('lets old samples fade', () => {
    const histogram = learned(Array.from({ length: 1_000 }, () => 1));
    for (let index = 0; index < 3_000; index += 1) histogram.add(100);
    expect(histogram.weights[binOf(1)]! / histogram.total).toBeLessThan(0.1);
  });
});
