import { savedAmounts, type Saved } from './saved.js';

/**
 * The most recent durations of one key, sorted, for empirical distributions. Bounded: the oldest sample leaves when
 * the window is full, so a decision costs the same after a year as after an hour.
 */
export class RecentDurations {
  readonly #sorted: Float64Array;
  /** Samples in order of arrival, as a ring. */
  readonly #ring: Float64Array;
  #size = 0;
  #next = 0;

  /** @param window - samples kept at most. */
  constructor(window: number) {
    this.#sorted = new Float64Array(window);
    this.#ring = new Float64Array(window);
  }

  /** Pure. Samples held. */
  get size(): number {
    return this.#size;
  }

  /** Modifies state. Adds a duration in seconds; negative ones count as 0. */
  add(durationSeconds: number): void {
    const value = Math.max(0, durationSeconds);
    if (this.#size === this.#ring.length) this.#drop(this.#ring[this.#next] ?? 0);
    this.#ring[this.#next] = value;
    this.#next = (this.#next + 1) % this.#ring.length;
    const at = this.#lowerBound(value);
    this.#sorted.copyWithin(at + 1, at, this.#size);
    this.#sorted[at] = value;
    this.#size += 1;
  }

  /** Pure. The samples in ascending order, seconds. A view: do not keep it. */
  ascending(): Float64Array {
    return this.#sorted.subarray(0, this.#size);
  }

  /** Pure. The samples in order of arrival. */
  save(): Saved {
    const oldest = this.#size === this.#ring.length ? this.#next : 0;
    return Array.from({ length: this.#size }, (_, index) => this.#ring[(oldest + index) % this.#ring.length] ?? 0);
  }

  /** Pure. What `save` gave, as far as the window holds it; undefined for anything else. */
  static load(saved: unknown, window: number): RecentDurations | undefined {
    const samples = savedAmounts(saved);
    if (samples === undefined) return undefined;
    const recent = new RecentDurations(window);
    for (const sample of samples.slice(-window)) recent.add(sample);
    return recent;
  }

  #drop(value: number): void {
    const at = this.#lowerBound(value);
    this.#sorted.copyWithin(at, at + 1, this.#size);
    this.#size -= 1;
  }

  /** First index whose sample is not below `value`. */
  #lowerBound(value: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
