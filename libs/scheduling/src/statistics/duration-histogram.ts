/**
 * Durations in bins of equal ratio, for distributions that are asked for at any elapsed time: survival, and the mean
 * time until return, both in a few dozen operations, whatever the number of samples.
 */

import { savedAmount, savedAmounts, type Saved } from './saved.js';

/** Shortest duration that is told apart, seconds. */
const FIRST_EDGE_SECONDS = 0.01;
/** Edges a factor of 2^(1/2) apart, up to about 6 hours. */
const BINS = 43;
const EDGE_RATIO = Math.SQRT2;

/** Upper edges of the bins, seconds; the last bin has none. */
export const BIN_EDGES: readonly number[] = Array.from(
  { length: BINS - 1 },
  (_, i) => FIRST_EDGE_SECONDS * EDGE_RATIO ** i,
);

/** Pure. Bin of a duration in seconds. */
export const binOf = (durationSeconds: number): number => {
  if (durationSeconds <= FIRST_EDGE_SECONDS) return 0;
  return Math.min(BINS - 1, Math.ceil(Math.log(durationSeconds / FIRST_EDGE_SECONDS) / Math.log(EDGE_RATIO)));
};

const FADES_AT = 1_000;

/** Weights of samples a bin. */
export class DurationHistogram {
  readonly weights = new Float64Array(BINS);
  total = 0;

  /** Modifies state. Weights are halved each time they reach a thousand samples, so that old ones fade. */
  add(durationSeconds: number, weight = 1): void {
    if (this.total >= FADES_AT) {
      for (let bin = 0; bin < BINS; bin += 1) this.weights[bin]! /= 2;
      this.total /= 2;
    }
    this.weights[binOf(durationSeconds)]! += weight;
    this.total += weight;
  }

  /** Pure. */
  save(): Saved {
    return { total: this.total, weights: [...this.weights] };
  }

  /** Pure. What `save` gave; undefined for anything else. */
  static load(saved: unknown): DurationHistogram | undefined {
    const { total, weights } = (saved ?? {}) as { readonly total?: unknown; readonly weights?: unknown };
    const sum = savedAmount(total);
    const bins = savedAmounts(weights, BINS);
    if (sum === undefined || bins === undefined) return undefined;
    const histogram = new DurationHistogram();
    histogram.total = sum;
    histogram.weights.set(bins);
    return histogram;
  }
}

/**
 * Pure. Weights of a distribution shrunk to its parent: n samples of its own and `kappa` of the parent's shape.
 *
 * @returns bin probabilities, summing to 1.
 */
export const shrunk = (own: DurationHistogram | undefined, parent: Float64Array, kappa: number): Float64Array => {
  if (own === undefined || own.total === 0) return parent;
  const scale = 1 / (own.total + kappa);
  return own.weights.map((weight, bin) => (weight + kappa * parent[bin]!) * scale);
};

/**
 * Pure. The best ratio of return probability to holding time, over all horizons H, of a call that runs for
 * `elapsedSeconds` already: max over H of P(return within H | elapsed) / E[min(return, H) | elapsed], per second.
 *
 * With a falling hazard the shortest horizon wins, with a rising one a longer one: a tool that is almost surely about to
 * return is worth keeping however long it has run.
 *
 * @param probabilities - of the bins.
 * @param shortestSeconds - horizons below this are not considered: the first bins are noise.
 */
export const bestReturnRate = (
  probabilities: Float64Array,
  elapsedSeconds: number,
  shortestSeconds: number,
): number => {
  const from = binOf(elapsedSeconds);
  const start = survivalWithin(probabilities, from, elapsedSeconds);
  let survival = start;
  let held = 0;
  let at = elapsedSeconds;
  let best = 0;
  for (let bin = from; bin < BINS; bin += 1) {
    const share = bin === from ? start - survivalAfter(probabilities, bin) : probabilities[bin]!;
    const edge = bin < BINS - 1 ? BIN_EDGES[bin]! : at * 2;
    const length = Math.max(0, edge - at);
    // Returns are spread evenly over the bin.
    held += length * (survival - share / 2);
    survival -= share;
    at = Math.max(at, edge);
    if (at - elapsedSeconds < shortestSeconds || held <= 0) continue;
    best = Math.max(best, (start - survival) / held);
  }
  return best;
};

/** Probability of lasting beyond the bin. */
const survivalAfter = (probabilities: Float64Array, bin: number): number => {
  let sum = 0;
  for (let later = bin + 1; later < BINS; later += 1) sum += probabilities[later]!;
  return sum;
};

/** Probability of lasting beyond a point inside the bin. */
const survivalWithin = (probabilities: Float64Array, bin: number, elapsedSeconds: number): number => {
  const upper = bin < BINS - 1 ? BIN_EDGES[bin]! : elapsedSeconds * 2;
  const lower = bin === 0 ? 0 : BIN_EDGES[bin - 1]!;
  const left = upper > lower ? Math.min(1, Math.max(0, (upper - elapsedSeconds) / (upper - lower))) : 0;
  return Math.max(1e-9, survivalAfter(probabilities, bin) + probabilities[bin]! * left);
};
