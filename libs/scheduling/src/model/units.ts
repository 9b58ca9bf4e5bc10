/**
 * Time is an integer count of microseconds and always a value: the kernel has no clock.
 * Microseconds since 1970 stay below 2^53 until the year 2255, so plain numbers are exact.
 */
declare const instantBrand: unique symbol;
declare const durationBrand: unique symbol;

/** A point in time: integer microseconds since the Unix epoch (or since any fixed origin, in a simulation). */
export type Instant = number & { readonly [instantBrand]: true };

/** A length of time: integer microseconds. */
export type Duration = number & { readonly [durationBrand]: true };

/** Pure. Reads integer microseconds as an instant; rounds to the nearest microsecond. */
export const instant = (micros: number): Instant => Math.round(micros) as Instant;

/** Pure. Reads integer microseconds as a duration; rounds to the nearest microsecond. */
export const micros = (value: number): Duration => Math.round(value) as Duration;

/** Pure. */
export const millis = (value: number): Duration => micros(value * 1_000);

/** Pure. */
export const seconds = (value: number): Duration => micros(value * 1_000_000);

/** Pure. Seconds as a floating-point number, for formulas that the literature states in seconds. */
export const toSeconds = (duration: Duration): number => duration / 1_000_000;

/** Pure. Milliseconds, rounded up: a deadline may be late, never early. */
export const toMillisCeil = (duration: Duration): number => Math.ceil(duration / 1_000);

/** Pure. `start + length`. */
export const after = (start: Instant, length: Duration): Instant => (start + length) as Instant;

/** Pure. `end - start`; negative when `end` is earlier. */
export const between = (start: Instant, end: Instant): Duration => (end - start) as Duration;
