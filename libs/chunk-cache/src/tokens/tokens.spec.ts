import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseTokens, toBlocks, toRanges } from './choose-tokens.js';
import { findFocus } from './focused-chunks.js';
import { splitBudget } from './split-budget.js';

describe('the choice of tokens', () => {
  it('takes the first ones, then the highest scores, of equal ones the earlier', () => {
    const scores = [0, 1, 5, 5, 9, 5];
    expect(chooseTokens({ lengthTokens: 6, countTokens: 4, firstTokens: 1, scores })).toEqual([0, 2, 3, 4]);
  });

  it('as whole blocks takes those with most chosen tokens, and never fewer tokens', () => {
    expect(toBlocks([1, 5, 6, 7, 13], { blockTokens: 4, lengthTokens: 14 })).toEqual([{ start: 0, end: 8 }]);
    const offsets = fc.uniqueArray(fc.integer({ min: 0, max: 29 })).map((list) => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(offsets, fc.integer({ min: 1, max: 16 }), (chosen, blockTokens) => {
        const blocks = toBlocks(chosen, { blockTokens, lengthTokens: 30 });
        expect(blocks.reduce((sum, { start, end }) => sum + end - start, 0)).toBeGreaterThanOrEqual(chosen.length);
      }),
    );
  });

  it('as ranges is the same tokens', () => {
    expect(toRanges([0, 1, 2, 5, 7, 8])).toEqual([
      { start: 0, end: 3 },
      { start: 5, end: 6 },
      { start: 7, end: 9 },
    ]);
  });
});

describe('a budget over chunks', () => {
  it('goes by length and weight, what one cannot take to the others', () => {
    const claims = [
      { lengthTokens: 10, weight: 3 },
      { lengthTokens: 10, weight: 1 },
    ];
    expect(splitBudget(8, claims)).toEqual([6, 2]);
    expect(splitBudget(16, claims)).toEqual([10, 6]);
  });

  it('is spent to the token, for any claims', () => {
    const claim = fc.record({
      lengthTokens: fc.integer({ min: 0, max: 50 }),
      weight: fc.double({ min: 0, max: 5, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 8 }), fc.integer({ min: 0, max: 300 }), (claims, budget) => {
        const shares = splitBudget(budget, claims);
        const total = claims.reduce((sum, { lengthTokens }) => sum + lengthTokens, 0);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(Math.min(budget, total));
        for (const [index, share] of shares.entries()) expect(share).toBeLessThanOrEqual(claims[index]!.lengthTokens);
      }),
    );
  });
});

describe('focused chunks', () => {
  const rule = { leastLayers: 2, steadyLayers: 2, leastGap: 0.1 };

  it('are found when the same ones stand out for some layers', () => {
    expect(
      findFocus(
        [
          [1, 1, 1],
          [1, 5, 1],
          [1, 6, 1],
          [1, 6, 1],
        ],
        rule,
      ),
    ).toEqual({ stopAfterLayers: 3, focused: [1] });
  });

  it('are not found where none stands out', () => {
    expect(
      findFocus(
        [
          [1, 1, 1],
          [1, 1, 1],
          [1, 1, 1],
          [1, 1, 1],
        ],
        rule,
      ),
    ).toBeNull();
  });
});
