import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { durationFromProto, durationToProto, timestampFromProto, timestampToProto } from './time.js';

const anyMicros = fc.maxSafeInteger();

describe('times on the wire', () => {
  it.each([
    [0, 0n, 0],
    [1, 0n, 1_000],
    [-1, 0n, -1_000],
    [1_500_000, 1n, 500_000_000],
    [-1_500_000, -1n, -500_000_000],
    [Number.MAX_SAFE_INTEGER, 9_007_199_254n, 740_991_000],
  ])('a duration of %d microseconds is %s s and %d ns', (micros, seconds, nanos) => {
    expect(durationToProto(micros)).toEqual({ seconds, nanos });
  });

  it.each([
    [1_785_000_000_123_456, 1_785_000_000n, 123_456_000],
    [-1, -1n, 999_999_000],
  ])('an instant of %d microseconds is %s s and %d ns', (micros, seconds, nanos) => {
    expect(timestampToProto(micros)).toEqual({ seconds, nanos });
  });

  it('come back exactly', () => {
    fc.assert(
      fc.property(anyMicros, (micros) => {
        expect(durationFromProto(durationToProto(micros))).toBe(micros);
        expect(timestampFromProto(timestampToProto(micros))).toBe(micros);
      }),
    );
  });

  it('keep the sign rule of Duration: seconds and nanos never disagree', () => {
    fc.assert(
      fc.property(anyMicros, (micros) => {
        const { seconds, nanos } = durationToProto(micros);
        expect(seconds === 0n || nanos === 0 || seconds > 0n === nanos > 0).toBe(true);
        const timestamp = timestampToProto(micros);
        expect(timestamp.nanos >= 0 && timestamp.nanos < 1_000_000_000).toBe(true);
      }),
    );
  });

  it('round nanoseconds to the nearest microsecond', () => {
    expect(durationFromProto({ seconds: 0n, nanos: 1_499 })).toBe(1);
    expect(durationFromProto({ seconds: 0n, nanos: 1_500 })).toBe(2);
  });

  it.each([[0.5], [Number.NaN], [2 ** 53]])('refuse %d, naming it and what is allowed', (micros) => {
    expect(() => durationToProto(micros)).toThrow(RangeError);
    expect(() => timestampToProto(micros)).toThrow(/allowed: integer microseconds/);
  });

  it('refuse seconds that no message may carry', () => {
    expect(() => durationFromProto({ seconds: 2n ** 62n, nanos: 0 })).toThrow(
      /duration.seconds is 4611686018427387904/,
    );
  });
});
