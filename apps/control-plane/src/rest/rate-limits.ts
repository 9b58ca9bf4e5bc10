/** How many requests each caller may send: a token bucket a key, told in the standard headers. */
import { millis, toSeconds, type Instant } from '@holdfast/scheduling';
import type { Identity } from '../identity/identity.js';
import { rateLimited } from '../identity/identity-errors.js';
import { TokenBucket } from '../identity/token-bucket.js';

const MAX_CALLERS = 10_000;

/** See the file header. */
export class RateLimits {
  readonly #perSecond: number;
  readonly #wallNow: () => Instant;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: { readonly perSecond: number; readonly wallNow: () => Instant }) {
    this.#perSecond = options.perSecond;
    this.#wallNow = options.wallNow;
  }

  /**
   * Modifies state. Counts a request; `setHeader` gets RateLimit and RateLimit-Policy of
   * draft-ietf-httpapi-ratelimit-headers-10.
   *
   * @throws DomainError RATE_LIMITED.
   */
  take({ keyId, tenantId }: Identity, setHeader: (name: string, value: string) => void): void {
    const now = this.#wallNow();
    const bucket = this.#bucket(keyId ?? tenantId, now);
    const wait = bucket.take(now);
    const { left, fullIn } = bucket.standing(now);
    setHeader('ratelimit-policy', `"key";q=${this.#perSecond};w=1`);
    setHeader('ratelimit', `"key";r=${left};t=${Math.ceil(toSeconds(fullIn))}`);
    if (wait === null) return;
    const message = `more than ${this.#perSecond} requests a second came with this key; try again later`;
    throw rateLimited(message, wait < millis(1) ? millis(1) : wait);
  }

  #bucket(caller: string, now: Instant): TokenBucket {
    const bucket = this.#buckets.get(caller) ?? new TokenBucket(this.#perSecond, 2 * this.#perSecond, now);
    // The one used last is the last to go.
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= MAX_CALLERS) break;
      this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
