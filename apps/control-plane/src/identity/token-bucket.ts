import { micros, seconds, type Duration, type Instant } from '@holdfast/scheduling';

/** A rate with a burst: tokens come back at `perSecond`, up to `burst`. */
export class TokenBucket {
  #perSecond: number;
  #burst: number;
  #tokens: number;
  #at: Instant;

  constructor(perSecond: number, burst: number, now: Instant) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Modifies state. Takes one token: null when there was one, else how long until there is. */
  take(now: Instant): Duration | null {
    this.#refill(now);
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return null;
    }
    return seconds((1 - this.#tokens) / this.#perSecond);
  }

  /** Modifies state. Whole tokens that are left, and how long until the bucket is full. */
  standing(now: Instant): { readonly left: number; readonly fullIn: Duration } {
    this.#refill(now);
    return { left: Math.floor(this.#tokens), fullIn: seconds((this.#burst - this.#tokens) / this.#perSecond) };
  }

  /** Modifies state. Another rate from now on; what was taken stays taken. */
  change(perSecond: number, burst: number): void {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = Math.min(this.#tokens, burst);
  }

  #refill(now: Instant): void {
    const passed = micros(Math.max(0, now - this.#at));
    this.#tokens = Math.min(this.#burst, this.#tokens + (passed / 1e6) * this.#perSecond);
    this.#at = now;
  }
}
