import { describe, expect, it } from '@jest/globals';
import { type EngineHints, instant, millis, seconds } from '@holdfast/scheduling';
import { decodeHintAnswer, decodeHints, encodeHintAnswer, encodeHints, longestTtlMs } from './hints.js';

const hints: EngineHints = {
  programId: 'program-7',
  turn: 3,
  programArrivedAt: instant(1_700_000_000_123_000),
  rank: 12,
  bid: 0.25,
  pin: { ttl: seconds(20), soft: false, value: 1.5 },
  isLast: false,
};

describe('encodeHints', () => {
  it('writes the documented JSON', () => {
    expect(JSON.parse(encodeHints(hints, 'request-1'))).toEqual({
      holdfast: {
        request: 'request-1',
        program: 'program-7',
        turn: 3,
        arrivalMs: 1_700_000_000_123,
        rank: 12,
        bid: 0.25,
        pin: { ttlMs: 20_000, soft: false, value: 1.5 },
        last: false,
      },
    });
  });

  it('writes an infinite value as "inf", since JSON has no infinity', () => {
    const json = encodeHints({ ...hints, pin: { ttl: millis(5), soft: true, value: null } }, 'request-1');
    expect(JSON.parse(json)).toMatchObject({ holdfast: { pin: { ttlMs: 5, soft: true, value: 'inf' } } });
  });

  it('rounds a lifetime up to whole milliseconds and keeps it within 32 bits', () => {
    const ttlMs = (micros: number): unknown =>
      (
        JSON.parse(
          encodeHints({ ...hints, pin: { ttl: instant(micros) as never, soft: false, value: 0 } }, 'request-1'),
        ) as {
          holdfast: { pin: { ttlMs: number } };
        }
      ).holdfast.pin.ttlMs;
    expect([ttlMs(0), ttlMs(1), ttlMs(1_001), ttlMs(Number.MAX_SAFE_INTEGER)]).toEqual([1, 1, 2, longestTtlMs]);
  });

  it.each([
    ['a priced pin', hints],
    ['an infinite pin', { ...hints, pin: { ttl: millis(7), soft: true, value: null } }],
    [
      'the last turn without a pin',
      { programId: 'p', turn: 0, programArrivedAt: instant(0), rank: 0, bid: 0, isLast: true },
    ],
  ])('survives the round trip: %s', (_name, given) => {
    expect(decodeHints(encodeHints(given, 'request-1'))).toEqual(given);
  });
});

describe('decodeHints', () => {
  it.each([
    undefined,
    '',
    'not json',
    '[]',
    'null',
    '{"holdfast":7}',
    '{"holdfast":{}}',
    '{"holdfast":{"program":""}}',
    '{"other":{}}',
  ])('reads no hints in %s', (json) => expect(decodeHints(json)).toBeUndefined());

  it('keeps the rest when the pin is malformed', () => {
    const json = '{"holdfast":{"program":"p","turn":"x","rank":4,"pin":{"ttlMs":-1}}}';
    expect(decodeHints(json)).toEqual({ programId: 'p', turn: 0, programArrivedAt: 0, rank: 4, bid: 0, isLast: false });
  });

  it('takes a pin without a value as infinite', () => {
    expect(decodeHints('{"holdfast":{"program":"p","pin":{"ttlMs":9}}}')?.pin).toEqual({
      ttl: millis(9),
      soft: false,
      value: null,
    });
  });
});

describe('decodeHintAnswer', () => {
  it('survives the round trip', () => {
    const answer = { pinnedBlocks: 4, pinnedTokens: 64, expiresInMs: 2_000, epoch: 'e1' };
    expect(decodeHintAnswer(encodeHintAnswer(answer))).toEqual(answer);
  });

  it('ignores keys it does not know', () => {
    expect(
      decodeHintAnswer('{"holdfast":{"pinnedBlocks":1,"pinnedTokens":16,"expiresInMs":5,"tier":"host"},"x":1}'),
    ).toEqual({
      pinnedBlocks: 1,
      pinnedTokens: 16,
      expiresInMs: 5,
      epoch: '',
    });
  });

  it.each([
    undefined,
    '}{',
    '{"holdfast":[1]}',
    '{"holdfast":{"pinnedTokens":"many","expiresInMs":5}}',
    '{"holdfast":{"pinnedBlocks":0,"pinnedTokens":0,"expiresInMs":0}}',
    '{"holdfast":{"pinnedBlocks":2,"pinnedTokens":32,"expiresInMs":-4}}',
  ])('reads no pin in %s', (json) => expect(decodeHintAnswer(json)).toBeUndefined());
});
