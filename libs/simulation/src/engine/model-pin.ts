import type { Instant, PinTerms } from '@holdfast/scheduling';

/** A pin as others see it. */
export interface ModelPin {
  readonly programId: string;
  /** KV blocks under the pin: an unbroken prefix of the program's last finished request. */
  readonly blocks: number;
  /** Tokens in those blocks. */
  readonly tokens: number;
  readonly expiresAt: Instant;
  /** True: the blocks stay evictable, last of all. */
  readonly soft: boolean;
  /** Seconds of completion time saved per share of the pool; `null` is infinity. */
  readonly value: number | null;
}

/** Pure. Throws a RangeError that names the field, its value and what is allowed. */
export const validatePinTerms = (terms: PinTerms): void => {
  if (!Number.isInteger(terms.ttl) || terms.ttl < 1) {
    throw new RangeError(`pin ttl is ${terms.ttl}; allowed is an integer of at least 1 microsecond`);
  }
  if (terms.value !== null && Number.isNaN(terms.value)) {
    throw new RangeError('pin value is NaN; allowed is any number, or null for infinity');
  }
};
