/** Delays of a network loop: doubling from `baseMs` to `capMs`, each drawn from its upper half. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly capMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Counts failures in a row and says how long to wait. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Modifies state. Milliseconds to wait after one more failure. */
  next(): number {
    const { baseMs, capMs, random } = this.#options;
    const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.round(ceiling * (0.5 + random() / 2));
  }

  /** Modifies state. */
  reset(): void {
    this.#failures = 0;
  }
}
