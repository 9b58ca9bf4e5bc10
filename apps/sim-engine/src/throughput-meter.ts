import type { Instant } from '@holdfast/scheduling';

const BUCKET_MICROS = 1_000_000;

/** Seconds a rate looks back. */
const WINDOW_BUCKETS = 10;

/** Output tokens per second of model time, over the last ten seconds. */
export class ThroughputMeter {
  private readonly tokens = new Float64Array(WINDOW_BUCKETS);
  private readonly buckets = new Float64Array(WINDOW_BUCKETS).fill(-1);

  /** Modifies state. */
  add(tokens: number, at: Instant): void {
    const bucket = Math.floor(at / BUCKET_MICROS);
    const slot = bucket % WINDOW_BUCKETS;
    if (this.buckets[slot] !== bucket) {
      this.buckets[slot] = bucket;
      this.tokens[slot] = 0;
    }
    this.tokens[slot] = (this.tokens[slot] ?? 0) + tokens;
  }

  /** Pure. */
  tokensPerSecond(now: Instant): number {
    const oldest = Math.floor(now / BUCKET_MICROS) - WINDOW_BUCKETS + 1;
    let total = 0;
    this.buckets.forEach((bucket, slot) => {
      if (bucket >= oldest) total += this.tokens[slot] ?? 0;
    });
    return total / WINDOW_BUCKETS;
  }
}
