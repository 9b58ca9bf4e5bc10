import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { instant, seconds } from '../../model/units.js';
import { bestTtl, CONTINUUM_DEFAULTS, continuumRetention, memoryfulness, type ContinuumState } from './continuum.js';
import type { PolicyFact } from '../facts.js';
import { aProgram, aRetentionView, aTurn } from '../policy.fixture.js';
import type { RetentionView } from './retention-policy.js';

const policy = continuumRetention({ ...CONTINUUM_DEFAULTS, coldSamples: 3 });

const aView = (changes: Partial<RetentionView> = {}): RetentionView => aRetentionView(changes);

const NOW = instant(0);

const aRun = (wasEvicted: boolean): PolicyFact => ({
  type: 'turnRan', program: aProgram(), turn: aTurn(), wasEvicted, queueDelay: seconds(60), uncachedTokens: 100, outputTokens: 10,
}); // prettier-ignore

const stateWith = (durations: Readonly<Record<string, readonly number[]>>): ContinuumState => {
  const state = policy.initialState();
  for (const [tool, values] of Object.entries(durations)) {
    for (const value of values) {
      policy.observe(
        state,
        { type: 'toolCallEnded', program: aProgram(), tool, duration: seconds(value), inferred: false },
        NOW,
      );
    }
  }
  return state;
};

describe("Continuum's TTL", () => {
  it('is, by hand, the duration with the best P * benefit - tau', () => {
    // Benefit 4 s. 1 s: 0.5*4 - 1 = 1. 2 s: 0.75*4 - 2 = 1, a tie that keeps the smaller. 9 s: 4 - 9 < 0. With 40 s: 9 s wins with 31.
    expect(bestTtl(Float64Array.from([1, 1, 2, 9]), 4)).toEqual({ ttlSeconds: 1, hitProbability: 0.5 });
    expect(bestTtl(Float64Array.from([1, 1, 2, 9]), 40)).toEqual({ ttlSeconds: 9, hitProbability: 1 });
    expect(bestTtl(Float64Array.from([5]), 4)).toEqual({ ttlSeconds: 0, hitProbability: 0 });
  });

  it('is never beaten by another recorded duration', () => {
    const durations = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 200, noNaN: true }), (values, benefit) => {
        const sorted = Float64Array.from(values).sort();
        const reward = (tau: number): number =>
          (sorted.filter((value) => value <= tau).length / sorted.length) * benefit - tau;
        const { ttlSeconds } = bestTtl(sorted, benefit);
        for (const tau of sorted) expect(reward(ttlSeconds)).toBeGreaterThanOrEqual(Math.max(0, reward(tau)) - 1e-9);
      }),
    );
  });

  it('uses the tool once it has more than K samples, all tools before, a constant before that', () => {
    const distributionOf = (durations: Record<string, number[]>): unknown =>
      policy.choose(stateWith(durations), aView()).inputs['distribution'];
    expect(distributionOf({ bash: [1, 1, 1, 1] })).toBe('tool');
    expect(distributionOf({ bash: [1, 1, 1], grep: [1] })).toBe('all tools');
    expect(distributionOf({ bash: [1, 1, 1] })).toBe('none');
    expect(policy.choose(stateWith({}), aView()).terms?.ttl).toBe(seconds(2));
  });

  it('in a cold start by the formula is ln of the benefit, and nothing at or below one second', () => {
    const byFormula = continuumRetention({ ...CONTINUUM_DEFAULTS, coldStart: 'ln-b' });
    expect(byFormula.choose(byFormula.initialState(), aView()).terms?.ttl).toBe(seconds(Math.log(4)));
    expect(byFormula.choose(byFormula.initialState(), aView({ contextTokens: 900 })).terms).toBeNull();
  });

  it('takes the time to reload for that to compute again, where the engine has host memory and tells its speed', () => {
    const { engine } = aView();
    const host = { hostBlocks: 1_000, reloadSecondsPerToken: 0.0001 };
    const reloading = { ...engine, description: { ...engine.description, ...host } };
    const inputs = policy.choose(stateWith({}), aView({ engine: reloading })).inputs;
    expect(inputs['reloadSeconds']).toBeCloseTo(0.4);
    expect(policy.choose(stateWith({}), aView()).inputs['reloadSeconds']).toBeCloseTo(4);
  });

  it('grows with the queueing delay of turns that were evicted, and only of those', () => {
    const state = stateWith({ bash: [1, 6, 6, 6] });
    policy.observe(state, aRun(false), NOW);
    expect(policy.choose(state, aView({ contextTokens: 2_000 })).terms).toBeNull();
    policy.observe(state, aRun(true), NOW);
    expect(policy.choose(state, aView({ contextTokens: 2_000 }))).toMatchObject({
      terms: { ttl: seconds(6) },
      inputs: { queueDelaySeconds: 60, eta: 1, benefitSeconds: 62 },
    });
  });

  it('grows, with t=all, with the queueing delay of every turn', () => {
    const ofAll = continuumRetention({ ...CONTINUUM_DEFAULTS, t: 'all' });
    const state = ofAll.initialState();
    ofAll.observe(state, aRun(false), NOW);
    expect(ofAll.choose(state, aView()).inputs).toMatchObject({ queueDelaySeconds: 60 });
  });

  it('lets pins give way to any turn with guard=prose, the youngest program first as ever', () => {
    const byProse = continuumRetention({ ...CONTINUUM_DEFAULTS, guard: 'prose' });
    const { bid, terms } = byProse.choose(byProse.initialState(), aView({ moment: 'dispatch' }));
    expect(bid).toBeGreaterThan(terms?.value ?? Infinity);
    expect(policy.choose(policy.initialState(), aView({ moment: 'dispatch' })).bid).toBeUndefined();
  });

  it('at dispatch bridges the time until the tool is known', () => {
    expect(policy.choose(policy.initialState(), aView({ moment: 'dispatch' })).terms?.ttl).toBe(seconds(2));
  });

  it('gives pins a value that no bid exceeds, and a lower one to younger programs', () => {
    const valueOf = (arrivedAt: number): number =>
      policy.choose(policy.initialState(), aView({ program: aProgram({ arrivedAt: instant(arrivedAt) }) })).terms
        ?.value ?? 0;
    expect(valueOf(2_000_000)).toBeLessThan(valueOf(1_000_000));
    expect(valueOf(1.79e15)).toBeGreaterThan(1e15);
  });
});

describe('memoryfulness', () => {
  const after = (...programs: number[]): number => {
    const state = policy.initialState();
    for (const turns of programs)
      policy.observe(
        state,
        { type: 'programEnded', program: aProgram({ turnsFinished: turns }), completed: true },
        NOW,
      );
    return memoryfulness(state.pairs);
  };

  it('is 1 for programs of one length, and before there is data', () => {
    expect(after()).toBe(1);
    expect(after(1)).toBe(1);
    expect(after(6, 6, 6)).toBeCloseTo(1, 12);
  });

  it('falls as lengths scatter', () => {
    expect(after(2, 30)).toBeLessThan(after(10, 12));
  });
});
