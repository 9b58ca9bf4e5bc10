import type { Forecast } from './contender.js';

/** Shortest duration that is told apart, seconds. */
export const RESOLUTION_SECONDS = 0.001;
/** Bins of the log score: four a doubling, up to about nine hours. */
const BINS_PER_DOUBLING = 4;
const BINS = 100;
/** Nothing is impossible: so much of every forecast is spread over all bins. An empirical distribution has holes. */
const UNIFORM_SHARE = 0.01;

/** How one forecast came out. */
export interface ForecastScore {
  /** |ln(median / duration)|; null without a forecast. */
  readonly logError: number | null;
  /** -log2 of the probability of the bin that the duration fell into; null for those that give no distribution. */
  readonly bits: number | null;
  /** Position of the duration in the distribution, lowest and highest: it may lie on a step. */
  readonly position: { readonly low: number; readonly high: number } | null;
}

const edgeOf = (bin: number): number => RESOLUTION_SECONDS * 2 ** (bin / BINS_PER_DOUBLING);

/** Pure. Bin of a duration, counted from 0; its upper edge belongs to it. */
const binOf = (seconds: number): number =>
  Math.max(0, Math.min(BINS - 1, Math.ceil(BINS_PER_DOUBLING * Math.log2(seconds / RESOLUTION_SECONDS) - 1e-9)));

/**
 * Pure. Scores what was said of a call when it had run for `elapsedSeconds`. Without a forecast, of a contender that
 * gives distributions, all bins that are left are equally likely.
 *
 * @param durationSeconds - how long it took in the end; below a millisecond counts as that.
 */
export const scoreForecast = (
  forecast: Forecast | null,
  durationSeconds: number,
  { elapsedSeconds, givesDistributions }: { readonly elapsedSeconds: number; readonly givesDistributions: boolean },
): ForecastScore => {
  const duration = Math.max(RESOLUTION_SECONDS, durationSeconds);
  const binsLeft = BINS - binOf(Math.max(RESOLUTION_SECONDS, elapsedSeconds));
  if (forecast === null) {
    return { logError: null, bits: givesDistributions ? Math.log2(binsLeft) : null, position: null };
  }
  const { medianSeconds, distribution } = forecast;
  const logError = Math.abs(Math.log(Math.max(RESOLUTION_SECONDS, medianSeconds) / duration));
  if (distribution === null) return { logError, bits: null, position: null };
  const bin = binOf(duration);
  const below = bin === 0 ? 0 : distribution.probabilityWithin(edgeOf(bin - 1));
  const upTo = bin === BINS - 1 ? 1 : distribution.probabilityWithin(edgeOf(bin));
  const probability = (1 - UNIFORM_SHARE) * Math.max(0, upTo - below) + UNIFORM_SHARE / binsLeft;
  const justBelow = distribution.probabilityWithin(durationSeconds * (1 - 1e-9) - 1e-12);
  return {
    logError,
    bits: -Math.log2(probability),
    position: { low: justBelow, high: distribution.probabilityWithin(durationSeconds) },
  };
};
