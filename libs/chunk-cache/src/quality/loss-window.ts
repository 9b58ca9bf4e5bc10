/** Losses remembered. */
const MOST_LOSSES = 24;
/** Standard errors above the mean: one sided, about 95 %. */
const UPPER_ERRORS = 1.65;

/** The last losses at one recompute share. */
export class LossWindow {
  readonly #losses: number[] = [];

  get size(): number {
    return this.#losses.length;
  }

  get mean(): number {
    return this.#losses.reduce((sum, loss) => sum + loss, 0) / this.#losses.length;
  }

  /** Upper estimate of the mean. */
  get upper(): number {
    const { mean, size } = this;
    if (size < 2) return Infinity;
    const variance = this.#losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / (size - 1);
    return mean + UPPER_ERRORS * Math.sqrt(variance / size);
  }

  /** Modifies state. */
  add(loss: number): void {
    this.#losses.push(loss);
    if (this.#losses.length > MOST_LOSSES) this.#losses.shift();
  }

  /** Modifies state. */
  clear(): void {
    this.#losses.length = 0;
  }
}
