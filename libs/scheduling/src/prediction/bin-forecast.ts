import { hazardBinOf, HAZARD_BINS, lowerEdgeSeconds, upperEdgeSeconds } from '../statistics/hazards.js';
import type { DurationForecast } from './duration-predictor.js';

/** A forecast on bins: probability of each, given that the call has run for some time already. */
export class BinForecast implements DurationForecast {
  readonly #mass = new Float64Array(HAZARD_BINS);
  readonly #first: number;

  /**
   * @param hazardOf - probability of ending in a bin for a call that reaches it, 0 to 1.
   * @param elapsedSeconds - the call has run so long.
   * @param timeoutSeconds - and runs no longer than this.
   */
  constructor(
    hazardOf: (bin: number) => number,
    private readonly elapsedSeconds: number,
    private readonly timeoutSeconds: number,
  ) {
    this.#first = hazardBinOf(elapsedSeconds);
    let survival = 1;
    for (let bin = this.#first; bin < HAZARD_BINS; bin += 1) {
      const isLast = bin === HAZARD_BINS - 1 || upperEdgeSeconds(bin) >= timeoutSeconds;
      const ended = isLast ? survival : survival * hazardOf(bin);
      this.#mass[bin] = ended;
      survival -= ended;
      if (isLast) break;
    }
  }

  quantile(probability: number): number {
    let below = 0;
    for (let bin = this.#first; bin < HAZARD_BINS; bin += 1) {
      const mass = this.#mass[bin]!;
      if (below + mass >= probability && mass > 0) return this.#within(bin, (probability - below) / mass);
      below += mass;
    }
    return this.#upper(HAZARD_BINS - 1);
  }

  probabilityWithin(seconds: number): number {
    if (seconds < this.elapsedSeconds) return 0;
    if (seconds >= this.timeoutSeconds) return 1;
    const last = hazardBinOf(seconds);
    let sum = 0;
    for (let bin = this.#first; bin < last; bin += 1) sum += this.#mass[bin]!;
    const [lower, upper] = [this.#lower(last), this.#upper(last)];
    const share = upper > lower ? Math.min(1, (seconds - lower) / (upper - lower)) : 1;
    return sum + this.#mass[last]! * share;
  }

  /**
   * Pure. The best ratio of return probability to holding time over all horizons H, per second:
   * max over H of P(return within H) / E[min(what is left, H)]. With a falling hazard the shortest horizon wins, with a
   * rising one a longer one: a tool that is about to return is worth waiting for however long it has run.
   *
   * @param shortestSeconds - horizons below this are not considered: the first bins are noise.
   */
  returnRate(shortestSeconds: number): number {
    let [survival, held, best] = [1, 0, 0];
    for (let bin = this.#first; bin < HAZARD_BINS; bin += 1) {
      const mass = this.#mass[bin]!;
      held += Math.max(0, this.#upper(bin) - this.#lower(bin)) * (survival - mass / 2);
      survival -= mass;
      if (this.#upper(bin) - this.elapsedSeconds < shortestSeconds || held <= 0) continue;
      best = Math.max(best, (1 - survival) / held);
      if (survival <= 0) break;
    }
    return best;
  }

  #lower(bin: number): number {
    return Math.max(this.elapsedSeconds, lowerEdgeSeconds(bin));
  }

  /** The last bin is taken as one doubling wide. */
  #upper(bin: number): number {
    const edge = upperEdgeSeconds(bin);
    return Math.min(
      this.timeoutSeconds,
      edge === Infinity ? 2 * Math.max(this.elapsedSeconds, lowerEdgeSeconds(bin)) : edge,
    );
  }

  #within(bin: number, share: number): number {
    const [lower, upper] = [this.#lower(bin), this.#upper(bin)];
    return lower + Math.max(0, upper - lower) * Math.min(1, Math.max(0, share));
  }
}
