import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ReplayDivergedError } from './errors.js';
import { ReplayAligner } from './replay.js';
import type { TurnDelta } from './turn-result.js';

/** One output cut into deltas; the text of a token is its letter. */
const cut = (letters: string, sizes: readonly number[]): TurnDelta[] => {
  const deltas: TurnDelta[] = [];
  let from = 0;
  for (const size of [...sizes, letters.length]) {
    const text = letters.slice(from, from + size);
    from += size;
    if (text !== '') {
      const tokenIds = Array.from(text, (letter) => letter.charCodeAt(0));
      deltas.push({ tokenIds, text, logprobs: tokenIds.map((id) => ({ logprob: -id, text: '', top: [] })) });
    }
  }
  return deltas;
};
const joined = (deltas: readonly TurnDelta[]): TurnDelta => ({
  tokenIds: deltas.flatMap(({ tokenIds }) => tokenIds),
  text: deltas.map(({ text }) => text).join(''),
  logprobs: deltas.flatMap(({ logprobs }) => logprobs ?? []),
});
const replayed = (handedOut: TurnDelta, replay: readonly TurnDelta[]): TurnDelta[] => {
  const aligner = new ReplayAligner(handedOut, 'r1');
  const fresh = replay.map((delta) => aligner.next(delta)).filter((delta) => delta !== undefined);
  aligner.finish();
  return fresh;
};

describe('a replay', () => {
  it('gives exactly what follows the output that was handed out, however either was cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{0,40}$/), fc.nat(40), sizes, (output, broke, replaySizes) => {
        const before = joined(cut(output.slice(0, broke), []));
        const fresh = joined(replayed(before, cut(output, replaySizes)));
        expect(fresh).toEqual(joined(cut(output.slice(broke), [])));
      }),
    );
  });

  it('gives text that came late although its token was handed out', () => {
    const fresh = replayed({ tokenIds: [7], text: '' }, [{ tokenIds: [7, 8], text: '€' }]);
    expect(fresh).toEqual([{ tokenIds: [8], text: '€' }]);
  });

  it('gives nothing for a delta that was handed out whole', () => {
    expect(
      new ReplayAligner({ tokenIds: [1, 2], text: 'ab' }, 'r1').next({ tokenIds: [1], text: 'a' }),
    ).toBeUndefined();
  });

  it.each<[string, TurnDelta[], string]>([
    ['another token', [{ tokenIds: [1, 9, 3], text: 'abc' }], '1'],
    ['other text', [{ tokenIds: [1, 2, 3], text: 'abX' }], '3'],
    ['an earlier end', [{ tokenIds: [1, 2], text: 'ab' }], '2'],
    ['no text', [{ tokenIds: [1, 2, 3], text: '' }], '3'],
  ])('with %s has diverged, and the error says where', (_, replay, tokenIndex) => {
    const run = (): unknown => replayed({ tokenIds: [1, 2, 3], text: 'abc' }, replay);
    expect(run).toThrow(ReplayDivergedError);
    expect(run).toThrow(expect.objectContaining({ metadata: { requestId: 'r1', handedOutTokens: '3', tokenIndex } }));
  });
});
