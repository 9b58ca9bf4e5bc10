import { describe, expect, it } from '@jest/globals';
import { instant, millis, seconds } from '../../model/units.js';
import { aProgram, aRetentionView, someEngine } from '../policy.fixture.js';
import { memoryPressure, p95Seconds, sagaRetention as policy, type SagaState } from './saga.js';

const observe = (state: SagaState, tool: string, milliseconds: number): SagaState => {
  const duration = millis(milliseconds);
  policy.observe(state, { type: 'toolCallEnded', program: aProgram(), tool, duration, inferred: false }, instant(0));
  return state;
};

const ttlOf = (state: SagaState, tool: string, engine = someEngine()): number =>
  policy.choose(state, aRetentionView({ tool, engine })).terms?.ttl ?? 0;

const full = someEngine({
  load: {
    freeBlocks: 100,
    evictableBlocks: 0,
    pinnedBlocks: 400,
    activeBlocks: 500,
    runningRequests: 9,
    waitingRequests: 9,
  },
});

describe("SAGA's TTL", () => {
  it('is 300 s for a tool that nothing is known of', () => {
    expect(ttlOf(policy.initialState(), 'bash')).toBe(seconds(300));
  });

  it('starts the published classes at their published 95th percentile', () => {
    expect(ttlOf(policy.initialState(), 'web') / 1_000).toBeCloseTo(4_500, 0);
    expect(ttlOf(policy.initialState(), 'file') / 1_000).toBeCloseTo(320, 0);
  });

  it('is, by hand, exp(mu + 1.6449 sigma) after one and after two calls', () => {
    // One call of 1,000 ms: mu = ln 1,000, var = 1: 1 s * e^1.6449 = 5.1805 s.
    const state = observe(policy.initialState(), 'bash', 1_000);
    expect(ttlOf(state, 'bash') / 1e6).toBeCloseTo(5.1805, 3);
    // One more of 1,000 ms: mu stays, var = 0.9, sigma = 0.94868: e^1.56049 = 4.7612 s.
    expect(ttlOf(observe(state, 'bash', 1_000), 'bash') / 1e6).toBeCloseTo(4.7612, 3);
  });

  it('moves mu before it measures the distance to it', () => {
    const state = observe(observe(policy.initialState(), 'bash', 1), 'bash', Math.E ** 10);
    // mu = 0.1 * 10 = 1, var = 0.9 + 0.1 * 81 = 9.
    expect(p95Seconds(state.byTool.get('bash')!) * 1_000).toBeCloseTo(Math.exp(1 + 1.6449 * 3), 1);
  });

  it('halves as memory fills, by the last report', () => {
    const state = observe(policy.initialState(), 'bash', 1_000);
    expect(memoryPressure(full)).toBe(1);
    expect(ttlOf(state, 'bash', full) * 2).toBeCloseTo(ttlOf(state, 'bash'), -1);
  });

  it('goes by the claims of live programs while there is no report', () => {
    // 16,000 tokens of pool: 12,800 claimed are 80 %, half-way from 70 to 90 %.
    expect(memoryPressure(someEngine({ homeTokens: 12_800 }))).toBeCloseTo(0.5, 9);
    expect(memoryPressure(someEngine({ homeTokens: 1_000_000 }))).toBe(1);
    expect(memoryPressure(someEngine({ homeTokens: 0 }))).toBe(0);
  });

  it('never exceeds 300 s, and a call of no time counts as 1 ms', () => {
    expect(ttlOf(observe(policy.initialState(), 'slow', 3_600_000), 'slow')).toBe(seconds(300));
    expect(observe(policy.initialState(), 'fast', 0).byTool.get('fast')).toEqual({ mu: 0, variance: 1 });
  });
});
