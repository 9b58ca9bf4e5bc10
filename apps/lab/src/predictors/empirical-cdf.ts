import { RecentDurations, type DurationForecast } from '@holdfast/scheduling';
import type { Contender } from './contender.js';

/** As the policy `continuum` has them. */
const WINDOW = 1_000;
const COLD_SAMPLES = 100;

/**
 * Continuum's distribution (arXiv 2511.02230 v6): the last durations of the tool, those of all tools while the tool has
 * at most 100 of its own, nothing while all have at most 100 together. Of a call that runs already: those that were
 * longer.
 */
export const continuumCdf = (): Contender => {
  const all = new RecentDurations(WINDOW);
  const byTool = new Map<string, RecentDurations>();
  return {
    name: 'continuum',
    observe: ({ tool }, { toSeconds, isOver }) => {
      if (!isOver) return;
      let own = byTool.get(tool);
      if (own === undefined) byTool.set(tool, (own = new RecentDurations(WINDOW)));
      own.add(toSeconds);
      all.add(toSeconds);
    },
    predict: ({ tool }, elapsedSeconds) => {
      const own = byTool.get(tool);
      const samples = own !== undefined && own.size > COLD_SAMPLES ? own : all;
      if (samples.size <= COLD_SAMPLES) return null;
      const ascending = samples.ascending();
      const longer = elapsedSeconds > 0 ? ascending.subarray(rankOf(ascending, elapsedSeconds)) : ascending;
      if (longer.length === 0) return null;
      const distribution = empirical(longer);
      return { medianSeconds: distribution.quantile(0.5), distribution };
    },
    forget: () => undefined,
  };
};

/** Pure. Distribution of the samples: ascending, at least one. */
const empirical = (ascending: Float64Array): DurationForecast => ({
  quantile: (probability) => ascending[Math.max(0, Math.ceil(probability * ascending.length) - 1)]!,
  probabilityWithin: (seconds) => rankOf(ascending, seconds) / ascending.length,
});

/** Samples that are at most `seconds`. */
const rankOf = (ascending: Float64Array, seconds: number): number => {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! <= seconds) low = middle + 1;
    else high = middle;
  }
  return low;
};
