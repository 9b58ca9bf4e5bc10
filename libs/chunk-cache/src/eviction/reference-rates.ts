import type { ChunkId } from '../identity/chunk-identity.js';

/** One rate of decay and what its count is worth. */
export interface RateScale {
  readonly halfLifeReferences: number;
  readonly weight: number;
}

/**
 * A week of a university's question service has bursts of minutes on top of a popularity that lasts for days, so one
 * decay fits neither. Chosen on the first half of that trace (docs/chunks.md).
 */
export const defaultRateScales: readonly RateScale[] = [
  { halfLifeReferences: 50, weight: 27 },
  { halfLifeReferences: 500, weight: 9 },
  { halfLifeReferences: 5_000, weight: 3 },
  { halfLifeReferences: 50_000, weight: 1 },
];

/** Half-lives of the fastest scale after which counts are taken back to small numbers: 2^500 is far from overflow. */
const MOST_HALF_LIVES = 500;

/**
 * How often each chunk is likely to be asked for next: a weighted sum of reference counts that decay at several rates.
 * Remembers chunks that are not stored too, up to a bound; then those that were not asked for the longest are forgotten.
 *
 * Counts are kept as if nothing had decayed since `#epoch`, where a later reference adds more than one; so a rate costs
 * no power function, and a full store can compare all that it holds.
 */
export class ReferenceRates {
  /** In order of the last reference. */
  readonly #counts = new Map<ChunkId, Float64Array>();
  readonly #scales: readonly RateScale[];
  readonly #mostChunks: number;
  readonly #growth: Float64Array;
  readonly #decayedWeights: Float64Array;
  #epoch = 0;
  #tick = 0;

  constructor(scales: readonly RateScale[], mostChunks: number) {
    this.#scales = scales;
    this.#mostChunks = mostChunks;
    this.#growth = new Float64Array(scales.length).fill(1);
    this.#decayedWeights = Float64Array.from(scales, ({ weight }) => weight);
  }

  /** Modifies state. Ticks never go back. */
  count(chunk: ChunkId, tick: number): void {
    this.#moveTo(tick);
    const counts = this.#counts.get(chunk) ?? new Float64Array(this.#scales.length);
    for (let index = 0; index < counts.length; index += 1) counts[index]! += this.#growth[index]!;
    this.#counts.delete(chunk);
    this.#counts.set(chunk, counts);
    if (this.#counts.size <= this.#mostChunks) return;
    for (const oldest of this.#counts.keys()) {
      this.#counts.delete(oldest);
      return;
    }
  }

  /** Relative rate at the last tick; 0 for a chunk that is not remembered. */
  rate(chunk: ChunkId): number {
    const counts = this.#counts.get(chunk);
    if (counts === undefined) return 0;
    let rate = 0;
    for (let index = 0; index < counts.length; index += 1) rate += counts[index]! * this.#decayedWeights[index]!;
    return rate;
  }

  #moveTo(tick: number): void {
    if (tick === this.#tick) return;
    this.#tick = tick;
    const fastest = Math.min(...this.#scales.map(({ halfLifeReferences }) => halfLifeReferences));
    if (tick - this.#epoch > MOST_HALF_LIVES * fastest) this.#rebase(tick);
    for (const [index, { halfLifeReferences, weight }] of this.#scales.entries()) {
      const growth = 2 ** ((tick - this.#epoch) / halfLifeReferences);
      this.#growth[index] = growth;
      this.#decayedWeights[index] = weight / growth;
    }
  }

  #rebase(tick: number): void {
    const factors = this.#scales.map(({ halfLifeReferences }) => 2 ** ((this.#epoch - tick) / halfLifeReferences));
    for (const counts of this.#counts.values()) {
      for (const [index, factor] of factors.entries()) counts[index]! *= factor;
    }
    this.#epoch = tick;
  }
}
