import type { Duration } from './generated/google/protobuf/duration.js';
import type { Timestamp } from './generated/google/protobuf/timestamp.js';

const MICROS_PER_SECOND = 1_000_000;
const NANOS_PER_MICRO = 1_000;

/** `google.protobuf.Duration` and `Timestamp` bound the seconds of both to this (years 1 to 9999). */
const MAX_SECONDS = 315_576_000_000;

/**
 * Pure. Integer microseconds as a `google.protobuf.Duration`. A negative duration has negative seconds and negative
 * nanos, as the message requires.
 *
 * @throws RangeError when `durationMicros` is not a safe integer.
 */
export const durationToProto = (durationMicros: number): Duration => {
  requireSafeMicros('durationMicros', durationMicros);
  const seconds = Math.trunc(durationMicros / MICROS_PER_SECOND);
  // `+ 0` turns -0 into 0.
  return { seconds: BigInt(seconds), nanos: (durationMicros - seconds * MICROS_PER_SECOND) * NANOS_PER_MICRO + 0 };
};

/**
 * Pure. A `google.protobuf.Duration` as integer microseconds; nanoseconds are rounded to the nearest microsecond.
 *
 * @throws RangeError when the result is not a safe integer (more than about 285 years).
 */
export const durationFromProto = (duration: Duration): number => toMicros('duration', duration);

/**
 * Pure. Integer microseconds since the Unix epoch as a `google.protobuf.Timestamp`. Nanos are never negative, as the
 * message requires, also before 1970.
 *
 * @throws RangeError when `instantMicros` is not a safe integer.
 */
export const timestampToProto = (instantMicros: number): Timestamp => {
  requireSafeMicros('instantMicros', instantMicros);
  const seconds = Math.floor(instantMicros / MICROS_PER_SECOND);
  return { seconds: BigInt(seconds), nanos: (instantMicros - seconds * MICROS_PER_SECOND) * NANOS_PER_MICRO };
};

/**
 * Pure. A `google.protobuf.Timestamp` as integer microseconds since the Unix epoch; nanoseconds are rounded to the
 * nearest microsecond.
 *
 * @throws RangeError when the result is not a safe integer.
 */
export const timestampFromProto = (timestamp: Timestamp): number => toMicros('timestamp', timestamp);

const toMicros = (field: string, value: { readonly seconds: bigint; readonly nanos: number }): number => {
  const seconds = Number(value.seconds);
  if (Math.abs(seconds) > MAX_SECONDS) {
    throw new RangeError(`${field}.seconds is ${value.seconds}; allowed: -${MAX_SECONDS} to ${MAX_SECONDS}`);
  }
  const result = seconds * MICROS_PER_SECOND + Math.round(value.nanos / NANOS_PER_MICRO);
  requireSafeMicros(field, result);
  return result;
};

const requireSafeMicros = (field: string, value: number): void => {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`${field} is ${value}; allowed: integer microseconds below 2^53`);
  }
};
