import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  planTokens,
  TOKEN_SELECTORS,
  type ChunkPlan,
  type PlanSegment,
  type TokenFix,
  type TokenSelector,
} from './chunk-plan.js';
import { lowerPlan, type EngineAbilities } from './lower-plan.js';

const reuse = (start: number, fix: TokenFix | null, stopAfterLayers = 0): PlanSegment => ({
  ...{ kind: 'reuse', start, end: start + 10, chunk: `c${start}`, variant: `v${start}`, alternates: [] },
  ...{ fix, stopAfterLayers, expected: { recomputeShare: 0, impact: 0, overlap: 0 } },
});
const planOf = (segments: readonly PlanSegment[], overrides: Partial<ChunkPlan> = {}): ChunkPlan => {
  const start = segments.at(-1)?.end ?? 0;
  return {
    segments: [...segments, { kind: 'compute', start, end: start + 5, chunk: null }],
    requestFix: null,
    captures: [],
    lowered: [],
    ...overrides,
  };
};
const ALL: EngineAbilities = { nonPrefix: true, selectors: TOKEN_SELECTORS, layerStop: true };
const only = (...selectors: readonly TokenSelector[]): EngineAbilities => ({ ...ALL, selectors });

const LISTED: TokenFix = { selector: 'plan', tokens: [{ start: 2, end: 5 }] };

describe('lowering', () => {
  it('changes nothing that the engine can do', () => {
    const plan = planOf([reuse(0, LISTED, 3)]);
    expect(lowerPlan(plan, ALL)).toEqual(plan);
  });

  it('leaves prefix and compute segments alone to an engine that reuses prefixes only, and says so', () => {
    const prefix: PlanSegment = { kind: 'prefix', start: 0, end: 10, chunk: 'c', variant: 'v' };
    const lowered = lowerPlan(planOf([prefix, reuse(10, LISTED)]), { ...ALL, nonPrefix: false });
    expect(lowered.segments.map(({ kind }) => kind)).toEqual(['prefix', 'compute', 'compute']);
    expect(lowered.lowered).toEqual([{ segment: 1, from: 'reuse', to: 'compute' }]);
  });

  it('turns listed tokens into as many of the nearest rule', () => {
    const lowered = lowerPlan(planOf([reuse(0, LISTED)]), only('first', 'random'));
    expect(lowered.segments[0]).toMatchObject({ fix: { selector: 'first', countTokens: 3 } });
    expect(lowered.lowered).toEqual([{ segment: 0, from: 'plan', to: 'first' }]);
  });

  it('spreads a budget of the request equally when the engine knows nothing of the question', () => {
    const plan = planOf([reuse(0, null), reuse(10, null)], {
      requestFix: { selector: 'value', countTokens: 7, firstTokens: 0 },
    });
    expect(lowerPlan(plan, only('query')).requestFix).toMatchObject({ selector: 'query', countTokens: 7 });
    const lowered = lowerPlan(plan, only('first'));
    expect(lowered.requestFix).toBeNull();
    expect(lowered.segments.slice(0, 2).map((segment) => (segment.kind === 'reuse' ? segment.fix : null))).toEqual([
      { selector: 'first', countTokens: 4 },
      { selector: 'first', countTokens: 3 },
    ]);
  });

  it('computes what could not be repaired', () => {
    const lowered = lowerPlan(planOf([reuse(0, LISTED), reuse(10, null)]), only('random'));
    expect(lowered.segments.map(({ kind }) => kind)).toEqual(['compute', 'reuse', 'compute']);
  });

  it('recomputes all layers where the engine cannot stop', () => {
    const lowered = lowerPlan(planOf([reuse(0, LISTED, 4)]), { ...ALL, layerStop: false });
    expect(lowered.segments[0]).toMatchObject({ stopAfterLayers: 0 });
    expect(lowered.lowered).toEqual([{ segment: 0, from: 'stop after 4 layers', to: 'all layers' }]);
  });

  it('never computes less than was planned, for any engine', () => {
    const count = fc.integer({ min: 0, max: 10 });
    const fix = fc.oneof(
      fc.constant(null),
      count.map((end): TokenFix => ({ selector: 'plan', tokens: end === 0 ? [] : [{ start: 0, end }] })),
      fc.tuple(fc.constantFrom('first', 'inter', 'query', 'random'), count).map(([selector, countTokens]): TokenFix => {
        return { selector: selector as 'first', countTokens };
      }),
    );
    const abilities = fc.record({
      nonPrefix: fc.boolean(),
      layerStop: fc.boolean(),
      selectors: fc.subarray([...TOKEN_SELECTORS]),
    });
    fc.assert(
      fc.property(
        fc.array(fix, { maxLength: 4 }),
        abilities,
        fc.boolean(),
        count,
        (fixes, engine, isShared, budget) => {
          const segments = fixes.map((one, index) => reuse(10 * index, isShared ? null : one));
          const plan = planOf(segments, {
            requestFix:
              isShared && segments.length > 0 && budget > 0
                ? { selector: 'value', countTokens: budget, firstTokens: 0 }
                : null,
          });
          const lowered = lowerPlan(plan, engine);
          const work = (one: ChunkPlan): number => planTokens(one).computed + planTokens(one).recomputed;
          expect(work(lowered)).toBeGreaterThanOrEqual(work(plan));
          for (const segment of lowered.segments) {
            if (segment.kind !== 'reuse') continue;
            expect(engine.nonPrefix).toBe(true);
            const { fix: used } = segment;
            if (used !== null && planTokens({ segments: [segment], requestFix: null }).recomputed > 0) {
              expect(engine.selectors).toContain(used.selector);
            }
          }
          if (lowered.requestFix !== null) expect(engine.selectors).toContain(lowered.requestFix.selector);
        },
      ),
    );
  });
});
