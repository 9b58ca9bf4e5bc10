/** Sums of values over equal bins of time, each weighted with how long it lasted: means, in the end. */
export class TimeBins {
  readonly #sums: Float64Array;

  constructor(
    readonly bins: number,
    readonly binMicros: number,
  ) {
    this.#sums = new Float64Array(bins);
  }

  /** Modifies state. `value` lasted from `from` to `to`, microseconds. */
  add(from: number, to: number, value: number): void {
    const first = Math.max(0, Math.floor(from / this.binMicros));
    const last = Math.min(this.bins - 1, Math.floor(to / this.binMicros));
    for (let bin = first; bin <= last; bin += 1) {
      const start = Math.max(from, bin * this.binMicros);
      const end = Math.min(to, (bin + 1) * this.binMicros);
      if (end > start) this.#sums[bin]! += value * (end - start);
    }
  }

  /** Pure. Means by bin. */
  means(): readonly number[] {
    return Array.from(this.#sums, (sum) => Math.round((sum / this.binMicros) * 100) / 100);
  }
}
