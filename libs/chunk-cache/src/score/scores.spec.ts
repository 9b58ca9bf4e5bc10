import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { preloadDepth } from '../plan/preload-depth.js';
import { contextDistance } from './context-distance.js';
import { contextImpact } from './context-impact.js';
import { contextOverlap } from './context-overlap.js';
import { recomputeShare, tokensOfShare, type ScoredContext, type ShareForm } from './recompute-share.js';

const OLD: ScoredContext<string> = {
  chunks: [
    { id: 'A', inter: 1 },
    { id: 'B', inter: 2 },
    { id: 'C', inter: 1 },
  ],
  intra: 4,
  impact: 0.8,
};
const EMPTY: ScoredContext<string> = { chunks: [], intra: 4, impact: 0.5 };
const PAPER: ShareForm = { kind: 'paper', alpha: 0.6, emptyContext: 'full' };
const SYMMETRIC: ShareForm = { kind: 'symmetric', alpha: 1 };

describe('the scores of a variant that was stored behind A, B, C', () => {
  it.each([
    { now: 'ABC', beta: 1, shared: 3, penalty: 0, adjusted: 1 },
    { now: 'ADBC', beta: 1, shared: 3, penalty: 0, adjusted: 1 },
    { now: 'BAD', beta: 3 / 4, shared: 2, penalty: 1, adjusted: 0 },
    { now: 'BAC', beta: 1, shared: 3, penalty: 1 / 3, adjusted: 2 / 3 },
    { now: 'C', beta: 1 / 4, shared: 1, penalty: 0, adjusted: 1 / 4 },
    { now: 'DE', beta: 0, shared: 0, penalty: 0, adjusted: 0 },
  ])('behind $now: beta $beta, order penalty $penalty', ({ now, beta, shared, penalty, adjusted }) => {
    const overlap = contextOverlap(OLD.chunks, [...now]);
    expect(overlap.beta).toBeCloseTo(beta, 12);
    expect(overlap.sharedChunks).toBe(shared);
    expect(overlap.orderPenalty).toBeCloseTo(penalty, 12);
    expect(overlap.adjustedBeta).toBeCloseTo(adjusted, 12);
    expect(recomputeShare(OLD, [...now], PAPER)).toBeCloseTo(0.6 * 0.8 * (1 - adjusted), 12);
  });

  it('in the symmetric form only the same chunks in the same order are free', () => {
    expect(contextDistance(OLD, [...'ABC'])).toBe(0);
    const distances = ['ADBC', 'BAD', 'BAC', 'C'].map((now) => contextDistance(OLD, [...now]));
    expect(Math.min(...distances)).toBeGreaterThan(0);
    expect(contextDistance(OLD, [...'DE'])).toBeGreaterThan(Math.max(...distances));
  });

  it('a variant without a context is free behind a chunk in the open form alone', () => {
    expect(recomputeShare(EMPTY, ['A'], PAPER)).toBe(0);
    expect(recomputeShare(EMPTY, ['A'], { ...PAPER, emptyContext: 'none' })).toBeCloseTo(0.3, 12);
    expect(recomputeShare(EMPTY, ['A'], SYMMETRIC)).toBeGreaterThan(0);
    for (const form of [PAPER, SYMMETRIC]) expect(recomputeShare(EMPTY, [], form)).toBe(0);
  });
});

describe('CCI, N and the preload depth', () => {
  it('without attention to earlier chunks CCI is 0.5 or 0', () => {
    expect(contextImpact({ inter: 0, intra: 0.1 }, 'sigmoid')).toBe(0.5);
    expect(contextImpact({ inter: 0, intra: 0.1 }, 'ratio')).toBe(0);
  });

  it('CCI stays in its range, for any densities', () => {
    const density = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(density, density, (inter, intra) => {
        const sigmoid = contextImpact({ inter, intra }, 'sigmoid');
        const ratio = contextImpact({ inter, intra }, 'ratio');
        expect(sigmoid >= 0.5 && sigmoid < 1).toBe(true);
        expect(ratio >= 0 && ratio < 1).toBe(true);
      }),
    );
  });

  it('N is the share rounded up, and loading starts so deep that computing never waits', () => {
    expect([tokensOfShare(0.3, 10), tokensOfShare(0.31, 10), tokensOfShare(0, 10), tokensOfShare(1, 7)]).toEqual([
      3, 4, 0, 7,
    ]);
    expect(preloadDepth({ layers: 32, loadMicros: 2, computeMicros: 1 })).toBe(17);
    expect(preloadDepth({ layers: 32, loadMicros: 1, computeMicros: 1 })).toBe(1);
  });
});

describe('any two contexts', () => {
  const ids = fc.uniqueArray(fc.integer({ min: 0, max: 8 }), { maxLength: 6 });
  const context = fc.record({
    chunks: ids.chain((list) =>
      fc.tuple(
        ...list.map((id) => fc.record({ id: fc.constant(id), inter: fc.double({ min: 0, max: 9, noNaN: true }) })),
      ),
    ),
    intra: fc.double({ min: 0.01, max: 9, noNaN: true }),
    impact: fc.double({ min: 0, max: 1, noNaN: true }),
  });

  it('give a share from 0 to 1 that falls when the overlap rises', () => {
    fc.assert(
      fc.property(context, ids, ids, fc.double({ min: 0, max: 3, noNaN: true }), (old, one, other, alpha) => {
        const paper: ShareForm = { kind: 'paper', alpha, emptyContext: 'full' };
        const [a, b] = [recomputeShare(old, one, paper), recomputeShare(old, other, paper)];
        for (const share of [a, b, recomputeShare(old, one, { kind: 'symmetric', alpha })]) {
          expect(share >= 0 && share <= 1).toBe(true);
        }
        const overlaps = [one, other].map((now) => contextOverlap(old.chunks, now).adjustedBeta);
        if (overlaps[0]! > overlaps[1]!) expect(a).toBeLessThanOrEqual(b);
      }),
    );
  });
});
